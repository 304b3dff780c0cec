package battery

import (
	"cmp"
	"context"
	"fmt"
	"strings"
)

// passage is a request and what an origin must be sent for it, or an answer and what the client must get. What is
// demanded is written as message.text has it: fields of the hop last, the body without framing, "-- trailer" before a
// trailer.
type passage struct {
	name string
	// sent has KEY where its case's name stands.
	sent, want string
	// host is what the client asked for; "a" where it is empty.
	host string
	// via is what Via must begin with.
	via string
	// mark says why net/http forwards it otherwise.
	mark string
	// method is that of the request which an answer answers; GET where it is empty.
	method string
	// closes has the origin close the connection behind an answer.
	closes bool
	// interim are the interim answers that the client must get.
	interim []string
}

// Forward sends requests through the proxy and compares what its origin gets with what is demanded, byte by byte but for
// the framing of bodies: no field lost, added or changed, but for those of the hop.
func (p *Proxy) Forward(ctx context.Context) *Report { return p.compare(ctx, forwarded(), p.forward) }

// compare tries each passage in all ways; try tells what came of it that is not what is demanded.
func (p *Proxy) compare(ctx context.Context, all []passage, try func(one passage, at int) string) *Report {
	return p.each(ctx, len(all), func(i int, r *Report) {
		one := all[i]
		for _, at := range p.places(one.sent) {
			r.Sent++
			got := try(one, at)
			if one.mark != "" && p.NetHTTP {
				if r.Marked++; got == "" {
					r.Faults = append(r.Faults, Fault{Case: one.name, Way: split(at), Sent: one.sent, Got: "just that", Want: "what the case is marked with: " + one.mark})
				}
				return
			}
			if got != "" {
				r.Faults = append(r.Faults, Fault{Case: one.name, Way: split(at), Sent: one.sent, Got: got, Want: fmt.Sprintf("%q", one.want)})
				return
			}
		}
	})
}

// forward sends one request in one way and tells what is wrong with what the origin got.
func (p *Proxy) forward(one passage, at int) string {
	key := p.key()
	act := &act{name: one.name, pieces: []string{plainAnswer}}
	p.Origin.play(key, act)
	defer p.Origin.drop(key)
	c, err := p.dial()
	if err != nil {
		return err.Error()
	}
	defer c.close()
	go send(c, pieces(strings.ReplaceAll(one.sent, "KEY", key), at))
	method, _, _ := strings.Cut(one.sent, " ")
	_, answer, err := c.informed(method)
	if err != nil {
		return c.instead(err).Error()
	}
	if statusOf(answer.start) != 200 {
		return fmt.Sprintf("the answer %q", answer.text(false))
	}
	m, err := act.receive()
	if err != nil {
		return err.Error()
	}
	host := cmp.Or(one.host, "a")
	asked := host
	if strings.Contains(one.sent, "/named/") {
		asked = p.Origin.Address()
	}
	if got := m.take("Host"); len(got) != 1 || got[0] != asked {
		return fmt.Sprintf("Host is %q, want %q", got, asked)
	}
	if wrong := strip(m, host, one.via); wrong != "" {
		return wrong
	}
	want := strings.ReplaceAll(one.want, "KEY", key)
	if got := m.text(p.NetHTTP); got != p.expect(want) {
		return fmt.Sprintf("%q", got)
	}
	return ""
}

// expect is what a message must be: with net/http's laxness about fields where the proxy reads with it.
func (p *Proxy) expect(text string) string {
	if !p.NetHTTP {
		return text
	}
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	m := &message{start: lines[0], fields: lines[1:]}
	if content, trailer, found := strings.Cut(body, "\r\n-- trailer\r\n"); found {
		body, m.trailer = content, strings.Split(trailer, "\r\n")
	}
	m.body = []byte(body)
	return m.text(true)
}

