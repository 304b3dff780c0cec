package server_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/server"
	"github.com/sluiceapi/sluice/sluicetest"
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
	const short = 500 * time.Millisecond
	at := serveWith(t, echoHandler, func(l *server.Limits) {
		*l = server.Limits{HeaderTimeout: short, IdleTimeout: short, MaxHeader: l.MaxHeader, MaxBody: l.MaxBody}
	})
	for _, head := range []string{"Content-Length: 2\r\n\r\na", "Transfer-Encoding: chunked\r\n\r\n2\r\na"} {
		p := connect(t, at)
		p.send(get + "POST / HTTP/1.1\r\nHost: a\r\n" + head)
		p.want(200, "GET /  ")
		<-time.After(2 * short)
		p.send("b")
		if strings.HasPrefix(head, "T") {
			p.send("\r\n0\r\n\r\n")
		}
		p.want(200, "POST /  ab")
	}
}

func TestNoLimitOfAHeader(t *testing.T) {
	t.Parallel()
	const short = 500 * time.Millisecond
	at := serveWith(t, echoHandler, func(l *server.Limits) { l.HeaderTimeout, l.IdleTimeout = 0, short })
	p := connect(t, at)
	for range 2 {
		p.send("GET / HTTP/1.1\r\n")
		<-time.After(2 * short)
		p.send("Host: a\r\n\r\n")
		p.want(200, "GET /  ")
	}
	p.end()
}

// An exchange that is prolonged outlasts what held for its header.
func TestProlongedBody(t *testing.T) {
	t.Parallel()
	const short = 500 * time.Millisecond
	at := serveWith(t, sluice.HandlerFunc(func(x *sluice.Exchange) error {
		x.Prolong(time.Minute)
		return echoHandler(x)
	}), func(l *server.Limits) {
		l.HeaderTimeout, l.IdleTimeout, l.BodyTimeout, l.WholeTimeout = short, short, short, short
	})
	p := connect(t, at)
	p.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na")
	<-time.After(2 * short)
	p.send("b")
	p.want(200, "POST /  ab")
}

// stumbling panics in whatever the server asks it for beside Serve.
type stumbling struct{ sluice.HandlerFunc }

// Render makes it a server.Renderer.
func (stumbling) Render(x *sluice.Exchange, e *sluice.Error) bool {
	if string(x.Request.Path) == "/render" {
		panic("render")
	}
	return false
}

// stumblingStream panics where its path says so.
type stumblingStream struct {
	where string
	sluice.Stream
}

func (s stumblingStream) Close(error) {
	if s.where == "/close" {
		panic("close")
	}
}

func (s stumblingStream) Told() *sluice.Error {
	if s.where == "/told" {
		panic("told")
	}
	return nil
}

// A panic in what a handler gave ends its exchange and its connection, and nothing else.
func TestPanicsAroundAnAnswer(t *testing.T) {
	t.Parallel()
	ends := make(chan sluice.Outcome, 1)
	at := serveWith(t, stumbling{func(x *sluice.Exchange) error {
		x.OnEnd(sluice.EnderFunc(func(_ *sluice.Exchange, o sluice.Outcome) { ends <- o }))
		path := string(x.Request.Path)
		s := sluicetest.NewStream()
		s.Send("text")
		s.Finish(nil)
		x.Response.Body.SetStream(stumblingStream{path, s}, -1)
		if path == "/told" {
			return nil
		}
		return &sluice.Error{Code: sluice.NotFound}
	}}, nil)
	for _, path := range []string{"/render", "/close", "/told"} {
		p := connect(t, at)
		p.send("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n")
		if answer, err := http.ReadResponse(p.r, nil); path != "/told" && err == nil {
			t.Errorf("%s: status %d", path, answer.StatusCode)
		}
		if o := <-ends; o.Err == nil || path != "/told" && o.Status != 500 {
			t.Errorf("%s: outcome %+v", path, o)
		}
	}
	p := connect(t, at)
	p.send("GET /other HTTP/1.1\r\nHost: a\r\n\r\n")
	if answer, err := http.ReadResponse(p.r, nil); err != nil || answer.StatusCode != 404 {
		t.Errorf("afterwards: %v, %v", answer, err)
	}
}

