package http

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/policy/cache"
	"github.com/sluiceapi/sluice/policy/compress"
	"github.com/sluiceapi/sluice/policy/jwt"
	"github.com/sluiceapi/sluice/policy/ratelimit"
	"github.com/sluiceapi/sluice/policy/timeout"
	"github.com/sluiceapi/sluice/server"
	"github.com/sluiceapi/sluice/sluicetest"
)

// edge is a running node before one upstream, as a process serves it.
type edge struct {
	address string
	server  *server.Server
	stopped chan error
}

const secret = "a secret of at least thirty-two bytes"

// openEdge serves GET /x from an upstream, with those entries of timeouts, and policies.
func openEdge(t testing.TB, url, timeouts string, policies ...string) *edge {
	t.Helper()
	text := "sluice: 1\nbackends:\n  b:\n    http:\n      urls: [\"" + url + "\"]\n      timeouts: {" + timeouts + "}\n" +
		"endpoints:\n  x:\n    route: GET /x\n"
	if len(policies) > 0 {
		text += "    policies:\n"
	}
	for _, p := range policies {
		text += "      - " + p + "\n"
	}
	kinds := []sluice.Kind{Kind, jwt.Kind, ratelimit.Kind, timeout.Kind, compress.Kind, cache.Kind}
	var nodes build.Switch
	nodes.Swap(sluicetest.Node(t, text+"    http: {backend: b, path: /}\n", kinds...))
	s, err := server.New(server.Config{HTTP: "127.0.0.1:0", Drain: server.Drain{Timeout: 20 * time.Second},
		Limits: server.Limits{RequestTimeout: 200 * time.Millisecond, BodyTimeout: 10 * time.Second}}, &nodes, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	e := &edge{address: s.Addrs().HTTP.String(), server: s, stopped: make(chan error, 1)}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		<-served
	})
	return e
}

// stop begins to stop the node.
func (e *edge) stop(t testing.TB) {
	go func() { e.stopped <- e.server.Shutdown(t.Context()) }()
}

func (e *edge) wait(t testing.TB) {
	t.Helper()
	select {
	case err := <-e.stopped:
		if err != nil {
			t.Errorf("shutdown: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the node does not stop")
	}
}

func token(subject string) string {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	signed := part(`{"alg":"HS256","typ":"JWT"}`) + "." + part(fmt.Sprintf(`{"iss":"test","aud":"x","sub":%q,"exp":%d}`, subject, time.Now().Add(time.Hour).Unix()))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

var signedIn = []string{`jwt: {issuer: test, audience: x, secret: "` + secret + `"}`, "rate_limit: {rate: 2/h, by: caller}"}

// chat is an upstream that serves WebSockets with serve, and tells how each ended.
func chat(t testing.TB, serve func(context.Context, *websocket.Conn) error) (url string, ended <-chan error) {
	ends := make(chan error, 16)
	return upstreamServer(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover, InsecureSkipVerify: true})
		if err != nil {
			return
		}
		c.SetReadLimit(1 << 20)
		defer c.CloseNow()
		ends <- serve(r.Context(), c)
	}), ends
}

func repeat(ctx context.Context, c *websocket.Conn) error {
	for {
		kind, p, err := c.Read(ctx)
		if err != nil {
			return err
		}
		if err := c.Write(ctx, kind, p); err != nil {
			return err
		}
	}
}

func (e *edge) dial(t testing.TB, bearer string) (*websocket.Conn, *nethttp.Response, error) {
	o := &websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover, HTTPHeader: nethttp.Header{}}
	if bearer != "" {
		o.HTTPHeader.Set("Authorization", "Bearer "+bearer)
	}
	c, answer, err := websocket.Dial(t.Context(), "ws://"+e.address+"/x", o)
	if c != nil {
		c.SetReadLimit(1 << 20)
		t.Cleanup(func() { c.CloseNow() })
	}
	return c, answer, err
}

