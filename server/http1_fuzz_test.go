//go:build unix

package server

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// seen is a request as a handler saw it, or did not get to see it.
type seen struct {
	refused                    bool
	method, target, host, body string
	whole                      bool // the body was read to its end
	trailer                    http.Header
}

func (s seen) String() string {
	if s.refused {
		return "refused"
	}
	return fmt.Sprintf("%s %q of %q with %q, whole %t, and %q", s.method, s.target, s.host, s.body, s.whole, s.trailer)
}

// fuzzed is an engine whose handler keeps what it sees.
type fuzzed struct {
	*http1
	seen []seen
}

func newFuzzed() *fuzzed {
	f := &fuzzed{}
	f.http1 = newHTTP1(newCore(settings{log: slog.New(slog.DiscardHandler), limits: Limits{MaxHeader: 8 << 10, MaxBody: 32 << 10}, handler: f}), newHandoff())
	f.next.Close()
	return f
}

// Serve keeps what it sees.
func (f *fuzzed) Serve(x *sluice.Exchange) error {
	r := &x.Request
	s := seen{method: r.Method, target: string(r.Path), host: string(r.Host), trailer: http.Header{}}
	if len(r.Query) > 0 {
		s.target += "?" + string(r.Query)
	}
	body, err := r.Body.Load(1 << 20)
	s.body, s.whole = string(body), err == nil
	for _, field := range r.Trailer.Fields() {
		name := http.CanonicalHeaderKey(string(field.Name))
		s.trailer[name] = append(s.trailer[name], string(field.Value))
	}
	f.seen = append(f.seen, s)
	return err
}

// Refuse makes it a Refuser.
func (f *fuzzed) Refuse(*sluice.Exchange, error) { f.seen = append(f.seen, seen{refused: true}) }

// serve serves one connection, and returns what was seen and what was answered, but for what is said of refusals.
func (f *fuzzed) serve(conn net.Conn) []seen {
	f.seen = nil
	c := newHTTP1Conn(f.http1, conn)
	f.fresh.Add(1)
	c.run()
	return f.seen
}

// varying is what of an answer may differ.
var varying = regexp.MustCompile(`Date: [^\r]*|Content-Length: [1-9][0-9]*|HTTP/1\.1 4[^\r]*|\{"type":[^\n]*?"request_id":"[0-9a-f]*"\}`)

func normal(answer []byte) string { return varying.ReplaceAllString(string(answer), "…") }

// cutConn is a connection that brings its bytes as they are cut.
type cutConn struct {
	net.Conn
	parts   [][]byte
	answers bytes.Buffer
}

func (c *cutConn) Read(p []byte) (int, error) {
	for len(c.parts) > 0 && len(c.parts[0]) == 0 {
		c.parts = c.parts[1:]
	}
	if len(c.parts) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.parts[0])
	c.parts[0] = c.parts[0][n:]
	return n, nil
}

func (c *cutConn) Write(p []byte) (int, error)      { return c.answers.Write(p) }
func (c *cutConn) Close() error                     { return nil }
func (c *cutConn) RemoteAddr() net.Addr             { return nil }
func (c *cutConn) SetDeadline(time.Time) error      { return nil }
func (c *cutConn) SetReadDeadline(time.Time) error  { return nil }
func (c *cutConn) SetWriteDeadline(time.Time) error { return nil }

// socketPair is a connection by which the engine can wait as on any socket.
func socketPair(t *testing.T) (own, client *net.UnixConn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]*net.UnixConn
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "pair")
		c, err := net.FileConn(file)
		file.Close()
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = c.(*net.UnixConn)
	}
	return conns[0], conns[1]
}

// FuzzHTTP1 holds the engine against itself, for bytes that come at once through a socket and cut into pieces, and against
// net/http: every request that is served, net/http reads in the same place as the same.
func FuzzHTTP1(f *testing.F) {
	for _, text := range []string{
		getText + getText,
		"POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" + getText,
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n" + getText,
		"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc" + getText,
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + getText,
		"GET http://b/%7e HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + getText,
		"GET / HTTP/1.0\r\nHost: a\r\n\r\n" + getText,
		"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.1\r\nHost: [::1]\r\n\r\nGET /../ HTTP/1.1\r\nHost: a\r\n\r\n" + getText,
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" + getText,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"POST - HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\nabc",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4045\r\n\r\n" + strings.Repeat("x", 4045) + getText, // which fills the memory
		"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 9000) + "\r\n\r\n" + getText,
	} {
		f.Add([]byte(text), uint16(20), uint16(60))
	}
	engine := newFuzzed()
	f.Fuzz(func(t *testing.T, data []byte, first, second uint16) {
		data = data[:min(len(data), 32<<10)]
		a := min(int(first), len(data))
		b := min(a+int(second), len(data))
		cut := &cutConn{parts: [][]byte{bytes.Clone(data[:a]), bytes.Clone(data[a:b]), bytes.Clone(data[b:])}}
		inPieces := engine.serve(cut)

		own, client := socketPair(t)
		defer client.Close()
		answers := make(chan []byte, 1)
		go func() {
			p, _ := io.ReadAll(client)
			answers <- p
		}()
		client.Write(data)
		client.CloseWrite()
		atOnce := engine.serve(own)
		if got, want := normal(<-answers), normal(cut.answers.Bytes()); got != want {
			t.Fatalf("%q is answered by %q, and in pieces of %d and %d by %q", data, got, a, b-a, want)
		}
		if !slices.EqualFunc(atOnce, inPieces, func(a, b seen) bool { return a.String() == b.String() }) {
			t.Fatalf("%q is seen as %v, and in pieces of %d and %d as %v", data, atOnce, a, b-a, inPieces)
		}
		compareSeen(t, data, atOnce)
	})
}

var spaceBeforeExtension = regexp.MustCompile(`(?m)^[0-9A-Fa-f]+[ \t]+;`)

func compareSeen(t *testing.T, data []byte, requests []seen) {
	t.Helper()
	r := bufio.NewReader(bytes.NewReader(data))
	for i, s := range requests {
		want, err := http.ReadRequest(r)
		switch {
		case s.refused && err != nil:
			return // what follows cannot be found by net/http
		case s.refused:
			if _, err := io.Copy(io.Discard, want.Body); err != nil {
				return
			}
			continue
		case err != nil:
			t.Fatalf("request %d of %q is seen as %v; net/http refuses it: %v", i, data, s, err)
		}
		if want.Method != s.method || want.URL.Host == "" && want.Host != s.host || want.URL.Host != "" && want.URL.Host != s.host {
			t.Fatalf("request %d of %q is seen as %v; net/http reads %s %s of %q", i, data, s, want.Method, want.RequestURI, want.Host)
		}
		if strings.HasPrefix(want.RequestURI, "/") && !strings.Contains(want.RequestURI, "%") && want.RequestURI != s.target && want.RequestURI != s.target+"?" {
			t.Fatalf("request %d of %q is seen as %v; net/http reads %s", i, data, s, want.RequestURI)
		}
		if !s.whole {
			return
		}
		body, err := io.ReadAll(want.Body)
		if err != nil && (strings.Contains(err.Error(), "too much") || spaceBeforeExtension.Match(data)) {
			return // as in the package h1
		}
		if err != nil || string(body) != s.body {
			t.Fatalf("request %d of %q is seen as %v; net/http reads %q, %v", i, data, s, body, err)
		}
		for name, values := range s.trailer {
			if !slices.Equal(want.Trailer[name], values) {
				t.Fatalf("request %d of %q is seen as %v; net/http reads the trailer %q", i, data, s, want.Trailer)
			}
		}
	}
}
