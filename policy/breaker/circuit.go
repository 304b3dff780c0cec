package breaker

import (
	"log/slog"
	"sync"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/internal/window"
)

// state is what a circuit does with requests.
type state uint8

const (
	closed   state = iota // all go on
	halfOpen              // a few go on, to try
	open                  // all are refused
)

// outcome is what a request says of what stands below.
type outcome uint8

const (
	nothing outcome = iota
	succeeded
	failed
)

// circuit decides for the requests of one endpoint. It may be used at once by many.
type circuit struct {
	config   Config
	log      *slog.Logger
	openings sluice.Counter

	mu     sync.Mutex // guards what follows
	state  state
	until  time.Time     // when an open circuit may be tried
	recent window.Window // requests, and failures among them, while it is closed
	// turn counts changes of the state: what is heard of a request that went on before the last one is old news.
	turn uint64
	// probing and passed are the requests that try now, and those that have succeeded, while it is half open.
	probing, passed int
}

func newCircuit(env *sluice.Env, c *Config, labels []sluice.Label) *circuit {
	b := &circuit{config: *c, log: env.Log, recent: window.New(c.Window),
		openings: env.Metrics.Counter("sluice_breaker_openings_total", "Times that a breaker has opened.", labels...)}
	env.Metrics.Gauge("sluice_breaker_open", "Whether a breaker refuses requests: 1 when it is open, 0.5 when some may try, 0 when it is closed.",
		b.openness, labels...)
	return b
}

func (b *circuit) openness() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return float64(b.state) / 2
}

// busyWait is what those are told who come while others try.
const busyWait = time.Second

// admit decides for a request: it goes on in a turn, or it is refused for some time.
func (b *circuit) admit(now time.Time) (turn uint64, s state, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == open {
		if wait = b.until.Sub(now); wait > 0 {
			return 0, open, wait
		}
		b.become(halfOpen)
	}
	if b.state == halfOpen {
		if b.probing+b.passed >= b.config.Probes {
			return 0, open, busyWait
		}
		b.probing++
	}
	return b.turn, b.state, 0
}

// heard takes what became of a request that went on in that turn: once for each.
func (b *circuit) heard(turn uint64, o outcome, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if turn != b.turn {
		return
	}
	if b.state == halfOpen {
		b.probing--
	}
	switch {
	case o == nothing:
	case b.state == halfOpen && o == failed:
		b.trip(now, "one of those that tried has failed")
	case b.state == halfOpen:
		if b.passed++; b.passed == b.config.Probes {
			b.become(closed)
			b.log.Info("a breaker is closed: requests go on again")
		}
	case o == succeeded:
		b.recent.Add(now, 1, 0)
	default:
		b.recent.Add(now, 1, 1)
		all, failures := b.recent.Sum(now)
		if all >= int64(b.config.Volume) && float64(failures) >= b.config.Rate.Of(float64(all)) {
			b.trip(now, "too many have failed")
		}
	}
}

// trip opens the circuit; mu is held.
func (b *circuit) trip(now time.Time, why string) {
	b.become(open)
	b.until = now.Add(b.config.Open)
	b.openings.Add(1)
	b.log.Warn("a breaker is open: requests are refused for a while", "why", why, "for", b.config.Open)
}

// become changes the state; mu is held.
func (b *circuit) become(s state) {
	b.state = s
	b.turn++
	b.probing, b.passed = 0, 0
	b.recent.Clear()
}
