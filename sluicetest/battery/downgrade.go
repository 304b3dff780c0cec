package battery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// stream is a request of HTTP/2, field by field, and what the origin must be sent for it in HTTP/1.1; nothing whole where
// that is empty.
type stream struct {
	name string
	// fields are names and values by turns, as they are.
	fields []string
	// body is sent as DATA, if there is any; trailer as a second HEADERS.
	body    string
	trailer []string
	want    string
	// may is what the service may be sent although the request is to be refused: it begins before its fault can be seen.
	may string
}

// Downgrade sends requests of HTTP/2, by prior knowledge, and compares what the origin gets in HTTP/1.1. What there is to
// smuggle is in fields that mean nothing in the one and much in the other.
func (p *Proxy) Downgrade(ctx context.Context) *Report {
	all := streams()
	return p.each(ctx, len(all), func(i int, r *Report) {
		one := all[i]
		r.Sent++
		if got := p.downgrade(one); got != "" {
			want := "a refusal, and nothing whole that the service gets"
			if one.want != "" {
				want = fmt.Sprintf("%q", one.want)
			}
			r.Faults = append(r.Faults, Fault{Case: one.name, Way: "HTTP/2", Sent: fmt.Sprintf("%q %q %q", one.fields, one.body, one.trailer), Got: got, Want: want})
		}
	})
}

func (p *Proxy) downgrade(one stream) string {
	key := p.key()
	a := &act{name: one.name, pieces: []string{plainAnswer}}
	p.Origin.play(key, a)
	defer p.Origin.drop(key)
	c, err := net.Dial("tcp", p.Address)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	for i := range one.fields {
		one.fields[i] = strings.ReplaceAll(one.fields[i], "KEY", key)
	}
	if err := one.send(c); err != nil {
		return err.Error()
	}
	status, err := readStream(c)
	if one.want == "" {
		select {
		case m := <-a.seen:
			strip(m, "a", "")
			m.take("Host")
			if got := m.text(true); one.may == "" || got != strings.ReplaceAll(one.may, "KEY", key) {
				return fmt.Sprintf("the service was sent %.300q", got)
			}
			return ""
		case <-time.After(settled):
		}
		if err == nil && status < "400" {
			return "the status " + status
		}
		if late(err) {
			return "no answer"
		}
		return ""
	}
	if err != nil || status != "200" {
		return fmt.Sprintf("the status %s and %v", status, err)
	}
	m, err := a.receive()
	if err != nil {
		return err.Error()
	}
	if got := m.take("Host"); len(got) != 1 || got[0] != "a" {
		return fmt.Sprintf("Host is %q", got)
	}
	if wrong := strip(m, "a", ""); wrong != "" {
		return wrong
	}
	if got, want := m.text(true), (&Proxy{NetHTTP: true}).expect(strings.ReplaceAll(one.want, "KEY", key)); got != want {
		return fmt.Sprintf("%q", got)
	}
	return ""
}

// send sends the request as stream 1.
func (one *stream) send(c net.Conn) error {
	var out, block bytes.Buffer
	out.WriteString(http2.ClientPreface)
	framer := http2.NewFramer(&out, nil)
	framer.AllowIllegalWrites = true
	encoder := hpack.NewEncoder(&block)
	headers := func(fields []string, ends bool) error {
		block.Reset()
		for i := 0; i+1 < len(fields); i += 2 {
			if err := encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
				return err
			}
		}
		return framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: ends})
	}
	errs := []error{framer.WriteSettings(), headers(one.fields, one.body == "" && one.trailer == nil)}
	if one.body != "" {
		errs = append(errs, framer.WriteData(1, one.trailer == nil, []byte(one.body)))
	}
	if one.trailer != nil {
		errs = append(errs, headers(one.trailer, true))
	}
	_, err := c.Write(out.Bytes())
	return errors.Join(append(errs, err)...)
}

// readStream reads the status of the answer to stream 1; an error is that there is none.
func readStream(c net.Conn) (status string, err error) {
	framer := http2.NewFramer(io.Discard, c)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			return "", err
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			if status := f.PseudoValue("status"); status >= "200" {
				return status, nil
			}
		case *http2.RSTStreamFrame:
			return "", fmt.Errorf("the stream was reset with %v", f.ErrCode)
		case *http2.GoAwayFrame:
			if f.ErrCode != http2.ErrCodeNo {
				return "", fmt.Errorf("the connection ends with %v", f.ErrCode)
			}
		}
	}
}

