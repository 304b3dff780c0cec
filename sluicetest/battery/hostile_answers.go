package battery

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// hostile is what an origin answers, and what must become of it.
type hostile struct {
	name string
	// sent is the answer, closes has the connection closed behind it.
	sent   string
	closes bool
	want   fate
	// body is what must reach the client of an answer that passes.
	body string
	// method is that of the request; GET where it is empty.
	method string
	// asks is what the request has in its header beside Host.
	asks string
}

// fate is what becomes of an answer.
type fate int

const (
	// gateway is a 502, and the connection never used again: nothing of the answer had passed.
	gateway fate = iota
	// broken is an answer that is cut off, or a 502, and the connection never used again.
	broken
	// passes is an answer that reaches the client whole.
	passes
	// spoils passes too, and the connection is never used again.
	spoils
)

func (f fate) String() string {
	return [...]string{"502, and the connection never used again", "502 or an answer that is cut off, and the connection never used again",
		"the answer", "the answer, and the connection never used again"}[f]
}

// Hostile has the origin give answers that are no HTTP, or that two readers could read in two ways. None may reach a
// client as if it were whole, nor stand before the answer to another request. Between them stand odd ones that are in
// order, and must pass.
func (p *Proxy) Hostile(ctx context.Context) *Report {
	all := hostiles()
	return p.each(ctx, len(all), func(i int, r *Report) {
		one := all[i]
		places := p.places(one.sent)
		if strings.HasPrefix(one.name, "more: ") { // what comes later may come behind the next request, and nobody can tell
			places = places[:1]
		}
		for _, at := range places {
			r.Sent++
			if got := p.provoke(one, at); got != "" {
				r.Faults = append(r.Faults, Fault{Case: one.name, Way: split(at), Sent: one.sent, Got: got, Want: one.want.String()})
				return
			}
		}
	})
}

// provoke has an answer given, in one way, and tells what is wrong with what the client gets.
func (p *Proxy) provoke(one hostile, at int) string {
	key := p.key()
	a := &act{name: one.name, pieces: pieces(one.sent, at), closes: one.closes, poisoned: one.want != passes}
	p.Origin.play(key, a)
	defer p.Origin.drop(key)
	c, err := p.dial()
	if err != nil {
		return err.Error()
	}
	defer c.close()
	method := cmp.Or(one.method, "GET")
	send(c, []string{method + " /" + key + " HTTP/1.1\r\nHost: a\r\n" + one.asks + "\r\n"})
	_, m, err := c.informed(method)
	if got := one.judge(m, err, c.raw.Bytes()); got != "" {
		return got
	}
	if err == nil {
		if wrong := c.again(); wrong != "" {
			return wrong
		}
	}
	if (one.want == gateway || one.want == broken) && !one.closes {
		select {
		case <-a.gone:
		case <-time.After(patience):
			return "a connection to the service that stays open"
		}
	}
	return ""
}

// judge tells what is wrong with what the client got.
func (one *hostile) judge(m *message, err error, raw []byte) string {
	status := 0
	if m != nil {
		status = statusOf(m.start)
	}
	ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || (&conn{}).isEnd(err)
	switch {
	case one.want == broken && err != nil && ended && status != 502:
		return ""
	case err != nil:
		return fmt.Sprintf("%.300q and then %v", raw, err)
	case one.want == gateway || one.want == broken:
		if status != 502 {
			return fmt.Sprintf("%.300q", raw)
		}
		if bytes.Contains(raw, []byte("127.0.0.1")) {
			return fmt.Sprintf("a 502 that tells the address of the service: %.300q", raw)
		}
	case status == 502 || string(m.body) != one.body:
		return fmt.Sprintf("%.300q", raw)
	}
	return ""
}

