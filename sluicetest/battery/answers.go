package battery

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
)

// Backward has the origin give answers, and compares what the client gets with what is demanded, as Forward does for
// requests. A Date is added where there is none, and nothing else.
func (p *Proxy) Backward(ctx context.Context) *Report { return p.compare(ctx, backward(), p.backward) }

// backward has one answer given in one way and tells what is wrong with what the client got.
func (p *Proxy) backward(one passage, at int) string {
	key := p.key()
	p.Origin.play(key, &act{name: one.name, pieces: pieces(one.sent, at), closes: one.closes})
	defer p.Origin.drop(key)
	c, err := p.dial()
	if err != nil {
		return err.Error()
	}
	defer c.close()
	method := cmp.Or(one.method, "GET")
	send(c, []string{method + " /" + key + " HTTP/1.1\r\nHost: a\r\n\r\n"})
	interim, m, err := c.informed(method)
	if err != nil {
		return c.instead(err).Error()
	}
	if len(interim) != len(one.interim) {
		return fmt.Sprintf("%d interim answers, want %d: %.200q", len(interim), len(one.interim), c.raw.String())
	}
	for i, got := range interim {
		if got := got.text(p.NetHTTP); got != p.expect(one.interim[i]) {
			return fmt.Sprintf("the interim answer %q, want %q", got, one.interim[i])
		}
	}
	if !strings.Contains(one.want, "Date: ") {
		if n := len(m.take("Date")); n != 1 {
			return fmt.Sprintf("%d fields Date, want one that was added", n)
		}
	}
	if got := m.text(p.NetHTTP); got != p.expect(one.want) {
		return fmt.Sprintf("%q", got)
	}
	if slices.Contains(m.values("Connection"), "close") {
		return ""
	}
	return c.again()
}

// backward are answers and what must come of them.
func backward() []passage {
	const ok = "HTTP/1.1 200 OK\r\n"
	return []passage{
		{name: "answer: nothing is added but a Date", sent: ok + "Content-Length: 2\r\n\r\nok", want: ok + "Content-Length: 2\r\n\r\nok"},
		{name: "answer: the Date passes", sent: ok + "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Length: 2\r\n\r\nok", want: ok + "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Length: 2\r\n\r\nok"},
		{name: "answer: Server and no Content-Type pass", sent: ok + "Server: x/1\r\nContent-Length: 6\r\n\r\n<html>", want: ok + "Server: x/1\r\nContent-Length: 6\r\n\r\n<html>"},
		{name: "answer: the names of fields keep their case, and fields their order", sent: ok + "zZ: 1\r\nb-B: 2\r\nContent-Length: 0\r\nA: 3\r\nzz: 4\r\n\r\n",
			want: ok + "zZ: 1\r\nb-B: 2\r\nA: 3\r\nzz: 4\r\nContent-Length: 0\r\n\r\n"},
		{name: "answer: lines of one name are not joined", sent: ok + "Set-Cookie: a=1; Path=/, x\r\nSet-Cookie: b=2\r\nVary: x\r\nVary: y\r\nContent-Length: 0\r\n\r\n",
			want: ok + "Set-Cookie: a=1; Path=/, x\r\nSet-Cookie: b=2\r\nVary: x\r\nVary: y\r\nContent-Length: 0\r\n\r\n"},
		{name: "answer: values pass as they are", sent: ok + "X-Raw: \xe4 \"a, b\" \t y\r\nX-Empty:\r\nContent-Length: 0\r\n\r\n", want: ok + "X-Raw: \xe4 \"a, b\" \t y\r\nX-Empty: \r\nContent-Length: 0\r\n\r\n"},
		{name: "answer: fields of the hop are dropped (RFC 9110 7.6.1)", sent: ok + "Connection: keep-alive, X-Mine\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\nX-Mine: 1\r\nX-Yours: 2\r\n" +
			"Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nTE: x\r\nTrailer: T\r\nContent-Length: 0\r\n\r\n", want: ok + "X-Yours: 2\r\nContent-Length: 0\r\n\r\n"},
		{name: "answer: the service's Connection: close is its own", sent: ok + "Connection: close\r\nX: 1\r\nContent-Length: 2\r\n\r\nok", closes: true, want: ok + "X: 1\r\nContent-Length: 2\r\n\r\nok"},
		{name: "answer: HTTP/1.0 becomes HTTP/1.1", sent: "HTTP/1.0 200 OK\r\nX: 1\r\nContent-Length: 2\r\n\r\nok", closes: true, want: ok + "X: 1\r\nContent-Length: 2\r\n\r\nok"},
		{name: "answer: one that ends with its connection becomes chunks", sent: ok + "X: 1\r\n\r\nsome text", closes: true, want: ok + "X: 1\r\nTransfer-Encoding: chunked\r\n\r\nsome text"},
		{name: "answer: one of HTTP/1.0 that ends with its connection becomes chunks", sent: "HTTP/1.0 200 OK\r\nX: 1\r\n\r\nsome text", closes: true, want: ok + "X: 1\r\nTransfer-Encoding: chunked\r\n\r\nsome text"},
		{name: "answer: trailers pass", sent: ok + "Trailer: T\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nok\r\n0\r\nT: v\r\n\r\n", want: ok + "Trailer: T\r\nTransfer-Encoding: chunked\r\n\r\nok\r\n-- trailer\r\nT: v"},
		{name: "answer: trailers that were not announced pass", sent: ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nt-T: v\r\n\r\n", want: ok + "Transfer-Encoding: chunked\r\n\r\nok\r\n-- trailer\r\nt-T: v"},
		{name: "answer: 404 passes as it is", sent: "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope", want: "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope"},
		{name: "answer: 500 passes as it is", sent: "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops", want: "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops"},
		{name: "answer: 204 has no body", sent: "HTTP/1.1 204 No Content\r\nX: 1\r\n\r\n", want: "HTTP/1.1 204 No Content\r\nX: 1\r\n\r\n"},
		{name: "answer: 304 keeps its fields", sent: "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nCache-Control: no-cache\r\n\r\n", want: "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nCache-Control: no-cache\r\n\r\n"},
		{name: "answer: a redirect is not followed", sent: "HTTP/1.1 302 Found\r\nLocation: http://b/x\r\nContent-Length: 0\r\n\r\n", want: "HTTP/1.1 302 Found\r\nLocation: http://b/x\r\nContent-Length: 0\r\n\r\n"},
		{name: "answer: what is compressed stays so", sent: ok + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b", want: ok + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b"},
		{name: "answer: to HEAD it has a length and no body", method: "HEAD", sent: ok + "Content-Length: 12\r\n\r\n", want: ok + "Content-Length: 12\r\n\r\n"},
		{name: "answer: early hints pass (RFC 8297)", sent: "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nok", want: ok + "Content-Length: 2\r\n\r\nok",
			interim: []string{"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"}},
		{name: "answer: 102 and 103 pass in their order", sent: "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nX: 1\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nok", want: ok + "Content-Length: 2\r\n\r\nok",
			interim: []string{"HTTP/1.1 102 Processing\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nX: 1\r\n\r\n"}},
		{name: "answer: 100 is not passed on", sent: "HTTP/1.1 100 Continue\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nok", want: ok + "Content-Length: 2\r\n\r\nok"},
	}
}
