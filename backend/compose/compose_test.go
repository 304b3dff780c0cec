package compose_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/compose"
	"github.com/sluiceapi/sluice/backend/function"
	backendhttp "github.com/sluiceapi/sluice/backend/http"
	"github.com/sluiceapi/sluice/backend/sql"
	"github.com/sluiceapi/sluice/backend/static"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/sluicetest"
)

type ask struct {
	ID string `in:"path"`
}

func kinds(functions ...function.Function) []sluice.Kind {
	return []sluice.Kind{compose.Kind, function.Kind(functions...), backendhttp.Kind, sql.Kind, static.Kind}
}

// upstream is a service whose answers a test chooses by path.
func upstream(t *testing.T, serve http.HandlerFunc) string {
	s := httptest.NewServer(serve)
	t.Cleanup(s.Close)
	return s.URL
}

// node serves one endpoint, GET /pages/{id}, with a compose block whose lines are indented by three tabs.
func node(t *testing.T, url, block string, functions ...function.Function) *build.Node {
	t.Helper()
	return sluicetest.Node(t, strings.NewReplacer("URL", url, "BLOCK", block).Replace(`
sluice: 1
backends:
	legacy:
		http:
			urls:
				- "URL"
	shop:
		sql:
			url: "sqlite:x.db"
			schema: CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, name TEXT); INSERT OR IGNORE INTO users VALUES ('7', 'Ada');
endpoints:
	page:
		routes:
			- GET /pages/{id}
			- POST /pages/{id}
		compose:
			BLOCK
`), kinds(functions...)...)
}

func get(t *testing.T, n sluice.Handler) sluicetest.Answer {
	t.Helper()
	return sluicetest.Do(n, sluicetest.Exchange(t, "GET /pages/7", ""))
}

func TestSuite(t *testing.T) {
	t.Parallel()
	sluicetest.Backend(t, sluicetest.BackendCase{
		Kind:  compose.Kind,
		More:  []sluice.Kind{static.Kind},
		Use:   "compose:\n  parts:\n    - as: self\n      static:\n        json: {a: 1}\n",
		Route: "GET /",
		Line:  "GET /",
	})
}

// Parts of every kind, of which one needs the answer of another.
func TestParts(t *testing.T) {
	t.Parallel()
	url := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"of": %q, "encoding": %q}`, r.URL.Path, r.Header.Get("Accept-Encoding"))
	})
	score := function.New("score", func(_ context.Context, in ask) (map[string]any, error) {
		return map[string]any{"score": 5, "id": in.ID}, nil
	})
	n := node(t, url, `parts:
				- as: orders
				  http:
						backend: legacy
						method: GET
						path: "/orders/{user.name}"
				- as: user
				  sql:
						query: SELECT name FROM users WHERE id = $id
						returns: one
				- as: score
				  function: score
				- as: fixed
				  static:
						json: [1, 2]`, score)
	x := sluicetest.Exchange(t, "GET /pages/7", "")
	x.Request.Header.Add("Accept-Encoding", "gzip")
	a := sluicetest.Do(n, x)
	want := `{"orders":{"of": "/orders/Ada", "encoding": ""},"user":{"name":"Ada"},"score":{"id":"7","score":5},"fixed":[1,2]}`
	if a.Err != nil || a.Status != 200 || a.Body != want {
		t.Errorf("got %+v\nwant %s", a, want)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	n := node(t, "http://127.0.0.1:1", `json: {who: "{user.name}", all: "{user}", note: "for {user.name}", path: "{id}"}
			parts:
				- as: user
				  sql:
						query: SELECT name FROM users WHERE id = $id
						returns: one`)
	if a := get(t, n); a.Body != `{"who":"Ada","all":{"name":"Ada"},"note":"for Ada","path":"7"}` {
		t.Errorf("got %+v", a)
	}
}

// failures are ways in which a part fails, and what a required part makes of them.
var failures = map[string]struct {
	serve  http.HandlerFunc
	status int
	body   string
}{
	"a status of the client's": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Kept", "yes")
		w.WriteHeader(404)
		w.Write([]byte(`{"none": true}`))
	}, 404, `{"none": true}`},
	"a status of the server's": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, 503, ""},
	"a redirect":               {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Location", "/x"); w.WriteHeader(302) }, 302, ""},
	"no JSON":                  {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<p>")) }, 502, ""},
	"JSON that is cut off":     {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"a":`)) }, 502, ""},
	"an answer that breaks off": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.Write([]byte("{"))
		panic(http.ErrAbortHandler)
	}, 502, ""},
	"too much":      {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`"` + strings.Repeat("a", 2<<20) + `"`)) }, 502, ""},
	"no connection": {nil, 503, ""},
}