// No field of a handler's can end a header early, or frame a message in another way than the engine does.
func TestFieldsDoNotSplitAnAnswer(t *testing.T) {
	t.Parallel()
	fields := [][2]string{{"X-A", "a\r\nX-Evil: 1"}, {"X-A", "a\nX-Evil: 1"}, {"X-A", "a\rX-Evil: 1"}, {"X-A", "a\r\n\r\nevil"}, {"X-A", "a\x00b"},
		{"X-A\r\nX-Evil", "1"}, {"X-A\r\n\r\nevil", "1"}, {"", "1"}, {"X A", "1"}, {"X-A:", "1"}, {"Content-Length ", "3"}, {"Content-Length: 3\t", "3"},
		{"Transfer-Encoding:", "chunked"}, {"Transfer-Encoding\x00", "chunked"}, {"X-\xff", "1"}, {"Connection ", "close"}}
	at := serveWith(t, sluice.HandlerFunc(func(x *sluice.Exchange) error {
		h := &sluice.Header{}
		kind, n, _ := strings.Cut(string(x.Request.Query), "=")
		i, _ := strconv.Atoi(n)
		h.Add("X-Before", "1")
		h.Add(fields[i][0], fields[i][1])
		h.Add("X-Behind", "1")
		switch kind {
		case "answer":
			x.Response.Header.CopyFrom(h)
		case "trailer":
			x.Response.Trailer.CopyFrom(h)
		case "interim":
			x.Inform(103, h)
		case "upgrade":
			x.Response.Header.CopyFrom(h)
			x.Response.Status, x.Response.Upgrade = 101, func(c net.Conn) { c.Write([]byte("over")) }
		}
		x.Response.Body.SetBytes([]byte("body"))
		return nil
	}), nil)
	for i := range fields {
		for kind, want := range map[string]string{
			"answer":  "HTTP/1.1 200 OK\r\nX-Before: 1\r\nX-Behind: 1\r\nDate\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody",
			"trailer": "HTTP/1.1 200 OK\r\nDate\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n4\r\nbody\r\n0\r\nX-Before: 1\r\nX-Behind: 1\r\n\r\n",
			"interim": "HTTP/1.1 103 Early Hints\r\nX-Before: 1\r\nX-Behind: 1\r\n\r\nHTTP/1.1 200 OK\r\nDate\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody",
			"upgrade": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Before: 1\r\nX-Behind: 1\r\n\r\nover",
		} {
			p := connect(t, at)
			connection := "close"
			if kind == "upgrade" {
				connection = "Upgrade\r\nUpgrade: websocket"
			}
			p.send(fmt.Sprintf("GET /?%s=%d HTTP/1.1\r\nHost: a\r\nConnection: %s\r\n\r\n", kind, i, connection))
			got, err := io.ReadAll(p.r)
			if text := dateField.ReplaceAllString(string(got), "Date"); err != nil || text != want {
				t.Errorf("%s with %q: %q, %v; want %q", kind, fields[i], text, err, want)
			}
		}
	}
}

var dateField = regexp.MustCompile(`Date: [^\r]*`)

// A request with content cannot become a tunnel, whether or not the content has come already.
func TestUpgradeWithContent(t *testing.T) {
	t.Parallel()
	at := serveWith(t, sluice.HandlerFunc(func(x *sluice.Exchange) error {
		if x.Request.Header.Has("Upgrade") {
			t.Error("the handler sees the wish")
		}
		return echoHandler(x)
	}), nil)
	for _, parts := range [][]string{{"3\r\n\r\nabc"}, {"3\r\n\r\n", "abc"}, {"3\r\n\r\na", "bc"}} {
		p := connect(t, at)
		p.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: ")
		for _, part := range parts {
			p.send(part)
		}
		p.want(200, "GET /  abc")
	}
}

