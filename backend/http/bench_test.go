package http

import (
	"bufio"
	"context"
	"net"
	nethttp "net/http"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/sluiceapi/sluice"
)

const benchAnswer = "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 18:00:00 GMT\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n{\"id\":7,\"name\":\"something\"}"

// leanUpstream answers requests without a body, with as little work as can be, so that the client's work shows.
func leanUpstream(b testing.TB) string {
	return rawUpstream(b, func(_ int, c net.Conn, r *bufio.Reader) {
		p, answer := make([]byte, 4096), []byte(benchAnswer)
		for {
			if _, err := c.Read(p); err != nil {
				return
			}
			c.Write(answer)
		}
	})
}

func BenchmarkGet(b *testing.B) {
	get := repeatedGet(b)
	b.ReportAllocs()
	for b.Loop() {
		get()
	}
}

// repeatedGet makes the same request again and again in one exchange, as an engine does for a busy connection.
func repeatedGet(t testing.TB) func() {
	s := openService(t, []string{leanUpstream(t)})
	x := sluice.NewExchange(nil)
	w := &wire{ctx: context.Background()}
	from := request(w, "GET", "/users/7?full=1", "User-Agent", "bench/1", "Accept", "*/*", "Accept-Encoding", "gzip", "X-Request-Id", "0123456789abcdef")
	return func() {
		x.Reset(w)
		r := &x.Request
		r.Method, r.Scheme, r.Proto, r.Host, r.Path, r.Query = "GET", "http", "HTTP/1.1", from.Request.Host, from.Request.Path, from.Request.Query
		r.Remote = from.Request.Remote
		for _, f := range from.Request.Header.Fields() {
			r.Header.AddBytes(f.Name, f.Value)
		}
		x.Endpoint = s.ep
		if err := s.handler.Serve(x); err != nil || len(x.Response.Body.Bytes) != 27 {
			t.Fatal(err)
		}
		x.End(sluice.Outcome{Status: 200})
	}
}

func BenchmarkParallelGet(b *testing.B) {
	s := openService(b, []string{leanUpstream(b)})
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		x := request(nil, "GET", "/")
		w := &wire{ctx: context.Background()}
		for pb.Next() {
			x.Reset(w)
			r := &x.Request
			r.Method, r.Scheme, r.Proto, r.Host, r.Path = "GET", "http", "HTTP/1.1", []byte("h"), []byte("/users/7")
			x.Endpoint = s.ep
			if err := s.handler.Serve(x); err != nil {
				b.Error(err)
				return
			}
			x.End(sluice.Outcome{Status: 200})
		}
	})
}

// BenchmarkReverseProxy is the same with net/http's client, as a ReverseProxy uses it.
func BenchmarkReverseProxy(b *testing.B) {
	u, _ := url.Parse(leanUpstream(b))
	p := httputil.NewSingleHostReverseProxy(u)
	p.Transport = &nethttp.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	b.ReportAllocs()
	for b.Loop() {
		req, _ := nethttp.NewRequest("GET", "http://api.example.org/users/7?full=1", nil)
		req.Header = nethttp.Header{"User-Agent": {"bench/1"}, "Accept": {"*/*"}, "Accept-Encoding": {"gzip"}, "X-Request-Id": {"0123456789abcdef"}}
		req.RemoteAddr = "192.0.2.7:4711"
		w := &discard{header: nethttp.Header{}}
		p.ServeHTTP(w, req)
		if w.status != 200 {
			b.Fatal(w.status)
		}
	}
}

type discard struct {
	header nethttp.Header
	status int
}

func (d *discard) Header() nethttp.Header      { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }
