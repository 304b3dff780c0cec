package http

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// webSocketEcho is an upstream that echoes whatever comes behind the handshake, and says goodbye at its end.
func webSocketEcho(t testing.TB) string {
	return rawUpstream(t, func(_ int, c net.Conn, r *bufio.Reader) {
		head := readHeadOf(r)
		if !strings.Contains(head, "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n") ||
			!strings.Contains(head, "\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n") {
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
			return
		}
		// The first bytes come with the head.
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello ")
		io.Copy(c, r)
		io.WriteString(c, "bye")
	})
}

// node serves exchanges on a socket with the least that an engine needs for a handshake and a tunnel.
func node(t testing.TB, s *service) string {
	return rawUpstream(t, func(_ int, c net.Conn, r *bufio.Reader) {
		x := request(nil, "GET", "/")
		x.Endpoint = s.ep
		for _, line := range strings.Split(readHeadOf(r), "\r\n")[1:] {
			if name, value, found := strings.Cut(line, ": "); found && name != "Host" {
				x.Request.Header.Add(name, value)
			}
		}
		if err := s.handler.Serve(x); err != nil {
			fmt.Fprintf(c, "HTTP/1.1 %d Error\r\nContent-Length: 0\r\n\r\n", sluice.ErrorOf(err).Code.Status())
			x.End(sluice.Outcome{Err: err})
			return
		}
		fmt.Fprintf(c, "HTTP/1.1 %d Switching Protocols\r\n", x.Response.Status)
		for _, f := range x.Response.Header.Fields() {
			fmt.Fprintf(c, "%s: %s\r\n", f.Name, f.Value)
		}
		io.WriteString(c, "\r\n")
		if x.Response.Upgrade != nil {
			x.Response.Upgrade(c)
		}
		x.End(sluice.Outcome{Status: x.Response.Status})
	})
}

const handshake = "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

func TestWebSocketThroughTwoHops(t *testing.T) {
	t.Parallel()
	far := openService(t, []string{webSocketEcho(t)})
	near := openService(t, []string{node(t, far)})
	c, err := net.Dial("tcp", strings.TrimPrefix(node(t, near), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, handshake)
	r := bufio.NewReader(c)
	head := readHeadOf(r)
	for _, want := range []string{"HTTP/1.1 101 ", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", "Connection: Upgrade\r\n", "Upgrade: websocket\r\n"} {
		if !strings.Contains(head, want) {
			t.Errorf("no %q in %s", want, head)
		}
	}
	p := make([]byte, 6)
	io.ReadFull(r, p)
	for i := range 5 {
		message := fmt.Sprintf("msg %d;", i)
		io.WriteString(c, message)
		got := make([]byte, len(message))
		if _, err := io.ReadFull(r, got); string(p)+string(got) != "hello "+message {
			t.Fatalf("%q %q %v", p, got, err)
		}
	}
	c.(*net.TCPConn).CloseWrite()
	rest, err := io.ReadAll(r)
	if string(rest) != "bye" || err != nil {
		t.Errorf("after the client's end: %q %v", rest, err)
	}
}

func TestOnlyWebSocketsPass(t *testing.T) {
	t.Parallel()
	s := openService(t, []string{webSocketEcho(t)})
	key := []string{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
	for name, change := range map[string]func(*sluice.Exchange){
		"h2c":               func(x *sluice.Exchange) { x.Request.Header.Set("Upgrade", "h2c") },
		"a list":            func(x *sluice.Exchange) { x.Request.Header.Set("Upgrade", "websocket, h2c") },
		"two fields":        func(x *sluice.Exchange) { x.Request.Header.Add("Upgrade", "websocket") },
		"POST":              func(x *sluice.Exchange) { x.Request.Method = "POST" },
		"HTTP/1.0":          func(x *sluice.Exchange) { x.Request.Proto = "HTTP/1.0" },
		"HTTP/2":            func(x *sluice.Exchange) { x.Request.Proto = "HTTP/2.0" },
		"not in Connection": func(x *sluice.Exchange) { x.Request.Header.Set("Connection", "keep-alive") },
		"a body":            func(x *sluice.Exchange) { x.Request.Body.SetBytes([]byte("x")) },
	} {
		x := request(nil, "GET", "/", append(key, "Connection", "Upgrade", "Upgrade", "websocket")...)
		change(x)
		if a := s.ask(x); a.status != 400 {
			t.Errorf("%s: %d %v", name, a.status, a.err)
		}
	}
	s = openService(t, []string{answering(t, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", false)})
	if a := s.ask(request(nil, "GET", "/", "Connection", "Upgrade", "Upgrade", "websocket")); a.status != 502 {
		t.Errorf("another protocol than asked for: %d %v", a.status, a.err)
	}
}

func TestTunnelThatNobodyJoins(t *testing.T) {
	t.Parallel()
	s := openService(t, []string{webSocketEcho(t)})
	x := request(nil, "GET", "/", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	if a := s.ask(x); a.status != 101 {
		t.Fatalf("%d %v", a.status, a.err)
	}
	if n := s.link().pool.open.Load(); n != 0 {
		t.Errorf("%d connections are open", n)
	}
}

func TestSilentTunnelEnds(t *testing.T) {
	t.Parallel()
	s := openService(t, []string{webSocketEcho(t)}, func(w *Where) { w.Timeouts.Tunnel = 50 * time.Millisecond })
	c, err := net.Dial("tcp", strings.TrimPrefix(node(t, s), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, handshake)
	if all, err := io.ReadAll(c); !strings.HasSuffix(string(all), "hello ") || err != nil {
		t.Errorf("%q %v", all, err)
	}
}

// TestUpgradeRefused has the upstream answer a handshake as an ordinary request; the connection is kept.
func TestUpgradeRefused(t *testing.T) {
	t.Parallel()
	s := openService(t, []string{answering(t, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", false)})
	x := request(&wire{ctx: context.Background()}, "GET", "/", "Connection", "Upgrade", "Upgrade", "websocket")
	if a := s.ask(x); a.status != 403 || idle(s) != 1 {
		t.Errorf("%d %v, %d idle", a.status, a.err, idle(s))
	}
}
