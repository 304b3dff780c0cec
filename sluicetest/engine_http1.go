package sluicetest

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// messageCases are about messages of HTTP/1.1, byte by byte.
var messageCases = []engineCase{
	{"a request may come in any pieces", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			text, err := readAll(x)
			if err != nil {
				return err
			}
			return reply(x, text)
		})
		c := e.dial(t)
		for _, b := range "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\none\r\n3\r\ntwo\r\n0\r\n\r\n" {
			c.send(t, string(b))
		}
		_, body := c.answer(t, "POST")
		wantBody(t, body, "onetwo")
	}},
	{"pipelined requests are answered in their order (RFC 9112 9.3.2)", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error { return reply(x, string(x.Request.Path)) })
		c := e.dial(t)
		c.send(t, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\nHost: a\r\n\r\n")
		for _, path := range []string{"/1", "/2", "/3"} {
			_, body := c.answer(t, "GET")
			wantBody(t, body, path)
		}
	}},
	{"Connection: close is kept to (RFC 9112 9.6)", func(t *testing.T, e *engineTest) {
		e.serve(t, ok)
		c := e.dial(t)
		c.send(t, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		if answer, _ := c.answer(t, "GET"); !answer.Close {
			t.Error("the answer does not say so")
		}
		c.closed(t)
	}},
	{"HTTP/1.0 is closed after the answer (RFC 9112 9.3)", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			x.Inform(103, nil)
			x.Response.Body.SetStream(parts(io.EOF, "some ", "text"), -1)
			return nil
		})
		c := e.dial(t)
		c.send(t, "GET / HTTP/1.0\r\nHost: a\r\n\r\n")
		answer, body := c.answer(t, "GET")
		wantBody(t, body, "some text")
		if len(answer.TransferEncoding) > 0 {
			t.Error("HTTP/1.0 knows no transfer coding")
		}
		c.closed(t)
	}},
	{"Host is one uri-host with an optional port (RFC 9112 3.2)", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error { return reply(x, string(x.Request.Host)) })
		for _, host := range []string{"a", "A.example:80", "127.0.0.1:8080", "[::1]", "[::1]:80", "a_b-c.example"} {
			answer, body := e.exchange(t, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
			wantStatus(t, answer, 200)
			wantBody(t, body, host)
		}
		for _, fields := range []string{"", "Host:\r\n", "Host: a\r\nHost: a\r\n", "Host: a\r\nHost: b\r\n", "Host: a b\r\n", "Host: a/b\r\n",
			"Host: a@b\r\n", "Host: a:b\r\n", "Host: a:1:2\r\n", "Host: [::1\r\n", "Host: [a]\r\n", "Host: [::1]x\r\n", "Host: a\\b\r\n", "Host: a?b\r\n",
			"Host: :80\r\n", "Host: a%20b\r\n"} {
			answer, _ := e.exchange(t, "GET / HTTP/1.1\r\n"+fields+"\r\n")
			if answer.StatusCode != 400 {
				t.Errorf("%q: status %d, want 400", fields, answer.StatusCode)
			}
		}
		answer, _ := e.exchange(t, "GET / HTTP/1.0\r\n\r\n")
		wantStatus(t, answer, 400)
	}},
	{"the authority of an absolute target replaces Host (RFC 9112 3.2.2)", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			return reply(x, fmt.Sprintf("%s %s?%s", x.Request.Host, x.Request.Path, x.Request.Query))
		})
		scheme, other := "http", "https"
		if e.TLS != nil {
			scheme, other = other, scheme
		}
		for target, want := range map[string]string{
			scheme + "://b:80/x?y":                      "b:80 /x?y",
			scheme + "://b":                             "b /?",
			scheme + "://b?y":                           "b /?y",
			strings.ToUpper(scheme) + "://b/%7e":        "b /~?",
			scheme + "://b/" + strings.Repeat("%7e", 9): "b /" + strings.Repeat("~", 9) + "?",
		} {
			answer, body := e.exchange(t, "GET "+target+" HTTP/1.1\r\nHost: a\r\n\r\n")
			wantStatus(t, answer, 200)
			wantBody(t, body, want)
		}
		for _, target := range []string{other + "://b/", "ftp://b/", scheme + "://u@b/", scheme + ":///x", "x/y", scheme + "://b/../c"} {
			answer, _ := e.exchange(t, "GET "+target+" HTTP/1.1\r\nHost: a\r\n\r\n")
			if answer.StatusCode != 400 {
				t.Errorf("%q: status %d, want 400", target, answer.StatusCode)
			}
		}
	}},
	{"CONNECT is 400, and * is for OPTIONS (RFC 9112 3.2.3, 3.2.4)", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error { return reply(x, x.Request.Method+string(x.Request.Path)) })
		for head, status := range map[string]int{"OPTIONS *": 200, "GET *": 400, "CONNECT a:80": 400, "CONNECT /": 400} {
			answer, body := e.exchange(t, head+" HTTP/1.1\r\nHost: a:80\r\n\r\n")
			if answer.StatusCode != status {
				t.Errorf("%s: status %d, want %d", head, answer.StatusCode, status)
			}
			if status == 200 {
				wantBody(t, body, "OPTIONS*")
			}
		}
	}},
	{"methods are told apart by case (RFC 9110 9.1)", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error { return reply(x, x.Request.Method) })
		for _, method := range []string{"get", "PATCH", "x-own"} {
			_, body := e.exchange(t, method+" / HTTP/1.1\r\nHost: a\r\n\r\n")
			wantBody(t, body, method)
		}
	}},
	{"a Connection that names an end-to-end field is 400", func(t *testing.T, e *engineTest) {
		e.serve(t, ok)
		for value, status := range map[string]int{"keep-alive, x-mine": 200, "close": 200, "Host": 400, "x, content-length": 400,
			"AUTHORIZATION": 400, "x-forwarded-FOR": 400, "Via": 400} {
			answer, _ := e.exchange(t, "GET / HTTP/1.1\r\nHost: a\r\nConnection: "+value+"\r\n\r\n")
			if answer.StatusCode != status {
				t.Errorf("%q: status %d, want %d", value, answer.StatusCode, status)
			}
		}
	}},
	{"fields that Connection names are for one hop, and nobody sees them (RFC 9110 7.6.1)", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			h := &x.Request.Header
			return reply(x, fmt.Sprint(h.Has("X-Mine"), h.Has("X-Other"), h.Has("Accept"), h.Has("Connection"), h.Count("X-Kept")))
		})
		_, body := e.exchange(t, "GET / HTTP/1.1\r\nHost: a\r\nX-Mine: 1\r\nX-Kept: 1\r\nx-mine: 2\r\nConnection: x-MINE, keep-alive\r\n"+
			"Accept: a/b\r\nX-Other: 1\r\nX-Kept: 2\r\nConnection: Accept ,X-Other\r\n\r\n")
		wantBody(t, body, "false false false true 2")
	}},
	{"more names in Connection than anyone needs are 400", func(t *testing.T, e *engineTest) {
		e.serve(t, ok)
		for n, status := range map[int]int{31: 200, 32: 400, 10000: 400} {
			answer, _ := e.exchange(t, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nConnection: x"+strings.Repeat(",a", n-1)+"\r\n\r\n")
			if answer.StatusCode != status {
				t.Errorf("%d names: status %d, want %d", n, answer.StatusCode, status)
			}
		}
	}},
	{"a header that does not come is given up", func(t *testing.T, e *engineTest) {
		e.limits.HeaderTimeout = 50 * time.Millisecond
		e.serve(t, ok)
		for _, text := range []string{"", "GET / HT", "GET / HTTP/1.1\r\nHost: a\r\nX"} {
			c := e.dial(t)
			_, _ = io.WriteString(c, text) // it may be given up already
			p, err := io.ReadAll(c.r)
			if late, is := err.(net.Error); is && late.Timeout() {
				t.Errorf("%q: the connection stays open", text)
			}
			if len(p) > 0 && !strings.HasPrefix(string(p), "HTTP/1.1 408 ") && !strings.HasPrefix(string(p), "HTTP/1.1 400 ") {
				t.Errorf("%q: got %q, want 408, 400 or nothing", text, p)
			}
		}
	}},
	{"an idle connection is closed", func(t *testing.T, e *engineTest) {
		e.limits.IdleTimeout = 50 * time.Millisecond
		e.serve(t, ok)
		c := e.dial(t)
		c.send(t, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		c.answer(t, "GET")
		c.closed(t)
	}},
	{"a connection is kept behind an answer that took longer than it may idle", func(t *testing.T, e *engineTest) {
		e.limits.IdleTimeout = 2 * time.Second
		stream := NewStream()
		e.serve(t, func(x *sluice.Exchange) error {
			if string(x.Request.Path) == "/" {
				return ok(x)
			}
			x.Response.Body.SetStream(stream, -1)
			return nil
		})
		c := e.dial(t)
		c.send(t, "GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
		timer := time.AfterFunc(e.limits.IdleTimeout+e.limits.IdleTimeout/4, func() { stream.Finish(nil) })
		defer timer.Stop()
		c.answer(t, "GET")
		c.send(t, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		_, body := c.answer(t, "GET")
		wantBody(t, body, "ok")
	}},
	{"a short body that nobody reads keeps the connection", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			if string(x.Request.Path) == "/refuse" {
				return &sluice.Error{Code: sluice.Forbidden}
			}
			return ok(x)
		})
		c := e.dial(t)
		for path, status := range map[string]int{"/": 200, "/refuse": 403} {
			for _, body := range []string{"Content-Length: 3\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"} {
				c.send(t, "POST "+path+" HTTP/1.1\r\nHost: a\r\n"+body)
				answer, _ := c.answer(t, "POST")
				wantStatus(t, answer, status)
			}
		}
	}},
	{"a long body that nobody reads ends the connection", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error { return &sluice.Error{Code: sluice.Forbidden} })
		c := e.dial(t)
		c.send(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\nabc")
		answer, _ := c.answer(t, "POST")
		wantStatus(t, answer, 403)
		if !answer.Close {
			t.Error("the answer does not say so")
		}
	}},
	{"an early answer to an upload that somebody still reads ends the connection", func(t *testing.T, e *engineTest) {
		reads := make(chan error, 1)
		e.serve(t, func(x *sluice.Exchange) error {
			in, begun := x.Request.Body.Stream, make(chan struct{})
			go func() {
				p := make([]byte, 3)
				_, err := io.ReadFull(in, p)
				for close(begun); err == nil; {
					_, err = in.Read(p)
				}
				reads <- err
			}()
			<-begun
			return ok(x)
		})
		c := e.dial(t)
		c.send(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
		_, body := c.answer(t, "POST")
		wantBody(t, body, "ok")
		if err := receive(t, reads, "the read's end"); err == io.EOF {
			t.Error("the upload seems whole")
		}
		io.WriteString(c, "defghi"+get) // which may find the connection closed
		c.closed(t)
	}},
	{"a body that was not asked for is not waited for", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error { return &sluice.Error{Code: sluice.Unauthenticated} })
		c := e.dial(t)
		c.send(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
		answer, _ := c.answer(t, "POST")
		wantStatus(t, answer, 401)
		answered := time.Now()
		c.closed(t)
		if waited := time.Since(answered); waited > 3*time.Second {
			t.Errorf("the connection was closed only after %v", waited)
		}
	}},
}

