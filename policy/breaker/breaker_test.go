package breaker_test

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/policy/breaker"
	"github.com/sluiceapi/sluice/sluicetest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	sluicetest.Policy(t, sluicetest.PolicyCase{Kind: breaker.Kind, Block: "breaker"})
}

// stage is a node of one endpoint behind a breaker, with a clock, and a backend that does what it is told.
type stage struct {
	t       testing.TB
	node    *build.Node
	options build.Options
	mu      sync.Mutex
	now     time.Time
	answer  sluice.HandlerFunc
	asked   int
}

const file = "sluice: 1\nendpoints:\n  a:\n    route: GET /a\n    policies:\n      - breaker: "

func setup(t testing.TB, block string) *stage {
	t.Helper()
	s := &stage{t: t, now: time.Unix(1_700_000_000, 0), answer: status(200)}
	backend := sluicetest.HandlerKind(map[string]sluice.Handler{"h": sluice.HandlerFunc(func(x *sluice.Exchange) error {
		s.mu.Lock()
		s.asked++
		h := s.answer
		s.mu.Unlock()
		return h(x)
	})})
	s.options = build.Options{Kinds: []sluice.Kind{breaker.Kind, backend}, Now: func() time.Time {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.now
	}}
	s.node = sluicetest.NodeWith(t, s.options, file+block+"\n    test_handler: {name: h}\n")
	return s
}

func status(code int) sluice.HandlerFunc {
	return func(x *sluice.Exchange) error { x.Response.Status = code; return nil }
}

func fails(err error) sluice.HandlerFunc {
	return func(*sluice.Exchange) error { return err }
}

func (s *stage) will(h sluice.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = h
}

func (s *stage) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// do sends so many requests and tells how many reached the backend, and the last answer.
func (s *stage) do(n int) (asked int, last sluicetest.Answer) {
	s.t.Helper()
	s.mu.Lock()
	before := s.asked
	s.mu.Unlock()
	for range n {
		last = sluicetest.Do(s.node, sluicetest.Exchange(s.t, "GET /a", ""))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked - before, last
}

func (s *stage) refuses(want time.Duration) {
	s.t.Helper()
	asked, a := s.do(1)
	if asked != 0 || a.Code != sluice.Unavailable || !errors.Is(a.Err, sluice.ErrRefused) {
		s.t.Fatalf("asked %d, got %v; want a refusal", asked, a.Err)
	}
	if after := sluice.ErrorOf(a.Err).RetryAfter; after != want {
		s.t.Errorf("to be tried again after %s, want %s", after, want)
	}
}

func (s *stage) goesOn(n int) {
	s.t.Helper()
	if asked, a := s.do(n); asked != n {
		s.t.Fatalf("%d of %d were asked, the last got %v; want that all go on", asked, n, a.Err)
	}
}

func TestOpensAndCloses(t *testing.T) {
	t.Parallel()
	s := setup(t, "{rate: 50%, volume: 10, window: 10s, open: 5s, probes: 2}")
	s.goesOn(5)
	s.will(status(503))
	s.goesOn(5) // half of ten have failed
	s.refuses(5 * time.Second)
	s.pass(2 * time.Second)
	s.refuses(3 * time.Second)
	s.pass(3 * time.Second)
	s.goesOn(1) // tries, and fails
	s.refuses(5 * time.Second)
	s.pass(5 * time.Second)
	s.will(status(200))
	s.goesOn(100)
	s.will(status(503))
	s.goesOn(9) // of the hundred 98 are counted: those that tried are not
	s.will(status(200))
	s.goesOn(1)
}

func TestVolume(t *testing.T) {
	t.Parallel()
	s := setup(t, "{rate: 50%, volume: 10, window: 10s}")
	s.will(status(500))
	s.goesOn(9)
	s.pass(10 * time.Second) // they are forgotten
	s.goesOn(10)
	s.refuses(5 * time.Second)
}

// What counts as a failure.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		h     sluice.HandlerFunc
		opens bool
	}{
		"200":         {status(200), false},
		"404":         {status(404), false},
		"429":         {status(429), false},
		"500":         {status(500), true},
		"501":         {status(501), false},
		"502":         {status(502), true},
		"503":         {status(503), true},
		"504":         {status(504), true},
		"internal":    {fails(errors.New("a bug")), true},
		"unavailable": {fails(&sluice.Error{Code: sluice.Unavailable}), true},
		"timeout":     {fails(&sluice.Error{Code: sluice.GatewayTimeout}), true},
		"conflict":    {fails(&sluice.Error{Code: sluice.Conflict}), false},
		"client left": {fails(&sluice.Error{Code: sluice.ClientLeft}), false},
		"slow upload": {fails(&sluice.Error{Code: sluice.RequestTimeout}), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t, "{rate: 100%, volume: 3}")
			s.will(c.h)
			s.goesOn(3)
			if c.opens {
				s.refuses(5 * time.Second)
			} else {
				s.goesOn(1)
			}
		})
	}
}

