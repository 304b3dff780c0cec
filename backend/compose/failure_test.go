package compose_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/compose"
	"github.com/sluiceapi/sluice/backend/function"
	"github.com/sluiceapi/sluice/backend/static"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/policy/cache"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/sluicetest/output"
)

// What refers to an answer that is missing is not asked: nobody could say what it should be asked for.
func TestMissing(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	url := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/user" {
			w.WriteHeader(500)
			return
		}
		asked.Add(1)
		fmt.Fprintf(w, "%q", r.URL.Path+" of "+r.FormValue("of"))
	})
	block := `parts:
				- as: orders
				  optional: true
				  http:
						path: /orders
						query:
							of: "{user.name}"
				- as: last
				  fallback: 0
				  http:
						path: /last
						query:
							of: "{orders}"
				- as: after
				  needs: orders
				  static:
						json: 1
				- as: user
				  MORE
				  http:
						path: /user`
	a := get(t, node(t, url, strings.Replace(block, "MORE", "optional: true", 1)))
	if a.Body != `{"orders":null,"last":0,"after":1,"user":null}` || a.Header["degraded-parts"] != "orders, last, user" || asked.Load() != 0 {
		t.Errorf("got %+v; %d asked", a, asked.Load())
	}
	a = get(t, node(t, url, strings.Replace(block, "MORE", "fallback: {name: x}", 1)))
	if a.Body != `{"orders":"/orders of x","last":"/last of /orders of x","after":1,"user":{"name":"x"}}` || a.Header["degraded-parts"] != "user" {
		t.Errorf("got %+v", a)
	}
}

// No row of a required part is a 404 of the endpoint; an answer that cannot be asked with is no fault of the client's.
func TestWhoseFault(t *testing.T) {
	t.Parallel()
	url := upstream(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s is asked for", r.URL) })
	n := node(t, url, `parts:
				- as: user
				  sql:
						query: SELECT name FROM users WHERE id = $id
						returns: one
				- as: orders
				  http:
						path: "/orders/{user.nick}"`)
	if a := sluicetest.Do(n, sluicetest.Exchange(t, "GET /pages/8", "")); a.Code != sluice.NotFound {
		t.Errorf("no row: got %+v", a)
	}
	if a := get(t, n); a.Code != sluice.BadGateway {
		t.Errorf("a name that is not there: got %+v", a)
	}
}

// What parts use of a request is checked before any of them is asked.
func TestChecked(t *testing.T) {
	t.Parallel()
	n := node(t, "http://127.0.0.1:1", `parts:
				- as: a
				  static:
						json: 1
				- as: b
				  http:
						path: "/{body.x}"`)
	if a := sluicetest.Do(n, sluicetest.Exchange(t, "POST /pages/7", "{", "content-type: application/json")); a.Code != sluice.BadRequest {
		t.Errorf("got %+v", a)
	}
}

// respond is for answers, not for failures of parts, also where their status is no error.
func TestRespond(t *testing.T) {
	t.Parallel()
	url := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(303)
		}
	})
	n := node(t, url, `parts:
				- as: a
				  http:
						path: /
		respond:
			status: 201
			json: {got: "{a}"}`)
	if a := get(t, n); a.Status != 201 || a.Body != `{"got":null}` {
		t.Errorf("got %+v", a)
	}
	if a := sluicetest.Do(n, sluicetest.Exchange(t, "POST /pages/7", "x")); a.Status != 303 || a.Header["location"] != "/elsewhere" || a.Body != "" {
		t.Errorf("got %+v", a)
	}
}

// Parts answer requests of HTTP: nobody takes over a connection of the client's.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	url := upstream(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%q", r.Header.Get("Upgrade")) })
	n := node(t, url, "parts:\n\t\t\t\t- as: a\n\t\t\t\t  http:\n\t\t\t\t\t\tpath: /")
	x := sluicetest.Exchange(t, "GET /pages/7", "", "connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13", "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==")
	if a := sluicetest.Do(n, x); a.Body != `{"a":""}` {
		t.Errorf("got %+v", a)
	}
}

// A cache around a composed answer keeps none that lacks a part, or that a part lets nobody keep.
func TestCache(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]http.HandlerFunc{
		"a part failed":              func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"a part is private":          func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Cache-Control", "max-age=60, private") },
		"a part sets a cookie":       func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Set-Cookie", "a=b") },
		"a part depends on more":     func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Vary", "*") },
		"kept where nothing is said": func(http.ResponseWriter, *http.Request) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			url := upstream(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				serve(w, r)
			})
			n := sluicetest.Node(t, strings.Replace(`
sluice: 1
backends:
	legacy:
		http:
			urls:
				- "URL"
endpoints:
	page:
		route: GET /
		policies:
			- cache: 1h
		compose:
			parts:
				- as: a
				  optional: true
				  http:
						path: /
`, "URL", url, 1), append(kinds(), cache.Kind)...)
			for range 2 {
				if a := sluicetest.Do(n, sluicetest.Exchange(t, "GET /", "")); a.Body != `{"a":null}` || a.Header["set-cookie"] != "" {
					t.Errorf("got %+v", a)
				}
			}
			if want := map[bool]int32{true: 1, false: 2}[strings.HasPrefix(name, "kept")]; asked.Load() != want {
				t.Errorf("asked %d times; want %d", asked.Load(), want)
			}
		})
	}
}

