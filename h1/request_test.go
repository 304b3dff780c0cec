package h1

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

// requests are headers as RFC 9112 has them, and what they say.
var requests = []struct {
	text, method, target, host string
	fields                     string // as they are kept
	head                       Head   // but for Options
	options                    string
	upgrades                   int
	goesOn                     bool // Continue
}{
	{text: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", method: "GET", target: "/", host: "a", head: Head{Length: -1}},
	{text: "GET / HTTP/1.0\r\nHost: a\r\n\r\n", method: "GET", target: "/", host: "a", head: Head{Old: true, Length: -1}},
	{text: "x-own! http://b:80/c?d=%zz HTTP/1.1\r\nhOST:[::1]:80\r\n\r\n", method: "x-own!", target: "http://b:80/c?d=%zz", host: "[::1]:80", head: Head{Length: -1}},
	{text: "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n", method: "OPTIONS", target: "*", head: Head{Length: -1}},
	{text: "POST /a HTTP/1.1\r\nX-One:  1 \t\r\nHost:\ta\t\r\nx-empty:\r\nX-One: \"2\", \x80\xff:;\t.\r\n\r\n", method: "POST", target: "/a", host: "a",
		fields: "X-One=1|x-empty=|X-One=\"2\", \x80\xff:;\t.", head: Head{Length: -1}},
	{text: "PUT /a HTTP/1.1\r\nHost: a\r\nCONTENT-length: 0012\r\n\r\n", method: "PUT", target: "/a", host: "a", fields: "CONTENT-length=0012", head: Head{Length: 12}},
	{text: "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n", method: "PUT", target: "/", host: "a",
		fields: "Content-Length=9223372036854775807", head: Head{Length: 9223372036854775807}},
	{text: "PATCH / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: CHUNKED\r\nTrailer: X-Sum,, x-b\r\n\r\n", method: "PATCH", target: "/", host: "a",
		fields: "Trailer=X-Sum,, x-b", head: Head{Length: -1, Chunked: true}},
	{text: "DELETE / HTTP/1.1\r\nHost: a\r\nConnection: close, ,x-a\r\nConnection: TE\r\nTE: trailers\r\n\r\n", method: "DELETE", target: "/", host: "a",
		fields: "Connection=close, ,x-a|Connection=TE|TE=trailers", head: Head{Length: -1}, options: "close|x-a|TE"},
	{text: "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n\r\n", method: "HEAD", target: "/", host: "a",
		fields: "Connection=Upgrade|Upgrade=websocket|Upgrade=h2c", head: Head{Length: -1}, options: "Upgrade", upgrades: 2},
	{text: "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n", method: "PUT", target: "/", host: "a",
		fields: "Expect=100-Continue|Content-Length=1", head: Head{Length: 1}, goesOn: true},
	{text: "PUT / HTTP/1.0\r\nHost: a\r\nExpect: anything\r\nContent-Length: 1\r\n\r\n", method: "PUT", target: "/", host: "a",
		fields: "Expect=anything|Content-Length=1", head: Head{Old: true, Length: 1}},
	{text: "GET / HTTP/1.1\r\nHost: a\r\nKeep-Alive: 1\r\nProxy-Authorization: b\r\nHTTP2-Settings: c\r\n\r\n", method: "GET", target: "/", host: "a",
		fields: "Keep-Alive=1|Proxy-Authorization=b|HTTP2-Settings=c", head: Head{Length: -1}},
}

func TestRequests(t *testing.T) {
	t.Parallel()
	var r Request
	var h sluice.Header
	for _, c := range requests {
		h.Reset()
		if end, _, err := End([]byte(c.text), 0); end != len(c.text) || err != nil {
			t.Errorf("%q ends at %d, %v", c.text, end, err)
		}
		if err := r.Parse([]byte(c.text), &h); err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if r.Method != c.method || string(r.Target) != c.target || string(r.Host) != c.host || list(h.Fields()) != c.fields {
			t.Errorf("%q: %s %s of %q with %q", c.text, r.Method, r.Target, r.Host, list(h.Fields()))
		}
		if r.Old != c.head.Old || r.Length != c.head.Length || r.Chunked != c.head.Chunked || join(r.Options) != c.options || r.Upgrades != c.upgrades || r.Continue != c.goesOn {
			t.Errorf("%q: %+v", c.text, r)
		}
	}
}

func list(fields []sluice.Field) string {
	var texts []string
	for _, f := range fields {
		texts = append(texts, string(f.Name)+"="+string(f.Value))
	}
	return strings.Join(texts, "|")
}

func join(o Options) string {
	var texts []string
	for _, name := range o {
		texts = append(texts, string(name))
	}
	return strings.Join(texts, "|")
}

// departure is a header that departs from a good one in one thing.
type departure struct {
	line   string // in the place of the first line, if any
	field  string // behind the first fields, if any
	header string // the whole, if any
	want   error
	why    string // where net/http takes it, and why that is refused here
}

func (d departure) over(line, fields string) string {
	switch {
	case d.header != "":
		return d.header
	case d.line != "":
		return d.line + "\r\n" + fields + "\r\n"
	}
	return line + "\r\n" + fields + d.field + "\r\n\r\n"
}

// requestDepartures are single departures. Which rule of RFC 9112 and RFC 9110 they break stands before them.
var requestDepartures = []requestDeparture{
	// RFC 9112, section 3: request-line = method SP request-target SP HTTP-version.
	{line: "GET /", want: errRequestLine},
	{line: "GET", want: errRequestLine},
	{line: " ", want: errRequestLine},
	{line: "GET  / HTTP/1.1", want: errRequestLine},
	{line: " GET / HTTP/1.1", want: errRequestLine},
	{line: "GET /  HTTP/1.1", want: errRequestLine},
	{line: "GET / HTTP/1.1 ", want: errRequestLine},
	{line: "GET\t/ HTTP/1.1", want: errRequestLine},
	{line: "GET /\tHTTP/1.1", want: errRequestLine},
	{line: "GET / a HTTP/1.1", want: errRequestLine},
	{line: "GET  HTTP/1.1", want: errRequestLine},
	{line: " / HTTP/1.1", want: errRequestLine},
	// RFC 9112, section 2.2: a line before the request may be ignored; it is not.
	{header: "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", want: errRequestLine},
	// RFC 9112, section 2.3: HTTP-version = "HTTP/" DIGIT "." DIGIT, and nothing else but 1.0 and 1.1 is known here.
	{line: "GET / HTTP/1.2", want: errRequestLine, why: "net/http takes any minor version, which this does not speak"},
	{line: "GET / HTTP/2.0", want: errRequestLine, why: "net/http leaves the version to its caller"},
	{line: "GET / HTTP/1.10", want: errRequestLine},
	{line: "GET / HTTP/1.", want: errRequestLine},
	{line: "GET / HTTP/11", want: errRequestLine},
	{line: "GET / http/1.1", want: errRequestLine},
	{line: "GET / HTTP 1.1", want: errRequestLine},
	{line: "GET / HTTPS/1.1", want: errRequestLine},
	// RFC 9110, section 9.1: method = token.
	{line: "G(T / HTTP/1.1", want: errRequestLine},
	{line: "G\x00T / HTTP/1.1", want: errRequestLine},
	{line: "G\xc3\xa4T / HTTP/1.1", want: errRequestLine},
	{line: "G:T / HTTP/1.1", want: errRequestLine},
	// RFC 9112, section 3.2: no white space, no control character in a target.
	{line: "GET /\x01 HTTP/1.1", want: errRequestLine},
	{line: "GET /\x7f HTTP/1.1", want: errRequestLine},
	{line: "GET /a\tb HTTP/1.1", want: errRequestLine},
	{line: "GET /a\rb HTTP/1.1", want: errRequestLine},
	// RFC 9112, section 2.2: lines end with CRLF.
	{header: "GET / HTTP/1.1\nHost: a\r\n\r\n", want: ErrLine, why: "net/http takes a bare LF, which another may take for a part of the line"},
	{header: "GET / HTTP/1.1\r\nHost: a\n\r\n", want: ErrLine, why: "net/http takes a bare LF"},
	{header: "GET / HTTP/1.1\r\nHost: a\r\n\n", want: ErrLine, why: "net/http takes a bare LF"},
	{header: "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", want: errRequestLine},
	{field: "X: a\rb", want: ErrValue},
	// RFC 9112, section 5: field-line = field-name ":" OWS field-value OWS.
	{field: "no colon", want: ErrField},
	{field: ":", want: ErrField},
	{field: ": b", want: ErrField},
	{field: "X : b", want: ErrField, why: "net/http leaves it to its server, which refuses it"},
	{field: "X\t: b", want: ErrField},
	{field: " X: b", want: ErrField, why: "net/http unfolds it (section 5.2), and others read two fields"},
	{field: "\tX: b", want: ErrField, why: "net/http unfolds it"},
	{field: "X: a\r\n b", want: ErrField, why: "net/http unfolds it"},
	{field: "X\x00: b", want: ErrField},
	{field: "X\xff: b", want: ErrField},
	{field: "X(: b", want: ErrField},
	{line: "GET / HTTP/1.1\r\n X: b", want: ErrField},
	// RFC 9110, section 5.5: no control character in a value.
	{field: "X: a\x00b", want: ErrValue},
	{field: "X: \x1f", want: ErrValue},
	{field: "X: a\x7f", want: ErrValue},
	// RFC 9112, section 3.2: Host comes once.
	{header: "GET / HTTP/1.1\r\n\r\n", want: errHosts, why: "net/http leaves it to its server, which refuses it"},
	{header: "GET / HTTP/1.0\r\n\r\n", want: errHosts, why: "HTTP/1.0 knows no Host; nothing here is served without one"},
	{field: "Host: a", want: errHosts},
	{field: "host: b", want: errHosts},
	// RFC 9110, section 8.6: Content-Length = 1*DIGIT.
	{field: "Content-Length:", want: errLength},
	{field: "Content-Length: -1", want: errLength},
	{field: "Content-Length: +1", want: errLength},
	{field: "Content-Length: 1 1", want: errLength},
	{field: "Content-Length: 0x1", want: errLength},
	{field: "Content-Length: 1.0", want: errLength},
	{field: "Content-Length: 9223372036854775808", want: errLength},
	{field: "Content-Length: 00000000000000000001", want: errLength, why: "net/http counts no digits"},
	{field: "Content-Length: 1, 1", want: errLength},
	{field: "Content-Length: 1, 2", want: errLength},
	{field: "Content-Length: 1\r\nContent-Length: 2", want: errLength},
	{field: "Content-Length: 1\r\nContent-Length: 1", want: errLength, why: "section 6.3 allows the same number again; a reader that counts differently does not"},
	// RFC 9112, section 6.1: chunked is the only coding that is known, and HTTP/1.0 knows none.
	{field: "Transfer-Encoding:", want: errEncoding},
	{field: "Transfer-Encoding: gzip", want: errEncoding},
	{field: "Transfer-Encoding: identity", want: errEncoding},
	{field: "Transfer-Encoding: gzip, chunked", want: errEncoding},
	{field: "Transfer-Encoding: chunked, chunked", want: errEncoding},
	{field: "Transfer-Encoding: chunked,", want: errEncoding},
	{field: "Transfer-Encoding: chunked;a=b", want: errEncoding},
	{field: "Transfer-Encoding: \"chunked\"", want: errEncoding},
	{field: "Transfer-Encoding: xchunked", want: errEncoding},
	{field: "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", want: errEncoding},
	{header: "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", want: errEncoding, why: "net/http passes over it, and so sees another end of the body"},
	// RFC 9112, section 6.3: not both.
	{field: "Content-Length: 1\r\nTransfer-Encoding: chunked", want: errBoth, why: "net/http drops the length, as the section allows; who stands before it may have gone by it"},
	{field: "Transfer-Encoding: chunked\r\nContent-Length: 1", want: errBoth, why: "net/http drops the length"},
	// RFC 9110, section 7.6.1: Connection names no field that is for all recipients.
	{field: "Connection: Host", want: errOption, why: "net/http does not look at what Connection names"},
	{field: "Connection: close, content-length", want: errOption, why: "net/http does not look at what Connection names"},
	{field: "Connection: x\r\nConnection: ,Authorization", want: errOption, why: "net/http does not look at what Connection names"},
	// RFC 9110, section 6.5.1: no trailer brings what frames, routes or authenticates.
	{field: "Trailer: Content-Length", want: errTrailerName, why: "net/http looks at it only where there is a body in chunks"},
	{field: "Trailer: X-A, host", want: errTrailerName, why: "net/http takes fields of routing in a trailer"},
	{field: "Trailer: x-forwarded-for", want: errTrailerName, why: "net/http takes fields of routing in a trailer"},
	// RFC 9110, section 10.1.1: 100-continue is the only expectation.
	{field: "Expect: 200-ok", want: errExpect, why: "net/http leaves it to its server, which refuses it"},
	{field: "Expect: 100-continue, x", want: errExpect, why: "net/http leaves it to its server, which refuses it"},
	{field: "Expect:", want: errExpect, why: "net/http leaves it to its server"},
	// RFC 9110, section 5.4: as many fields as are allowed.
	{field: strings.Repeat("X: b\r\n", MaxFields) + "X: b", want: ErrTooLarge, why: "net/http bounds bytes alone"},
}

type requestDeparture departure

func (d requestDeparture) text() string {
	return departure(d).over("GET / HTTP/1.1", "Host: a\r\n")
}

// A header that will not end as it must is refused when that is seen.
func TestEndOfAHeader(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"\n", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nX: a\n", "GET / HTTP/1.1\r\n\n", "GET / HTTP/1.1\r\nX: a\r\n\r\r\n"} {
		for at := range len(text) + 1 {
			_, next, err := End([]byte(text[:at]), 0)
			if err == nil {
				_, _, err = End([]byte(text), next)
			}
			if !errors.Is(err, ErrLine) {
				t.Errorf("%q in pieces of %d: %v", text, at, err)
			}
		}
	}
}

func TestRequestDepartures(t *testing.T) {
	t.Parallel()
	var r Request
	for _, c := range requestDepartures {
		var h sluice.Header
		text := c.text()
		if err := r.Parse([]byte(text), &h); !errors.Is(err, c.want) {
			t.Errorf("%.200q: %v; want %v", text, err, c.want)
		}
		if reads := netHTTPReads(text); reads != (c.why != "") {
			t.Errorf("%.200q: net/http reads it: %t; the case says: %q", text, reads, c.why)
		}
	}
}