// No more than the probes go on at once, one that says nothing makes room for another, and what is heard of requests from
// before does not count.
func TestProbes(t *testing.T) {
	t.Parallel()
	s := setup(t, "{rate: 100%, volume: 1, open: 5s, probes: 2}")
	arrived, leave, leaveFirst := make(chan struct{}), make(chan error), make(chan error)
	held := func(from chan error) sluice.HandlerFunc {
		return func(*sluice.Exchange) error {
			arrived <- struct{}{}
			return <-from
		}
	}
	var running sync.WaitGroup
	start := func() {
		running.Go(func() { sluicetest.Do(s.node, sluicetest.Exchange(t, "GET /a", "")) })
		<-arrived
	}
	s.will(held(leaveFirst))
	start() // one from before
	s.will(status(500))
	s.goesOn(1)
	s.pass(5 * time.Second)
	s.will(held(leave))
	start()
	start()
	s.refuses(time.Second)
	leaveFirst <- errors.New("failed")
	leave <- &sluice.Error{Code: sluice.ClientLeft}
	leave <- &sluice.Error{Code: sluice.ClientLeft}
	running.Wait()
	s.will(status(200))
	s.goesOn(10)
}

// A panic is a failure, and does not leave a probe behind.
func TestPanic(t *testing.T) {
	t.Parallel()
	s := setup(t, "{rate: 100%, volume: 1, open: 5s, probes: 1}")
	s.will(status(500))
	s.goesOn(1)
	s.pass(5 * time.Second)
	s.will(func(*sluice.Exchange) error { panic("a bug") })
	func() {
		defer func() { recover() }()
		s.do(1)
	}()
	s.refuses(5 * time.Second)
	s.pass(5 * time.Second)
	s.will(status(200))
	s.goesOn(5)
}

// A reload keeps the state; endpoints that share a list have breakers of their own.
func TestState(t *testing.T) {
	t.Parallel()
	s := setup(t, "{rate: 100%, volume: 1}")
	s.will(status(500))
	s.goesOn(1)
	next, err := build.Make(sluicetest.Document(t, file+"{rate: 100%, volume: 1}\n    test_handler: {name: h}\n"), s.options, s.node)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(next.Retire)
	s.node = next
	s.refuses(5 * time.Second)

	s.node = sluicetest.NodeWith(t, s.options, "sluice: 1\nevery_endpoint:\n  - breaker: {rate: 100%, volume: 1}\nendpoints:\n"+
		"  a:\n    route: GET /a\n    test_handler: {name: h}\n  b:\n    route: GET /b\n    test_handler: {name: h}\n")
	s.goesOn(1)
	s.refuses(5 * time.Second)
	if a := sluicetest.Do(s.node, sluicetest.Exchange(t, "GET /b", "")); a.Err != nil || a.Status != 500 {
		t.Errorf("the other endpoint gets %d, %v; want its backend's answer", a.Status, a.Err)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for block, want := range map[string]string{
		"{rate: 0%}":    "above 0%",
		"{rate: 101%}":  "up to 100%",
		"{window: 1ms}": "100ms or more",
		"{open: 0s}":    "such as 5s",
		"{probes: 0}":   "probes",
	} {
		_, err := build.Make(sluicetest.Document(t, file+block+"\n    test_handler: {name: h}\n"), setup(t, "50%").options, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want a mistake that says %q", block, err, want)
		}
	}
	_, err := build.Make(sluicetest.Document(t, "sluice: 1\nevery_request:\n  - breaker\nendpoints: {}\n"), setup(t, "50%").options, nil)
	if err == nil || !strings.Contains(err.Error(), "for one endpoint") {
		t.Errorf("around the router: %v", err)
	}
}

func TestAllocations(t *testing.T) {
	block := breaker.Kind.NewUse()
	policy, err := breaker.Kind.OpenPolicy(&sluice.Env{Metrics: sluice.NoMetrics{}, Now: time.Now, Log: slog.New(slog.DiscardHandler)}, &sluice.Endpoint{Name: "a"}, block)
	if err != nil {
		t.Fatal(err)
	}
	h := policy(status(200))
	x := sluice.NewExchange(nil)
	if n := testing.AllocsPerRun(100, func() {
		x.Reset(nil)
		if err := h.Serve(x); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
