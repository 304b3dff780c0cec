package http

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/h1"
)

func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"RFC 9112 6.3 two lengths":            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
		"RFC 9112 6.3 list of lengths":        "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
		"RFC 9112 6.3 sign in length":         "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
		"RFC 9112 6.3 empty length":           "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok",
		"RFC 9112 6.3 huge length":            "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\nok",
		"RFC 9112 6.1 length and encoding":    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"RFC 9112 6.1 unknown encoding":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		"RFC 9112 6.1 encoding twice":         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"RFC 9112 6.1 list of encodings":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"RFC 9112 6.1 encoding in 1.0":        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"RFC 9112 5.2 obs-fold":               "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
		"RFC 9112 5.1 space before colon":     "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
		"RFC 9112 5 no colon":                 "HTTP/1.1 200 OK\r\nContent-Length 0\r\n\r\n",
		"RFC 9112 5 no name":                  "HTTP/1.1 200 OK\r\n: 0\r\n\r\n",
		"RFC 9112 2.2 bare LF":                "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
		"RFC 9112 2.2 bare CR":                "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
		"RFC 9110 5.5 NUL":                    "HTTP/1.1 200 OK\r\nA: b\x00c\r\n\r\n",
		"RFC 9112 4 version":                  "HTTP/1.2 200 OK\r\n\r\n",
		"RFC 9112 4 other protocol":           "SSH-2.0-OpenSSH_9.2\r\n\r\n",
		"RFC 9112 4 short status":             "HTTP/1.1 20 OK\r\n\r\n",
		"RFC 9112 4 low status":               "HTTP/1.1 099 OK\r\n\r\n",
		"RFC 9112 4 no reason's space":        "HTTP/1.1 200OK\r\n\r\n",
		"RFC 9112 4 empty line first":         "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"RFC 9110 15.2.2 unasked 101":         "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"RFC 9110 6.5.1 framing as a trailer": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\n\r\n",
		"a header without end":                "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", maxHead) + "\r\n\r\n",
		"too many fields":                     "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", h1.MaxFields+1) + "\r\n",
		"nothing":                             "",
		"half a head":                         "HTTP/1.1 200 OK\r\nContent-",
		"interim answers without end":         strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", maxInterim+1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openService(t, []string{answering(t, text, true)})
			a := s.ask(request(nil, "GET", "/"))
			if a.status != 502 {
				t.Fatalf("status %d, %v", a.status, a.err)
			}
			if e := sluice.ErrorOf(a.err); strings.Contains(e.Message, "127.0.0.1") || !strings.Contains(e.Err.Error(), "127.0.0.1") {
				t.Errorf("the address belongs to the operator only: %v", e)
			}
			if n := s.link().pool.open.Load(); n != 0 {
				t.Errorf("%d connections are still open", n)
			}
		})
	}
}

func TestHostileBodies(t *testing.T) {
	t.Parallel()
	const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for name, text := range map[string]string{
		"cut in a counted body":       "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
		"cut in a chunk":              head + "5\r\nhal",
		"cut before the last chunk":   head + "2\r\nok\r\n",
		"cut in the trailers":         head + "0\r\nA: b",
		"bare LF behind a size":       head + "2\nok\r\n0\r\n\r\n",
		"bare LF behind data":         head + "2\r\nok\n0\r\n\r\n",
		"sign in a size":              head + "+2\r\nok\r\n0\r\n\r\n",
		"0x in a size":                head + "0x2\r\nok\r\n0\r\n\r\n",
		"empty size":                  head + "\r\nok\r\n0\r\n\r\n",
		"huge size":                   head + "fffffffffffffffff\r\nok\r\n0\r\n\r\n",
		"LF in an extension":          head + "2;a\nb\r\nok\r\n0\r\n\r\n",
		"endless extension":           head + "2;" + strings.Repeat("a", 2<<10) + "\r\nok\r\n0\r\n\r\n",
		"framing in a trailer":        head + "0\r\nContent-Length: 1\r\n\r\n",
		"obs-fold in a trailer":       head + "0\r\nA: b\r\n c\r\n\r\n",
		"endless trailer":             head + "0\r\nA: " + strings.Repeat("a", maxHead) + "\r\n\r\n",
		"data longer than the chunk":  head + "2\r\nokk\r\n0\r\n\r\n",
		"data shorter than the chunk": head + "3\r\nok\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openService(t, []string{answering(t, text, true)})
			a := s.ask(request(nil, "GET", "/"))
			if a.status != 200 || codeOf(a.err) != "bad_gateway" {
				t.Errorf("status %d, body %q, error %v", a.status, a.body, a.err)
			}
			if n := s.link().pool.open.Load(); n != 0 {
				t.Errorf("%d connections are still open", n)
			}
		})
	}
}