func (e *edge) mustDial(t testing.TB, bearer string) *websocket.Conn {
	t.Helper()
	c, _, err := e.dial(t, bearer)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// closes wants the end of one side to be that status.
func closes(t testing.TB, err error, want websocket.StatusCode) {
	t.Helper()
	if got := websocket.CloseStatus(err); got != want {
		t.Errorf("it ended with %v, want %v", err, want)
	}
}

func ended(t testing.TB, ends <-chan error) error {
	t.Helper()
	select {
	case err := <-ends:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("the upstream's side does not end")
		return nil
	}
}

// Policies stand before a WebSocket as before any request; what is in it outlasts the time for a request.
func TestWebSocketBehindPolicies(t *testing.T) {
	t.Parallel()
	url, ends := chat(t, repeat)
	e := openEdge(t, url, "", append(signedIn, "timeout: 200ms")...)
	for who, status := range map[string]int{"": 401, token("a") + "x": 401} {
		if _, answer, err := e.dial(t, who); err == nil || answer == nil || answer.StatusCode != status {
			t.Errorf("%q gets in: %v", who, err)
		}
	}
	c := e.mustDial(t, token("a"))
	e.mustDial(t, token("a"))
	if _, answer, err := e.dial(t, token("a")); err == nil || answer == nil || answer.StatusCode != 429 {
		t.Errorf("a third is not over the rate: %v", err)
	}
	e.mustDial(t, token("b"))
	began := time.Now()
	for n := 0; n < 5 || time.Since(began) < 500*time.Millisecond; n++ {
		text := strings.Repeat(fmt.Sprintf("message %d; ", n), 1+n*n%5000)
		if err := c.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
		kind, got, err := c.Read(t.Context())
		if err != nil || kind != websocket.MessageText || string(got) != text {
			t.Fatalf("message %d: %d bytes, %v", n, len(got), err)
		}
	}
	c.Close(4001, "enough")
	closes(t, ended(t, ends), 4001)
}

// A node that stops closes WebSockets between two frames, and both sides know why.
func TestWebSocketDrains(t *testing.T) {
	t.Parallel()
	url, ends := chat(t, repeat)
	e := openEdge(t, url, "")
	idle := e.mustDial(t, "")
	if err := idle.Write(t.Context(), websocket.MessageText, []byte("once")); err != nil {
		t.Fatal(err)
	}
	if _, p, err := idle.Read(t.Context()); string(p) != "once" {
		t.Fatal(err)
	}
	e.stop(t)
	_, _, err := idle.Read(t.Context())
	closes(t, err, websocket.StatusGoingAway)
	closes(t, ended(t, ends), websocket.StatusGoingAway)
	e.wait(t)
}

// Messages that are on their way are whole or not there at all.
func TestWebSocketDrainsUnderLoad(t *testing.T) {
	t.Parallel()
	message := make([]byte, 77770) // which cannot be compressed
	for random, i := rand.New(rand.NewPCG(1, 2)), 0; i < len(message); i++ {
		message[i] = byte(random.Uint32())
	}
	url, ends := chat(t, func(ctx context.Context, c *websocket.Conn) error {
		go func() {
			for c.Write(ctx, websocket.MessageBinary, message) == nil {
			}
		}()
		for {
			if _, p, err := c.Read(ctx); err != nil || len(p) != len(message) {
				return err
			}
		}
	})
	e := openEdge(t, url, "")
	c := e.mustDial(t, "")
	go func() {
		for c.Write(t.Context(), websocket.MessageBinary, message) == nil {
		}
	}()
	for n := 0; ; n++ {
		_, p, err := c.Read(t.Context())
		if err != nil {
			closes(t, err, websocket.StatusGoingAway)
			break
		}
		if len(p) != len(message) {
			t.Fatalf("message %d has %d bytes", n, len(p))
		}
		if n == 10 {
			e.stop(t)
		}
	}
	closes(t, ended(t, ends), websocket.StatusGoingAway)
	e.wait(t)
}

// What has not closed in time is cut off, and the node stops all the same.
func TestWebSocketThatDoesNotClose(t *testing.T) {
	t.Parallel()
	url, _ := chat(t, repeat)
	e := openEdge(t, url, "")
	c, err := net.Dial("tcp", e.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, strings.Replace(handshake, "/chat", "/x", 1))
	r := bufio.NewReader(c)
	if head := readHeadOf(r); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		t.Fatal(head)
	}
	e.stop(t)
	if rest, err := io.ReadAll(r); string(rest) != string(closeFrame(false)) || err != nil {
		t.Errorf("%x %v", rest, err)
	}
	e.wait(t)
}

