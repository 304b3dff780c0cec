package ratelimit_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/policy/ratelimit"
	"github.com/sluiceapi/sluice/sluicetest"
)

var ok = sluicetest.HandlerKind(map[string]sluice.Handler{"ok": sluice.HandlerFunc(func(x *sluice.Exchange) error {
	x.Response.Body.SetBytes([]byte("ok"))
	return nil
})})

var kinds = []sluice.Kind{ratelimit.Kind, sluicetest.CallerKind, ok}

// node makes a node of one endpoint, GET /a, with that entry in its list of policies.
func node(t testing.TB, entry string) *build.Node {
	t.Helper()
	return sluicetest.Node(t, "sluice: 1\nendpoints:\n  a:\n    route: GET /a\n    policies:\n      - "+entry+"\n    test_handler: {name: ok}\n", kinds...)
}

// from is a request of a client.
func from(t testing.TB, line, client string, fields ...string) *sluice.Exchange {
	t.Helper()
	x := sluicetest.Exchange(t, line, "", fields...)
	x.Request.Remote, x.Request.Client = netip.AddrPort{}, netip.Addr{}
	if client != "" {
		x.Request.Remote = netip.AddrPortFrom(netip.MustParseAddr(client), 4711)
	}
	return x
}

// through sends so many requests and counts those that are let through.
func through(t testing.TB, h sluice.Handler, n int, request func() *sluice.Exchange) (passed int) {
	t.Helper()
	for range n {
		switch a := sluicetest.Do(h, request()); {
		case a.Err == nil && a.Body == "ok":
			passed++
		case a.Code != sluice.RateLimited:
			t.Fatalf("error %v, want that the rate is exceeded", a.Err)
		}
	}
	return passed
}

func TestBurst(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]int{
		"rate_limit: 5/h":                                           5,
		"rate_limit: {rate: 5/h, burst: 0}":                         1,
		"rate_limit: {rate: 5/h, burst: 12}":                        13,
		"rate_limit: {rate: 5/d, algorithm: fixed_window}":          5,
		"rate_limit: {rate: 1/h, dry_run: true}":                    30,
		"rate_limit: {rate: 5/h, by: query.missing}":                5,
		"rate_limit: {rate: 5/h, by: [client_ip, header.x-tenant]}": 5,
	} {
		h := node(t, entry)
		if got := through(t, h, 30, func() *sluice.Exchange { return from(t, "GET /a", "192.0.2.1") }); got != want {
			t.Errorf("%s: %d of 30 are let through, want %d", entry, got, want)
		}
	}
}

// Requests that differ in what `by` names are counted apart, and others together.
func TestSubject(t *testing.T) {
	t.Parallel()
	type request struct{ line, client, field string }
	for _, c := range []struct {
		by       string
		together []request
		apart    []request // from the first of together
	}{
		{by: "client_ip",
			together: []request{{"GET /a", "192.0.2.1", ""}, {"GET /a?q=1", "192.0.2.1", "x-tenant: b"}, {"GET /a", "::ffff:192.0.2.1", ""}},
			apart:    []request{{"GET /a", "192.0.2.2", ""}, {"GET /a", "", ""}, {"GET /a", "2001:db8::", ""}}},
		{by: "client_ip",
			together: []request{{"GET /a", "2001:db8::1", ""}, {"GET /a", "2001:db8::ffff:1:2:3", ""}, {"GET /a", "2001:db8::1%eth0", ""}},
			apart:    []request{{"GET /a", "2001:db8:0:1::1", ""}, {"GET /a", "2001:db9::1", ""}}},
		{by: "header.x-tenant",
			together: []request{{"GET /a", "192.0.2.1", "x-tenant: a"}, {"GET /a", "192.0.2.2", "x-tenant: a"}},
			apart:    []request{{"GET /a", "192.0.2.1", "x-tenant: A"}, {"GET /a", "192.0.2.1", ""}, {"GET /a", "192.0.2.1", "x-tenant:"}}},
		{by: "query.key",
			together: []request{{"GET /a", "192.0.2.1", ""}, {"GET /a?other=1", "192.0.2.2", ""}},
			apart:    []request{{"GET /a?key=", "192.0.2.1", ""}, {"GET /a?key=-", "192.0.2.1", ""}}},
		{by: "[query.a, query.b]",
			together: []request{{"GET /a?a=1&b=2", "192.0.2.1", ""}, {"GET /a?b=2&a=%31", "192.0.2.1", ""}},
			apart:    []request{{"GET /a?a=12", "192.0.2.1", ""}, {"GET /a?a=12&b=", "192.0.2.1", ""}, {"GET /a?a=2&b=1", "192.0.2.1", ""}, {"GET /a?b=12", "192.0.2.1", ""}}},
	} {
		for _, other := range append(c.together, c.apart...) {
			h := node(t, "rate_limit: {rate: 1/h, by: "+c.by+"}")
			send := func(r request) bool {
				var fields []string
				if r.field != "" {
					fields = []string{r.field}
				}
				return sluicetest.Do(h, from(t, r.line, r.client, fields...)).Err == nil
			}
			first := c.together[0]
			if !send(first) {
				t.Fatalf("%s: %v is refused at first", c.by, first)
			}
			apart := false
			for _, r := range c.apart {
				apart = apart || r == other
			}
			if send(other) != apart {
				t.Errorf("%s: %v and %v are counted apart: %v, want %v", c.by, first, other, !apart, apart)
			}
		}
	}
}

