package tag

import "github.com/sluiceapi/sluice"

// series are the metrics of tags.
type series struct {
	purges, lost, errors sluice.Counter
	lag                  sluice.Histogram
}

func newSeries(m sluice.Metrics, g *Tags) series {
	m.Gauge("sluice_cache_purges_waiting", "Purges that have not reached what nodes share.", func() float64 {
		g.mu.Lock()
		defer g.mu.Unlock()
		return float64(len(g.retries))
	})
	return series{
		purges: m.Counter("sluice_cache_purges_total", "Purges of cached answers that this node has made."),
		lost:   m.Counter("sluice_cache_purges_lost_total", "Purges that never reached what nodes share."),
		errors: m.Counter("sluice_cache_tag_errors_total", "Failures to ask what nodes share about tags."),
		lag:    m.Histogram("sluice_cache_purge_lag_seconds", "Time from a purge until this node has read of it, by the clocks of both."),
	}
}

// failed counts a failure of the store.
func (s *series) failed() { s.errors.Add(1) }
