package standard_test

import (
	"log/slog"
	"reflect"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/observe"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/standard"
)

// TestManual holds that every key of every kind has its entry in the manual.
func TestManual(t *testing.T) {
	t.Parallel()
	for _, k := range standard.Kinds() {
		for _, key := range config.Undocumented(&k) {
			t.Errorf("%s %s: the key %s has no comment", k.Role, k.Name, key)
		}
	}
}

// TestDefaults holds that a default stands in one place: in the block that the kind is made with, or in a tag where no
// such block reaches.
func TestDefaults(t *testing.T) {
	t.Parallel()
	for _, k := range standard.Kinds() {
		for _, block := range []any{k.NewUse(), k.NewWhere()} {
			if block != nil {
				wantNoDefaults(t, k.Name, reflect.TypeOf(block).Elem())
			}
		}
	}
}

func wantNoDefaults(t *testing.T, path string, block reflect.Type) {
	t.Helper()
	for f := range block.Fields() {
		if text, found := f.Tag.Lookup("default"); found {
			t.Errorf("%s.%s: the tag default:%q; want the value in the block that the kind is made with", path, f.Name, text)
		}
		if f.Type.Kind() == reflect.Struct {
			wantNoDefaults(t, path+"."+f.Name, f.Type)
		}
	}
}

const chain = `
	sluice: 1
	every_request:
		- ip_filter:
				deny: [192.0.2.128/25]
	every_endpoint:
		- timeout: 5s
		- cors: ["*"]
	endpoints:
		item:
			route: GET /api/items/{id}
			input:
				id:
					type: integer
					min: 1
				q:
					in: query
					max: 10
			policies:
				- body_limit: 1MB
				- compress
				- headers:
						response:
							set:
								x-frame-options: deny
			static:
				json:
					id: 7
					name: a plain answer
`

// node is the chain above with metrics, an access log that goes nowhere and traces off.
func node(t testing.TB) sluice.Handler {
	metrics := observe.NewMetrics()
	observer, err := observe.New(observe.Options{Log: slog.New(slog.DiscardHandler), Metrics: metrics, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	n, err := build.Make(sluicetest.Document(t, chain), build.Options{Kinds: standard.Kinds(), Metrics: metrics, Observe: observer.Handler}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var nodes build.Switch
	nodes.Swap(n)
	t.Cleanup(func() { nodes.Swap(nil) })
	return &nodes
}

// serve is one request from its arrival to its end, in an exchange that is used again and again.
func serve(t testing.TB, h sluice.Handler) func() {
	sample := sluicetest.Exchange(t, "GET /api/items/7?q=lamp", "", "accept: */*", "accept-encoding: gzip", "origin: https://example.org", "user-agent: test")
	x := sluice.NewExchange(nil)
	return func() {
		x.Reset(nil)
		r, s := &x.Request, &sample.Request
		r.Method, r.Scheme, r.Proto, r.Host, r.Path, r.Query, r.Remote = s.Method, s.Scheme, s.Proto, s.Host, s.Path, s.Query, s.Remote
		for _, f := range s.Header.Fields() {
			r.Header.AddBytes(f.Name, f.Value)
		}
		x.Start = time.Now()
		if err := h.Serve(x); err != nil {
			t.Fatal(err)
		}
		x.End(sluice.Outcome{Status: 200, Sent: x.Response.Body.Len()})
	}
}

func TestChainAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget")
	}
	one := serve(t, node(t))
	one()
	if n := testing.AllocsPerRun(1000, one); n > 0 {
		t.Errorf("a request allocates %v times on its way through router, policies and observe, want 0", n)
	}
}

// BenchmarkChain is what a request costs between the engine and the backend: front, observe, every_request, router,
// input checks, policies.
func BenchmarkChain(b *testing.B) {
	one := serve(b, node(b))
	b.ReportAllocs()
	for b.Loop() {
		one()
	}
}
