package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	backendhttp "github.com/sluiceapi/sluice/backend/http"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/policy/breaker"
	"github.com/sluiceapi/sluice/policy/headers"
	"github.com/sluiceapi/sluice/policy/retry"
	"github.com/sluiceapi/sluice/policy/timeout"
	"github.com/sluiceapi/sluice/sluicetest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	for name, block := range map[string]string{
		"idempotent only": "retry",
		"all":             "retry: {tries: 3, other_methods: always}",
		"no body":         "retry: {tries: 3, other_methods: always, max_body: 0B}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sluicetest.Policy(t, sluicetest.PolicyCase{Kind: retry.Kind, Block: block})
		})
	}
}

// node makes a node of one endpoint whose backend is h, behind those entries.
func node(t testing.TB, h sluice.HandlerFunc, entries ...string) *build.Node {
	t.Helper()
	text := "sluice: 1\nendpoints:\n  a:\n    routes: [GET /a, HEAD /a, PUT /a, DELETE /a, OPTIONS /a, POST /a, PATCH /a]\n    policies:\n"
	for _, e := range entries {
		text += "      - " + e + "\n"
	}
	kinds := []sluice.Kind{retry.Kind, breaker.Kind, timeout.Kind, headers.Kind, sluicetest.HandlerKind(map[string]sluice.Handler{"h": h})}
	return sluicetest.Node(t, text+"    test_handler: {name: h}\n", kinds...)
}

// failing fails so many times with fail, and then answers; it counts its tries.
func failing(times int32, fail sluice.HandlerFunc, tries *atomic.Int32) sluice.HandlerFunc {
	return func(x *sluice.Exchange) error {
		if n := tries.Add(1); n <= times {
			return fail(x)
		}
		x.Response.Body.SetBytes([]byte("well"))
		return nil
	}
}

func status(code int, fields ...string) sluice.HandlerFunc {
	return func(x *sluice.Exchange) error {
		x.Response.Status = code
		for _, f := range fields {
			name, value, _ := strings.Cut(f, ": ")
			x.Response.Header.Add(name, value)
		}
		x.Response.Body.SetBytes([]byte("failed"))
		return nil
	}
}

func fails(err error) sluice.HandlerFunc { return func(*sluice.Exchange) error { return err } }

const quick = "backoff: 0s, budget: {least: 1000}"

func TestWhatIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, line, block, body string
		fields                  []string
		fail                    sluice.HandlerFunc
		again                   bool
	}{
		{name: "502", fail: status(502), again: true},
		{name: "503", fail: status(503), again: true},
		{name: "504", fail: status(504), again: true},
		{name: "500", fail: status(500)},
		{name: "404", fail: status(404)},
		{name: "429", fail: status(429)},
		{name: "no connection", fail: fails(&sluice.Error{Code: sluice.BadGateway}), again: true},
		{name: "unavailable", fail: fails(&sluice.Error{Code: sluice.Unavailable}), again: true},
		{name: "late", fail: fails(&sluice.Error{Code: sluice.GatewayTimeout}), again: true},
		{name: "a bug", fail: fails(errors.New("a bug"))},
		{name: "the client left", fail: fails(&sluice.Error{Code: sluice.ClientLeft})},
		{name: "conflict", fail: fails(&sluice.Error{Code: sluice.Conflict})},
		{name: "refused", fail: fails(&sluice.Error{Code: sluice.Unavailable, Err: fmt.Errorf("open: %w", sluice.ErrRefused)})},

		{name: "PUT", line: "PUT /a", body: "x", fail: status(503), again: true},
		{name: "DELETE", line: "DELETE /a", fail: status(503), again: true},
		{name: "HEAD", line: "HEAD /a", fail: status(503), again: true},
		{name: "POST", line: "POST /a", body: "x", fail: status(503)},
		{name: "PATCH", line: "PATCH /a", body: "x", fail: fails(&sluice.Error{Code: sluice.BadGateway})},
		{name: "POST with a key", line: "POST /a", fields: []string{"idempotency-key: k"}, fail: status(503)},
		{name: "POST with a key that counts", line: "POST /a", block: "other_methods: idempotency_key", fields: []string{"idempotency-key: k"}, fail: status(503), again: true},
		{name: "POST without one", line: "POST /a", block: "other_methods: idempotency_key", fail: status(503)},
		{name: "POST with an empty one", line: "POST /a", block: "other_methods: idempotency_key", fields: []string{"idempotency-key:"}, fail: status(503)},
		{name: "POST always", line: "POST /a", block: "other_methods: always", fail: status(503), again: true},
		{name: "a long body", line: "PUT /a", block: "max_body: 4B", body: "12345", fail: status(503)},
		{name: "a body as long as may be", line: "PUT /a", block: "max_body: 5B", body: "12345", fail: status(503), again: true},

		{name: "Retry-After", fail: status(503, "Retry-After: 0"), again: true},
		{name: "Retry-After too late", fail: status(503, "Retry-After: 6")},
		{name: "an error's Retry-After", fail: fails(&sluice.Error{Code: sluice.Unavailable, RetryAfter: time.Minute})},
		{name: "Retry-After after the deadline", block: "retry_after: 1h", fail: status(503, "Retry-After: 600")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			block := quick
			if c.block != "" {
				block += ", " + c.block
			}
			if c.line == "" {
				c.line = "GET /a"
			}
			var tries atomic.Int32
			h := node(t, failing(1, c.fail, &tries), "retry: {"+block+"}")
			x := sluicetest.Exchange(t, c.line, c.body, c.fields...)
			x.Deadline = time.Now().Add(5 * time.Minute)
			a := sluicetest.Do(h, x)
			if c.again {
				if tries.Load() != 2 || a.Body != "well" || a.Err != nil {
					t.Errorf("%d tries, %q, %v; want that the second is the answer", tries.Load(), a.Body, a.Err)
				}
				return
			}
			if tries.Load() != 1 || a.Body == "well" {
				t.Errorf("%d tries, %q, %v; want one, and what it came to", tries.Load(), a.Body, a.Err)
			}
		})
	}
}

// The last answer is the client's when all fail.
func TestTries(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	h := node(t, failing(100, func(x *sluice.Exchange) error {
		return status(503, fmt.Sprintf("X-Try: %d", tries.Load()))(x)
	}, &tries), "retry: {tries: 4, "+quick+"}")
	a := sluicetest.Do(h, sluicetest.Exchange(t, "GET /a", ""))
	if tries.Load() != 4 || a.Status != 503 || a.Body != "failed" || a.Header["x-try"] != "4" {
		t.Errorf("%d tries, %+v; want the fourth answer", tries.Load(), a)
	}
}

func TestBudget(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	h := node(t, failing(1<<30, status(503), &tries), "retry: {tries: 10, backoff: 0s, budget: {share: 20%, least: 3, window: 1h}}")
	for range 100 {
		if a := sluicetest.Do(h, sluicetest.Exchange(t, "GET /a", "")); a.Status != 503 || a.Body != "failed" {
			t.Fatalf("got %+v, want the backend's answer", a)
		}
	}
	if n := tries.Load(); n != 120 {
		t.Errorf("%d tries of 100 requests, want 120", n)
	}
}

// The wait is as long as Retry-After, and no longer than the client stays.
func TestWaits(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	h := node(t, failing(1, status(503, "Retry-After: 1"), &tries), "retry: {"+quick+"}")
	began := time.Now()
	if a := sluicetest.Do(h, sluicetest.Exchange(t, "GET /a", "")); a.Body != "well" || time.Since(began) < time.Second {
		t.Errorf("%+v after %s; want a second try after a second", a, time.Since(began))
	}
	tries.Store(0)
	h = node(t, failing(1, status(503, "Retry-After: 3600"), &tries), "retry: {retry_after: 2h, "+quick+"}")
	ctx, leave := context.WithCancel(t.Context())
	x := sluicetest.Exchange(t, "GET /a", "")
	x.Within(ctx)
	time.AfterFunc(10*time.Millisecond, leave)
	if a := sluicetest.Do(h, x); tries.Load() != 1 || a.Code != sluice.ClientLeft {
		t.Errorf("%d tries, %v; want that it ends when the client leaves", tries.Load(), a.Err)
	}
}

