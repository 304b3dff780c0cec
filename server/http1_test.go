package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/server"
)

// echoHandler answers with what it was asked: method, path, a field and the body.
var echoHandler = sluice.HandlerFunc(func(x *sluice.Exchange) error {
	body, err := x.Request.Body.Load(1 << 20)
	if err != nil {
		return err
	}
	x.Response.Body.SetBytes(fmt.Appendf(nil, "%s %s %s %s", x.Request.Method, x.Request.Path, x.Request.Header.Value("x-mark"), body))
	return nil
})

// peer is a client that speaks HTTP/1.1 byte by byte.
type peer struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func connect(t testing.TB, address string) *peer {
	c := dial(t, address)
	return &peer{c, t, bufio.NewReader(c)}
}

func (p *peer) send(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p, text); err != nil {
		p.t.Fatalf("send: %v", err)
	}
}

// want reads the next answer, which must have that status and body.
func (p *peer) want(status int, body string) *http.Response {
	p.t.Helper()
	answer, err := http.ReadResponse(p.r, nil)
	if err != nil {
		p.t.Fatalf("read an answer: %v", err)
	}
	got, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != status || string(got) != body {
		p.t.Fatalf("%d %.300q, %v; want %d %.300q", answer.StatusCode, got, err, status, body)
	}
	return answer
}

// end waits for the connection to end without a reset, and without another byte.
func (p *peer) end() {
	p.t.Helper()
	if rest, err := io.ReadAll(p.r); len(rest) > 0 || err != nil {
		p.t.Fatalf("%q and %v, want an end", rest, err)
	}
}

// serveWith serves with limits that are changed.
func serveWith(t testing.TB, h sluice.Handler, change func(*server.Limits)) string {
	c := plain
	if change != nil {
		change(&c.Limits)
	}
	return address(serve(t, c, h))
}

// Whatever fills a connection's memory to its end, what has come behind it is looked at.
func TestRequestsAtTheEndOfTheBuffer(t *testing.T) {
	t.Parallel()
	at := serveWith(t, echoHandler, nil)
	for _, size := range []int{1 << 10, 4<<10 - 1, 4 << 10, 4<<10 + 1, 8 << 10, 16 << 10, 32 << 10} {
		for what, head := range map[string]string{
			"a header":     "GET /first HTTP/1.1\r\nHost: a\r\nX-Fill: %s\r\n\r\n",
			"a body":       "POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s",
			"a chunk":      "POST /first HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
			"a long chunk": "POST /first HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%05x\r\n%s\r\n0\r\n\r\n",
		} {
			text, fill := filled(head, size)
			method, body := "GET", ""
			if what != "a header" {
				method, body = "POST", fill
			}
			p := connect(t, at)
			p.send(text + "GET /second HTTP/1.1\r\nHost: a\r\nX-Mark: 2\r\n\r\n")
			p.want(200, method+" /first  "+body)
			p.want(200, "GET /second 2 ")
			p.Close()
		}
	}
}

// filled makes a request of that size in bytes, or of one less where its length would not fit.
func filled(format string, size int) (text, fill string) {
	for n := size; ; n-- {
		fill = strings.Repeat("x", n)
		if strings.Count(format, "%") == 1 {
			text = fmt.Sprintf(format, fill)
		} else {
			text = fmt.Sprintf(format, n, fill)
		}
		if len(text) <= size {
			return text, fill
		}
	}
}

// A client that says with its request that it sends no more gets the answer, and the end.
func TestClientThatSendsNoMore(t *testing.T) {
	t.Parallel()
	at := serveWith(t, echoHandler, nil)
	for _, requests := range []int{1, 2, 3} {
		p := connect(t, at)
		p.send(strings.Repeat(get, requests))
		p.Conn.(*net.TCPConn).CloseWrite()
		for range requests {
			p.want(200, "GET /  ")
		}
		p.end()
	}
}

// A limit of zero is none, also where another limit held before.
func TestNoLimitOfABody(t *testing.T) {
	t.Parallel()
	const short = 50 * time.Millisecond
	at := serveWith(t, echoHandler, func(l *server.Limits) {
		*l = server.Limits{HeaderTimeout: short, IdleTimeout: short, MaxHeader: l.MaxHeader, MaxBody: l.MaxBody}
	})
	for _, head := range []string{"Content-Length: 2\r\n\r\na", "Transfer-Encoding: chunked\r\n\r\n2\r\na"} {
		p := connect(t, at)
		p.send(get + "POST / HTTP/1.1\r\nHost: a\r\n" + head)
		p.want(200, "GET /  ")
		<-time.After(4 * short)
		p.send("b")
		if strings.HasPrefix(head, "T") {
			p.send("\r\n0\r\n\r\n")
		}
		p.want(200, "POST /  ab")
	}
}

func TestNoLimitOfAHeader(t *testing.T) {
	t.Parallel()
	const short = 50 * time.Millisecond
	at := serveWith(t, echoHandler, func(l *server.Limits) { l.HeaderTimeout, l.IdleTimeout = 0, short })
	p := connect(t, at)
	for range 2 {
		p.send("GET / HTTP/1.1\r\n")
		<-time.After(4 * short)
		p.send("Host: a\r\n\r\n")
		p.want(200, "GET /  ")
	}
	p.end()
}

// An exchange that is prolonged outlasts what held for its header.
func TestProlongedBody(t *testing.T) {
	t.Parallel()
	const short = 50 * time.Millisecond
	at := serveWith(t, sluice.HandlerFunc(func(x *sluice.Exchange) error {
		x.Prolong(time.Minute)
		return echoHandler(x)
	}), func(l *server.Limits) {
		l.HeaderTimeout, l.IdleTimeout, l.BodyTimeout, l.RequestTimeout = short, short, short, short
	})
	p := connect(t, at)
	p.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na")
	<-time.After(4 * short)
	p.send("b")
	p.want(200, "POST /  ab")
}