// upgradeCases are about taking over the connection.
var upgradeCases = []engineCase{
	{"a 101 hands over the connection (RFC 9110 7.8)", func(t *testing.T, e *engineTest) {
		e.limits.BodyTimeout = 50 * time.Millisecond
		ends := newRecorder()
		e.serve(t, func(x *sluice.Exchange) error {
			x.OnEnd(ends)
			x.Response.Status = 101
			x.Response.Header.Add("Sec-WebSocket-Accept", "x")
			x.Response.Upgrade = func(c net.Conn) { io.Copy(c, c) }
			return nil
		})
		c := e.dial(t)
		c.send(t, websocket+"early ")
		answer, _ := c.answer(t, "GET")
		wantStatus(t, answer, 101)
		for name, want := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-Websocket-Accept": "x"} {
			if got := answer.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		for _, word := range []string{"early ", "late"} {
			if word == "late" {
				<-time.After(3 * e.limits.BodyTimeout)
				c.send(t, word)
			}
			p := make([]byte, len(word))
			if _, err := io.ReadFull(c.r, p); err != nil || string(p) != word {
				t.Fatalf("got %q and %v, want %q", p, err, word)
			}
		}
		c.Close()
		if o := ends.outcome(t); o.Status != 101 || o.Received != 10 || o.Sent != 10 || o.Err != nil {
			t.Errorf("outcome %+v", o)
		}
	}},
	{"a 101 that was not asked for is 500", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			x.Response.Status = 101
			x.Response.Upgrade = func(c net.Conn) { t.Error("the connection was handed over") }
			return nil
		})
		for _, head := range []string{"", "Upgrade: websocket\r\n", "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n",
			"Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n", "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n"} {
			answer, _ := e.exchange(t, "GET / HTTP/1.1\r\nHost: a\r\n"+head+"\r\n")
			if answer.StatusCode != 500 {
				t.Errorf("%q: status %d, want 500", head, answer.StatusCode)
			}
		}
	}},
	{"an upgrade to h2c is passed over and not passed on", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			if x.Request.Header.Has("Upgrade") || x.Request.Header.Has("HTTP2-Settings") {
				t.Error("the handler sees it")
			}
			return ok(x)
		})
		answer, body := e.exchange(t, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n")
		wantStatus(t, answer, 200)
		wantBody(t, body, "ok")
	}},
	{"an upgrade may be refused", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			if string(x.Request.Header.Value("upgrade")) != "websocket" {
				t.Error("the handler does not see the wish")
			}
			return &sluice.Error{Code: sluice.Forbidden}
		})
		answer, _ := e.exchange(t, websocket)
		wantStatus(t, answer, 403)
	}},
	{"a panic in an upgrade closes the connection", func(t *testing.T, e *engineTest) {
		ends := newRecorder()
		e.serve(t, func(x *sluice.Exchange) error {
			x.OnEnd(ends)
			x.Response.Status, x.Response.Upgrade = 101, func(net.Conn) { panic("broken") }
			return nil
		})
		c := e.dial(t)
		c.send(t, websocket)
		c.answer(t, "GET")
		c.closed(t)
		if o := ends.outcome(t); o.Status != 101 || o.Err == nil {
			t.Errorf("outcome %+v", o)
		}
	}},
	{"shutdown cuts off upgraded connections that stay", func(t *testing.T, e *engineTest) {
		e.drain.Timeout = 20 * time.Millisecond
		e.serve(t, func(x *sluice.Exchange) error {
			x.Response.Status, x.Response.Upgrade = 101, func(c net.Conn) { io.Copy(c, c) }
			return nil
		})
		c := e.dial(t)
		c.send(t, websocket)
		c.answer(t, "GET")
		if err := e.Shutdown(t.Context()); err == nil {
			t.Error("shutdown cut nothing")
		}
		c.closed(t)
	}},
}

const websocket = "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"