// What policies below did for one try is not there in the next: fields of the request, of the answer, and the deadline.
func TestAfresh(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	closed := make(chan error, 1)
	h := node(t, func(x *sluice.Exchange) error {
		n := tries.Add(1)
		if got := x.Request.Header.Count("X-Below"); got != 1 {
			t.Errorf("try %d has X-Below %d times", n, got)
		}
		if left := time.Until(x.Deadline); left < time.Hour/2 {
			t.Errorf("try %d has %s left; want a time of its own", n, left)
		}
		if body := string(x.Request.Body.Bytes); body != "the body" {
			t.Errorf("try %d has the body %q", n, body)
		}
		if n > 1 {
			return status(200, "X-Answer: good")(x)
		}
		x.Deadline = time.Now().Add(time.Millisecond)
		<-x.Context().Done()
		x.Response.Status = 503
		x.Response.Header.Add("X-Answer", "bad")
		x.Response.Body.SetStream(closing{closed}, -1)
		return nil
	}, "retry: {"+quick+"}", "timeout: 1h", "headers: {request: {add: {x-below: one}}, response: {add: {x-above: one}}}")
	x := sluicetest.Exchange(t, "PUT /a", "")
	body := sluicetest.NewStream()
	body.Send("the body")
	body.Finish(nil)
	x.Request.Body.SetStream(body, int64(len("the body")))
	a := sluicetest.Do(h, x)
	if tries.Load() != 2 || a.Err != nil || a.Header["x-answer"] != "good" || a.Header["x-above"] != "one" {
		t.Errorf("%d tries, %+v", tries.Load(), a)
	}
	select {
	case why := <-closed:
		if why == nil {
			t.Error("the answer that is not used was closed as if it had been read")
		}
	default:
		t.Error("the answer that is not used was not closed")
	}
}

type closing struct{ closed chan error }

func (closing) Read([]byte) (int, error) { return 0, io.EOF }
func (c closing) Close(why error)        { c.closed <- why }

// A body that breaks off is the client's fault, and nothing is asked.
func TestBrokenBody(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	h := node(t, failing(0, nil, &tries), "retry")
	for name, finish := range map[string]error{"short": nil, "broken": io.ErrUnexpectedEOF} {
		x := sluicetest.Exchange(t, "PUT /a", "")
		s := sluicetest.NewStream()
		s.Send("half")
		s.Finish(finish)
		x.Request.Body.SetStream(s, 8)
		if a := sluicetest.Do(h, x); a.Code != sluice.BadRequest || tries.Load() != 0 {
			t.Errorf("%s: %d tries, %v", name, tries.Load(), a.Err)
		}
	}
}

// An open breaker below is not asked again; above, it sees what came of all tries.
func TestBreaker(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	h := node(t, failing(1<<30, status(503), &tries), "retry: {tries: 10, "+quick+"}", "breaker: {rate: 100%, volume: 3}")
	if a := sluicetest.Do(h, sluicetest.Exchange(t, "GET /a", "")); tries.Load() != 3 || !errors.Is(a.Err, sluice.ErrRefused) {
		t.Errorf("%d tries, %v; want that the breaker ends them", tries.Load(), a.Err)
	}
	tries.Store(0)
	h = node(t, failing(1, status(503), &tries), "breaker: {rate: 1%, volume: 1}", "retry: {"+quick+"}")
	for range 2 {
		if a := sluicetest.Do(h, sluicetest.Exchange(t, "GET /a", "")); a.Body != "well" {
			t.Errorf("got %+v; want that the breaker does not hear of what was made good", a)
		}
	}
}