func TestFailure(t *testing.T) {
	t.Parallel()
	for name, f := range failures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := "http://" + closed(t)
			if f.serve != nil {
				url = upstream(t, f.serve)
			}
			block := `parts:
				- as: good
				  static:
						json: {a: 1}
				- as: bad
				  http:
						path: /bad
				  MORE`
			t.Run("required", func(t *testing.T) {
				a := get(t, node(t, url, strings.Replace(block, "MORE", "timeout: 30s", 1)))
				status := a.Status
				if a.Err != nil {
					status = a.Code.Status()
				}
				if status != f.status && !(f.serve == nil && status == 502) || f.body != "" && a.Body != f.body {
					t.Errorf("got %d %+v, want %d %s", status, a, f.status, f.body)
				}
			})
			t.Run("optional", func(t *testing.T) {
				a := get(t, node(t, url, strings.Replace(block, "MORE", "optional: true", 1)))
				if a.Status != 200 || a.Body != `{"good":{"a":1},"bad":null}` || a.Header["degraded-parts"] != "bad" || a.Header["cache-control"] != "no-store" {
					t.Errorf("got %+v", a)
				}
			})
			t.Run("fallback", func(t *testing.T) {
				a := get(t, node(t, url, strings.Replace(block, "MORE", "fallback: {none: true}", 1)))
				if a.Status != 200 || a.Body != `{"good":{"a":1},"bad":{"none":true}}` || a.Header["degraded-parts"] != "bad" {
					t.Errorf("got %+v", a)
				}
			})
		})
	}
}

// closed is an address where nobody listens.
func closed(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A part that is required and fails calls the others off, whoever is asked on which goroutine.
func TestCalledOff(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"slow first", "slow last"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			var off atomic.Int32
			slow := function.New("slow", func(ctx context.Context, _ ask) (int, error) {
				<-ctx.Done()
				off.Add(1)
				return 0, ctx.Err()
			})
			bad := function.New("bad", func(context.Context, ask) (int, error) {
				return 0, &sluice.Error{Code: sluice.Conflict, Message: "no"}
			})
			a, b := "slow", "bad"
			if order == "slow last" {
				a, b = b, a
			}
			n := node(t, "http://127.0.0.1:1", fmt.Sprintf("parts:\n\t\t\t\t- as: %s\n\t\t\t\t  function: %s\n\t\t\t\t- as: %s\n\t\t\t\t  function: %s", a, a, b, b), slow, bad)
			if got := get(t, n); got.Code != sluice.Conflict || off.Load() != 1 {
				t.Errorf("got %+v; %d called off", got, off.Load())
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	slow := function.New("slow", func(ctx context.Context, _ ask) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	})
	n := node(t, "http://127.0.0.1:1", `parts:
				- as: slow
				  timeout: 20ms
				  fallback: 3
				  function: slow
				- as: after
				  needs: slow
				  static:
						json: true`, slow)
	if a := get(t, n); a.Body != `{"slow":3,"after":true}` {
		t.Errorf("got %+v", a)
	}
}

// A panic in a part is an error of the exchange: on another goroutine it would end the process.
func TestPanic(t *testing.T) {
	t.Parallel()
	bad := function.New("bad", func(context.Context, ask) (int, error) { panic("boom") })
	n := node(t, "http://127.0.0.1:1", `parts:
				- as: bad
				  function: bad
				- as: other
				  static:
						json: 1`, bad)
	if a := get(t, n); a.Code != sluice.Internal || a.Err == nil || !strings.Contains(a.Err.Error(), "boom") {
		t.Errorf("got %+v", a)
	}
}

// The request's body is there for every part, and HEAD asks parts with GET.
func TestRequest(t *testing.T) {
	t.Parallel()
	url := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		var body [64]byte
		n, _ := r.Body.Read(body[:])
		fmt.Fprintf(w, `[%q, %q, %q]`, r.Method, body[:n], r.Header.Get("If-None-Match"))
	})
	n := node(t, url, `parts:
				- as: a
				  http:
						path: /a
				- as: b
				  http:
						path: /b`)
	a := sluicetest.Do(n, sluicetest.Exchange(t, "POST /pages/7", "hello"))
	if want := `{"a":["POST", "hello", ""],"b":["POST", "hello", ""]}`; a.Body != want {
		t.Errorf("got %+v, want %s", a, want)
	}
	x := sluicetest.Exchange(t, "HEAD /pages/7", "")
	x.Request.Header.Add("If-None-Match", `"x"`)
	if a, want := sluicetest.Do(n, x), `{"a":["GET", "", ""],"b":["GET", "", ""]}`; a.Body != want {
		t.Errorf("got %+v, want %s", a, want)
	}
}

// Who leaves ends all parts, and the exchange, also where parts are optional.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 2)
	slow := function.New("slow", func(ctx context.Context, _ ask) (int, error) {
		asked <- struct{}{}
		<-ctx.Done()
		return 0, ctx.Err()
	})
	n := node(t, "http://127.0.0.1:1", `parts:
				- as: a
				  optional: true
				  function: slow
				- as: b
				  fallback: 1
				  function: slow`, slow)
	x := sluicetest.Exchange(t, "GET /pages/7", "")
	ctx, leave := context.WithCancel(t.Context())
	x.Reset(leaving{ctx})
	x.Request = sluicetest.Exchange(t, "GET /pages/7", "").Request
	go func() { <-asked; <-asked; leave() }()
	if a := sluicetest.Do(n, x); !errors.Is(a.Err, context.Canceled) {
		t.Errorf("got %+v", a)
	}
}

