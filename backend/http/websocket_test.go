package http

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/sluiceapi/sluice/server"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

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

// With TLS on both sides it is the same.
func TestWebSocketWithTLS(t *testing.T) {
	t.Parallel()
	a, ends := servers.NewAuthority(t, "test"), make(chan error, 1)
	own := a.Issue(servers.Leaf{})
	upstream := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if c, err := websocket.Accept(w, r, nil); err == nil {
			defer c.CloseNow()
			ends <- repeat(r.Context(), c)
		}
	}))
	upstream.TLS = &tls.Config{Certificates: []tls.Certificate{own.TLS()}}
	upstream.StartTLS()
	t.Cleanup(upstream.Close)
	node := sluicetest.Node(t, "sluice: 1\nbackends:\n  b:\n    http: {urls: [\""+upstream.URL+"\"], tls: {ca: "+a.CertFile+"}}\n"+
		"endpoints:\n  x:\n    route: GET /x\n    http: {backend: b, path: /}\n", Kind)
	s, served := serve(t, server.Config{HTTPS: &server.TLS{Address: "127.0.0.1:0", Certificates: []server.Certificate{{Cert: own.CertFile, Key: own.KeyFile}}, MinVersion: "1.2"}}, node)
	transport := &nethttp.Transport{TLSClientConfig: &tls.Config{RootCAs: a.Pool()}}
	c, _, err := websocket.Dial(t.Context(), "wss://"+s.Addrs().HTTPS.String()+"/x", &websocket.DialOptions{HTTPClient: &nethttp.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	c.SetReadLimit(1 << 20)
	text := strings.Repeat("a long message ", 2000)
	for range 3 {
		if err := c.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if _, p, err := c.Read(t.Context()); string(p) != text {
			t.Fatalf("%d bytes, %v", len(p), err)
		}
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(t.Context()) }()
	_, _, err = c.Read(t.Context())
	closes(t, err, websocket.StatusGoingAway)
	closes(t, ended(t, ends), websocket.StatusGoingAway)
	if err := errors.Join(<-stopped, <-served); err != nil {
		t.Error(err)
	}
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