// The next try goes to another host; a POST goes to one only.
func TestOtherHost(t *testing.T) {
	t.Parallel()
	var asked [3]atomic.Int32
	urls := make([]string, 0, 3)
	for i := range 3 {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked[i].Add(1)
			body, _ := io.ReadAll(r.Body)
			if i < 2 {
				w.WriteHeader(503)
			}
			fmt.Fprintf(w, "%s %s", r.Method, body)
		}))
		t.Cleanup(s.Close)
		urls = append(urls, `"`+s.URL+`"`)
	}
	h := sluicetest.Node(t, `
		sluice: 1
		backends:
			b:
				http:
					urls: [`+strings.Join(urls, ", ")+`]
					balance: round_robin
					ejection: {failures: 0, rate: 0%}
		endpoints:
			a:
				routes: [PUT /a, POST /a]
				policies:
					- retry: {tries: 3, `+quick+`}
				http: {backend: b}
		`, retry.Kind, backendhttp.Kind)
	for range 12 {
		if a := sluicetest.Do(h, sluicetest.Exchange(t, "PUT /a", "twice")); a.Status != 200 || a.Body != "PUT twice" {
			t.Fatalf("got %+v, want the answer of the host that is well", a)
		}
	}
	if n := asked[2].Load(); n != 12 {
		t.Errorf("the host that is well was asked %d times, want 12", n)
	}
	before := asked[0].Load() + asked[1].Load() + asked[2].Load()
	for range 6 {
		sluicetest.Do(h, sluicetest.Exchange(t, "POST /a", "once"))
	}
	if n := asked[0].Load() + asked[1].Load() + asked[2].Load() - before; n != 6 {
		t.Errorf("six POSTs were sent %d times", n)
	}
}

// A connection that ends in the answer's head is tried again; one that ends in its body is not.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first string
		tries int32
	}{
		"no answer":   {"", 2},
		"in the head": {"HTTP/1.1 200 OK\r\nContent-Le", 2},
		"in the body": {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			var tries atomic.Int32
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					answer := "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nwell"
					if tries.Add(1) == 1 {
						answer = c.first
					}
					conn.Read(make([]byte, 4096))
					io.WriteString(conn, answer)
					conn.Close()
				}
			}()
			h := sluicetest.Node(t, "sluice: 1\nbackends:\n  b:\n    http: {urls: [\"http://"+l.Addr().String()+"\"]}\nendpoints:\n  a:\n    route: GET /a\n"+
				"    policies:\n      - retry: {"+quick+"}\n    http: {backend: b}\n", retry.Kind, backendhttp.Kind)
			a := sluicetest.Do(h, sluicetest.Exchange(t, "GET /a", ""))
			if tries.Load() != c.tries || (a.Err == nil) != (c.tries == 2) {
				t.Errorf("%d tries, %q, %v; want %d", tries.Load(), a.Body, a.Err, c.tries)
			}
		})
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for block, want := range map[string]string{
		"1":                               "2",
		"{budget: {share: 0%, least: 0}}": "nothing may be tried again",
		"{budget: {window: 1ms}}":         "100ms or more",
		"{backoff: {base: 2s, cap: 1s}}":  "less than base",
		"{other_methods: POST}":           "never",
	} {
		kinds := []sluice.Kind{retry.Kind, sluicetest.HandlerKind(map[string]sluice.Handler{"h": fails(nil)})}
		doc := sluicetest.Document(t, "sluice: 1\nendpoints:\n  a:\n    route: GET /a\n    policies:\n      - retry: "+block+"\n    test_handler: {name: h}\n")
		if _, err := build.Make(doc, build.Options{Kinds: kinds}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want a mistake that says %q", block, err, want)
		}
	}
}

func TestAllocations(t *testing.T) {
	env := &sluice.Env{Metrics: sluice.NoMetrics{}, Now: time.Now}
	policy, err := retry.Kind.OpenPolicy(env, &sluice.Endpoint{Name: "a"}, retry.Kind.NewUse())
	if err != nil {
		t.Fatal(err)
	}
	h := policy(fails(nil))
	x := sluice.NewExchange(nil)
	if n := testing.AllocsPerRun(1000, func() {
		x.Reset(nil)
		x.Request.Method = "GET"
		if err := h.Serve(x); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// What stands below goes by the time at which the body was there.
func TestTimeAfterBody(t *testing.T) {
	t.Parallel()
	came := time.Now()
	body := sluicetest.NewLate("body", came)
	var saw time.Time
	n := node(t, func(x *sluice.Exchange) error { saw = x.Now(body.Now); return nil }, "retry")
	x := sluicetest.Exchange(t, "PUT /a", "")
	x.Request.Body.SetStream(body, 4)
	x.Arrived(came)
	if a := sluicetest.Do(n, x); a.Status != 200 || !saw.Equal(came.Add(time.Hour)) {
		t.Errorf("%+v, and below it is %v behind the arrival", a, saw.Sub(came))
	}
}