type leaving struct{ ctx context.Context }

func (l leaving) Context() context.Context       { return l.ctx }
func (leaving) Inform(int, *sluice.Header) error { return nil }

func TestMistakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ block, want string }{
		{"parts: []", "parts: this list is empty"},
		{"parts:\n      - static: {body: a}", "parts[0].as: this key is missing"},
		{"parts:\n      - as: a", "parts[0]: this without a kind"},
		{"parts:\n      - as: a\n        sttic: {json: 1}", "parts[0].sttic: unknown key; did you mean static?"},
		{"parts:\n      - as: a\n        optionl: true\n        static: {json: 1}", "parts[0].optionl: unknown key; did you mean optional?"},
		{"parts:\n      - as: a\n        static: {json: 1}\n        http: {path: /}", "parts[0].http: this has one kind, and static stands here already"},
		{"parts:\n      - as: a\n        static: {jsn: 1}", "parts[0].static.jsn: unknown key; did you mean json?"},
		{"parts:\n      - as: a\n        http: {path: \"/{b}\"}", `parts[0].http.path: unknown name "b"`},
		{"parts:\n      - as: a\n        http: {path: \"/{a.x}\"}", "parts[0]: a part cannot refer to its own answer"},
		{"parts:\n      - as: a\n        needs: b\n        static: {json: 1}\n      - as: b\n        http: {path: \"/{a.x}\"}", "parts: a, b wait for each other"},
		{"parts:\n      - as: a\n        optional: true\n        static: {json: 1}\n      - as: b\n        http: {path: \"/{a.x}\"}", "parts[1]: it refers to a, which is optional"},
		{"parts:\n      - as: a\n        needs: [a]\n        static: {json: 1}", "parts[0].needs[0]: a part cannot need itself"},
		{"parts:\n      - as: user\n        static: {json: 1}\n      - as: b\n        needs: usr\n        static: {json: 1}", `parts[1].needs[0]: there is no part "usr"; did you mean user?`},
		{"parts:\n      - as: a\n        static: {json: 1}\n      - as: a\n        static: {json: 1}", "parts[1].as: another part is called a"},
		{"parts:\n      - as: body\n        static: {json: 1}", "compose: a result cannot be called body"},
		{"parts:\n      - as: id\n        static: {json: 1}", "compose: id is an input and a result"},
		{"parts:\n      - as: a\n        optional: true\n        fallback: 1\n        static: {json: 1}", "parts[0].optional: a part with a fallback is optional already"},
		{"parts:\n      - as: a\n        compose:\n          parts:\n            - as: b\n              static: {json: 1}", "parts[0].compose: results with a name of their own cannot be made here"},
		{"parts:\n      - as: a\n        http: {backend: lagacy, path: /}", `parts[0].http.backend: unknown backend "lagacy"; did you mean legacy?`},
		{"parts:\n" + strings.Repeat("      - as: a\n        static: {json: 1}\n", 33), "parts: there are 33 parts; want at most 32"},
	} {
		doc := sluicetest.Document(t, "sluice: 1\nbackends:\n  legacy:\n    http: {urls: [\"http://127.0.0.1:1\"]}\nendpoints:\n  page:\n    route: GET /{id}\n    compose:\n      "+c.block+"\n")
		_, err := build.Make(doc, build.Options{Kinds: kinds()}, nil)
		if err == nil || !strings.Contains(err.Error(), "endpoints.page.compose"+map[bool]string{true: ".", false: ""}[!strings.HasPrefix(c.want, "compose")]+strings.TrimPrefix(c.want, "compose")) {
			t.Errorf("%s\ngot %v\nwant %s", c.block, err, c.want)
		}
	}
}

func TestManual(t *testing.T) {
	t.Parallel()
	if missing := config.Undocumented(&compose.Kind); len(missing) > 0 {
		t.Errorf("without a comment: %v", missing)
	}
	if text := string(config.Schema(kinds())); !strings.Contains(text, `"#/$defs/backend.compose.Part"`) || !strings.Contains(text, `"#/$defs/backend.sql"`) {
		t.Error("the schema does not know parts")
	}
}

// Parts that need nothing of each other are asked at the same time.
func TestParallel(t *testing.T) {
	t.Parallel()
	meet := make(chan struct{})
	both := func(ctx context.Context, _ ask) (int, error) {
		select {
		case meet <- struct{}{}:
		case <-meet:
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(30 * time.Second):
			return 0, errors.New("the other was not asked")
		}
		return 1, nil
	}
	n := node(t, "http://127.0.0.1:1", `parts:
				- as: a
				  function: both
				- as: b
				  function: both`, function.New("both", both))
	if a := get(t, n); a.Body != `{"a":1,"b":1}` {
		t.Errorf("got %+v", a)
	}
}