// Renew, and the end of its lifetime, end a WebSocket as a stop does.
func TestWebSocketLeaves(t *testing.T) {
	t.Parallel()
	url, ends := chat(t, repeat)
	e := openEdge(t, url, "")
	c := e.mustDial(t, "")
	e.server.Renew()
	_, _, err := c.Read(t.Context())
	closes(t, err, websocket.StatusGoingAway)
	closes(t, ended(t, ends), websocket.StatusGoingAway)

	e = openEdge(t, url, "lifetime: 100ms")
	c = e.mustDial(t, "")
	_, _, err = c.Read(t.Context())
	closes(t, err, websocket.StatusGoingAway)
	closes(t, ended(t, ends), websocket.StatusGoingAway)
}

// news is an upstream whose answers are streams of events: each piece that the test gives is sent at once.
func news(t testing.TB) (url string, pieces chan<- string, left <-chan struct{}) {
	in, gone := make(chan string), make(chan struct{}, 16)
	return upstreamServer(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		for {
			w.(nethttp.Flusher).Flush()
			select {
			case text, more := <-in:
				if !more {
					return
				}
				io.WriteString(w, text)
			case <-r.Context().Done():
				gone <- struct{}{}
				return
			}
		}
	}), in, gone
}

// listener is a client of a stream of events.
type listener struct {
	t      testing.TB
	answer *nethttp.Response
	leave  context.CancelFunc
}

func (e *edge) listen(t testing.TB, http2 bool, fields ...string) *listener {
	t.Helper()
	var protocols nethttp.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	transport := &nethttp.Transport{Protocols: &protocols, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := nethttp.NewRequestWithContext(ctx, "GET", "http://"+e.address+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Set(name, value)
	}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); answer.Body.Close() })
	return &listener{t: t, answer: answer, leave: cancel}
}

func (l *listener) hears(want string) {
	l.t.Helper()
	p := make([]byte, len(want))
	if n, err := io.ReadFull(l.answer.Body, p); string(p[:n]) != want {
		l.t.Fatalf("heard %q, %v; want %q", p[:n], err, want)
	}
}

// ends wants the rest to be that, and then a good end.
func (l *listener) ends(want string) {
	l.t.Helper()
	if rest, err := io.ReadAll(l.answer.Body); string(rest) != want || err != nil {
		l.t.Errorf("the end is %q, %v; want %q", rest, err, want)
	}
}

func eachVersion(t *testing.T, run func(t *testing.T, http2 bool)) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, http2)
		})
	}
}

// Each event is there at once, behind policies, for longer than the time for a request, and the upstream's end is the end.
func TestEvents(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, http2 bool) {
		url, pieces, _ := news(t)
		e := openEdge(t, url, "", append(signedIn, "compress", "timeout: 150ms", "cache: {ttl: 1h, shared: true}")...)
		if l := e.listen(t, http2); l.answer.StatusCode != 401 {
			t.Errorf("a stranger gets %d", l.answer.StatusCode)
		}
		bearer := "Authorization: Bearer " + token("a")
		l := e.listen(t, http2, bearer)
		began := time.Now()
		for n := 0; n < 5 || time.Since(began) < 500*time.Millisecond; n++ {
			event := fmt.Sprintf("id: %d\ndata: hello\n\n", n)
			pieces <- event
			l.hears(event)
		}
		second := e.listen(t, http2, bearer) // not kept, so a stream of its own
		if third := e.listen(t, http2, bearer); third.answer.StatusCode != 429 || second.answer.StatusCode != 200 {
			t.Errorf("the second and the third get %d and %d", second.answer.StatusCode, third.answer.StatusCode)
		}
		close(pieces)
		l.ends("")
		second.ends("")
	})
}