// Each caller has a rate of its own, and callers of two issuers are two.
func TestCaller(t *testing.T) {
	t.Parallel()
	h := sluicetest.Node(t, `
		sluice: 1
		policies:
			limited:
				- rate_limit: {rate: 2/h, by: caller}
		endpoints:
			ada:
				route: GET /ada
				policies: [{test_caller: {subject: ada}}, {use: limited}]
				test_handler: {name: ok}
			ada_again:
				route: GET /ada/again
				policies: [{test_caller: {subject: ada}}, {use: limited}]
				test_handler: {name: ok}
			grace:
				route: GET /grace
				policies: [{test_caller: {subject: grace}}, {use: limited}]
				test_handler: {name: ok}
			other:
				route: GET /other
				policies: [{test_caller: {subject: ada, issuer: other}}, {use: limited}]
				test_handler: {name: ok}
	`, kinds...)
	for _, step := range []struct {
		line string
		want int
	}{{"GET /ada", 2}, {"GET /ada/again", 0}, {"GET /grace", 2}, {"GET /other", 2}} {
		if got := through(t, h, 3, func() *sluice.Exchange { return from(t, step.line, "192.0.2.1") }); got != step.want {
			t.Errorf("%s: %d of 3 are let through, want %d", step.line, got, step.want)
		}
	}
}

// One place in the config is one limit: a list that endpoints use, and every_endpoint, but not each endpoint's own.
func TestScope(t *testing.T) {
	t.Parallel()
	const text = `
		sluice: 1
		policies:
			shared:
				- rate_limit: 3/h
		endpoints:
			a:
				route: GET /a
				policies: [%s]
				test_handler: {name: ok}
			b:
				route: GET /b
				policies: [%s]
				test_handler: {name: ok}
	`
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"{use: shared}", "{use: shared}", 3},
		{"{rate_limit: 3/h}", "{rate_limit: 3/h}", 6},
		{"{rate_limit: {rate: 3/h, name: both}}", "{rate_limit: {rate: 3/h, name: both}}", 3},
		{"{use: shared}", "{rate_limit: 3/h}", 6},
	} {
		h := sluicetest.Node(t, fmt.Sprintf(text, c.a, c.b), kinds...)
		got := through(t, h, 10, func() *sluice.Exchange { return from(t, "GET /a", "192.0.2.1") }) +
			through(t, h, 10, func() *sluice.Exchange { return from(t, "GET /b", "192.0.2.1") })
		if got != c.want {
			t.Errorf("%s and %s: %d are let through, want %d", c.a, c.b, got, c.want)
		}
	}
	every := strings.Replace(fmt.Sprintf(text, "", ""), "endpoints:", "every_endpoint: [{rate_limit: 3/h}]\n\t\tevery_request: [{rate_limit: 8/h}]\n\t\tendpoints:", 1)
	h := sluicetest.Node(t, every, kinds...)
	for _, step := range []struct {
		line string
		want int
	}{{"GET /a", 2}, {"GET /b", 1}, {"GET /b", 0}} {
		if got := through(t, h, 2, func() *sluice.Exchange { return from(t, step.line, "192.0.2.1") }); got != step.want {
			t.Errorf("every_endpoint: %s: %d of 2, want %d", step.line, got, step.want)
		}
	}
}