// hostiles are the answers.
func hostiles() []hostile {
	const ok = "HTTP/1.1 200 OK\r\n"
	const chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
	const length = "Content-Length: 2\r\n"
	long := func(n int) string { return strings.Repeat("a", n) }
	return []hostile{
		// Valid ones, odd as they are.
		{name: "answer: no reason (RFC 9112 4)", sent: "HTTP/1.1 200 \r\n" + length + "\r\nok", want: passes, body: "ok"},
		{name: "answer: no reason and no space before it", sent: "HTTP/1.1 200\r\n" + length + "\r\nok", want: passes, body: "ok"},
		{name: "answer: a reason of octets above ASCII", sent: "HTTP/1.1 200 \xe4\xff\r\n" + length + "\r\nok", want: passes, body: "ok"},
		{name: "answer: a status that nobody knows", sent: "HTTP/1.1 299 Odd\r\n" + length + "\r\nok", want: passes, body: "ok"},
		{name: "answer: white space around a length", sent: ok + "content-length:\t2 \r\n\r\nok", want: passes, body: "ok"},
		{name: "answer: a coding in upper case", sent: ok + "Transfer-Encoding: CHUNKED\r\n\r\n2\r\nok\r\n0\r\n\r\n", want: passes, body: "ok"},
		{name: "answer: extensions of chunks", sent: chunked + "2 ; a=\"b;c\"\r\nok\r\n0;d\r\n\r\n", want: passes, body: "ok"},
		{name: "answer: zeros before a chunk's size", sent: chunked + "0002\r\nok\r\n000\r\n\r\n", want: passes, body: "ok"},
		{name: "answer: a body of no bytes", sent: ok + "Content-Length: 0\r\n\r\n", want: passes},
		{name: "answer: a body of no chunks", sent: chunked + "0\r\n\r\n", want: passes},
		{name: "answer: a body until the connection's end", sent: ok + "\r\nok", closes: true, want: passes, body: "ok"},
		{name: "answer: HTTP/1.0", sent: "HTTP/1.0 200 OK\r\n" + length + "\r\nok", closes: true, want: passes, body: "ok"},
		{name: "answer: HTTP/1.0 on a connection that stays", sent: "HTTP/1.0 200 OK\r\n" + length + "\r\nok", want: spoils, body: "ok"},
		{name: "answer: Connection: close on a connection that stays", sent: ok + "Connection: close\r\n" + length + "\r\nok", want: spoils, body: "ok"},
		{name: "answer: 204 with a length of zero", sent: "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", want: passes},
		{name: "answer: 304 with a length", sent: "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", want: passes},
		{name: "answer: to HEAD with chunks announced", method: "HEAD", sent: chunked, want: passes},
		{name: "answer: some interim ones", sent: strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 5) + ok + length + "\r\nok", want: passes, body: "ok"},
		// More than the answer.
		{name: "more: another answer behind it", sent: ok + length + "\r\nok" + ok + "Content-Length: 6\r\n\r\nstolen", want: spoils, body: "ok"},
		{name: "more: bytes behind it", sent: ok + length + "\r\nokX", want: spoils, body: "ok"},
		{name: "more: a line end behind it", sent: ok + length + "\r\nok\r\n", want: spoils, body: "ok"},
		{name: "more: another answer behind the last chunk", sent: chunked + "2\r\nok\r\n0\r\n\r\n" + ok + "Content-Length: 6\r\n\r\nstolen", want: spoils, body: "ok"},
		{name: "more: a body of 204", sent: "HTTP/1.1 204 No Content\r\n" + length + "\r\nok", want: spoils},
		{name: "more: a body of 304", sent: "HTTP/1.1 304 Not Modified\r\n" + length + "\r\nok", want: spoils},
		{name: "more: a body of an answer to HEAD", method: "HEAD", sent: ok + length + "\r\nok", want: spoils},
		{name: "more: chunks of an answer to HEAD", method: "HEAD", sent: chunked + "2\r\nok\r\n0\r\n\r\n", want: spoils},
		// The first line.
		{name: "status-line (RFC 9112 4): empty", sent: "\r\n" + ok + length + "\r\nok"},
		{name: "status-line (RFC 9112 4): no HTTP", sent: "SSH-2.0-OpenSSH_9.2\r\n\r\n"},
		{name: "status-line (RFC 9112 4): HTTP/0.9", sent: "<html>hello</html>\r\n\r\n", closes: true},
		{name: "status-line (RFC 9112 4): HTTP/1.2", sent: "HTTP/1.2 200 OK\r\n" + length + "\r\nok"},
		{name: "status-line (RFC 9112 4): HTTP/2.0", sent: "HTTP/2.0 200 OK\r\n" + length + "\r\nok"},
		{name: "status-line (RFC 9112 4): HTTP/1.10", sent: "HTTP/1.10 200 OK\r\n" + length + "\r\nok"},
		{name: "status-line (RFC 9112 4): the version in lower case", sent: "http/1.1 200 OK\r\n" + length + "\r\nok"},
		{name: "status-line (RFC 9112 4): a space before it", sent: " HTTP/1.1 200 OK\r\n" + length + "\r\nok"},
		{name: "status-line (RFC 9112 4): two spaces before the status", sent: "HTTP/1.1  200 OK\r\n" + length + "\r\nok"},
		{name: "status-line (RFC 9112 4): a tab before the status", sent: "HTTP/1.1\t200 OK\r\n" + length + "\r\nok"},
		{name: "status-line (RFC 9112 4): a status of two digits", sent: "HTTP/1.1 20 OK\r\n" + length + "\r\nok"},
		{name: "status-line (RFC 9112 4): a status of four digits", sent: "HTTP/1.1 2000 OK\r\n" + length + "\r\nok"},
		{name: "status-line (RFC 9112 4): a status below 100", sent: "HTTP/1.1 099 OK\r\n" + length + "\r\nok"},
		{name: "status-line (RFC 9112 4): a status with a sign", sent: "HTTP/1.1 +20 OK\r\n" + length + "\r\nok"},
		{name: "status-line (RFC 9112 4): a status that is no number", sent: "HTTP/1.1 2x0 OK\r\n" + length + "\r\nok"},
		{name: "status-line (RFC 9112 4): no space behind the status", sent: "HTTP/1.1 200OK\r\n" + length + "\r\nok"},
		{name: "status-line (RFC 9112 4): no status", sent: "HTTP/1.1\r\n" + length + "\r\nok"},
		{name: "status-line (RFC 9112 4): NUL in the reason", sent: "HTTP/1.1 200 O\x00K\r\n" + length + "\r\nok"},
		{name: "status-line (RFC 9112 4): CR in the reason", sent: "HTTP/1.1 200 O\rK\r\n" + length + "\r\nok"},
		{name: "status-line (RFC 9112 2.2): a bare LF behind it", sent: "HTTP/1.1 200 OK\n" + length + "\r\nok"},
		// The header.
		{name: "field-line (RFC 9112 2.2): a bare LF behind it", sent: ok + "A: b\n" + length + "\r\nok"},
		{name: "field-line (RFC 9112 2.2): a bare LF at the end", sent: ok + length + "\nok"},
		{name: "field-line (RFC 9112 2.2): CR CR LF at the end", sent: ok + length + "\r\r\nok"},
		{name: "field-line (RFC 9112 5): CR in the value", sent: ok + "A: b\rc\r\n" + length + "\r\nok"},
		{name: "field-line (RFC 9112 5): NUL in the value", sent: ok + "A: b\x00c\r\n" + length + "\r\nok"},
		{name: "field-line (RFC 9112 5): a control in the value", sent: ok + "A: b\x1bc\r\n" + length + "\r\nok"},
		{name: "field-line (RFC 9112 5): no colon", sent: ok + "Content-Length 2\r\n\r\nok"},
		{name: "field-line (RFC 9112 5): no name", sent: ok + ": 2\r\n" + length + "\r\nok"},
		{name: "field-line (RFC 9112 5): a name that is no token", sent: ok + "A(b: c\r\n" + length + "\r\nok"},
		{name: "field-line (RFC 9112 5.1): a space before the colon", sent: ok + "Content-Length : 2\r\n\r\nok"},
		{name: "field-line (RFC 9112 5.2): folded", sent: ok + "A: b\r\n c\r\n" + length + "\r\nok"},
		{name: "field-line (RFC 9112 5.2): a space before the first field", sent: ok + " A: b\r\n" + length + "\r\nok"},
		{name: "field-line: more than a header may hold", sent: ok + "A: " + long(1<<20) + "\r\n" + length + "\r\nok"},
		{name: "field-line: more fields than a header may hold", sent: ok + strings.Repeat("A: b\r\n", 20000) + length + "\r\nok"},
		{name: "field-line: a Connection that names Content-Length", sent: ok + "Connection: content-length\r\n" + length + "\r\nok"},
		{name: "field-line: a Connection that names Set-Cookie", sent: ok + "Connection: Set-Cookie\r\nSet-Cookie: a=b\r\n" + length + "\r\nok"},
		// Framing.
		{name: "Content-Length (RFC 9112 6.3): two that differ", sent: ok + length + "Content-Length: 3\r\n\r\nokk"},
		{name: "Content-Length (RFC 9112 6.3): two that are equal", sent: ok + length + length + "\r\nok"},
		{name: "Content-Length (RFC 9112 6.3): a list", sent: ok + "Content-Length: 2, 2\r\n\r\nok"},
		{name: "Content-Length (RFC 9112 6.3): empty", sent: ok + "Content-Length:\r\n\r\nok"},
		{name: "Content-Length (RFC 9112 6.3): plus", sent: ok + "Content-Length: +2\r\n\r\nok"},
		{name: "Content-Length (RFC 9112 6.3): minus", sent: ok + "Content-Length: -2\r\n\r\nok"},
		{name: "Content-Length (RFC 9112 6.3): hexadecimal", sent: ok + "Content-Length: 0x2\r\n\r\nok"},
		{name: "Content-Length (RFC 9112 6.3): a fraction", sent: ok + "Content-Length: 2.0\r\n\r\nok"},
		{name: "Content-Length (RFC 9112 6.3): 2^63", sent: ok + "Content-Length: 9223372036854775808\r\n\r\nok"},
		{name: "Content-Length (RFC 9112 6.3): 2^64 and 2", sent: ok + "Content-Length: 18446744073709551618\r\n\r\nok"},
		{name: "Content-Length (RFC 9112 6.3): two in an answer to HEAD", method: "HEAD", sent: ok + length + "Content-Length: 3\r\n\r\n"},
		{name: "Content-Length (RFC 9112 6.3): two in a 304", sent: "HTTP/1.1 304 Not Modified\r\n" + length + "Content-Length: 3\r\n\r\n"},
		{name: "Transfer-Encoding (RFC 9112 6.1): with a length", sent: ok + length + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
		{name: "Transfer-Encoding (RFC 9112 6.1): with a length behind it", sent: ok + "Transfer-Encoding: chunked\r\n" + length + "\r\n2\r\nok\r\n0\r\n\r\n"},
		{name: "Transfer-Encoding (RFC 9112 6.1): another coding", sent: ok + "Transfer-Encoding: gzip\r\n\r\nok", closes: true},
		{name: "Transfer-Encoding (RFC 9112 6.1): identity", sent: ok + "Transfer-Encoding: identity\r\n" + length + "\r\nok"},
		{name: "Transfer-Encoding (RFC 9112 6.1): twice", sent: ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
		{name: "Transfer-Encoding (RFC 9112 6.1): a list", sent: ok + "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
		{name: "Transfer-Encoding (RFC 9112 6.1): chunked before another", sent: ok + "Transfer-Encoding: chunked, identity\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
		{name: "Transfer-Encoding (RFC 9112 6.1): a longer word", sent: ok + "Transfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
		{name: "Transfer-Encoding (RFC 9112 6.1): a vertical tab before it", sent: ok + "Transfer-Encoding: \x0bchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
		{name: "Transfer-Encoding (RFC 9112 6.1): in HTTP/1.0", sent: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
		// Chunks.
		{name: "chunked-body (RFC 9112 7.1): a bare LF behind a size", sent: chunked + "2\nok\r\n0\r\n\r\n", want: broken},
		{name: "chunked-body (RFC 9112 7.1): a bare CR behind a size", sent: chunked + "2\rok\r\n0\r\n\r\n", want: broken},
		{name: "chunked-body (RFC 9112 7.1): a bare LF behind the data", sent: chunked + "2\r\nok\n0\r\n\r\n", want: broken},
		{name: "chunked-body (RFC 9112 7.1): two octets that are no CRLF behind the data", sent: chunked + "2\r\nokXX0\r\n\r\n", want: broken},
		{name: "chunked-body (RFC 9112 7.1): a bare LF behind the last size", sent: chunked + "2\r\nok\r\n0\n\r\n", want: broken},
		{name: "chunked-body (RFC 9112 7.1): a bare LF at the end", sent: chunked + "2\r\nok\r\n0\r\n\n", want: broken},
		{name: "chunked-body (RFC 9112 7.1): plus", sent: chunked + "+2\r\nok\r\n0\r\n\r\n", want: broken},
		{name: "chunked-body (RFC 9112 7.1): minus", sent: chunked + "-2\r\nok\r\n0\r\n\r\n", want: broken},
		{name: "chunked-body (RFC 9112 7.1): 0x", sent: chunked + "0x2\r\nok\r\n0\r\n\r\n", want: broken},
		{name: "chunked-body (RFC 9112 7.1): no size", sent: chunked + "\r\nok\r\n0\r\n\r\n", want: broken},
		{name: "chunked-body (RFC 9112 7.1): a space before the size", sent: chunked + " 2\r\nok\r\n0\r\n\r\n", want: broken},
		{name: "chunked-body (RFC 9112 7.1): a space behind the size", sent: chunked + "2 \r\nok\r\n0\r\n\r\n", want: broken},
		{name: "chunked-body (RFC 9112 7.1): a size that wraps round", sent: chunked + "10000000000000002\r\nok\r\n0\r\n\r\n", want: broken},
		{name: "chunked-body (RFC 9112 7.1): a size of -1", sent: chunked + "ffffffffffffffff\r\nok\r\n0\r\n\r\n", want: broken},
		{name: "chunked-body (RFC 9112 7.1): data longer than the size", sent: chunked + "2\r\nokk\r\n0\r\n\r\n", want: broken},
		{name: "chunked-body (RFC 9112 7.1): data shorter than the size", sent: chunked + "3\r\nok\r\n0\r\n\r\n", want: broken},
		{name: "chunk-ext (RFC 9112 7.1.1): a bare LF in it", sent: chunked + "2;a\nb\r\nok\r\n0\r\n\r\n", want: broken},
		{name: "chunk-ext (RFC 9112 7.1.1): no name", sent: chunked + "2;\r\nok\r\n0\r\n\r\n", want: broken},
		{name: "chunk-ext (RFC 9112 7.1.1): NUL in it", sent: chunked + "2;a\x00\r\nok\r\n0\r\n\r\n", want: broken},
		{name: "chunk-ext (RFC 9112 7.1.1): a quoted value without an end", sent: chunked + "2;a=\"b\r\nok\r\n0\r\n\r\n", want: broken},
		{name: "chunk-ext (RFC 9112 7.1.1): without end", sent: chunked + "2;" + long(64<<10) + "\r\nok\r\n0\r\n\r\n", want: broken},
		{name: "trailer-section (RFC 9112 7.1.2): Content-Length", sent: chunked + "2\r\nok\r\n0\r\nContent-Length: 2\r\n\r\n", want: broken},
		{name: "trailer-section (RFC 9112 7.1.2): Transfer-Encoding", sent: chunked + "2\r\nok\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", want: broken},
		{name: "trailer-section (RFC 9112 7.1.2): Set-Cookie", sent: chunked + "2\r\nok\r\n0\r\nSet-Cookie: a=b\r\n\r\n", want: broken},
		{name: "trailer-section (RFC 9112 7.1.2): folded", sent: chunked + "2\r\nok\r\n0\r\nA: b\r\n c\r\n\r\n", want: broken},
		{name: "trailer-section (RFC 9112 7.1.2): no colon", sent: chunked + "2\r\nok\r\n0\r\nA\r\n\r\n", want: broken},
		{name: "trailer-section (RFC 9112 7.1.2): a control", sent: chunked + "2\r\nok\r\n0\r\nA: \x01\r\n\r\n", want: broken},
		{name: "trailer-section (RFC 9112 7.1.2): without end", sent: chunked + "2\r\nok\r\n0\r\nA: " + long(1<<20) + "\r\n\r\n", want: broken},
		{name: "trailer-section (RFC 9110 6.5.1): framing announced", sent: ok + "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
		// Less than an answer.
		{name: "cut off (RFC 9112 8): nothing", sent: "", closes: true},
		{name: "cut off (RFC 9112 8): within the first line", sent: "HTTP/1.1 20", closes: true},
		{name: "cut off (RFC 9112 8): within a field", sent: ok + "Content-", closes: true},
		{name: "cut off (RFC 9112 8): before the empty line", sent: ok + length, closes: true},
		{name: "cut off (RFC 9112 8): behind an interim answer", sent: "HTTP/1.1 103 Early Hints\r\n\r\n", closes: true},
		{name: "cut off (RFC 9112 8): before a body", sent: ok + length + "\r\n", closes: true, want: broken},
		{name: "cut off (RFC 9112 8): within a body", sent: ok + length + "\r\no", closes: true, want: broken},
		{name: "cut off (RFC 9112 8): within a long body", sent: ok + "Content-Length: 100000\r\n\r\n" + long(70000), closes: true, want: broken},
		{name: "cut off (RFC 9112 8): before the first chunk", sent: chunked, closes: true, want: broken},
		{name: "cut off (RFC 9112 8): within a size", sent: chunked + "2", closes: true, want: broken},
		{name: "cut off (RFC 9112 8): within a chunk", sent: chunked + "2\r\no", closes: true, want: broken},
		{name: "cut off (RFC 9112 8): before the last chunk", sent: chunked + "2\r\nok\r\n", closes: true, want: broken},
		{name: "cut off (RFC 9112 8): within the trailer", sent: chunked + "2\r\nok\r\n0\r\nA: b", closes: true, want: broken},
		{name: "cut off (RFC 9112 8): within the last line end", sent: chunked + "2\r\nok\r\n0\r\n\r", closes: true, want: broken},
		// Interim answers.
		{name: "interim (RFC 9110 15.2): without end", sent: strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 2000) + ok + length + "\r\nok"},
		{name: "interim (RFC 9110 15.2): 100 without end", sent: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 2000) + ok + length + "\r\nok"},
		{name: "interim (RFC 9110 15.2): one that is malformed", sent: "HTTP/1.1 103 Early Hints\r\nA : b\r\n\r\n" + ok + length + "\r\nok"},
		{name: "interim (RFC 9110 15.2): one with a length, and what that would frame", sent: "HTTP/1.1 103 Early Hints\r\n" + length + "\r\nok" + ok + length + "\r\nok"},
		{name: "interim (RFC 9110 15.2): 101 that nobody asked for", sent: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
		{name: "interim (RFC 9110 15.2): 101 to h2c that nobody passed on", asks: "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
			sent: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"},
		{name: "interim (RFC 9110 15.2): 101 to another protocol than websocket", asks: "Connection: Upgrade\r\nUpgrade: websocket\r\n",
			sent: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"},
		{name: "interim (RFC 9110 15.2): 101 to two protocols", asks: "Connection: Upgrade\r\nUpgrade: websocket\r\n",
			sent: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n\r\n"},
		{name: "interim (RFC 9110 15.2): 101 without Connection", asks: "Connection: Upgrade\r\nUpgrade: websocket\r\n",
			sent: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"},
		{name: "interim (RFC 9110 15.2): 101 of HTTP/1.0", asks: "Connection: Upgrade\r\nUpgrade: websocket\r\n",
			sent: "HTTP/1.0 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
	}
}
