package cache

import "github.com/sluiceapi/sluice"

// series are the metrics of one cache.
type series struct {
	hits, stale, misses, collapsed, bypassed sluice.Counter
	stored, refreshes, failures, storeErrors sluice.Counter
}

func newSeries(m sluice.Metrics, ep *sluice.Endpoint) *series {
	endpoint := sluice.Label{Name: "endpoint", Value: ep.Name}
	asked := func(result string) sluice.Counter {
		return m.Counter("sluice_cache_requests_total", "Requests to a cache, by where the answer came from.", endpoint, sluice.Label{Name: "result", Value: result})
	}
	return &series{
		hits: asked("hit"), stale: asked("stale"), misses: asked("miss"), collapsed: asked("collapsed"), bypassed: asked("bypass"),
		stored:      m.Counter("sluice_cache_stored_total", "Answers that were kept.", endpoint),
		refreshes:   m.Counter("sluice_cache_refreshes_total", "Answers that were fetched anew in the background.", endpoint),
		failures:    m.Counter("sluice_cache_refresh_failures_total", "Background fetches that brought nothing to keep.", endpoint),
		storeErrors: m.Counter("sluice_cache_store_errors_total", "Failures to reach what nodes share; the backend was asked instead.", endpoint),
	}
}
