package ratelimit_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/policy/ratelimit"
	"github.com/sluiceapi/sluice/state/memory"
)

// handler is the policy alone, on memory.
func handler(t testing.TB, rate sluice.Rate) sluice.Handler {
	t.Helper()
	block := ratelimit.Kind.NewUse().(*ratelimit.Config)
	block.Rate = rate
	if err := block.Check(); err != nil {
		t.Fatal(err)
	}
	s := memory.New(time.Now)
	policy, err := ratelimit.Kind.OpenPolicy(&sluice.Env{Path: "endpoints.a.policies[0].rate_limit", State: s, Local: s, Nodes: 1,
		Metrics: sluice.NoMetrics{}, Now: time.Now}, nil, block)
	if err != nil {
		t.Fatal(err)
	}
	return policy(sluice.HandlerFunc(func(*sluice.Exchange) error { return nil }))
}

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for what, rate := range map[string]sluice.Rate{"allowed": {Count: 1_000_000, Per: time.Second}, "refused": {Count: 1, Per: time.Minute}} {
		h := handler(t, rate)
		x := sluice.NewExchange(nil)
		client := netip.MustParseAddr("2001:db8::1")
		serve := func() {
			x.Reset(nil)
			x.Request.Client = client
			if err := h.Serve(x); (err == nil) != (what == "allowed") {
				t.Fatal(err)
			}
		}
		if what == "refused" {
			x.Request.Client = client
			if err := h.Serve(x); err != nil {
				t.Fatal(err)
			}
		}
		serve()
		if n := testing.AllocsPerRun(1000, serve); n != 0 {
			t.Errorf("%s: %v allocations, want none", what, n)
		}
	}
}

func BenchmarkAllowed(b *testing.B) {
	h := handler(b, sluice.Rate{Count: 1 << 30, Per: time.Second})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		x := sluice.NewExchange(nil)
		client := netip.MustParseAddr("192.0.2.1")
		for pb.Next() {
			x.Reset(nil)
			x.Request.Client = client
			h.Serve(x)
		}
	})
}
