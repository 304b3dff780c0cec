package upstream

import "github.com/sluiceapi/sluice"

// series are what is measured of a target. Its addresses are counted together: those of a name come and go without end,
// and would be as many series.
type series struct{ picks, failures, ejections sluice.Counter }

func labels(env *sluice.Env, t Target) []sluice.Label {
	return []sluice.Label{{Name: "backend", Value: env.Name}, {Name: "host", Value: t.address()}}
}

func newSeries(env *sluice.Env, t Target) series {
	l := labels(env, t)
	return series{
		picks:     env.Metrics.Counter("sluice_upstream_picks_total", "Times that a host of an upstream was chosen for a request.", l...),
		failures:  env.Metrics.Counter("sluice_upstream_failures_total", "Requests to a host of an upstream that failed: no connection, no usable answer, or one by which it fails.", l...),
		ejections: env.Metrics.Counter("sluice_upstream_ejections_total", "Times that a host of an upstream was ejected for its failures.", l...),
	}
}

func (hs *Hosts[L]) measure(env *sluice.Env, target int) {
	l := labels(env, hs.spec.Targets[target])
	sum := func(of func(*Host[L]) float64) func() float64 {
		return func() (n float64) {
			for h := range hs.All() {
				if h.Target == target {
					n += of(h)
				}
			}
			return n
		}
	}
	env.Metrics.Gauge("sluice_upstream_hosts", "Addresses of a host of an upstream.", sum(func(*Host[L]) float64 { return 1 }), l...)
	env.Metrics.Gauge("sluice_upstream_healthy_hosts", "Addresses of a host of an upstream that are in service: not ejected, and well as far as is known.",
		sum(func(h *Host[L]) float64 {
			if h.until.Load() != 0 || h.sick.Load() {
				return 0
			}
			return 1
		}), l...)
	env.Metrics.Gauge("sluice_upstream_in_flight", "Requests under way at a host of an upstream.",
		sum(func(h *Host[L]) float64 { return float64(h.InFlight()) }), l...)
}
