package upstream_test

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/upstream"
)

// clock is Env's clock, moved by the test.
type clock struct{ now atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.now.Store(time.Unix(1_700_000_000, 0).UnixNano())
	return c
}

func (c *clock) Now() time.Time { return time.Unix(0, c.now.Load()) }

// link is what the tests keep for a host.
type link struct{ address string }

// bench is open hosts, and what became of links.
type bench struct {
	*upstream.Hosts[*link]
	clock *clock
	env   *sluice.Env

	mu     sync.Mutex
	closed []string
	gone   chan string
}

// setup opens the hosts of a spec, whose Link and Close are the bench's own.
func setup(t *testing.T, s upstream.Spec[*link]) *bench {
	t.Helper()
	b := &bench{clock: newClock(), gone: make(chan string, 100)}
	b.env = &sluice.Env{Name: "shop", Log: slog.New(slog.DiscardHandler), Metrics: sluice.NoMetrics{}, Now: b.clock.Now}
	s.Link = func(h *upstream.Host[*link]) *link { return &link{h.Address} }
	s.Close = func(h *upstream.Host[*link]) {
		b.mu.Lock()
		b.closed = append(b.closed, h.Link.address)
		b.mu.Unlock()
		b.gone <- h.Link.address
	}
	hosts, err := upstream.Open(b.env, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.env.Close)
	b.Hosts = hosts
	return b
}

// targets are n addresses.
func targets(n int) (all []upstream.Target) {
	for i := range n {
		all = append(all, upstream.Target{Name: "192.0.2." + string(rune('1'+i)), Port: 80})
	}
	return all
}

func spec(n int, change ...func(*upstream.Config)) upstream.Spec[*link] {
	s := upstream.Spec[*link]{Targets: targets(n), Config: upstream.Defaults()}
	for _, f := range change {
		f(&s.Config)
	}
	return s
}

// pick picks for an exchange of its own; the request is under way until Done.
func (b *bench) pick() *upstream.Host[*link] {
	return b.Pick(sluice.NewExchange(nil), b.clock.Now())
}

// ask picks, and tells what became of it; it returns the address.
func (b *bench) ask(fate func(address string) upstream.Outcome) string {
	h := b.pick()
	h.Heard(b.clock.Now(), fate(h.Address))
	h.Done()
	return h.Address
}