// A reload keeps what was counted, also where the rate is another now.
func TestReload(t *testing.T) {
	t.Parallel()
	make := func(rate string, before *build.Node) *build.Node {
		doc := sluicetest.Document(t, `
			sluice: 1
			endpoints:
				a:
					route: GET /a
					policies: [{rate_limit: {rate: `+rate+`, name: kept}}]
					test_handler: {name: ok}
		`)
		n, err := build.Make(doc, build.Options{Kinds: kinds, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}, before)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.Retire)
		return n
	}
	request := func() *sluice.Exchange { return from(t, "GET /a", "192.0.2.1") }
	first := make("4/h", nil)
	if got := through(t, first, 3, request); got != 3 {
		t.Fatalf("%d of 3", got)
	}
	if got := through(t, make("4/h", first), 3, request); got != 1 {
		t.Errorf("%d are let through after a reload, want the one that was left", got)
	}
	if got := through(t, make("2/h", first), 3, request); got != 0 {
		t.Errorf("%d are let through with a lower rate, want none", got)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		entry   string
		allowed map[string]string
		refused map[string]string
		retry   time.Duration
	}{
		{"rate_limit: {rate: 2/m, burst: 0}",
			map[string]string{"ratelimit-policy": `"2/m";q=2;w=60`, "ratelimit": `"2/m";r=0;t=30`},
			map[string]string{"ratelimit-policy": `"2/m";q=2;w=60`, "ratelimit": `"2/m";r=0;t=30`}, 30 * time.Second},
		{"rate_limit: {rate: 1/90m, name: slow}",
			map[string]string{"ratelimit-policy": `"slow";q=1;w=5400`, "ratelimit": `"slow";r=0;t=5400`},
			map[string]string{"ratelimit": `"slow";r=0;t=5400`}, 90 * time.Minute},
		{"rate_limit: {rate: 1/500ms, headers: draft10}",
			map[string]string{"ratelimit-policy": `"1/500ms";q=2;w=1`, "ratelimit": `"1/500ms";r=0;t=1`}, nil, time.Second},
		{"rate_limit: {rate: 2/m, burst: 0, headers: legacy}",
			map[string]string{"ratelimit": "", "x-ratelimit-limit": "2", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "30"},
			map[string]string{"x-ratelimit-limit": "2", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "30"}, 30 * time.Second},
		{"rate_limit: {rate: 2/m, burst: 0, headers: none}",
			map[string]string{"ratelimit": "", "ratelimit-policy": "", "x-ratelimit-limit": ""}, map[string]string{"ratelimit": ""}, 30 * time.Second},
		{"rate_limit: {rate: 1/m, dry_run: true}",
			map[string]string{"ratelimit": "", "ratelimit-policy": ""}, nil, 0},
	} {
		h := node(t, c.entry)
		allowed := sluicetest.Do(h, from(t, "GET /a", "192.0.2.1"))
		if allowed.Err != nil {
			t.Fatal(allowed.Err)
		}
		compare(t, c.entry, allowed, c.allowed)
		if c.retry == 0 {
			continue
		}
		refused := sluicetest.Do(h, from(t, "GET /a", "192.0.2.1"))
		compare(t, c.entry, refused, c.refused)
		if e := sluice.ErrorOf(refused.Err); e.Code != sluice.RateLimited || e.RetryAfter != c.retry {
			t.Errorf("%s: %v after %s, want one to be tried again after %s", c.entry, e.Code, e.RetryAfter, c.retry)
		}
	}
}

// slow is a body that takes its time.
type slow struct {
	rest []byte
	pass func()
}

func (s *slow) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	s.pass()
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (*slow) Close(error) {}

// A limit goes by the time at which it is asked, also where a policy before it has looked at the clock and the request's
// body has taken its time since.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	now := time.Now()
	h := sluicetest.NodeWith(t, build.Options{Kinds: kinds, Now: func() time.Time { return now }}, `
		sluice: 1
		every_request:
			- rate_limit: 1000/s
		endpoints:
			a:
				route: POST /a
				input:
					body: {type: object}
				policies:
					- rate_limit: {rate: 1/m, by: body.x}
				test_handler: {name: ok}
	`)
	for i := range 5 {
		x := sluicetest.Exchange(t, "POST /a", "", "content-type: application/json")
		takes := time.Minute
		if i == 0 {
			takes = 0
		}
		x.Request.Body.SetStream(&slow{[]byte(`{"x":1}`), func() { now = now.Add(takes) }}, -1)
		if a := sluicetest.Do(h, x); a.Err != nil {
			t.Errorf("request %d, a minute after the one before: %v", i, a.Err)
		}
	}
}

func compare(t *testing.T, entry string, a sluicetest.Answer, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if a.Header[name] != value {
			t.Errorf("%s: %s: %q, want %q", entry, name, a.Header[name], value)
		}
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"rate_limit": "rate: this key is missing",
		"rate_limit: {rate: 5/h, algorithm: fixed_window, burst: 3}":   "burst: a fixed window has none",
		"rate_limit: {rate: 5/h, burst: -1}":                           "burst: -1",
		"rate_limit: {rate: 1/100d, burst: 1000000}":                   "100 years",
		"rate_limit: {rate: 5/100us}":                                  "want 1ms or more",
		"rate_limit: {rate: 5/h, by: caller.subject}":                  "needs the caller",
		"rate_limit: {rate: 5/h, name: \"a b\"}":                       "name: this name is not plain",
		"rate_limit: {rate: 5/h, by: tenant}":                          "unknown name",
		"rate_limit: {rate: 5/h, on_store_failure: fail}":              "on_store_failure",
		"rate_limit: {rate: 5/h, headers: github}":                     "headers",
		"rate_limit: {rate: 9999999999999/s, algorithm: fixed_window}": "cannot be counted",
		"rate_limit: {rate: 5/h}\n    nodes: 2":                        "",
	} {
		text := "sluice: 1\nendpoints:\n  a:\n    route: GET /a\n    policies:\n      - " + entry + "\n    test_handler: {name: ok}\n"
		if want == "" {
			text = "sluice: 1\nnodes: 2\nstate: {keys: [secret-secret-secret]}\nendpoints:\n  a:\n    route: GET /a\n    policies: [{rate_limit: 5/h}]\n    test_handler: {name: ok}\n"
			want = "with nodes: 2, each of them would let the whole rate through; want state.redis"
		}
		_, err := build.Make(sluicetest.Document(t, text), build.Options{Kinds: kinds}, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", entry, err, want)
		}
	}
}
