package cache_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/policy/cache"
	"github.com/sluiceapi/sluice/policy/invalidate"
	"github.com/sluiceapi/sluice/sluicetest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	sluicetest.Policy(t, sluicetest.PolicyCase{Kind: cache.Kind, Block: "cache: {ttl: 1m, tags: [\"t\"]}"})
}

func TestHit(t *testing.T) {
	t.Parallel()
	c := newClock()
	h, b := setup(t, build.Options{Now: c.Now}, "1m", says("one", "content-type: text/plain", "x-kept: yes"))
	a := get(t, h, "/e/1")
	wantStatus(t, a, "Sluice; fwd=uri-miss; stored")
	tag := a.Header["etag"]
	if len(tag) != 24 || tag[0] != '"' {
		t.Errorf("ETag %q, want a strong one", tag)
	}
	c.move(18 * time.Second)
	a = get(t, h, "/e/1")
	wantStatus(t, a, "Sluice; hit; ttl=42")
	if a.Status != 200 || a.Body != "one" || a.Header["x-kept"] != "yes" || a.Header["age"] != "18" || a.Header["etag"] != tag {
		t.Errorf("got %+v", a)
	}
	if a := sluicetest.Do(h, sluicetest.Exchange(t, "HEAD /e/1", "")); a.Header["age"] != "18" || a.Status != 200 {
		t.Errorf("HEAD: %+v, want it answered from the same", a)
	}
	wantAsked(t, b, 1)
	c.move(42 * time.Second)
	wantStatus(t, get(t, h, "/e/1"), "Sluice; fwd=stale; stored")
	wantAsked(t, b, 2)
}

func TestOnlyGET(t *testing.T) {
	t.Parallel()
	h, b := setup(t, build.Options{}, "1m", says("one"))
	for range 2 {
		wantStatus(t, sluicetest.Do(h, sluicetest.Exchange(t, "HEAD /e/1", "")), "Sluice; fwd=uri-miss")
		wantStatus(t, sluicetest.Do(h, sluicetest.Exchange(t, "GET /e/1", "", "range: bytes=0-1")), "Sluice; fwd=bypass")
		wantStatus(t, sluicetest.Do(h, sluicetest.Exchange(t, "GET /e/1", "body")), "Sluice; fwd=bypass")
	}
	wantAsked(t, b, 6)
}

func TestNotKept(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]sluice.HandlerFunc{
		"404":            func(x *sluice.Exchange) error { x.Response.Status = 404; return nil },
		"500":            func(x *sluice.Exchange) error { x.Response.Status = 500; return nil },
		"206":            func(x *sluice.Exchange) error { x.Response.Status = 206; return nil },
		"no-store":       says("", "cache-control: max-age=5, No-Store"),
		"private":        says("", "cache-control: private"),
		"private fields": says("", `cache-control: private="x-a, no"`),
		"no-cache":       says("", "cache-control: no-cache"),
		"zero":           says("", "cache-control: max-age=0"),
		"s-maxage":       says("", "cache-control: max-age=60, s-maxage=0"),
		"two ages":       says("", "cache-control: max-age=60, max-age=30"),
		"bad age":        says("", "cache-control: max-age=-1"),
		"bad list":       says("", `cache-control: max-age=60, "`),
		"aged":           says("", "cache-control: max-age=60", "age: 60"),
		"bad Age":        says("", "age: x"),
		"expired":        says("", "expires: 0"),
		"cookie":         says("", "set-cookie: a=b"),
		"vary":           says("", "vary: accept, *"),
		"large":          says(strings.Repeat("x", 101)),
		"trailer":        says("", "trailer: x-sum"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, b := setup(t, build.Options{}, "{ttl: 1m, max_body: 100B}", serve)
			get(t, h, "/e/1")
			if a := get(t, h, "/e/1"); a.Header["age"] != "" && name != "aged" && name != "bad Age" {
				t.Errorf("got %+v", a)
			}
			wantAsked(t, b, 2)
		})
	}
}

