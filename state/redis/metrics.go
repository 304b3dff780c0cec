package redis

import (
	"time"

	"github.com/sluiceapi/sluice"
)

// metrics are what is told of Redis.
type metrics struct {
	take, count, values, notify operation
	lost                        sluice.Counter // times that notices may have been lost
}

// operation is one sort of call.
type operation struct {
	took   sluice.Histogram
	failed sluice.Counter
}

func newMetrics(m sluice.Metrics, s *State) metrics {
	of := func(name string) operation {
		label := sluice.Label{Name: "operation", Value: name}
		return operation{
			took:   m.Histogram("sluice_redis_duration_seconds", "Time that callers waited for Redis, or for it to be given up", label),
			failed: m.Counter("sluice_redis_errors_total", "Calls to Redis that failed, those that were not made because it is away too", label),
		}
	}
	m.Gauge("sluice_redis_up", "1 while Redis answers, 0 while it is not asked", func() float64 {
		if s.gate.Load() == nil {
			return 0
		}
		return 1
	})
	return metrics{
		take: of("take"), count: of("count"), values: of("values"), notify: of("notify"),
		lost: m.Counter("sluice_redis_resubscribes_total", "Times that the connection for notices was made anew, after which some may be lost"),
	}
}

func (o *operation) tell(took time.Duration, err error) {
	if err != nil {
		o.failed.Add(1)
	}
	if err != errAway {
		o.took.Observe(took)
	}
}
