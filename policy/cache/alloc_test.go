package cache_test

import (
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/policy/cache"
	"github.com/sluiceapi/sluice/sluicetest"
)

// hit is one request that is answered from memory, in an exchange that is used again and again.
func hit(t testing.TB, o build.Options, block string) func() {
	o.Kinds = []sluice.Kind{cache.Kind, sluicetest.HandlerKind(map[string]sluice.Handler{
		"h": says(strings.Repeat("x", 1000), "content-type: application/json", "vary: accept-language"),
	})}
	h := sluicetest.NodeWith(t, o, strings.Split(configText(block), "  w:\n")[0])
	sample := sluicetest.Exchange(t, "GET /e/1?b=2&a=1", "", "accept: */*", "accept-language: en", "user-agent: test")
	x := sluice.NewExchange(nil)
	return func() {
		x.Reset(nil)
		r, s := &x.Request, &sample.Request
		r.Method, r.Scheme, r.Host, r.Path, r.Query = s.Method, s.Scheme, s.Host, s.Path, s.Query
		for _, f := range s.Header.Fields() {
			r.Header.AddBytes(f.Name, f.Value)
		}
		if err := h.Serve(x); err != nil {
			t.Fatal(err)
		}
		x.End(sluice.Outcome{})
	}
}

func TestHitAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget")
	}
	for _, block := range []string{"1h", tagged} {
		one := hit(t, build.Options{}, block)
		one()
		one()
		if n := testing.AllocsPerRun(1000, one); n > 0 {
			t.Errorf("%s: a hit allocates %v times, want 0", block, n)
		}
	}
}

func BenchmarkHit(b *testing.B) {
	for name, block := range map[string]string{"plain": "1h", "tags": `{ttl: 1h, tags: ["e:{id}", all]}`} {
		b.Run(name, func(b *testing.B) {
			one := hit(b, build.Options{}, block)
			b.ReportAllocs()
			for b.Loop() {
				one()
			}
		})
	}
}