func TestLifetime(t *testing.T) {
	t.Parallel()
	for want, fields := range map[int][]string{
		60: {"cache-control: max-age=600"},
		20: {"cache-control: max-age=30", "age: 10"},
		15: {"cache-control: max-age=40, s-maxage=15"},
		7:  {"date: Sun, 06 Nov 1994 08:49:37 GMT", "expires: Sun, 06 Nov 1994 08:49:44 GMT"},
		40: {`cache-control: max-age="40", x="a, max-age=3"`},
	} {
		c := newClock()
		h, _ := setup(t, build.Options{Now: c.Now}, "1m", says("one", fields...))
		get(t, h, "/e/1")
		wantStatus(t, get(t, h, "/e/1"), fmt.Sprintf("Sluice; hit; ttl=%d", want))
	}
}

func TestFieldsOfOneExchange(t *testing.T) {
	t.Parallel()
	h, _ := setup(t, build.Options{}, "1m", says("one", "connection: x-hop", "x-hop: a", "ratelimit: a", "x-request-id: 7", "retry-after: 3",
		"consistency-token: t", "keep-alive: b", "access-control-allow-origin: https://a.example", "link: kept"))
	if a := get(t, h, "/e/1"); a.Header["x-hop"] != "a" {
		t.Errorf("the first answer is not the backend's: %v", a.Header)
	}
	a := get(t, h, "/e/1")
	if len(a.Header) != 4 || a.Header["link"] != "kept" {
		t.Errorf("kept fields are %v, want link, etag, age and cache-status", a.Header)
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	h, b := setup(t, build.Options{}, "1m", func(x *sluice.Exchange) error {
		if x.Request.Header.Has("If-None-Match") || x.Request.Header.Has("If-Modified-Since") {
			x.Response.Status = 304
			return nil
		}
		return says("one", `etag: "v1"`, "content-type: text/plain", "last-modified: Sun, 06 Nov 1994 08:49:37 GMT")(x)
	})
	// The first finds nothing kept: what is kept must be whole all the same.
	for range 2 {
		a := get(t, h, "/e/1", `if-none-match: "v0", W/"v1"`)
		if a.Status != 304 || a.Body != "" || a.Header["etag"] != `"v1"` || a.Header["content-type"] != "" {
			t.Errorf("got %+v, want 304", a)
		}
	}
	for fields, want := range map[string]int{
		`if-none-match: "v2"`: 200, "if-none-match: *": 304, `if-none-match: v1`: 200,
		"if-modified-since: Sun, 06 Nov 1994 08:49:37 GMT": 304, "if-modified-since: Sun, 06 Nov 1994 08:49:36 GMT": 200, "if-modified-since: x": 200,
	} {
		if a := get(t, h, "/e/1", fields); a.Status != want {
			t.Errorf("%s: %d, want %d", fields, a.Status, want)
		}
	}
	if a := get(t, h, "/e/1", `if-none-match: "v2"`, "if-modified-since: Sun, 06 Nov 1994 08:49:37 GMT"); a.Status != 200 {
		t.Errorf("got %d; a tag goes before a time", a.Status)
	}
	wantAsked(t, b, 1)
}

func TestKeys(t *testing.T) {
	t.Parallel()
	same := [][2]string{
		{"/e/1?a=1&b=2", "/e/1?b=2&a=1"},
		{"/e/%31", "/e/1"},
	}
	other := [][2]string{
		{"/e/1?a=1&a=2", "/e/1?a=2&a=1"},
		{"/e/1?a=1&%61=2", "/e/1?%61=2&a=1"},
		{"/e/1?a=1;b=2&b=0", "/e/1?b=0&a=1;b=2"},
		{"/e/1?A=1&a=2", "/e/1?a=2&A=1"},
		{"/e/1?a[]=1&a[0]=2", "/e/1?a[0]=2&a[]=1"},
		{"/e/1?a=1", "/e/1?a=1&"},
		{"/e/1", "/e/1?"[:4] + "?x"},
		{"/e/a%3fb", "/e/a?b"},
		{"/e/1", "/e/2"},
	}
	for _, pairs := range []struct {
		list [][2]string
		want int64
	}{{same, 1}, {other, 2}} {
		for _, pair := range pairs.list {
			h, b := setup(t, build.Options{}, "1m", echoes)
			get(t, h, pair[0])
			get(t, h, pair[1])
			if got := b.asked.Load(); got != pairs.want {
				t.Errorf("%s and %s: asked %d times, want %d", pair[0], pair[1], got, pairs.want)
			}
		}
	}
}

// A client must not be able to have its answer kept for what others ask for.
func TestForgedKeys(t *testing.T) {
	t.Parallel()
	h, b := setup(t, build.Options{}, `{ttl: 1m, key: [query.a, query.b], vary: [x-a, x-b]}`, echoes)
	requests := [][]string{
		{"/e/1", "x-a: p", "x-b: q"}, {"/e/1", "x-a: pq"}, {"/e/1", "x-b: pq"}, {"/e/1", "x-a: p", "x-a: q"}, {"/e/1", "x-a: p, q"},
		{"/e/1?a=x&b=y"}, {"/e/1?a=xy"}, {"/e/1?b=xy"}, {"/e/1?a=x%26b=y"}, {"/e/1?a=x&b="}, {"/e/1", "x-a:"}, {"/e/1"},
	}
	for _, r := range requests {
		get(t, h, r[0], r[1:]...)
	}
	wantAsked(t, b, int64(len(requests)))
	x := sluicetest.Exchange(t, "GET /e/1", "")
	x.Request.Host = []byte("other.test")
	sluicetest.Do(h, x)
	x = sluicetest.Exchange(t, "GET /e/1", "")
	x.Request.Host = []byte("EXAMPLE.test")
	wantStatus(t, sluicetest.Do(h, x), "Sluice; hit; ttl=59")
	wantAsked(t, b, int64(len(requests))+1)
}

// What a trusted proxy passes on of its client's word is told to backends, which make links of it: nobody must get those
// that another has asked for.
func TestForwardedKeys(t *testing.T) {
	t.Parallel()
	for proxies, want := range map[string]int64{"192.0.2.0/24": 7, "198.51.100.0/24": 1} {
		h, b := setup(t, build.Options{}, "1m", echoes, "^trusted_proxies: ["+proxies+"]")
		for _, fields := range [][]string{
			{}, {"x-forwarded-for: 203.0.113.1"}, {"x-forwarded-for: 203.0.113.2"},
			{"x-forwarded-host: evil.test"}, {"X-FORWARDED-HOST: evil.test"}, {"x-forwarded-port: 1"}, {"x-forwarded-host: 1"},
			{"forwarded: for=203.0.113.1;host=evil.test;by=a"}, {"forwarded: For=203.0.113.2; host=evil.test; by=b"},
			{"forwarded: for=203.0.113.1;host=evil.test, for=192.0.2.7;proto=http"},
			{"forwarded: for=203.0.113.1;proto=http, for=192.0.2.7;host=evil.test"},
		} {
			get(t, h, "/e/1", fields...)
		}
		if got := b.asked.Load(); got != want {
			t.Errorf("%s: asked %d times, want %d", proxies, got, want)
		}
	}
}

func TestVariants(t *testing.T) {
	t.Parallel()
	h, b := setup(t, build.Options{}, "1m", func(x *sluice.Exchange) error {
		x.Response.Header.Add("Vary", "Accept-Language, X-B")
		return says(string(x.Request.Header.Value("accept-language")))(x)
	})
	for range 3 {
		for _, lang := range []string{"de", "en", "fr"} {
			if a := get(t, h, "/e/1", "accept-language: "+lang); a.Body != lang {
				t.Errorf("got %q for %s", a.Body, lang)
			}
		}
	}
	wantAsked(t, b, 3)
	wantStatus(t, get(t, h, "/e/1", "accept-language: pl"), "Sluice; fwd=vary-miss; stored")
	wantStatus(t, get(t, h, "/e/1", "accept-language: pl", "x-b: 1"), "Sluice; fwd=vary-miss; stored")
	// What comes in a coding is for those who take it, also where the backend does not say so.
	b.becomes(says("zip", "content-encoding: gzip"))
	get(t, h, "/e/2", "accept-encoding: gzip")
	b.becomes(says("plain"))
	if a := get(t, h, "/e/2"); a.Body != "plain" {
		t.Errorf("got %q, want what this client can read", a.Body)
	}
	if a := get(t, h, "/e/2", "accept-encoding: gzip"); a.Body != "zip" {
		t.Errorf("got %q, want what was kept", a.Body)
	}
}

func TestWhoMayHaveIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, block string
		before      []string
		serve       sluice.HandlerFunc
		fields      []string
		want        int64 // of two requests
	}{
		{name: "nobody known", block: "1m", serve: says("a"), want: 1},
		{name: "Authorization", block: "1m", serve: says("a"), fields: []string{"authorization: x"}, want: 2},
		{name: "Cookie", block: "1m", serve: says("a"), fields: []string{"cookie: a=b"}, want: 2},
		{name: "token cookie", block: "1m", serve: says("a"), fields: []string{"cookie: __Host-ct=x"}, want: 1},
		{name: "token cookie and another", block: "1m", serve: says("a"), fields: []string{"cookie: __Host-ct=x; a=b"}, want: 2},
		{name: "public answer", block: "1m", serve: says("a", "cache-control: public"), fields: []string{"cookie: a=b"}, want: 1},
		{name: "shared", block: "{ttl: 1m, shared: true}", serve: says("a"), fields: []string{"cookie: a=b"}, want: 1},
		{name: "private", block: "{ttl: 1m, private: true}", serve: says("a"), before: []string{"test_caller: {subject: ann}"}, want: 1},
		{name: "shared with callers", block: "{ttl: 1m, shared: true}", serve: says("a"), before: []string{"test_caller: {subject: ann}"}, want: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, b := setup(t, build.Options{}, c.block, c.serve, c.before...)
			get(t, h, "/e/1", c.fields...)
			get(t, h, "/e/1", c.fields...)
			wantAsked(t, b, c.want)
		})
	}
	// Tokens need not say whose they are: then they may be of anybody.
	t.Run("callers without a name", func(t *testing.T) {
		t.Parallel()
		nameless := sluice.NewPolicy("nameless", sluice.None{}, func(*sluice.Env, *sluice.Endpoint, *sluice.None) (sluice.Policy, error) {
			return func(next sluice.Handler) sluice.Handler {
				return sluice.HandlerFunc(func(x *sluice.Exchange) error {
					x.Caller = sluice.Caller{Scheme: "nameless", Issuer: "test"}
					return next.Serve(x)
				})
			}, nil
		}, sluice.Authenticates())
		h, b := setup(t, build.Options{Kinds: []sluice.Kind{nameless}}, "{ttl: 1m, private: true}", says("a"), "nameless: {}")
		get(t, h, "/e/1")
		wantStatus(t, get(t, h, "/e/1"), "Sluice; fwd=bypass")
		wantAsked(t, b, 2)
	})
	t.Run("kept for nobody, and asked for by somebody", func(t *testing.T) {
		t.Parallel()
		h, b := setup(t, build.Options{}, "1m", says("a"))
		get(t, h, "/e/1")
		wantStatus(t, get(t, h, "/e/1", "authorization: x"), "Sluice; fwd=bypass")
		wantAsked(t, b, 2)
	})
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	for want, c := range map[string][]string{
		"it is known who asks":                  {"1m", "test_caller: {subject: ann}"},
		"cache needs the caller":                {"{ttl: 1m, private: true}"},
		"cannot be both":                        {"{ttl: 1m, private: true, shared: true}", "test_caller: {subject: ann}"},
		"empty tag":                             {`{ttl: 1m, tags: [""]}`},
		"is not the name":                       {`{ttl: 1m, vary: ["a b"]}`},
		"less than max_body":                    {"{ttl: 1m, max_size: 1KB}"},
		"cache is of one endpoint":              {"1m", "^every_request:\n  - cache: 1m"},
		"with nodes: 2, a purge":                {`{ttl: 1m, tags: ["a"]}`, "^nodes: 2\nstate: {keys: [0123456789012345678901234567890123456789]}"},
		"invalidate: with nodes: 2, a purge of": {`1m`, "^nodes: 2\nstate: {keys: [0123456789012345678901234567890123456789]}"},
	} {
		b := &backend{serve: echoes}
		doc := sluicetest.Document(t, configText(c[0], c[1:]...))
		kinds := []sluice.Kind{cache.Kind, invalidate.Kind, sluicetest.CallerKind, sluicetest.HandlerKind(map[string]sluice.Handler{"h": b})}
		_, err := build.Make(doc, build.Options{Kinds: kinds}, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	text := strings.Replace(configText("{ttl: 1m, shared: true}"), "    test_handler", "      - test_caller: {subject: ann}\n    test_handler", 1)
	b := &backend{serve: echoes}
	kinds := []sluice.Kind{cache.Kind, invalidate.Kind, sluicetest.CallerKind, sluicetest.HandlerKind(map[string]sluice.Handler{"h": b})}
	_, err := build.Make(sluicetest.Document(t, text), build.Options{Kinds: kinds}, nil)
	if err == nil || !strings.Contains(err.Error(), "cache must stand after test_caller, because") {
		t.Errorf("got %v, want the order refused", err)
	}
}

// A public endpoint leaves out what is kept for callers, as it leaves out what finds out who they are.
func TestPublicEndpoint(t *testing.T) {
	t.Parallel()
	text := "every_endpoint:\n  - test_caller: {subject: ann}\n  - cache: {ttl: 1m, private: true}\nendpoints:\n"
	for _, name := range []string{"known", "public"} {
		text += "  " + name + ": {route: GET /" + name + ", public: " + fmt.Sprint(name == "public") + ", test_handler: {name: h}}\n"
	}
	b := &backend{serve: echoes}
	h := sluicetest.Node(t, "sluice: 1\n"+text, cache.Kind, sluicetest.CallerKind, sluicetest.HandlerKind(map[string]sluice.Handler{"h": b}))
	for target, want := range map[string]string{"/known": "Sluice; fwd=uri-miss; stored", "/public": ""} {
		wantStatus(t, get(t, h, target), want)
	}
}

// A reload empties no cache, neither the common memory nor one of an endpoint's own.
func TestReloadKeepsAnswers(t *testing.T) {
	t.Parallel()
	for _, block := range []string{"1m", `{ttl: 1m, max_size: 2MB, tags: ["e:{id}"]}`} {
		b := &backend{serve: echoes}
		o := build.Options{Kinds: []sluice.Kind{cache.Kind, invalidate.Kind, sluicetest.HandlerKind(map[string]sluice.Handler{"h": b})}}
		first, err := build.Make(sluicetest.Document(t, configText(block)), o, nil)
		if err != nil {
			t.Fatal(err)
		}
		get(t, first, "/e/1")
		second, err := build.Make(sluicetest.Document(t, configText(block)), o, first)
		if err != nil {
			t.Fatal(err)
		}
		first.Retire()
		if a := get(t, second, "/e/1"); !isHit(a) {
			t.Errorf("%s: got %v after a reload, want a hit", block, a.Header)
		}
		put(t, second, "/e/1")
		if a := get(t, second, "/e/1"); isHit(a) == (block != "1m") {
			t.Errorf("%s: got %v after a write", block, a.Header)
		}
		get(t, second, "/e/1")
		third, err := build.Make(sluicetest.Document(t, configText(strings.Replace(block, "1m", "10s", 1))), o, second)
		if err != nil {
			t.Fatal(err)
		}
		second.Retire()
		if a := get(t, third, "/e/1"); isHit(a) {
			t.Errorf("%s: got %v after a reload with another time, want no hit of the longer one", block, a.Header)
		}
		third.Retire()
	}
}
