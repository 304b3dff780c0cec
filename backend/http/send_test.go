package http

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// echo is an upstream that answers with the request's body while it comes.
func echo(t testing.TB) string {
	return upstreamServer(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		control := nethttp.NewResponseController(w)
		control.EnableFullDuplex()
		w.Header().Set("X-Length", fmt.Sprint(r.ContentLength))
		w.Header().Set("Trailer", "X-Sum")
		control.Flush()
		p := make([]byte, 4096)
		for {
			n, err := r.Body.Read(p)
			w.Write(p[:n])
			control.Flush()
			if err != nil {
				break
			}
		}
		w.Header().Set("X-Sum", "of "+r.Trailer.Get("X-Came"))
	})
}

func TestStreamsBothWaysAtOnce(t *testing.T) {
	t.Parallel()
	s := openService(t, []string{echo(t)})
	body, write := pipe()
	x := request(nil, "POST", "/", "Trailer", "X-Came")
	x.Endpoint = s.ep
	x.Request.Body.SetStream(body, -1)
	if err := s.handler.Serve(x); err != nil {
		t.Fatal(err)
	}
	got := bufio.NewReader(sluiceReader{x.Response.Body.Stream})
	for i := range 5 {
		fmt.Fprintf(write, "line %d\n", i)
		if line, err := got.ReadString('\n'); line != fmt.Sprintf("line %d\n", i) {
			t.Fatalf("%q %v", line, err)
		}
	}
	x.Request.Trailer.Add("X-Came", "both")
	x.Request.Trailer.Add("Content-Length", "7") // never passed
	write.Close()
	if rest, err := io.ReadAll(got); len(rest) > 0 || err != nil {
		t.Fatalf("%q %v", rest, err)
	}
	x.Response.Body.Close(nil)
	if sum := x.Response.Trailer.Value("x-sum"); string(sum) != "of both" {
		t.Errorf("trailer %q", sum)
	}
	x.End(sluice.Outcome{Status: 200})
	if n := idle(s); n != 1 {
		t.Errorf("%d idle connections", n)
	}
}

type sluiceReader struct{ sluice.Stream }