// A client that takes a long answer slowly gets it, as long as it takes some of it within BodyTimeout.
func TestLongAnswerToASlowClient(t *testing.T) {
	t.Parallel()
	const size, pieces, timeout = 16 << 20, 64, 2 * time.Second
	long := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	at := serveWith(t, sluice.HandlerFunc(func(x *sluice.Exchange) error {
		x.Response.Body.SetBytes(long)
		return nil
	}), func(l *server.Limits) { l.BodyTimeout = timeout })
	c := dial(t, at)
	c.(*net.TCPConn).SetReadBuffer(64 << 10)
	p := &peer{c, t, bufio.NewReader(c)}
	p.send(get)
	answer, err := http.ReadResponse(p.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	part := make([]byte, size/pieces)
	for range pieces {
		<-time.After(3 * timeout / 2 / pieces)
		if _, err := io.ReadFull(answer.Body, part); err != nil {
			t.Fatalf("after %d bytes: %v", len(got), err)
		}
		got = append(got, part...)
	}
	if !bytes.Equal(got, long) {
		t.Error("it is not the answer")
	}
}

// connectTLS is connect with TLS, and that protocol asked for; "" asks for none.
func connectTLS(t testing.TB, address string, config *tls.Config, protocol string) *peer {
	t.Helper()
	config = config.Clone()
	if protocol != "" {
		config.NextProtos = []string{protocol}
	}
	c := tls.Client(dial(t, address), config)
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return &peer{c, t, bufio.NewReader(c)}
}

// secureServer serves with TLS; the config is for its clients.
func secureServer(t testing.TB, h sluice.Handler, l server.Limits) (string, *tls.Config) {
	t.Helper()
	a := newAuthority(t)
	s := serve(t, server.Config{Limits: l, HTTPS: &server.TLS{Address: "127.0.0.1:0", MinVersion: "1.2",
		Certificates: []server.Certificate{a.server(t, "localhost", "localhost")}}}, h)
	return address(s), a.stranger()
}

// protoHandler answers with the version of HTTP.
var protoHandler = sluice.HandlerFunc(func(x *sluice.Exchange) error {
	x.Response.Header.Add("X-Proto", x.Request.Proto)
	return nil
})

// http2Proto sends the rest of HTTP/2's preface and a request, and returns what the server takes it for.
func (p *peer) http2Proto(rest string, scheme string) string {
	p.t.Helper()
	f := http2.NewFramer(p, p.r)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, field := range [][2]string{{":method", "GET"}, {":scheme", scheme}, {":authority", "a"}, {":path", "/"}} {
		e.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	p.send(rest)
	f.WriteSettings()
	f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			p.t.Fatal(err)
		}
		if h, ok := frame.(*http2.MetaHeadersFrame); ok {
			for _, f := range h.RegularFields() {
				if f.Name == "x-proto" {
					return f.Value
				}
			}
			return ""
		}
	}
}

// The first bytes tell HTTP/2, however they come.
func TestPrefaceInPieces(t *testing.T) {
	t.Parallel()
	at := serveWith(t, protoHandler, nil)
	for i := range len(http2.ClientPreface) {
		p := connect(t, at)
		p.send(http2.ClientPreface[:i])
		if got := p.http2Proto(http2.ClientPreface[i:], "http"); got != "HTTP/2.0" {
			t.Errorf("split at %d: %q", i, got)
		}
	}
	p := connect(t, at)
	for i := range len(http2.ClientPreface) - 1 {
		p.send(http2.ClientPreface[i : i+1])
	}
	if got := p.http2Proto(http2.ClientPreface[len(http2.ClientPreface)-1:], "http"); got != "HTTP/2.0" {
		t.Errorf("byte by byte: %q", got)
	}
}

