package server_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/server"
)

// waitingHandler waits until its context ends, or its body where it has one, and tells of both.
type waitingHandler struct {
	inside chan string
	ends   chan sluice.Outcome
}

func newWaitingHandler() *waitingHandler {
	return &waitingHandler{make(chan string, 100), make(chan sluice.Outcome, 100)}
}

// Serve waits.
func (h *waitingHandler) Serve(x *sluice.Exchange) error {
	x.OnEnd(sluice.EnderFunc(func(_ *sluice.Exchange, o sluice.Outcome) { h.ends <- o }))
	path := string(x.Request.Path)
	switch path {
	case "/wait":
		ctx := x.Context()
		h.inside <- path
		<-ctx.Done()
		return ctx.Err()
	case "/read":
		h.inside <- path
		_, err := x.Request.Body.Load(1 << 20)
		return err
	case "/write":
		h.inside <- path
		x.Response.Body.SetBytes(make([]byte, 64<<20))
	case "/pump":
		h.inside <- path
		x.Response.Body.SetStream(zeros{}, -1)
	case "/over":
		x.Response.Status, x.Response.Upgrade = 101, func(c net.Conn) {
			h.inside <- path
			io.Copy(io.Discard, c)
		}
	}
	return nil
}

// zeros is a stream without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
func (zeros) Close(error)                {}

func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// That a client has left is seen by whoever has asked for the context, without anything being read.
func TestClientThatLeaves(t *testing.T) {
	t.Parallel()
	h := newWaitingHandler()
	open := serveWith(t, h, nil)
	secure, config := secureServer(t, h, limits)
	closes := func(p *peer) { p.Close() }
	resets := func(p *peer) {
		p.Conn.(*net.TCPConn).SetLinger(0)
		p.Close()
	}
	drops := func(p *peer) { p.Conn.(*tls.Conn).NetConn().Close() }
	for _, c := range []struct {
		what           string
		secure         bool
		before, behind string
		leave          func(*peer)
	}{
		{"closes", false, "", "", closes},
		{"sends no more", false, "", "", func(p *peer) { p.Conn.(*net.TCPConn).CloseWrite() }},
		{"resets", false, "", "", resets},
		{"closes a kept connection", false, get, "", closes},
		{"resets with requests behind", false, "", strings.Repeat(get, 1000), resets},
		{"closes behind a body", false, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", "", closes},
		{"closes TLS", true, "", "", closes},
		{"drops TLS", true, "", "", drops},
		{"closes TLS with requests behind", true, get, strings.Repeat(get, 1000), closes},
		{"drops TLS with requests behind", true, "", strings.Repeat(get, 1000), drops},
	} {
		var p *peer
		if c.secure {
			p = connectTLS(t, secure, config, "http/1.1")
		} else {
			p = connect(t, open)
		}
		if c.before != "" {
			p.send(c.before)
			p.want(200, "")
			receive(t, h.ends, "the end")
		}
		p.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
		receive(t, h.inside, "the request")
		if c.behind != "" {
			p.send(c.behind)
		}
		c.leave(p)
		if o := receive(t, h.ends, "the end of who "+c.what); o.Status != 499 || sluice.ErrorOf(o.Err).Code != sluice.ClientLeft {
			t.Errorf("%s: outcome %+v", c.what, o)
		}
	}
}

// A client that is there is not taken for gone, whatever lies behind its request and however long it waits.
func TestClientThatStays(t *testing.T) {
	t.Parallel()
	secure, config := secureServer(t, slowHandler, limits)
	open := serveWith(t, slowHandler, nil)
	for _, behind := range []string{"", "G", get, strings.Repeat(get, 100)} {
		for _, p := range []*peer{connect(t, open), connectTLS(t, secure, config, "http/1.1")} {
			p.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
			p.send(behind)
			for range 1 + strings.Count(behind, "Host") {
				p.want(200, "stays")
			}
		}
	}
}

// slowHandler answers /slow only after a client that leaves would have been noticed.
var slowHandler = sluice.HandlerFunc(func(x *sluice.Exchange) error {
	if string(x.Request.Path) == "/slow" {
		select {
		case <-x.Context().Done():
			return x.Context().Err()
		case <-time.After(300 * time.Millisecond):
		}
	}
	x.Response.Body.SetBytes([]byte("stays"))
	return nil
})

// What runs when the time to stop is over is cut off, wherever it is.
func TestCutOff(t *testing.T) {
	t.Parallel()
	for _, tls := range []bool{false, true} {
		for _, request := range []string{
			"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n",
			"GET /write HTTP/1.1\r\nHost: a\r\n\r\n",
			"GET /pump HTTP/1.1\r\nHost: a\r\n\r\n",
			"GET /pump HTTP/1.0\r\nHost: a\r\n\r\n",
			"GET /over HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
			"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
			"POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
			"POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
			"POST /write HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n",
			"GET / HTTP/1.1\r\nHo",
		} {
			h := newWaitingHandler()
			c := server.Config{HTTP: "127.0.0.1:0", Limits: limits, Drain: server.Drain{Timeout: 100 * time.Millisecond}}
			var p *peer
			var s *server.Server
			if tls {
				a := newAuthority(t)
				c.HTTP, c.HTTPS = "", &server.TLS{Address: "127.0.0.1:0", MinVersion: "1.2", Certificates: []server.Certificate{a.server(t, "localhost", "localhost")}}
				s = serve(t, c, h)
				p = connectTLS(t, address(s), a.stranger(), "http/1.1")
			} else {
				s = serve(t, c, h)
				p = connect(t, address(s))
			}
			p.send(request)
			if !strings.HasSuffix(request, "Ho") {
				receive(t, h.inside, "the request")
			}
			stopped := make(chan error, 1)
			go func() { stopped <- s.Shutdown(context.Background()) }()
			if err := receive(t, stopped, "the shutdown"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%q, TLS %t: %v", request, tls, err)
			}
			if !strings.HasSuffix(request, "Ho") {
				if o := receive(t, h.ends, "the end"); o.Err == nil && o.Status != 101 {
					t.Errorf("%q, TLS %t: outcome %+v", request, tls, o)
				}
			}
			if strings.Contains(request, "/over") {
				continue
			}
			if answer, err := http.ReadResponse(p.r, nil); err == nil {
				if _, err = io.Copy(io.Discard, answer.Body); err == nil && answer.StatusCode == 200 {
					t.Errorf("%q, TLS %t: what was cut off seems whole", request, tls)
				}
			}
		}
	}
}