// A panic of a part that is optional is nobody's answer, so the log must have it.
func TestPanicOfOptional(t *testing.T) {
	t.Parallel()
	bad := function.New("bad", func(context.Context, ask) (int, error) { panic("boom") })
	log := &output.Text{}
	n := sluicetest.NodeWith(t, build.Options{Kinds: kinds(bad), Log: slog.New(slog.NewTextHandler(log, nil))}, `
endpoints:
	page:
		route: GET /pages/{id}
		compose:
			parts:
				- as: bad
				  optional: true
				  function: bad
				- as: worse
				  fallback: 2
				  function: bad
sluice: 1
`)
	if a := get(t, n); a.Body != `{"bad":null,"worse":2}` || a.Header["degraded-parts"] != "bad, worse" {
		t.Errorf("got %+v", a)
	}
	if text := log.String(); strings.Count(text, "level=ERROR") != 2 || !strings.Contains(text, "boom") || !strings.Contains(text, "part=worse") {
		t.Errorf("the log has %s", text)
	}
}

// mark is a backend that makes, or asks for, a version of its data.
type mark struct{}

type markUse struct {
	// What it makes.
	Make int `yaml:"make"`
}

func (mark) Handle(_ *sluice.Env, _ *sluice.Endpoint, use *markUse) (sluice.Handler, error) {
	return sluice.HandlerFunc(func(x *sluice.Exchange) error {
		if use.Make > 0 {
			x.Seen.Advance(sluice.Version{Source: 1, Position: uint64(use.Make)})
		}
		v, _ := x.Seen.Floor(1)
		x.Seen.Read(v)
		x.Response.Body.SetBytes(fmt.Append(nil, v.Position))
		return nil
	}), nil
}

// What a part has written is seen by those that need it, and by the caller from then on; also where another part failed.
func TestSeen(t *testing.T) {
	t.Parallel()
	k := sluice.NewBackend("mark", sluice.None{}, markUse{}, func(*sluice.Env, *sluice.None) (mark, error) { return mark{}, nil })
	for last, status := range map[string]int{"static: {json: 1}": 200, "static: {status: 409}": 409} {
		n := sluicetest.Node(t, `
sluice: 1
endpoints:
	page:
		route: GET /
		compose:
			parts:
				- as: beside
				  mark: {make: 3}
				- as: write
				  mark: {make: 5}
				- as: read
				  needs: [write, beside]
				  mark: {}
				- as: last
				  needs: read
				  `+last+`
			json: "{read}"
`, compose.Kind, static.Kind, k)
		x := sluicetest.Exchange(t, "GET /", "")
		a := sluicetest.Do(n, x)
		v, _ := x.Seen.Floor(1)
		if a.Status != status || status == 200 && a.Body != "5" || !x.Seen.Grown() || v.Position != 5 {
			t.Errorf("got %+v, and the caller has seen %v", a, v)
		}
	}
}

// span records what is told of it and of what is below it.
type span struct {
	name string
	all  *struct {
		sync.Mutex
		lines []string
	}
}

func (s span) note(format string, args ...any) {
	s.all.Lock()
	defer s.all.Unlock()
	s.all.lines = append(s.all.lines, s.name+": "+fmt.Sprintf(format, args...))
}

func (s span) Recording() bool               { return true }
func (s span) Child(name string) sluice.Span { return span{s.name + "/" + name, s.all} }
func (s span) Send(name string) sluice.Span  { return s.Child(name) }
func (s span) SetText(key, value string)     {}
func (s span) SetInt(key string, n int64)    { s.note("%s=%d", key, n) }
func (s span) Inject(h *sluice.Header)       { h.Add("traceparent", s.name) }
func (s span) TraceID() string               { return s.name }
func (s span) End(err error)                 { s.note("end %v", err) }

// Each part is a step of the trace, and what it calls is below it.
func TestSpans(t *testing.T) {
	t.Parallel()
	url := upstream(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%q", r.Header.Get("traceparent")) })
	bad := function.New("bad", func(context.Context, ask) (int, error) { return 0, &sluice.Error{Code: sluice.Conflict} })
	n := node(t, url, `parts:
				- as: a
				  http:
						path: /
				- as: b
				  optional: true
				  function: bad`, bad)
	x := sluicetest.Exchange(t, "GET /pages/7", "")
	s := span{name: "own"}
	s.all = &struct {
		sync.Mutex
		lines []string
	}{}
	x.Span = s
	a := sluicetest.Do(n, x)
	if !strings.Contains(a.Body, `"own/part a/`) {
		t.Errorf("got %+v", a)
	}
	for _, want := range []string{"own/part a: http.response.status_code=200", "own/part a: end <nil>", "own/part b: end conflict"} {
		if !slices.Contains(s.all.lines, want) {
			t.Errorf("got %q, want %q", s.all.lines, want)
		}
	}
}

// Mistakes in parts come out with those around them, each with its place.
func TestMistakesTogether(t *testing.T) {
	t.Parallel()
	doc := sluicetest.Document(t, `
sluice: 1
endpoints:
	page:
		route: GET /{id}
		compose:
			parts:
				- as: a
				  neds: b
				  static:
						jsn: 1
				- wrong
				- as: c
				  http:
						path: "/{idd}"
`)
	_, err := build.Make(doc, build.Options{Kinds: kinds()}, nil)
	if err == nil {
		t.Fatal("it is taken")
	}
	for _, want := range []string{
		`:8:17: endpoints.page.compose.parts[0].neds: `,
		`:10:13: endpoints.page.compose.parts[0].static.jsn: `,
		`:11:11: endpoints.page.compose.parts[1]`,
		`:13:11: endpoints.page.compose.parts[2].http: there is no http backend`, `:14:22: endpoints.page.compose.parts[2].http.path: unknown name "idd"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	if n := strings.Count(err.Error(), "sluice.yaml:"); n != 5 {
		t.Errorf("%d mistakes: %v", n, err)
	}
}