// A node that stops ends the stream behind a whole event.
func TestEventsDrain(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, http2 bool) {
		url, pieces, left := news(t)
		e := openEdge(t, url, "")
		between := e.listen(t, http2)
		e.stop(t)
		between.ends("")
		<-left
		e.wait(t)

		e = openEdge(t, url, "")
		within := e.listen(t, http2)
		pieces <- "data: 1\n\ndata: "
		within.hears("data: 1\n\ndata: ")
		e.stop(t)
		for begun := true; begun; {
			select {
			case pieces <- "2\r\n\r\ndata: ": // ends an event and begins another
			case <-left:
				begun = false
			}
		}
		if rest, err := io.ReadAll(within.answer.Body); !strings.HasPrefix(string(rest), "2\r\n\r\n") || !strings.HasSuffix(string(rest), "2\r\n\r\n") || err != nil {
			t.Errorf("the end is %q, %v; want a whole event", rest, err)
		}
		e.wait(t)

		e = openEdge(t, url, "")
		never := e.listen(t, http2)
		pieces <- "data: 1"
		never.hears("data: 1")
		e.stop(t)
		never.ends("") // half an event, of which clients take no notice
		<-left
		e.wait(t)
	})
}

// Renew, silence and the end of its lifetime end a stream in good order, and so does its client.
func TestEventsEnd(t *testing.T) {
	t.Parallel()
	url, pieces, left := news(t)
	for _, timeouts := range []string{"tunnel: 100ms", "lifetime: 100ms", ""} {
		e := openEdge(t, url, timeouts)
		l := e.listen(t, false)
		pieces <- ": hello\n\n"
		l.hears(": hello\n\n")
		if timeouts == "" {
			e.server.Renew()
		}
		l.ends("")
		<-left
	}
	l := openEdge(t, url, "").listen(t, false)
	l.leave()
	select {
	case <-left:
	case <-time.After(20 * time.Second):
		t.Error("the upstream does not learn that the client has left")
	}
}

// Only a stream of events whose end is not known lasts.
func TestWhatLasts(t *testing.T) {
	t.Parallel()
	const events, text = "Content-Type: Text/Event-Stream ;a=b\r\n", "Content-Type: text/plain\r\n"
	for head, want := range map[string]bool{
		"HTTP/1.1 200 OK\r\n" + events + "Transfer-Encoding: chunked\r\n\r\n2\r\n: \r\n": true,
		"HTTP/1.1 200 OK\r\n" + events + "\r\n: ":                                        true,
		"HTTP/1.1 200 OK\r\n" + text + "Transfer-Encoding: chunked\r\n\r\n2\r\n: \r\n":   false,
		"HTTP/1.1 200 OK\r\n" + events + "Content-Length: 5\r\n\r\n: ":                   false,
		"HTTP/1.1 503 No\r\n" + events + "Transfer-Encoding: chunked\r\n\r\n2\r\n: \r\n": false,
	} {
		s := openService(t, []string{answering(t, head, true)})
		x := request(nil, "GET", "/")
		x.Endpoint = s.ep
		if err := s.handler.Serve(x); err != nil {
			t.Fatalf("%q: %v", head, err)
		}
		if lasts := x.Response.Leave != nil; lasts != want {
			t.Errorf("%q lasts: %v, want %v", head, lasts, want)
		}
		x.End(sluice.Outcome{})
	}
}
