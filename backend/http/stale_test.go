//go:build unix

package http

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

const stray = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"

// What comes on a connection that nobody asked for is never taken for the answer to the next request, however soon that is
// made: only a look tells, and not the time.
func TestStrayAnswer(t *testing.T) {
	t.Parallel()
	for _, before := range []struct{ method, answer string }{
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 78\r\n\r\n"},
		{"GET", "HTTP/1.1 204 No Content\r\n\r\n"},
		{"GET", "HTTP/1.1 304 Not Modified\r\n\r\n"},
		{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
		{"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
	} {
		for _, next := range []string{"GET", "POST", "PUT with a stream"} {
			t.Run(before.method+strings.Fields(before.answer)[1]+" then "+next, func(t *testing.T) {
				t.Parallel()
				release := make(chan struct{})
				url := rawUpstream(t, func(n int, c net.Conn, r *bufio.Reader) {
					if n > 0 {
						readHeadOf(r)
						io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nown")
						return
					}
					readHeadOf(r)
					io.WriteString(c, before.answer)
					<-release
					io.WriteString(c, stray)
					io.Copy(io.Discard, r)
				})
				start := time.Now()
				s := openService(t, []string{url}, func(e *sluice.Env) { e.Now = func() time.Time { return start } }) // no time passes
				if a := s.ask(request(nil, before.method, "/")); a.err != nil {
					t.Fatal(a.err)
				}
				close(release)
				awaitBytes(t, s.link().pool.conns[0])
				method, _, streams := strings.Cut(next, " ")
				x := request(nil, method, "/")
				if streams {
					x.Request.Body.SetStream(stream{Reader: strings.NewReader("body")}, -1)
				}
				if a := s.ask(x); a.body != "own" {
					t.Errorf("got %+v", a)
				}
			})
		}
	}
}

// What comes behind an answer that can have no body, when the next request has gone out already, is not taken for the answer to
// that either: the connection is let settle for a while.
func TestLateStrayAnswer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		passes time.Duration // between the two
		change func(*Where)
		conns  int32
	}{
		"at once":               {0, func(*Where) {}, 2},
		"when it has settled":   {settle, func(*Where) {}, 1},
		"where no other may be": {0, func(w *Where) { w.Pool.Max = 1 }, 1},
		"where few are kept":    {0, func(w *Where) { w.Pool.MaxIdle = 1 }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var conns atomic.Int32
			asked, strayed := make(chan struct{}), make(chan struct{})
			url := rawUpstream(t, func(n int, c net.Conn, r *bufio.Reader) {
				conns.Add(1)
				if n == 0 {
					readHeadOf(r)
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 78\r\n\r\n")
					if test.conns > 1 {
						go func() { // where it is asked over this one, it fails and does not hang
							if readHeadOf(r) != "" {
								close(asked)
							}
						}()
						<-asked
						io.WriteString(c, stray)
						close(strayed)
						return
					}
				}
				readHeadOf(r)
				if n > 0 {
					close(asked)
					<-strayed
				}
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nown")
			})
			var ahead atomic.Int64
			start := time.Now()
			s := openService(t, []string{url}, test.change, func(e *sluice.Env) {
				e.Now = func() time.Time { return start.Add(time.Duration(ahead.Load())) }
			})
			s.ask(request(nil, "HEAD", "/"))
			ahead.Add(int64(test.passes))
			if a := s.ask(request(nil, "GET", "/")); a.body != "own" || conns.Load() != test.conns {
				t.Errorf("got %+v over %d connections, want %d", a, conns.Load(), test.conns)
			}
		})
	}
}

// awaitBytes waits until something has come on an idle connection.
func awaitBytes(t *testing.T, c *conn) {
	t.Helper()
	c.raw.SetReadDeadline(time.Now().Add(20 * time.Second))
	err := c.socket.raw.Read(func(fd uintptr) bool {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
		return n > 0 || err == nil
	})
	if err != nil {
		t.Error(err)
	}
	c.readBy = time.Time{}
}

// gathered is a connection that can send at once what was written until then.
type gathered struct {
	net.Conn
	gathers bool
	waiting bytes.Buffer
}

func (g *gathered) Write(p []byte) (int, error) {
	if g.gathers {
		return g.waiting.Write(p)
	}
	return g.Conn.Write(p)
}

// flush sends what was written, but for so many bytes at the end.
func (g *gathered) flush(but int) { g.Conn.Write(g.waiting.Next(g.waiting.Len() - but)) }

// What TLS has read beyond an answer is never taken for the answer to the next request either.
func TestStrayAnswerWithinTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil)
	t.Cleanup(server.Close)
	ca := t.TempDir() + "/ca.pem"
	writePEM(t, ca, server.Certificate().Raw)
	const short, own = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nown"
	for name, test := range map[string]struct {
		records []string // of the first answer
		but     int      // of which the last bytes come with the second
		conns   int32
	}{
		"nothing":                       {[]string{short}, 0, 1},
		"in the body's record":          {[]string{"HTTP/1.1 200 OK\r\nContent-Length: 15000\r\n\r\n", strings.Repeat("x", 15_000) + stray}, 0, 2},
		"in a record of its own":        {[]string{short, stray}, 0, 2},
		"in a part of a record":         {[]string{short, stray}, 20, 2},
		"in a part of a record's start": {[]string{short, stray}, len(stray) + 16 + 1 + 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var conns atomic.Int32
			url := rawUpstream(t, func(n int, raw net.Conn, _ *bufio.Reader) {
				conns.Add(1)
				g := &gathered{Conn: raw}
				c := tls.Server(g, &tls.Config{Certificates: server.TLS.Certificates})
				r := bufio.NewReader(c)
				readHeadOf(r)
				g.gathers = true
				if n == 0 {
					for _, record := range test.records {
						io.WriteString(c, record)
					}
					g.flush(test.but)
					readHeadOf(r)
				}
				io.WriteString(c, own)
				g.flush(0)
			})
			s := openService(t, []string{strings.Replace(url, "http:", "https:", 1)}, func(w *Where) {
				w.TLS.CA, w.TLS.ServerName = sluice.Path(ca), "example.com"
			})
			x := request(nil, "GET", "/")
			x.Endpoint = s.ep
			if err := s.handler.Serve(x); err != nil {
				t.Fatal(err)
			}
			if st := x.Response.Body.Stream; st != nil {
				for p, err := make([]byte, 64<<10), error(nil); err == nil; {
					_, err = st.Read(p)
				}
				x.Response.Body.Close(nil)
			}
			x.End(sluice.Outcome{})
			if a := s.ask(request(nil, "GET", "/")); a.body != "own" || conns.Load() != test.conns {
				t.Errorf("got %+v over %d connections, want %d", a, conns.Load(), test.conns)
			}
		})
	}
}

// The records are followed however they come in pieces.
func TestRecordsInPieces(t *testing.T) {
	t.Parallel()
	bytes := []byte{22, 3, 1, 0, 2, 'a', 'b', 23, 3, 3, 0, 0, 23, 3, 3, 0, 1, 'c'}
	whole := map[int]bool{0: true, 7: true, 12: true, len(bytes): true}
	for piece := 1; piece <= len(bytes); piece++ {
		var r records
		for at := 0; at < len(bytes); {
			n := min(piece, len(bytes)-at)
			r.follow(bytes[at : at+n])
			if at += n; (r.left == 0 && r.have == 0) != whole[at] {
				t.Errorf("in pieces of %d: after %d bytes %d of a record and %d of a header", piece, at, r.left, r.have)
			}
		}
	}
}
