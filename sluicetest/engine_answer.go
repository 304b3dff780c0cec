package sluicetest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// answerCases are about answers and what goes wrong with them, on every version of HTTP.
var answerCases = []engineCase{
	{"nothing is added to an answer but Date", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			x.Response.Body.SetBytes([]byte("<html>"))
			return nil
		})
		answer, _ := e.get(t, "/")
		for name := range answer.Header {
			if name != "Date" && name != "Content-Length" {
				t.Errorf("%s: %s was added", name, answer.Header.Get(name))
			}
		}
		if answer.Header.Get("Date") == "" {
			t.Error("no Date")
		}
	}},
	{"a handler tells errors in a form of its own", func(t *testing.T, e *engineTest) {
		var statuses []int
		told := make(chan struct{}, 1)
		e.serveHandler(t, rendering{func(x *sluice.Exchange) error {
			x.Response.Header.Add("X-Policy", "stays")
			x.OnEnd(sluice.EnderFunc(func(_ *sluice.Exchange, o sluice.Outcome) {
				statuses = append(statuses, o.Status)
				told <- struct{}{}
			}))
			if string(x.Request.Path) == "/crash" {
				panic("crash")
			}
			return &sluice.Error{Code: sluice.NotFound}
		}})
		for _, tt := range []struct {
			path, body string
			want       int
		}{{"/", "not_found", 404}, {"/crash", "internal", 500}} {
			answer, body := e.get(t, tt.path)
			wantBody(t, body, tt.body)
			if answer.StatusCode != 200 || answer.Trailer.Get("X-Code") != tt.body || answer.Header.Get("X-Policy") != "stays" || answer.Header.Get("Content-Type") != "" {
				t.Errorf("%s: %d %v %v", tt.path, answer.StatusCode, answer.Header, answer.Trailer)
			}
			if <-told; statuses[len(statuses)-1] != tt.want {
				t.Errorf("%s: the outcome is %v; want %d", tt.path, statuses, tt.want)
			}
		}
	}},
	{"a Date that is there stays", func(t *testing.T, e *engineTest) {
		const date = "Mon, 01 Jan 2001 00:00:00 GMT"
		e.serve(t, func(x *sluice.Exchange) error {
			x.Response.Header.Add("date", date)
			return nil
		})
		answer, _ := e.get(t, "/")
		if got := answer.Header["Date"]; len(got) != 1 || got[0] != date {
			t.Errorf("Date %q, want %q", got, date)
		}
	}},
	{"framing and connection fields of a handler are not sent", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			h := &x.Response.Header
			h.Add("content-length", "1000")
			h.Add("Transfer-Encoding", "gzip")
			h.Add("Connection", "x-private")
			h.Add("Keep-Alive", "timeout=1")
			h.Add("Upgrade", "h2c")
			return ok(x)
		})
		answer, body := e.get(t, "/")
		wantBody(t, body, "ok")
		for _, name := range []string{"Keep-Alive", "Upgrade", "Connection", "Transfer-Encoding"} {
			if answer.Header.Get(name) != "" {
				t.Errorf("%s: %s was sent", name, answer.Header.Get(name))
			}
		}
		if answer.ContentLength != 2 {
			t.Errorf("content length %d, want 2", answer.ContentLength)
		}
	}},
	{"HEAD has the length and no body (RFC 9110 9.3.2)", func(t *testing.T, e *engineTest) {
		closed := make(chan struct{}, 1)
		e.serve(t, func(x *sluice.Exchange) error {
			switch string(x.Request.Path) {
			case "/stream":
				x.Response.Body.SetStream(&pulled{read: func([]byte) (int, error) {
					t.Error("a body that is not sent was read")
					return 0, io.EOF
				}, close: func(error) { closed <- struct{}{} }}, 5)
			case "/field":
				x.Response.Header.Add("Content-Length", "5")
			case "/unknown":
			default:
				x.Response.Body.SetBytes([]byte("12345"))
			}
			return nil
		})
		for path, want := range map[string]int64{"/bytes": 5, "/stream": 5, "/field": 5, "/unknown": -1} {
			answer, body, err := e.do(t, e.request(t, "HEAD", path, nil))
			if err != nil || body != "" {
				t.Fatalf("%s: body %q, %v", path, body, err)
			}
			if answer.ContentLength != want {
				t.Errorf("%s: content length %d, want %d", path, answer.ContentLength, want)
			}
		}
		receive(t, closed, "the stream to be closed")
	}},
	{"204 and 304 have no body (RFC 9110 6.4.1)", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			x.Response.Status = 204
			if string(x.Request.Path) == "/304" {
				x.Response.Status = 304
			}
			x.Response.Header.Add("ETag", `"a"`)
			x.Response.Body.SetBytes([]byte("12345"))
			return nil
		})
		for path, status := range map[string]int{"/204": 204, "/304": 304} {
			answer, body := e.get(t, path)
			wantStatus(t, answer, status)
			wantBody(t, body, "")
			if answer.Header.Get("Etag") != `"a"` {
				t.Error("a field is missing")
			}
			if status == 204 && answer.Header.Get("Content-Length") != "" {
				t.Error("204 with a Content-Length")
			}
		}
	}},
	{"an error is a problem (RFC 9457)", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			x.Response.Status = 201
			x.Response.Header.Add("Content-Type", "text/html")
			x.Response.Header.Add("Content-Encoding", "gzip")
			x.Response.Header.Add("ETag", `"a"`)
			x.Response.Header.Add("Access-Control-Allow-Origin", "*")
			x.Response.Body.SetBytes([]byte("half a page"))
			return &sluice.Error{Code: sluice.RateLimited, Message: `too "many"`, RetryAfter: 1500 * time.Millisecond,
				Fields: []sluice.InputError{{Name: "id", Message: "is no number"}, {Name: "query.q", Message: "is too long"}},
				Header: []sluice.Field{{Name: []byte("RateLimit"), Value: []byte("a;r=0")}}}
		})
		answer, body := e.get(t, "/")
		p := problem(t, answer, body, sluice.RateLimited)
		if p["detail"] != `too "many"` {
			t.Errorf("detail %v", p["detail"])
		}
		if fields, _ := p["errors"].([]any); len(fields) != 2 || fields[1].(map[string]any)["name"] != "query.q" {
			t.Errorf("errors %v", p["errors"])
		}
		for name, want := range map[string]string{"Retry-After": "2", "Ratelimit": "a;r=0", "Access-Control-Allow-Origin": "*",
			"Etag": "", "Content-Encoding": ""} {
			if got := answer.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}},
	{"an error's cause is for the operator only", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error { return errors.New("secret of the house") })
		answer, body := e.get(t, "/")
		problem(t, answer, body, sluice.Internal)
		if strings.Contains(body, "secret") {
			t.Errorf("the client is told: %s", body)
		}
	}},
	{"a panic is 500 and the node lives", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			if string(x.Request.Path) == "/panic" {
				panic("secret of the house")
			}
			return ok(x)
		})
		client := e.client(t)
		for _, c := range []struct {
			path   string
			status int
		}{{"/panic", 500}, {"/", 200}, {"/panic", 500}, {"/", 200}} {
			answer, err := client.Do(e.request(t, "GET", c.path, nil))
			if err != nil {
				t.Fatal(err)
			}
			p, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			wantStatus(t, answer, c.status)
			if strings.Contains(string(p), "secret") {
				t.Errorf("the client is told: %s", p)
			}
		}
	}},
	{"a status that is none is 500", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			x.Response.Status = 1000
			if string(x.Request.Path) == "/interim" {
				x.Response.Status = 102
			}
			return nil
		})
		for _, path := range []string{"/", "/interim"} {
			answer, body := e.get(t, path)
			problem(t, answer, body, sluice.Internal)
		}
	}},
	{"the deadline is 504", func(t *testing.T, e *engineTest) {
		e.limits.WholeTimeout = 20 * time.Millisecond
		e.serve(t, func(x *sluice.Exchange) error {
			<-x.Context().Done()
			return x.Context().Err()
		})
		answer, body := e.get(t, "/")
		problem(t, answer, body, sluice.GatewayTimeout)
	}},
	{"an answer that comes after the deadline is 504", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			x.Deadline = x.Start
			x.Response.Body.SetBytes([]byte("too late"))
			return nil
		})
		answer, body := e.get(t, "/")
		problem(t, answer, body, sluice.GatewayTimeout)
	}},
	{"a cancelled context of a client that is there is 500", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error { return context.Canceled })
		answer, body := e.get(t, "/")
		problem(t, answer, body, sluice.Internal)
	}},
	{"an error in a stream cuts the answer", func(t *testing.T, e *engineTest) {
		cutCase(t, e, func() (sluice.Stream, int64) { return parts(errors.New("broken"), "half a ", "page"), -1 })
	}},
	{"an error in a stream of known size cuts the answer", func(t *testing.T, e *engineTest) {
		cutCase(t, e, func() (sluice.Stream, int64) { return parts(errors.New("broken"), "half a ", "page"), 100 })
	}},
	{"a stream that ends early cuts the answer", func(t *testing.T, e *engineTest) {
		cutCase(t, e, func() (sluice.Stream, int64) { return parts(io.EOF, "half a ", "page"), 100 })
	}},
	{"a stream that is too long cuts the answer", func(t *testing.T, e *engineTest) {
		cutCase(t, e, func() (sluice.Stream, int64) { return parts(io.EOF, "half a ", "page"), 8 })
	}},
	{"a panic in a stream cuts the answer", func(t *testing.T, e *engineTest) {
		cutCase(t, e, func() (sluice.Stream, int64) {
			s := parts(io.EOF, "half a ", "page")
			read := s.read
			s.read = func(p []byte) (int, error) {
				if n, err := read(p); err == nil {
					return n, nil
				}
				panic("broken")
			}
			return s, -1
		})
	}},
	{"a stream of known size that fails at once is a problem", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			x.Response.Body.SetStream(parts(&sluice.Error{Code: sluice.BadGateway}), 10)
			return nil
		})
		answer, body := e.get(t, "/")
		problem(t, answer, body, sluice.BadGateway)
	}},
	{"pieces of a stream are not held back", func(t *testing.T, e *engineTest) {
		next := make(chan string)
		e.serve(t, func(x *sluice.Exchange) error {
			x.Response.Body.SetStream(&pulled{read: func(p []byte) (int, error) {
				text, more := <-next
				if !more {
					return 0, io.EOF
				}
				return copy(p, text), nil
			}}, -1)
			return nil
		})
		answer, err := e.client(t).Do(e.request(t, "GET", "/", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		for _, text := range []string{"a", strings.Repeat("b", 5000), strings.Repeat("c", 32<<10)} {
			next <- text
			p := make([]byte, len(text))
			if _, err := io.ReadFull(answer.Body, p); err != nil || string(p) != text {
				t.Fatalf("a piece of %d bytes did not arrive: %v", len(text), err)
			}
		}
		close(next)
		if rest, err := io.ReadAll(answer.Body); len(rest) > 0 || err != nil {
			t.Fatalf("got %q and %v, want the end", rest, err)
		}
	}},
	{"a header over the limit is 431", func(t *testing.T, e *engineTest) {
		e.limits.MaxHeader = 8 << 10
		e.serve(t, ok)
		for _, size := range []int{9 << 10, 20 << 10} {
			r := e.request(t, "GET", "/", nil)
			r.Header.Set("X-Long", strings.Repeat("x", size))
			answer, _, err := e.do(t, r)
			if err != nil && e.HTTP2 {
				continue // the client keeps to the size that the server announced
			}
			if err != nil {
				t.Fatal(err)
			}
			wantStatus(t, answer, 431)
		}
	}},
	{"a header has no limit where none is set", func(t *testing.T, e *engineTest) {
		e.limits.MaxHeader = 0
		e.serve(t, ok)
		r := e.request(t, "GET", "/", nil)
		r.Header.Set("X-Long", strings.Repeat("x", 2<<20))
		answer, _, err := e.do(t, r)
		if err != nil {
			t.Fatal(err)
		}
		wantStatus(t, answer, 200)
	}},
	{"a target over the limit is 414 or 431", func(t *testing.T, e *engineTest) {
		e.limits.MaxHeader = 8 << 10
		e.serve(t, ok)
		for _, size := range []int{9 << 10, 20 << 10} {
			answer, _, err := e.do(t, e.request(t, "GET", "/"+strings.Repeat("x", size), nil))
			if err != nil && e.HTTP2 {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if answer.StatusCode != http.StatusRequestURITooLong && answer.StatusCode != 431 {
				t.Errorf("status %d", answer.StatusCode)
			}
		}
	}},
}

// cutCase checks that an answer with that stream, whose first part is "half a ", is never taken for whole.
func cutCase(t *testing.T, e *engineTest, stream func() (sluice.Stream, int64)) {
	ends, why := newRecorder(), make(chan error, 1)
	e.serve(t, func(x *sluice.Exchange) error {
		x.OnEnd(ends)
		s, size := stream()
		x.Response.Body.SetStream(&pulled{read: s.Read, close: func(err error) { why <- err }}, size)
		return nil
	})
	answer, body, err := e.do(t, e.request(t, "GET", "/", nil))
	if err == nil {
		t.Errorf("the answer seems whole: %d %q", answer.StatusCode, body)
	}
	if strings.Contains(body, "type") || strings.Contains(body, "broken") {
		t.Errorf("the error stands in the body: %q", body)
	}
	if o := ends.outcome(t); o.Err == nil || o.Status != 200 {
		t.Errorf("outcome %+v", o)
	}
	if err := receive(t, why, "the stream to be closed"); err == nil {
		t.Error("the stream was closed as if it had been read")
	}
}

// rendering is a handler that tells errors with status 200, the code in body and trailer.
type rendering struct{ sluice.HandlerFunc }

// Render makes it a server.Renderer.
func (rendering) Render(x *sluice.Exchange, e *sluice.Error) bool {
	x.Response.Status = 200
	x.Response.Body.SetBytes([]byte(e.Code.String()))
	x.Response.Trailer.Add("X-Code", e.Code.String())
	return true
}