// What begins as HTTP/2 does and goes on in another way is refused, and so is HTTP/2 behind a request.
func TestWhatIsNoPreface(t *testing.T) {
	t.Parallel()
	at := serveWith(t, protoHandler, nil)
	for _, text := range []string{"PRI * HTTP/2.0\r\n\rX\r\n\r\n", "PRI * HTTP/2.0\r\nHost: a\r\n\r\n", "PRI * HTTP/1.1\r\n\r\n", "PRI /\r\n\r\n"} {
		for i := range len(text) {
			p := connect(t, at)
			p.send(text[:i])
			p.send(text[i:])
			if answer, err := http.ReadResponse(p.r, nil); err != nil || answer.StatusCode != 400 || !answer.Close {
				t.Errorf("%q split at %d: %v, %v", text, i, answer, err)
			}
			p.Close()
		}
	}
	p := connect(t, at)
	p.send(get + http2.ClientPreface)
	p.want(200, "")
	if answer, err := http.ReadResponse(p.r, nil); err != nil || answer.StatusCode != 400 || !answer.Close {
		t.Errorf("behind a request: %v, %v", answer, err)
	}
	// A method may begin as the preface does.
	for _, method := range []string{"P", "PRI", "POST", "PRIVATE"} {
		request := method + " / HTTP/1.1\r\nHost: a\r\n\r\n"
		for i := range 6 {
			p := connect(t, at)
			p.send(request[:i])
			p.send(request[i:])
			if got := p.want(200, "").Header.Get("X-Proto"); got != "HTTP/1.1" {
				t.Errorf("%s: %q", method, got)
			}
		}
	}
}

// With TLS it is the handshake that tells, and nothing else.
func TestProtocolsWithTLS(t *testing.T) {
	t.Parallel()
	at, config := secureServer(t, protoHandler, limits)
	if got := connectTLS(t, at, config, "h2").http2Proto(http2.ClientPreface, "https"); got != "HTTP/2.0" {
		t.Errorf("h2: %q", got)
	}
	for _, protocol := range []string{"http/1.1", ""} {
		p := connectTLS(t, at, config, protocol)
		p.send(get)
		if got := p.want(200, "").Header.Get("X-Proto"); got != "HTTP/1.1" {
			t.Errorf("%q: %q", protocol, got)
		}
		p = connectTLS(t, at, config, protocol)
		p.send(http2.ClientPreface)
		if answer, err := http.ReadResponse(p.r, nil); err != nil || answer.StatusCode != 400 {
			t.Errorf("a preface without h2: %v, %v", answer, err)
		}
	}
}

// HeaderTimeout is for the whole header, from its first byte: bytes that drip in do not put it off.
func TestHeaderThatDripsIn(t *testing.T) {
	t.Parallel()
	limits := limits
	limits.HeaderTimeout = time.Second
	secure, config := secureServer(t, echoHandler, limits)
	plain := serveWith(t, echoHandler, func(l *server.Limits) { *l = limits })
	for _, what := range []string{"plain", "TLS", "kept", "kept TLS", "as HTTP/2"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			var p *peer
			if strings.HasSuffix(what, "TLS") {
				p = connectTLS(t, secure, config, "http/1.1")
			} else {
				p = connect(t, plain)
			}
			if strings.HasPrefix(what, "kept") {
				p.send(get)
				p.want(200, "GET /  ")
			}
			begin := "GET / HTTP/1.1\r\nHost: a\r\nX: "
			if what == "as HTTP/2" {
				begin = http2.ClientPreface[:10]
			}
			p.send(begin)
			began := time.Now()
			over := make(chan struct{})
			var dripping sync.WaitGroup
			dripping.Go(func() {
				for drip := time.NewTicker(5 * time.Millisecond); what != "as HTTP/2"; {
					select {
					case <-drip.C:
						io.WriteString(p, "x")
					case <-over:
						return
					}
				}
			})
			answer, err := http.ReadResponse(p.r, nil)
			close(over)
			dripping.Wait()
			if err != nil || answer.StatusCode != 408 || !answer.Close {
				t.Errorf("%v, %v", answer, err)
			}
			if took := time.Since(began); took < limits.HeaderTimeout/2 {
				t.Errorf("it is given up after %s", took)
			}
		})
	}
}

// A handshake has HeaderTimeout too.
func TestHandshakeThatDoesNotCome(t *testing.T) {
	t.Parallel()
	limits := limits
	limits.HeaderTimeout = 50 * time.Millisecond
	at, _ := secureServer(t, echoHandler, limits)
	for _, text := range []string{"", "\x16\x03\x01", get} {
		p := connect(t, at)
		p.send(text)
		if rest, err := io.ReadAll(p.r); errors.Is(err, os.ErrDeadlineExceeded) || bytes.HasPrefix(rest, []byte("HTTP")) {
			t.Errorf("%q: %q, %v", text, rest, err)
		}
	}
}