func TestAnswersOfEachFraming(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 3000)
	for name, test := range map[string]struct {
		method, text, body string
		kept               bool
	}{
		"counted":               {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", true},
		"counted long":          {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n" + long, long, true},
		"no reason":             {"GET", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "ok", true},
		"empty":                 {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", true},
		"chunked":               {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2 ;x=\"y\"\r\nok\r\n0\r\n\r\n", "ok", true},
		"chunked in upper case": {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n00\r\n\r\n", "0123456789", true},
		"chunked long":          {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7530\r\n" + long + "\r\n1\r\nx\r\n0\r\n\r\n", long + "x", true},
		"until close":           {"GET", "HTTP/1.1 200 OK\r\n\r\n" + long, long, false},
		"HTTP/1.0":              {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok", "ok", false},
		"Connection: close":     {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", "ok", false},
		"HEAD":                  {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "", true},
		"204":                   {"GET", "HTTP/1.1 204 No Content\r\n\r\n", "", true},
		"304":                   {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", "", true},
		"a body behind a 204":   {"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", "", false},
		"more than was said":    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n", "ok", false},
		"interim first":         {"GET", "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ahead atomic.Int64
			s := openService(t, []string{answering(t, test.text, !test.kept)}, func(e *sluice.Env) {
				e.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
			})
			for range 2 {
				if a := s.ask(request(nil, test.method, "/")); a.err != nil || a.body != test.body {
					t.Fatalf("%d, %d bytes, %v", a.status, len(a.body), a.err)
				}
				ahead.Add(int64(settle))
			}
			if n := s.link().pool.open.Load(); (n == 1) != test.kept {
				t.Errorf("%d connections are open", n)
			}
		})
	}
}

func TestLengthOfAnswersWithoutBody(t *testing.T) {
	t.Parallel()
	s := openService(t, []string{answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", false)})
	if a := s.ask(request(nil, "HEAD", "/")); a.err != nil || a.header["content-length"][0] != "12" {
		t.Errorf("%+v", a)
	}
}

// TestAnswerByteByByte has every answer come in the smallest pieces.
func TestAnswerByteByByte(t *testing.T) {
	t.Parallel()
	const text = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" +
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nok\r\n1\r\n!\r\n0\r\nX-T: v\r\n\r\n"
	url := rawUpstream(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for readHeadOf(r) != "" {
			for i := range len(text) {
				io.WriteString(c, text[i:i+1])
			}
		}
	})
	s := openService(t, []string{url})
	hints := 0
	w := &wire{ctx: context.Background(), inform: func(status int, h *sluice.Header) error {
		if status == 103 && string(h.Value("link")) == "</a>" {
			hints++
		}
		return nil
	}}
	for range 3 {
		a := s.ask(request(w, "GET", "/"))
		if a.err != nil || a.body != "ok!" || len(a.trailer["x-t"]) != 1 {
			t.Fatalf("%+v", a)
		}
	}
	if hints != 3 {
		t.Errorf("%d hints", hints)
	}
	if n := s.link().pool.open.Load(); n != 1 {
		t.Errorf("%d connections are open", n)
	}
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	silent := rawUpstream(t, func(_ int, c net.Conn, r *bufio.Reader) { io.Copy(io.Discard, r) })
	half := rawUpstream(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHeadOf(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		io.Copy(io.Discard, r)
	})
	ask := func(url string, c func(*Where), x *sluice.Exchange) answer {
		return openService(t, []string{url}, c).ask(x)
	}
	none := func(*Where) {}
	soon := func() *sluice.Exchange {
		x := request(nil, "GET", "/")
		x.Deadline = time.Now().Add(300 * time.Millisecond)
		return x
	}
	check := func(name string, a answer, status int) {
		if codeOf(a.err) != "gateway_timeout" || a.status != status {
			t.Errorf("%s: %d %v", name, a.status, a.err)
		}
	}
	check("header", ask(silent, func(w *Where) { w.Timeouts.Header = 20 * time.Millisecond }, request(nil, "GET", "/")), 504)
	check("header, patiently", ask(silent, func(w *Where) { w.Timeouts.Header = 300 * time.Millisecond }, request(nil, "GET", "/")), 504)
	check("whole", ask(silent, func(w *Where) { w.Timeouts.Whole = 20 * time.Millisecond }, request(nil, "GET", "/")), 504)
	check("whole in the body", ask(half, func(w *Where) { w.Timeouts.Whole = 20 * time.Millisecond }, request(nil, "GET", "/")), 200)
	check("deadline", ask(silent, none, soon()), 504)
	check("deadline in the body", ask(half, none, soon()), 200)
	past := request(nil, "GET", "/")
	past.Deadline = time.Now().Add(-time.Second)
	check("deadline that has passed", ask(silent, none, past), 504)
}

// TestConnectTimeout connects to a listener whose queue is full.
func TestConnectTimeout(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if !shrinkQueue(l) {
		if os.Getenv("CI") != "" {
			t.Fatal("the queue of a listener cannot be shrunk")
		}
		t.Skip("the queue of a listener cannot be shrunk here")
	}
	for {
		c, err := net.DialTimeout("tcp", l.Addr().String(), 50*time.Millisecond)
		if err != nil {
			break
		}
		defer c.Close()
	}
	s := openService(t, []string{"http://" + l.Addr().String()}, func(w *Where) { w.Timeouts.Connect = 20 * time.Millisecond })
	if a := s.ask(request(nil, "GET", "/")); a.status != 504 {
		t.Errorf("%d %v", a.status, a.err)
	}
}

func TestClientLeaves(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	url := rawUpstream(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHeadOf(r)
		close(asked)
		io.Copy(io.Discard, r)
	})
	s := openService(t, []string{url})
	ctx, leave := context.WithCancel(context.Background())
	go func() { <-asked; leave() }()
	if a := s.ask(request(&wire{ctx: ctx}, "GET", "/")); codeOf(a.err) != "client_left" {
		t.Errorf("%v", a.err)
	}
	if n := s.link().pool.open.Load(); n != 0 {
		t.Errorf("%d connections are open", n)
	}
}

func TestClientLeavesWhileStreaming(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	url := upstreamServer(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		fmt.Fprint(w, "data: 1\n\n")
		nethttp.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(gone)
	})
	s := openService(t, []string{url})
	ctx, leave := context.WithCancel(context.Background())
	x := request(&wire{ctx: ctx}, "GET", "/")
	x.Endpoint = s.ep
	if err := s.handler.Serve(x); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 100)
	if n, err := x.Response.Body.Stream.Read(p); string(p[:n]) != "data: 1\n\n" {
		t.Fatal(string(p[:n]), err)
	}
	leave()
	_, err := x.Response.Body.Stream.Read(p)
	if codeOf(err) != "client_left" {
		t.Errorf("%v", err)
	}
	x.End(sluice.Outcome{Err: err})
	<-gone
}

// TestStreamIsReleasedEarly closes an answer that is not read to its end.
func TestStreamIsReleasedEarly(t *testing.T) {
	t.Parallel()
	s := openService(t, []string{answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", false)})
	x := request(nil, "GET", "/")
	x.Endpoint = s.ep
	if err := s.handler.Serve(x); err != nil {
		t.Fatal(err)
	}
	x.End(sluice.Outcome{})
	if n := s.link().pool.open.Load(); n != 0 {
		t.Errorf("%d connections are open", n)
	}
}
