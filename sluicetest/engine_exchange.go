package sluicetest

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// exchangeCases are about what a handler sees of a request, on every version of HTTP.
var exchangeCases = []engineCase{
	{"request is seen as it came", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			r := &x.Request
			scheme, proto := "http", "HTTP/1.1"
			if e.TLS != nil {
				scheme = "https"
			}
			if e.HTTP2 {
				proto = "HTTP/2.0"
			}
			body, err := readAll(x)
			for _, c := range []struct {
				what      string
				got, want any
			}{{"body", body, "some text"}, {"error", err, nil}, {"method", r.Method, "PUT"}, {"scheme", r.Scheme, scheme},
				{"proto", r.Proto, proto}, {"host", string(r.Host), e.Address}, {"path", string(r.Path), "/a/b"},
				{"query", string(r.Query), "x=1;2&y=%zz"}, {"client", r.Client, r.Remote.Addr()},
				{"loopback", r.Remote.Addr().IsLoopback(), true}, {"start", x.Start.IsZero(), false},
				{"deadline", x.Deadline.Sub(x.Start), time.Minute}, {"endpoint", x.Endpoint == nil, true},
				{"host field", r.Header.Has("Host"), false}, {"params", len(r.Params), 0}} {
				if c.got != c.want {
					t.Errorf("%s is %v, want %v", c.what, c.got, c.want)
				}
			}
			return ok(x)
		})
		r := e.request(t, "PUT", "/a/b?x=1;2&y=%zz", strings.NewReader("some text"))
		answer, body, err := e.do(t, r)
		if err != nil {
			t.Fatal(err)
		}
		wantStatus(t, answer, 200)
		wantBody(t, body, "ok")
	}},
	{"fields of one name keep their order", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			var got []string
			for _, f := range x.Request.Header.Fields() {
				if strings.EqualFold(string(f.Name), "x-many") {
					got = append(got, string(f.Value))
				}
			}
			if want := []string{"c", "a", "b"}; !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			x.Response.Header.Add("X-Many", "3")
			x.Response.Header.Add("X-Many", "1")
			x.Response.Header.Add("x-many", "2")
			return ok(x)
		})
		r := e.request(t, "GET", "/", nil)
		r.Header["X-Many"] = []string{"c", "a", "b"}
		answer, _, err := e.do(t, r)
		if err != nil {
			t.Fatal(err)
		}
		if got := answer.Header["X-Many"]; !slices.Equal(slices.Sorted(slices.Values(got)), []string{"1", "2", "3"}) {
			t.Errorf("got %q, want 3, 1 and 2", got)
		}
	}},
	{"target has one canonical form (RFC 3986 6.2.2)", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error { return reply(x, string(x.Request.Path)+"?"+string(x.Request.Query)) })
		for target, want := range map[string]string{
			"/":                  "/?",
			"/a%7eb?q=%7e":       "/a~b?q=%7e",
			"/%c3%a4/%20":        "/%C3%A4/%20?",
			"/a/?b//../c":        "/a/?b//../c",
			"/a;b=1/c,d/e+f/g@h": "/a;b=1/c,d/e+f/g@h?",
		} {
			_, body := e.get(t, target)
			wantBody(t, body, want)
		}
	}},
	{"target that can be read in two ways is 400", func(t *testing.T, e *engineTest) {
		h := &refusing{HandlerFunc: ok}
		e.serveHandler(t, h)
		targets := []string{"/a/../b", "/a/./b", "/a/%2e%2e/b", "/%2E", "/..", "//a", "/a//b", "/a%2fb", "/a%2Fb",
			"/a%5cb", "/a\\b", "/%00", "/a#b"}
		if !e.HTTP2 {
			targets = append(targets, "/a%zz", "/a%4") // Go's client tries again for long where a stream is refused
		}
		for _, target := range targets {
			r := e.request(t, "GET", target, nil)
			if strings.HasPrefix(target, "//") {
				r.URL.Opaque, r.URL.Path = "", target
			}
			answer, _, err := e.do(t, r)
			if err != nil && e.HTTP2 {
				continue // the stream was refused before it was a request
			}
			if err != nil {
				t.Fatalf("%s: %v", target, err)
			}
			if answer.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: status %d, want 400", target, answer.StatusCode)
			}
		}
		if n := h.served.Load(); n > 0 {
			t.Errorf("the handler saw %d of them", n)
		}
		if h.refused.Load() == 0 {
			t.Error("the handler was told of none")
		}
	}},
	{"an exchange leaves nothing to the next", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			if x.Caller.Known() || x.Response.Header.Len() > 0 || x.Response.Trailer.Len() > 0 || x.Response.Status != 0 ||
				len(x.Request.Params) > 0 || x.Request.Trailer.Len() > 0 || !x.Input(0).IsAbsent() || x.Result(0) != nil ||
				x.Response.Body.Len() != 0 || x.Span != nil || x.Deadline.Sub(x.Start) != time.Minute {
				t.Error("an exchange begins with something of another")
			}
			readAll(x)
			x.Caller.Scheme, x.Endpoint = "test", &sluice.Endpoint{Name: "test"}
			x.Request.Params = append(x.Request.Params, sluice.Param{Name: "a"})
			x.SetInput(0, sluice.TextValue([]byte("a")))
			x.SetResult(0, []byte("1"))
			x.Deadline = time.Now().Add(time.Hour)
			x.Response.Status = 201
			x.Response.Trailer.Add("X-End", "a")
			return ok(x)
		})
		client := e.client(t)
		for range 20 {
			r := e.request(t, "POST", "/", io.MultiReader(strings.NewReader("a")))
			r.Trailer = http.Header{"X-Sum": {"1"}}
			answer, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			wantStatus(t, answer, 201)
		}
	}},
	{"the peer's certificate is there with TLS", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			if x.Request.Peer == nil {
				return reply(x, "none")
			}
			return reply(x, x.Request.Peer.Subject.CommonName)
		})
		want := "none"
		if e.TLS != nil {
			want = "client"
		}
		_, body := e.get(t, "/")
		wantBody(t, body, want)
	}},
	{"interim answers come before the answer (RFC 9110 15.2)", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			var h sluice.Header
			h.Add("Link", "</style.css>; rel=preload")
			if err := x.Inform(103, &h); err != nil {
				t.Error(err)
			}
			if x.Inform(101, nil) == nil || x.Inform(200, nil) == nil {
				t.Error("a status that is not that of an interim answer was taken")
			}
			return ok(x)
		})
		hints := make(chan string, 2)
		answer, body, err := e.do(t, traced(e.request(t, "GET", "/", nil), hints))
		if err != nil {
			t.Fatal(err)
		}
		wantStatus(t, answer, 200)
		wantBody(t, body, "ok")
		if got := receive(t, hints, "the hint"); got != "103 </style.css>; rel=preload" {
			t.Errorf("got %q", got)
		}
		if answer.Header.Get("Link") != "" {
			t.Error("a field of the interim answer is in the answer too")
		}
	}},
	{"requests at once do not meet", func(t *testing.T, e *engineTest) {
		var inside atomic.Int64
		all := make(chan struct{})
		e.serve(t, func(x *sluice.Exchange) error {
			if inside.Add(1) == 10 {
				close(all)
			}
			select {
			case <-all:
			case <-x.Context().Done():
				return context.Cause(x.Context())
			}
			return reply(x, string(x.Request.Path))
		})
		client := e.client(t)
		answers := make(chan string, 10)
		for i := range 10 {
			path := "/" + strings.Repeat("x", i+1)
			r := e.request(t, "GET", path, nil)
			go func() {
				answer, err := client.Do(r)
				if err != nil {
					answers <- err.Error()
					return
				}
				p, _ := io.ReadAll(answer.Body)
				answer.Body.Close()
				if string(p) != path {
					answers <- path + " got " + string(p)
					return
				}
				answers <- ""
			}()
		}
		for range 10 {
			if wrong := receive(t, answers, "an answer"); wrong != "" {
				t.Error(wrong)
			}
		}
	}},
}

// refusing counts what it sees and what it does not see.
type refusing struct {
	sluice.HandlerFunc
	served, refused atomic.Int64
	ends            recorder
}

func (h *refusing) Serve(x *sluice.Exchange) error {
	h.served.Add(1)
	return h.HandlerFunc(x)
}

func (h *refusing) Refuse(x *sluice.Exchange, _ error) {
	h.refused.Add(1)
	if h.ends != nil {
		x.OnEnd(h.ends)
	}
}
