package standard_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/observe"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/sluicetest/issuer"
	"github.com/sluiceapi/sluice/standard"
)

const chainConfig = `
sluice: 1
every_request:
  - rate_limit: {rate: 1000000000/s}
policies:
  signed_in:
    - jwt: {issuer: %[1]q, audience: shop, keys: %[2]q}
    - rate_limit: {rate: 1000000000/s, by: caller}
endpoints:
  plain:
    route: GET /plain/{id}
    static: {json: {name: shop, version: 3}}
  signed:
    route: GET /signed/{id}
    policies:
      - use: signed_in
    static: {json: {name: shop, version: 3}}
  cached:
    route: GET /cached/{id}
    policies:
      - cache: 1h
    static: {json: {name: shop, version: 3}}
  dressed:
    route: GET /dressed/{id}
    input:
      id: {type: integer, min: 1}
      q: {in: query, max: 10}
    policies:
      - ip_filter: {deny: [198.51.100.0/24]}
      - timeout: 5s
      - cors: ["*"]
      - body_limit: 1MB
      - compress
      - headers: {response: {set: {x-frame-options: deny}}}
    static: {json: {name: shop, version: 3}}
  limited:
    route: GET /limited
    policies:
      - rate_limit: {rate: 1/h}
    static: {json: {name: shop, version: 3}}
`

// chainOptions say what is told of the exchanges of a chain.
type chainOptions struct {
	metrics bool
	// sample is the share of traces; below zero there are none.
	sample float64
	log    bool
}

// chain is a node of a config with the stock kinds, whose exchanges come as an engine makes them.
type chain struct {
	handler sluice.Handler
	issuer  *issuer.Issuer
}

func newChain(t testing.TB, o chainOptions) *chain {
	t.Helper()
	s, err := issuer.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	ready := make(chan struct{}, 8)
	options := build.Options{Kinds: standard.Kinds(), Log: slog.New(slog.DiscardHandler),
		Hold: func(string) func() { return func() { ready <- struct{}{} } }}
	if o.metrics {
		told := observe.Options{Log: options.Log, Metrics: observe.NewMetrics(), Format: observe.JSON, Now: sluice.NewClock()}
		if o.sample >= 0 {
			told.Traces = observe.Traces{Endpoint: collector(t), Sample: o.sample, Service: "chain"}
		}
		if o.log {
			told.AccessLog = io.Discard
		}
		observer, err := observe.New(told)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = observer.Close(t.Context()) })
		options.Metrics, options.Observe = told.Metrics, observer.Handler
	}
	var nodes build.Switch
	nodes.Swap(sluicetest.NodeWith(t, options, fmt.Sprintf(chainConfig, s.Name(), s.KeysURL())))
	<-ready
	return &chain{handler: &nodes, issuer: s}
}

// collector takes traces and forgets them.
func collector(t testing.TB) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(s.Close)
	return s.URL + "/v1/traces"
}

// serves is a function that serves one request after the other in an exchange that is used again, with the bytes of the
// request borrowed, as an engine does. The answer must have that status.
func (c *chain) serves(t testing.TB, path string, status int, fields ...string) func() {
	var all []sluice.Field
	for _, f := range append([]string{"User-Agent: wrk/4.1.0", "Accept: */*", "Accept-Encoding: gzip", "X-Tenant: a"}, fields...) {
		name, value, _ := strings.Cut(f, ": ")
		all = append(all, sluice.Field{Name: []byte(name), Value: []byte(value)})
	}
	host, target, remote := []byte("shop.example.org"), []byte(path), netip.MustParseAddrPort("192.0.2.1:4711")
	x := sluice.NewExchange(nil)
	return func() {
		x.Reset(nil)
		x.Start = time.Now()
		x.Deadline = x.Start.Add(time.Minute)
		r := &x.Request
		r.Method, r.Scheme, r.Proto, r.Host, r.Path, r.Remote = "GET", "http", "HTTP/1.1", host, target, remote
		for _, f := range all {
			r.Header.AddBytes(f.Name, f.Value)
		}
		o := sluice.Outcome{Err: c.handler.Serve(x)}
		switch {
		case o.Err != nil:
			o.Status = sluice.ErrorOf(o.Err).Code.Status()
		default:
			o.Status, o.Sent = max(200, x.Response.Status), x.Response.Body.Len()
		}
		if o.Status != status {
			t.Fatalf("%s: status %d, %v; want %d", path, o.Status, o.Err, status)
		}
		x.End(o)
	}
}

// all are the requests that cost next to nothing.
func (c *chain) all(t testing.TB) map[string]func() {
	token := "Authorization: Bearer " + c.issuer.Token(c.issuer.Claims("shop", "ann"))
	return map[string]func(){
		"plain":        c.serves(t, "/plain/17", 200),
		"signed":       c.serves(t, "/signed/17", 200, token),
		"hit":          c.serves(t, "/cached/17", 200),
		"dressed":      c.serves(t, "/dressed/17", 200, "Origin: https://example.org"),
		"no token":     c.serves(t, "/signed/17", 401),
		"over limit":   c.serves(t, "/limited", 429),
		"unknown path": c.serves(t, "/unknown/17", 404),
	}
}

// spend uses up what the limit of one endpoint lets through.
func (c *chain) spend(t testing.TB) { c.serves(t, "/limited", 200)() }

// Neither what is let through nor what is refused costs memory, whatever is told of it. What is sampled does.
func TestChainAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget")
	}
	for name, o := range map[string]chainOptions{
		"untold":                  {},
		"metrics":                 {metrics: true, sample: -1},
		"metrics, traces":         {metrics: true},
		"metrics, log":            {metrics: true, sample: -1, log: true},
		"metrics, traces and log": {metrics: true, log: true},
	} {
		c := newChain(t, o)
		c.spend(t)
		for request, one := range c.all(t) {
			for range 100 {
				one()
			}
			if n := testing.AllocsPerRun(1000, one); n > 0 {
				t.Errorf("%s, %s: %v allocations, want none", name, request, n)
			}
		}
	}
}

// BenchmarkChain is what an exchange costs from where an engine hands it over to its end: first with nothing told of it,
// then as a gateway has it.
func BenchmarkChain(b *testing.B) {
	nothing := (&chain{handler: sluice.HandlerFunc(func(*sluice.Exchange) error { return nil })}).serves(b, "/", 200)
	b.Run("nothing", func(b *testing.B) { // what the exchange itself costs, which is in all others
		for b.Loop() {
			nothing()
		}
	})
	for _, told := range []struct {
		name string
		o    chainOptions
	}{
		{"untold", chainOptions{sample: -1}},
		{"metrics", chainOptions{metrics: true, sample: -1}},
		{"traces", chainOptions{metrics: true, sample: 0.01}},
		{"log", chainOptions{metrics: true, sample: 0.01, log: true}},
	} {
		c := newChain(b, told.o)
		c.spend(b)
		all := c.all(b)
		for _, request := range []string{"plain", "signed", "hit", "dressed", "no token", "over limit", "unknown path"} {
			b.Run(told.name+"/"+strings.ReplaceAll(request, " ", "_"), func(b *testing.B) {
				one, n := all[request], 0
				b.ReportAllocs()
				for b.Loop() {
					if one(); n%64 == 0 {
						runtime.Gosched() // an engine that waits for its sockets lets others run too
					}
					n++
				}
			})
		}
	}
}
