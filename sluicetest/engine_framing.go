package sluicetest

import (
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

// cutCases are about answers of HTTP/1.1 that are cut off. They are not for net/http, which would have to be told for
// HTTP/1.0 that its connection is to be reset.
var cutCases = []engineCase{
	{"what is cut off for HTTP/1.0 does not seem whole", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			x.Response.Body.SetStream(parts(io.ErrClosedPipe, "half"), -1)
			return nil
		})
		c := e.dial(t)
		c.send(t, "GET / HTTP/1.0\r\nHost: a\r\n\r\n")
		if p, err := io.ReadAll(c.r); err == nil {
			t.Errorf("got %q and a regular end", p)
		}
	}},
	{"an early answer to a body of which a part was read tells that the connection ends", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			if _, err := io.ReadFull(x.Request.Body.Stream, make([]byte, 3)); err != nil {
				return err
			}
			if string(x.Request.Path) == "/stream" {
				x.Response.Body.SetStream(parts(io.EOF, "ok"), -1)
				return nil
			}
			return &sluice.Error{Code: sluice.Forbidden}
		})
		for path, status := range map[string]int{"/stream": 200, "/": 403} {
			for _, body := range []string{"Content-Length: 9\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"} {
				c := e.dial(t)
				c.send(t, "POST "+path+" HTTP/1.1\r\nHost: a\r\n"+body)
				answer, _ := c.answer(t, "POST")
				wantStatus(t, answer, status)
				if !answer.Close {
					t.Errorf("%s, %.20q: the answer does not say so", path, body)
				}
				c.closed(t)
			}
		}
	}},
}

// framingCases are requests whose end two readers could see in two places.
var framingCases = []engineCase{
	{"doubtful framing is refused and the connection closed (RFC 9112 6.3)", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			if _, err := readAll(x); err != nil {
				return err
			}
			return ok(x)
		})
		fields := []string{"Content-Length: 3\r\nContent-Length: 4", "Content-Length: 3, 4", "Content-Length: -1", "Content-Length: +3",
			"Content-Length: 0x3", "Content-Length: 3 3", "Content-Length: 99999999999999999999", "Transfer-Encoding: gzip",
			"Transfer-Encoding: chunked, gzip", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding: identity",
			"Transfer-Encoding: xchunked", "Transfer-Encoding : chunked", "Content-Length : 3", ": 3", "X\x00: 3", "X: a\x00b", "no colon"}
		if !e.Lax {
			fields = append(fields, "Content-Length: 3\r\nTransfer-Encoding: chunked", "Content-Length: 3\r\nContent-Length: 3", "X: a\r\n b")
		}
		for _, field := range fields {
			refusedRequest(t, e, "POST / HTTP/1.1\r\nHost: a\r\n"+field+"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
		}
	}},
	{"a request line that is not one is refused (RFC 9112 3)", func(t *testing.T, e *engineTest) {
		e.serve(t, ok)
		for _, line := range []string{"GET /", "GET / HTTP/1.1 x", "GET  / HTTP/1.1", "GET / HTTP/2.1", "GET / http/1.1", "GET / HTTP/1.10", "G\x00T / HTTP/1.1",
			"GET /\x01 HTTP/1.1", "G(T / HTTP/1.1", " GET / HTTP/1.1"} {
			refusedRequest(t, e, line+"\r\nHost: a\r\n\r\n")
		}
	}},
	{"a body whose chunks are none is refused (RFC 9112 7.1)", func(t *testing.T, e *engineTest) {
		chunks(t, e, func(x *sluice.Exchange) error {
			if _, err := readAll(x); err != nil {
				return err
			}
			return ok(x)
		})
	}},
	{"a body whose chunks are none is refused also when nobody reads it", func(t *testing.T, e *engineTest) { chunks(t, e, ok) }},
	{"after a refusal, what stands behind a body whose chunks are none is not answered", func(t *testing.T, e *engineTest) {
		chunks(t, e, func(x *sluice.Exchange) error { return &sluice.Error{Code: sluice.BadRequest} })
	}},
	{"after a stream, what stands behind a body whose chunks are none is not answered", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			x.Response.Body.SetStream(parts(io.EOF, "some ", "text"), -1)
			return nil
		})
		c := e.dial(t)
		c.send(t, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nabc\r\n0\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n")
		p, _ := io.ReadAll(c.r)
		if n := strings.Count(string(p), "HTTP/1.1 "); n != 1 {
			t.Errorf("%d answers: %q", n, p)
		}
	}},
}

func chunks(t *testing.T, e *engineTest, h sluice.HandlerFunc) {
	e.serve(t, h)
	for _, body := range []string{"x\r\nabc\r\n0\r\n\r\n", "-3\r\nabc\r\n0\r\n\r\n", "0x3\r\nabc\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n",
		"3\r\nab\r\n0\r\n\r\n", "\r\nabc\r\n0\r\n\r\n", "fffffffffffffffff\r\nabc\r\n0\r\n\r\n", "3\nabc\r\n0\r\n\r\n", "3;\nx\r\nabc\r\n0\r\n\r\n",
		"3\r\nabc\r\n0\r\nno colon\r\n\r\n"} {
		refusedRequest(t, e, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"+body)
	}
}

// refusedRequest sends a request that must be refused, with a good one behind it that must not be answered.
func refusedRequest(t *testing.T, e *engineTest, text string) {
	t.Helper()
	c := e.dial(t)
	c.send(t, text+"GET /second HTTP/1.1\r\nHost: a\r\n\r\n")
	p, err := io.ReadAll(c.r)
	if late, is := err.(net.Error); is && late.Timeout() {
		t.Errorf("%q: the connection stays open", text)
	}
	if e.Lax && len(p) == 0 && err != nil {
		return // net/http closes over what it has not read, and the reset may take its answer along
	}
	first, rest, _ := strings.Cut(string(p), " ")
	if first != "HTTP/1.1" || !slices.Contains([]string{"400", "501", "505"}, rest[:min(3, len(rest))]) {
		t.Errorf("%q: got %.100q, want 400", text, p)
	}
	if strings.Contains(rest, "HTTP/1.1 ") {
		t.Errorf("%q: what stood behind it was answered: %q", text, p)
	}
}