func idle(s *service) int {
	p := &s.link().pool
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

func TestBodiesOfEachSize(t *testing.T) {
	t.Parallel()
	s := openService(t, []string{echo(t)})
	for _, size := range []int{0, 1, shortBody, shortBody + 1, 5 * pumpBuffer, 1 << 20} {
		content := strings.Repeat("x", size)
		for name, set := range map[string]func(*sluice.Body){
			"bytes":   func(b *sluice.Body) { b.SetBytes([]byte(content)) },
			"counted": func(b *sluice.Body) { b.SetStream(stream{Reader: strings.NewReader(content)}, int64(size)) },
			"unknown": func(b *sluice.Body) { b.SetStream(stream{Reader: strings.NewReader(content)}, -1) },
		} {
			x := request(nil, "POST", "/")
			set(&x.Request.Body)
			a := s.ask(x)
			length := fmt.Sprint(size)
			if name == "unknown" {
				length = "-1"
			}
			if a.err != nil || a.body != content || a.header["x-length"][0] != length {
				t.Errorf("%s of %d: %d bytes, length %v, %v", name, size, len(a.body), a.header["x-length"], a.err)
			}
		}
	}
}

func TestRequestBodyFaultsAreTheClients(t *testing.T) {
	t.Parallel()
	s := openService(t, []string{echo(t)})
	tooLarge := &sluice.Error{Code: sluice.TooLarge, Message: "too large"}
	for name, test := range map[string]struct {
		err  error
		size int64
		want string
	}{
		"too large":       {tooLarge, -1, "too_large"},
		"too large short": {tooLarge, 100, "too_large"},
		"too large long":  {tooLarge, 1 << 20, "too_large"},
		"broken":          {errors.New("bad chunk"), -1, "bad_request"},
		"left":            {context.Canceled, -1, "client_left"},
		"too short":       {io.EOF, 1 << 20, "bad_request"},
	} {
		x := request(nil, "POST", "/")
		x.Request.Body.SetStream(stream{Reader: io.MultiReader(strings.NewReader("begin"), failing{test.err})}, test.size)
		if a := s.ask(x); codeOf(a.err) != test.want {
			t.Errorf("%s: %d %v", name, a.status, a.err)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestEarlyAnswer has the upstream answer and close while the body still comes.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	url := rawUpstream(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHeadOf(r)
		io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!")
	})
	s := openService(t, []string{url})
	body, write := pipe()
	defer write.Close()
	x := request(nil, "POST", "/")
	x.Request.Body.SetStream(body, 1<<30)
	if a := s.ask(x); a.status != 413 || a.body != "no!" {
		t.Errorf("%+v", a)
	}
	x = request(nil, "POST", "/")
	x.Request.Body.SetBytes(bytes.Repeat([]byte("x"), 8<<20))
	if a := s.ask(x); a.status != 413 || a.body != "no!" {
		t.Errorf("in memory: %+v", a)
	}
}

func TestExpectation(t *testing.T) {
	t.Parallel()
	url := rawUpstream(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			head := readHeadOf(r)
			switch {
			case strings.HasPrefix(head, "PUT /refuse"):
				if !strings.Contains(head, "Expect: 100-continue\r\n") {
					t.Error("no expectation in", head)
				}
				io.WriteString(c, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
				if b, err := r.ReadByte(); err == nil {
					t.Errorf("%q came behind a refusal", b)
				}
				return
			case strings.HasPrefix(head, "PUT /go"):
				io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
				fallthrough
			case strings.HasPrefix(head, "PUT /silent"):
				p := make([]byte, 4)
				io.ReadFull(r, p)
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n%s", p)
			default:
				return
			}
		}
	})
	s := openService(t, []string{url})
	for path, want := range map[string]string{"/go": "body", "/silent": "body", "/refuse": ""} {
		x := request(nil, "PUT", path, "Expect", "100-continue")
		read := new(atomic.Bool)
		x.Request.Body.SetStream(stream{Reader: noting{strings.NewReader("body"), read}}, 4)
		a := s.ask(x)
		if a.err != nil || a.body != want || read.Load() != (want != "") {
			t.Errorf("%s: %+v, read %t", path, a, read.Load())
		}
	}
}

type noting struct {
	io.Reader
	read *atomic.Bool
}

func (n noting) Read(p []byte) (int, error) {
	n.read.Store(true)
	return n.Reader.Read(p)
}

// closer is an upstream that answers once on each of the first connections and closes when the next request comes.
func closer(t testing.TB) (url string, conns *atomic.Int32) {
	conns = new(atomic.Int32)
	return rawUpstream(t, func(n int, c net.Conn, r *bufio.Reader) {
		conns.Add(1)
		readHeadOf(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		readHeadOf(r)
	}), conns
}

func TestSentOnceMore(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		method string
		body   string
		code   string
		conns  int32
	}{{"GET", "", "", 2}, {"PUT", "short", "", 2}, {"DELETE", "", "", 2}, {"POST", "short", "bad_gateway", 1}, {"PATCH", "", "bad_gateway", 1}} {
		url, conns := closer(t)
		s := openService(t, []string{url})
		if a := s.ask(request(nil, "GET", "/")); a.err != nil {
			t.Fatal(a.err)
		}
		x := request(nil, test.method, "/")
		x.Request.Body.SetStream(stream{Reader: strings.NewReader(test.body)}, int64(len(test.body)))
		if a := s.ask(x); codeOf(a.err) != test.code || conns.Load() != test.conns {
			t.Errorf("%s: %d %v, %d connections", test.method, a.status, a.err, conns.Load())
		}
	}
}

func TestNotSentAgainOnFreshConnection(t *testing.T) {
	t.Parallel()
	var conns atomic.Int32
	url := rawUpstream(t, func(_ int, c net.Conn, r *bufio.Reader) { conns.Add(1); readHeadOf(r) })
	s := openService(t, []string{url})
	if a := s.ask(request(nil, "GET", "/")); a.status != 502 || conns.Load() != 1 {
		t.Errorf("%d after %d connections", a.status, conns.Load())
	}
}

func TestClosedIdleConnectionIsSeen(t *testing.T) {
	t.Parallel()
	for name, stray := range map[string]string{"closed": "", "unasked answer": "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"} {
		release, closed := make(chan struct{}), make(chan struct{})
		url := rawUpstream(t, func(n int, c net.Conn, r *bufio.Reader) {
			readHeadOf(r)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			if n == 0 {
				<-release
				io.WriteString(c, stray)
				c.Close()
				close(closed)
			}
		})
		s := openService(t, []string{url})
		s.ask(request(nil, "GET", "/"))
		close(release)
		<-closed
		if a := s.ask(request(nil, "POST", "/")); a.status != 200 || a.body != "ok" {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestAddressesInTurn(t *testing.T) {
	t.Parallel()
	var asked [2]atomic.Int32
	var urls []string
	for i := range asked {
		urls = append(urls, upstreamServer(t, func(nethttp.ResponseWriter, *nethttp.Request) { asked[i].Add(1) }))
	}
	s := openService(t, append(urls, deadAddress(t)), func(w *Where) { w.Balance.Method = "round_robin" })
	for range 12 {
		if a := s.ask(request(nil, "POST", "/")); a.status != 200 {
			t.Fatal(a.err)
		}
	}
	if a, b := asked[0].Load(), asked[1].Load(); a < 4 || b < 4 {
		t.Errorf("asked %d and %d times", a, b)
	}
	s = openService(t, []string{deadAddress(t), deadAddress(t)})
	for range 2 {
		if a := s.ask(request(nil, "GET", "/")); a.status != 502 {
			t.Errorf("all down: %d %v", a.status, a.err)
		}
	}
}

func TestFullPool(t *testing.T) {
	t.Parallel()
	begun, end := make(chan struct{}), make(chan struct{})
	url := upstreamServer(t, func(nethttp.ResponseWriter, *nethttp.Request) { begun <- struct{}{}; <-end })
	s := openService(t, []string{url}, func(w *Where) { w.Pool.Max = 1 })
	done := make(chan answer)
	go func() { done <- s.ask(request(nil, "GET", "/")) }()
	<-begun
	a := s.ask(request(nil, "GET", "/"))
	if e := sluice.ErrorOf(a.err); a.status != 503 || e.RetryAfter == 0 {
		t.Errorf("%d %v", a.status, a.err)
	}
	close(end)
	if a := <-done; a.status != 200 {
		t.Errorf("%d %v", a.status, a.err)
	}
}

func TestIdleConnectionsEnd(t *testing.T) {
	t.Parallel()
	url := upstreamServer(t, func(nethttp.ResponseWriter, *nethttp.Request) {})
	var ahead atomic.Int64
	s := openService(t, []string{url}, func(e *sluice.Env) {
		e.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	s.ask(request(nil, "GET", "/"))
	p := &s.link().pool
	first := p.conns[0]
	ahead.Store(int64(time.Minute))
	s.ask(request(nil, "GET", "/"))
	if p.conns[0] == first || !first.gone.Load() {
		t.Error("a connection was used after its time")
	}
	ahead.Store(int64(2 * time.Minute))
	p.expire()
	if n := p.open.Load(); n != 0 {
		t.Errorf("%d connections are open", n)
	}
	s.ask(request(nil, "GET", "/"))
	s.env.Close()
	if n := p.open.Load(); n != 0 {
		t.Errorf("%d connections are open after the end", n)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		fmt.Fprint(w, r.Proto, r.TLS.NegotiatedProtocol)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := t.TempDir() + "/ca.pem"
	writePEM(t, ca, server.Certificate().Raw)
	s := openService(t, []string{server.URL}, func(w *Where) { w.TLS.CA, w.TLS.ServerName = sluice.Path(ca), "example.com" })
	for range 3 {
		if a := s.ask(request(nil, "GET", "/")); a.err != nil || !strings.HasPrefix(a.body, "HTTP/1.1") {
			t.Fatalf("%+v", a)
		}
	}
	if n := idle(s); n != 1 {
		t.Errorf("%d idle connections", n)
	}
	if err := s.backend().Ping(context.Background()); err != nil {
		t.Error(err)
	}
	s = openService(t, []string{server.URL})
	if a := s.ask(request(nil, "GET", "/")); a.status != 502 {
		t.Errorf("an unknown authority: %d %v", a.status, a.err)
	}
	if err := s.backend().Ping(context.Background()); err == nil {
		t.Error("an unknown authority answers a ping")
	}
}

// TestEndStopsThePump ends an exchange that was answered while its client says nothing more.
func TestEndStopsThePump(t *testing.T) {
	t.Parallel()
	url := rawUpstream(t, func(_ int, c net.Conn, r *bufio.Reader) {
		readHeadOf(r)
		io.WriteString(c, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
		io.Copy(io.Discard, r)
	})
	s := openService(t, []string{url})
	body, write := pipe()
	x := request(nil, "POST", "/")
	x.Request.Body.SetStream(body, -1)
	if a := s.ask(x); a.status != 401 { // returns only when the pump is over
		t.Errorf("%+v", a)
	}
	if _, err := write.Write([]byte("x")); err == nil {
		t.Error("the body is still read")
	}
	if n := s.link().pool.open.Load(); n != 0 {
		t.Errorf("%d connections are open", n)
	}
}

// TestAnswerBesidePumpIsStreamed has whole answers come while the request's body is still read: whoever sends the
// answer on must see that it is not over.
func TestAnswerBesidePumpIsStreamed(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"} {
		url := rawUpstream(t, func(_ int, c net.Conn, r *bufio.Reader) {
			readHeadOf(r)
			io.WriteString(c, text)
			io.Copy(io.Discard, r)
		})
		s := openService(t, []string{url})
		body, _ := pipe()
		x := request(nil, "POST", "/")
		x.Endpoint = s.ep
		x.Request.Body.SetStream(body, -1)
		if err := s.handler.Serve(x); err != nil {
			t.Fatal(err)
		}
		if x.Response.Body.Stream == nil {
			t.Errorf("%q is no stream", text)
		}
		x.End(sluice.Outcome{})
	}
}

// TestUpstreamTakesNothing has the upstream stop reading a body.
func TestUpstreamTakesNothing(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	defer close(end)
	url := rawUpstream(t, func(_ int, c net.Conn, r *bufio.Reader) { readHeadOf(r); <-end })
	s := openService(t, []string{url}, func(w *Where) { w.Timeouts.Header = 100 * time.Millisecond })
	for _, inMemory := range []bool{true, false} {
		x := request(nil, "POST", "/")
		x.Request.Body.SetBytes(make([]byte, 64<<20))
		if !inMemory {
			x.Request.Body.SetStream(stream{Reader: bytes.NewReader(x.Request.Body.Bytes)}, -1)
		}
		if a := s.ask(x); a.status != 504 {
			t.Errorf("in memory %t: %d %v", inMemory, a.status, a.err)
		}
	}
}

// slow is a body that takes an hour, by a clock of the test.
type slow struct {
	io.Reader
	ahead *atomic.Int64
}

func (s slow) Read(p []byte) (int, error) {
	s.ahead.Store(int64(time.Hour))
	return s.Reader.Read(p)
}

// TestSlowShortBody has a client send a short body slowly. The upstream's time begins when it is there.
func TestSlowShortBody(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Where){
		"header": func(w *Where) { w.Timeouts.Header = 10 * time.Minute },
		"whole":  func(w *Where) { w.Timeouts.Whole = 10 * time.Minute },
	} {
		var ahead atomic.Int64
		looked := make(chan struct{}, 1)
		url := rawUpstream(t, func(_ int, c net.Conn, r *bufio.Reader) {
			for readHeadOf(r) != "" {
				r.Discard(r.Buffered())
				if ahead.Load() > 0 { // it is answered when the call has looked at the clock again
					select {
					case <-looked:
					default:
					}
					select {
					case <-looked:
					case <-time.After(20 * time.Second):
					}
				}
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		})
		s := openService(t, []string{url}, change, func(e *sluice.Env) {
			e.Now = func() time.Time {
				select {
				case looked <- struct{}{}:
				default:
				}
				return time.Now().Add(time.Duration(ahead.Load()))
			}
		})
		s.ask(request(nil, "GET", "/"))
		x := request(nil, "POST", "/")
		x.Request.Body.SetStream(stream{Reader: slow{strings.NewReader("body"), &ahead}}, 4)
		x.Arrived(time.Now())
		if a := s.ask(x); a.status != 200 || a.body != "ok" {
			t.Errorf("%s: %d %v", name, a.status, a.err)
		}
	}
}

// TestDeadlineFromBefore has the deadline that a connection was left with pass just before it is used again.
func TestDeadlineFromBefore(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "POST"} {
		s := openService(t, []string{answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false)}, func(w *Where) {
			w.Timeouts.Header = 2 * time.Second
		})
		s.ask(request(nil, "GET", "/"))
		c := s.link().pool.conns[0]
		c.raw.SetReadDeadline(past)
		c.readBy = time.Now().Add((minPatience + maxPatience) / 2) // so that none is set before it is used
		if a := s.ask(request(nil, method, "/")); a.status != 200 || a.body != "ok" || s.link().pool.conns[0] != c {
			t.Errorf("%s: %d %v", method, a.status, a.err)
		}
	}
}