// forwarded are requests and what must be sent for them.
func forwarded() []passage {
	const get = "GET /KEY HTTP/1.1\r\nHost: a\r\n"
	const post = "POST /KEY HTTP/1.1\r\nHost: a\r\n"
	const got = "GET /KEY HTTP/1.1\r\n"
	const posted = "POST /KEY HTTP/1.1\r\n"
	return []passage{
		{name: "request: nothing is added but who asked, and the way taken", sent: get + "\r\n", want: got + "\r\n"},
		{name: "request: the names of fields keep their case, and fields their order", sent: get + "zZ: 1\r\nb-B: 2\r\nA: 3\r\nb-b: 4\r\nzz: 5\r\n\r\n",
			want: got + "zZ: 1\r\nb-B: 2\r\nA: 3\r\nb-b: 4\r\nzz: 5\r\n\r\n"},
		{name: "request: an empty field stays", sent: get + "X-Empty:\r\n\r\n", want: got + "X-Empty: \r\n\r\n"},
		{name: "request: lines of one name are not joined", sent: get + "Accept: a\r\nAccept: b\r\nCookie: c=1\r\nCookie: d=2\r\n\r\n",
			want: got + "Accept: a\r\nAccept: b\r\nCookie: c=1\r\nCookie: d=2\r\n\r\n"},
		{name: "request: values pass as they are", sent: get + "X-Raw: \xe4 \"a, b\" ;x= \t y\r\n\r\n", want: got + "X-Raw: \xe4 \"a, b\" ;x= \t y\r\n\r\n"},
		{name: "request: User-Agent and Accept-Encoding are those of the client", sent: get + "User-Agent: x/1\r\nAccept-Encoding: br;q=0.1\r\n\r\n",
			want: got + "User-Agent: x/1\r\nAccept-Encoding: br;q=0.1\r\n\r\n"},
		{name: "request: Authorization passes", sent: get + "Authorization: Bearer x.y.z\r\n\r\n", want: got + "Authorization: Bearer x.y.z\r\n\r\n"},
		{name: "request: conditions and ranges pass", sent: get + "If-None-Match: \"x\", W/\"y\"\r\nRange: bytes=0-1\r\n\r\n",
			want: got + "If-None-Match: \"x\", W/\"y\"\r\nRange: bytes=0-1\r\n\r\n"},
		{name: "request: fields of the hop are dropped (RFC 9110 7.6.1)", sent: get + "Connection: keep-alive, X-Mine, other\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n" +
			"X-Mine: 1\r\nX-Yours: 2\r\nOTHER: 3\r\nother: 4\r\nProxy-Authorization: Basic x\r\nTE: gzip\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
			want: got + "X-Yours: 2\r\n\r\n"},
		{name: "request: Connection in two lines drops what both name", sent: get + "Connection: x\r\nX: 1\r\nY: 2\r\nConnection: y\r\nZ: 3\r\n\r\n", want: got + "Z: 3\r\n\r\n"},
		{name: "request: Proxy-Authenticate is dropped", sent: get + "Proxy-Authenticate: Basic\r\nX: 1\r\n\r\n", want: got + "X: 1\r\n\r\n"},
		{name: "request: TE: trailers is said anew (RFC 9110 10.1.4)", sent: get + "TE: trailers, gzip\r\nConnection: TE\r\n\r\n", want: got + "Connection: TE\r\nTE: trailers\r\n\r\n"},
		{name: "request: Connection: close is the client's own", sent: get + "Connection: close\r\nX: 1\r\n\r\n", want: got + "X: 1\r\n\r\n"},
		{name: "request: an upgrade to h2c is never passed on", sent: get + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nX: 1\r\n\r\n",
			want: got + "X: 1\r\n\r\n"},
		{name: "request: an upgrade that Connection does not name is not passed on", sent: get + "Upgrade: websocket\r\nX: 1\r\n\r\n", want: got + "X: 1\r\n\r\n"},
		{name: "request: an upgrade of another method than GET is not passed on", sent: post + "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
			want: posted + "Content-Length: 0\r\n\r\n"},
		{name: "request: what a client says of who asked is thrown away", sent: get + "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Host: b\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Prefix: /x\r\nX-Real-IP: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nClient-Cert: :x:\r\nx-forwarded-for: 5.6.7.8\r\nY: 1\r\n\r\n",
			want: got + "Y: 1\r\n\r\n"},
		{name: "request: what a client says of its scheme is thrown away", sent: get + "X-Forwarded-Proto: https\r\nY: 1\r\nx-forwarded-proto: https\r\n\r\n", want: got + "Y: 1\r\n\r\n"},
		{name: "request: any X-Forwarded field of a client is thrown away", sent: get + "X-Forwarded-By: x\r\nX-Forwarded-Server: x\r\nX-Forwarded-Ssl: on\r\nX-Forwarded-Y: x\r\n\r\n", want: got + "\r\n"},
		{name: "request: Via is added to (RFC 9110 7.6.3)", sent: get + "Via: 1.0 x, 1.1 y (z)\r\n\r\n", want: got + "\r\n", via: "1.0 x, 1.1 y (z), "},
		{name: "request: Via of several lines is added to", sent: get + "Via: 1.0 x\r\nX: 1\r\nVia: 1.1 y\r\n\r\n", want: got + "X: 1\r\n\r\n", via: "1.0 x, 1.1 y, "},
		{name: "request: Host is the client's where the endpoint says so", sent: "GET /KEY HTTP/1.1\r\nHost: A.Example:8080\r\n\r\n", want: got + "\r\n", host: "A.Example:8080"},
		{name: "request: Host is the service's where the endpoint says nothing", sent: "GET /named/KEY HTTP/1.1\r\nHost: a.example\r\n\r\n",
			want: "GET /KEY HTTP/1.1\r\n\r\n", host: "a.example"},
		{name: "request: an absolute target is asked for in origin form (RFC 9112 3.2.2)", sent: "GET http://b.example/KEY/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
			want: "GET /KEY/x?y HTTP/1.1\r\n\r\n", host: "b.example"},
		{name: "request: the path passes in its one form", sent: "GET /KEY/%7e%61/%c3%a4;v=1/a%3Bb/ HTTP/1.1\r\nHost: a\r\n\r\n", want: "GET /KEY/~a/%C3%A4;v=1/a%3Bb/ HTTP/1.1\r\n\r\n"},
		{name: "request: every character of a path passes", sent: "GET /KEY/-._~!$&'()*+,;=:@ HTTP/1.1\r\nHost: a\r\n\r\n", want: "GET /KEY/-._~!$&'()*+,;=:@ HTTP/1.1\r\n\r\n"},
		{name: "request: the query passes untouched", sent: "GET /KEY?a=%zz&b;c=1&%2e%2E//../%00&d=|\"<>&e=a?b%&+=%20 HTTP/1.1\r\nHost: a\r\n\r\n",
			want: "GET /KEY?a=%zz&b;c=1&%2e%2E//../%00&d=|\"<>&e=a?b%&+=%20 HTTP/1.1\r\n\r\n"},
		{name: "request: the method passes", sent: "x-Own /KEY HTTP/1.1\r\nHost: a\r\n\r\n", want: "x-Own /KEY HTTP/1.1\r\n\r\n"},
		{name: "request: HEAD passes as HEAD", sent: "HEAD /KEY HTTP/1.1\r\nHost: a\r\n\r\n", want: "HEAD /KEY HTTP/1.1\r\n\r\n"},
		{name: "request: DELETE without a body gets none", sent: "DELETE /KEY HTTP/1.1\r\nHost: a\r\n\r\n", want: "DELETE /KEY HTTP/1.1\r\n\r\n"},
		{name: "request: HTTP/1.0 is asked for as HTTP/1.1", sent: "GET /KEY HTTP/1.0\r\nHost: a\r\nX: 1\r\n\r\n", want: got + "X: 1\r\n\r\n"},
		{name: "request: a body with a length", sent: post + "X: 1\r\nContent-Length: 3\r\nY: 2\r\n\r\nabc", want: posted + "X: 1\r\nY: 2\r\nContent-Length: 3\r\n\r\nabc"},
		{name: "request: a body of no bytes", sent: post + "Content-Length: 0\r\n\r\n", want: posted + "Content-Length: 0\r\n\r\n"},
		{name: "request: POST without a body tells of none", sent: post + "\r\n", want: posted + "Content-Length: 0\r\n\r\n"},
		{name: "request: a length with zeros before it is said in one form", sent: post + "Content-Length: 003\r\n\r\nabc", want: posted + "Content-Length: 3\r\n\r\nabc"},
		{name: "request: a body of GET", sent: get + "Content-Length: 3\r\n\r\nabc", want: got + "Content-Length: 3\r\n\r\nabc"},
		{name: "request: a long body", sent: post + "Content-Length: 40000\r\n\r\n" + strings.Repeat("0123456789", 4000),
			want: posted + "Content-Length: 40000\r\n\r\n" + strings.Repeat("0123456789", 4000)},
		{name: "request: a body in chunks stays in chunks, without their extensions", sent: post + "Transfer-Encoding: chunked\r\n\r\n1;a=b\r\na\r\n2;c=\"d\"\r\nbc\r\n0;e\r\n\r\n",
			want: posted + "Transfer-Encoding: chunked\r\n\r\nabc"},
		{name: "request: a coding is said in one form", sent: post + "transfer-encoding:  Chunked \r\n\r\n3\r\nabc\r\n0\r\n\r\n", want: posted + "Transfer-Encoding: chunked\r\n\r\nabc"},
		{name: "request: trailers pass", sent: post + "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
			want: posted + "Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\nabc\r\n-- trailer\r\nX-Sum: 1"},
		{name: "request: trailers that were not announced pass", sent: post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-Sum: 1\r\nB: 2\r\n\r\n",
			want: posted + "Transfer-Encoding: chunked\r\n\r\nabc\r\n-- trailer\r\nx-Sum: 1\r\nB: 2"},
		{name: "request: Trailer without chunks is dropped", sent: post + "Trailer: X-Sum\r\nContent-Length: 3\r\n\r\nabc", want: posted + "Content-Length: 3\r\n\r\nabc"},
		{name: "request: Expect: 100-continue of a body that is there", sent: post + "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
			want: posted + "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"},
		{name: "request: trace context passes", sent: get + "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\ntracestate: a=b\r\n\r\n",
			want: got + "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\ntracestate: a=b\r\n\r\n"},
	}
}