// streams are the requests.
func streams() []stream {
	with := func(method string, more ...string) []string {
		return append([]string{":method", method, ":scheme", "http", ":authority", "a", ":path", "/KEY"}, more...)
	}
	get := func(more ...string) []string { return with("GET", more...) }
	replaced := func(name, value string) []string {
		fields := get()
		for i := 0; i < len(fields); i += 2 {
			if fields[i] == name {
				fields[i+1] = value
			}
		}
		return fields
	}
	without := func(name string) (rest []string) {
		fields := get()
		for i := 0; i < len(fields); i += 2 {
			if fields[i] != name {
				rest = append(rest, fields[i], fields[i+1])
			}
		}
		return rest
	}
	const got = "GET /KEY HTTP/1.1\r\n"
	const posted = "POST /KEY HTTP/1.1\r\n"
	return []stream{
		{name: "HTTP/2: a request", fields: get("x", "1", "y", "2"), want: got + "X: 1\r\nY: 2\r\n\r\n"},
		{name: "HTTP/2: cookies are joined (RFC 9113 8.2.3)", fields: get("cookie", "a=1", "x", "1", "cookie", "b=2"), want: got + "Cookie: a=1; b=2\r\nX: 1\r\n\r\n"},
		{name: "HTTP/2: te: trailers (RFC 9113 8.2.2)", fields: get("te", "trailers"), want: got + "Connection: TE\r\nTE: trailers\r\n\r\n"},
		{name: "HTTP/2: a body with a length", fields: with("POST", "content-length", "3"), body: "abc", want: posted + "Content-Length: 3\r\n\r\nabc"},
		{name: "HTTP/2: a body without a length", fields: with("POST"), body: "abc", want: posted + "Transfer-Encoding: chunked\r\n\r\nabc"},
		{name: "HTTP/2: a body that looks like the end of chunks", fields: with("POST"), body: "0\r\n\r\nGET / HTTP/1.1\r\n\r\n", want: posted + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"},
		{name: "HTTP/2: trailers that were announced", fields: with("POST", "trailer", "t"), body: "abc", trailer: []string{"t", "v"}, want: posted + "Trailer: T\r\nTransfer-Encoding: chunked\r\n\r\nabc\r\n-- trailer\r\nT: v"},
		{name: "HTTP/2: trailers that were not announced do not pass", fields: with("POST"), body: "abc", trailer: []string{"t", "v"}, want: posted + "Transfer-Encoding: chunked\r\n\r\nabc"},
		{name: "HTTP/2: a trailer that would frame does not pass", fields: with("POST"), body: "abc", trailer: []string{"transfer-encoding", "chunked"}, want: posted + "Transfer-Encoding: chunked\r\n\r\nabc"},
		{name: "HTTP/2: the scheme of the connection is told, not that of the request", fields: replaced(":scheme", "https"), want: got + "\r\n"},
		{name: "HTTP/2: Host that is :authority", fields: get("host", "a"), want: got + "\r\n"},
		{name: "HTTP/2: Host for :authority", fields: append(without(":authority"), "host", "a"), want: got + "\r\n"},
		{name: "HTTP/2: Expect is the connection's own", fields: with("POST", "content-length", "3", "expect", "100-continue"), body: "abc", want: posted + "Content-Length: 3\r\n\r\nabc"},

		{name: "HTTP/2: transfer-encoding (RFC 9113 8.2.2)", fields: with("POST", "transfer-encoding", "chunked"), body: "0\r\n\r\nGET /x HTTP/1.1\r\n\r\n"},
		{name: "HTTP/2: transfer-encoding beside a length", fields: with("POST", "transfer-encoding", "chunked", "content-length", "5"), body: "0\r\n\r\n"},
		{name: "HTTP/2: connection (RFC 9113 8.2.2)", fields: get("connection", "close")},
		{name: "HTTP/2: connection that names a field", fields: get("connection", "host")},
		{name: "HTTP/2: keep-alive (RFC 9113 8.2.2)", fields: get("keep-alive", "timeout=5")},
		{name: "HTTP/2: proxy-connection (RFC 9113 8.2.2)", fields: get("proxy-connection", "keep-alive")},
		{name: "HTTP/2: upgrade (RFC 9113 8.2.2)", fields: get("upgrade", "websocket")},
		{name: "HTTP/2: te: gzip (RFC 9113 8.2.2)", fields: get("te", "gzip")},
		{name: "HTTP/2: a length that is too long (RFC 9113 8.1.1)", fields: with("POST", "content-length", "4"), body: "abc"},
		{name: "HTTP/2: a length that is too short (RFC 9113 8.1.1)", fields: with("POST", "content-length", "2"), body: "abc"},
		{name: "HTTP/2: a length of zero with a body (RFC 9113 8.1.1)", fields: with("POST", "content-length", "0"), body: "GET /x HTTP/1.1\r\n\r\n",
			may: posted + "Content-Length: 0\r\n\r\n"},
		{name: "HTTP/2: a length without a body (RFC 9113 8.1.1)", fields: with("POST", "content-length", "3")},
		{name: "HTTP/2: two lengths", fields: with("POST", "content-length", "3", "content-length", "0"), body: "abc"},
		{name: "HTTP/2: a list of lengths", fields: with("POST", "content-length", "3, 0"), body: "abc"},
		{name: "HTTP/2: a length that is no number", fields: with("POST", "content-length", "+3"), body: "abc"},
		{name: "HTTP/2: a name in upper case (RFC 9113 8.2.1)", fields: get("X", "1")},
		{name: "HTTP/2: an empty name", fields: get("", "1")},
		{name: "HTTP/2: a name with a space", fields: get("x y", "1")},
		{name: "HTTP/2: a name with a colon", fields: get("x:y", "1")},
		{name: "HTTP/2: a name with a line end", fields: get("x\r\ny", "1")},
		{name: "HTTP/2: a name with NUL", fields: get("x\x00", "1")},
		{name: "HTTP/2: a name with an octet above ASCII", fields: get("x\xe4", "1")},
		{name: "HTTP/2: a field in a name", fields: get("x: 1\r\ncontent-length", "3")},
		{name: "HTTP/2: CR LF in a value (RFC 9113 8.2.1)", fields: get("x", "1\r\nY: 2")},
		{name: "HTTP/2: a request in a value (RFC 9113 8.2.1)", fields: get("x", "1\r\n\r\nGET /x HTTP/1.1\r\nHost: a")},
		{name: "HTTP/2: LF in a value (RFC 9113 8.2.1)", fields: get("x", "1\n2")},
		{name: "HTTP/2: CR in a value (RFC 9113 8.2.1)", fields: get("x", "1\r2")},
		{name: "HTTP/2: NUL in a value (RFC 9113 8.2.1)", fields: get("x", "1\x002")},
		{name: "HTTP/2: no :method (RFC 9113 8.3.1)", fields: without(":method")},
		{name: "HTTP/2: no :scheme (RFC 9113 8.3.1)", fields: without(":scheme")},
		{name: "HTTP/2: no :path (RFC 9113 8.3.1)", fields: without(":path")},
		{name: "HTTP/2: neither :authority nor Host", fields: without(":authority")},
		{name: "HTTP/2: :path twice (RFC 9113 8.3)", fields: get(":path", "/x")},
		{name: "HTTP/2: :method twice (RFC 9113 8.3)", fields: get(":method", "POST")},
		{name: "HTTP/2: :path behind a field (RFC 9113 8.3)", fields: append(without(":path"), "x", "1", ":path", "/KEY")},
		{name: "HTTP/2: a pseudo-field that nobody knows (RFC 9113 8.3)", fields: append([]string{":x", "1"}, get()...)},
		{name: "HTTP/2: :status of a request (RFC 9113 8.3)", fields: append([]string{":status", "200"}, get()...)},
		{name: "HTTP/2: an empty :path (RFC 9113 8.3.1)", fields: replaced(":path", "")},
		{name: "HTTP/2: :path without a slash", fields: replaced(":path", "KEY")},
		{name: "HTTP/2: :path that is a URL", fields: replaced(":path", "http://b/KEY")},
		{name: "HTTP/2: :path with a space", fields: replaced(":path", "/KEY x")},
		{name: "HTTP/2: :path with a version in it", fields: replaced(":path", "/KEY HTTP/1.1\r\nX: 1\r\n\r\nGET /x")},
		{name: "HTTP/2: :path with LF", fields: replaced(":path", "/KEY\nx")},
		{name: "HTTP/2: :path with a fragment", fields: replaced(":path", "/KEY#x")},
		{name: "HTTP/2: :path with dots", fields: replaced(":path", "/KEY/../x")},
		{name: "HTTP/2: :path of an asterisk", fields: replaced(":path", "*")},
		{name: "HTTP/2: :method with a space", fields: replaced(":method", "GET /x HTTP/1.1\r\nX:")},
		{name: "HTTP/2: :method that is empty", fields: replaced(":method", "")},
		{name: "HTTP/2: CONNECT (RFC 9113 8.5)", fields: []string{":method", "CONNECT", ":authority", "a:80"}},
		{name: "HTTP/2: CONNECT with a path (RFC 9113 8.5)", fields: with("CONNECT")},
		{name: "HTTP/2: :scheme that is none", fields: replaced(":scheme", "x y")},
		{name: "HTTP/2: :authority with a user", fields: replaced(":authority", "u@a")},
		{name: "HTTP/2: :authority with a path", fields: replaced(":authority", "a/x")},
		{name: "HTTP/2: :authority with a line end", fields: replaced(":authority", "a\r\nX: 1")},
		{name: "HTTP/2: :authority that is empty", fields: replaced(":authority", "")},
		{name: "HTTP/2: :authority and Host that differ (RFC 9113 8.3.1)", fields: get("host", "b")},
		{name: "HTTP/2: two Hosts", fields: get("host", "a", "host", "a")},
		{name: "HTTP/2: a pseudo-field in a trailer (RFC 9113 8.1)", fields: with("POST"), body: "abc", trailer: []string{":path", "/x"}},
		{name: "HTTP/2: a name in upper case in a trailer", fields: with("POST"), body: "abc", trailer: []string{"T", "v"}},
		{name: "HTTP/2: CR LF in a trailer", fields: with("POST", "trailer", "t"), body: "abc", trailer: []string{"t", "v\r\n\r\nGET /x HTTP/1.1"}},
	}
}
