package h1

import (
	"bufio"
	"errors"
	"net/http"
	"strings"
	"testing"
)

// netHTTPReads tells whether net/http takes a header.
func netHTTPReads(header string) bool {
	r := bufio.NewReader(strings.NewReader(header))
	var err error
	if strings.HasPrefix(header, "HTTP") || strings.HasPrefix(header, "http") {
		_, err = http.ReadResponse(r, nil)
	} else {
		_, err = http.ReadRequest(r)
	}
	return err == nil
}

// responses are headers as RFC 9112 has them, and what they say.
var responses = []struct {
	text    string
	status  int
	head    Head // but for Options
	options string
	fields  string // with their roles
}{
	{text: "HTTP/1.1 200 OK\r\n\r\n", status: 200, head: Head{Length: -1}},
	{text: "HTTP/1.1 200 \r\n\r\n", status: 200, head: Head{Length: -1}},
	{text: "HTTP/1.1 200\r\n\r\n", status: 200, head: Head{Length: -1}},
	{text: "HTTP/1.0 999 a\tb \x80\xff\r\n\r\n", status: 999, head: Head{Old: true, Length: -1}},
	{text: "HTTP/1.1 100 Continue\r\n\r\n", status: 100, head: Head{Length: -1}},
	{text: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\r\nA:c \r\nEmpty:\r\n\r\n", status: 200, head: Head{Length: 2}, fields: "3Content-Length=2|0A=b|0A=c|0Empty="},
	{text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nTrailer: X\r\n\r\n", status: 200, head: Head{Length: -1, Chunked: true},
		fields: "4Transfer-Encoding=Chunked|8Trailer=X"},
	{text: "HTTP/1.1 200 OK\r\nConnection: Keep-Alive, x\r\nKeep-Alive: 5\r\nHost: a\r\nUpgrade: b\r\nTE: c\r\nExpect: d\r\n\r\n", status: 200, head: Head{Length: -1},
		options: "Keep-Alive|x", fields: "5Connection=Keep-Alive, x|1Keep-Alive=5|2Host=a|6Upgrade=b|7TE=c|9Expect=d"},
}

func TestResponses(t *testing.T) {
	t.Parallel()
	var r Response
	for _, c := range responses {
		if end, _, err := End([]byte(c.text), 0); end != len(c.text) || err != nil {
			t.Errorf("%q ends at %d, %v", c.text, end, err)
		}
		if err := r.Parse([]byte(c.text)); err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		var fields []string
		for i, f := range r.Fields {
			fields = append(fields, string(rune('0'+r.Roles[i]))+string(f.Name)+"="+string(f.Value))
		}
		if r.Status != c.status || r.Old != c.head.Old || r.Length != c.head.Length || r.Chunked != c.head.Chunked || join(r.Options) != c.options ||
			strings.Join(fields, "|") != c.fields {
			t.Errorf("%q: %+v with %q", c.text, r, fields)
		}
	}
}

// responseDepartures are single departures of what is not a request's too.
var responseDepartures = []responseDeparture{
	// RFC 9112, section 4: status-line = HTTP-version SP status-code SP [ reason-phrase ].
	{line: "HTTP/1.1", want: errStatusLine},
	{line: "HTTP/1.1 ", want: errStatusLine},
	{line: "HTTP/1.1 20", want: errStatusLine},
	{line: "HTTP/1.1  200 OK", want: errStatus, why: "net/http takes any number of spaces"},
	{line: "HTTP/1.1\t200 OK", want: errStatusLine},
	{line: "HTTP/1.2 200 OK", want: errStatusLine, why: "net/http takes any minor version, which this does not speak"},
	{line: "HTTP/2.0 200 OK", want: errStatusLine, why: "net/http leaves the version to its caller"},
	{line: "HTTP/11 200 OK!!", want: errStatusLine},
	{line: "http/1.1 200 OK", want: errStatusLine},
	{line: "HTTP/1.1 2000 OK", want: errStatus},
	{line: "HTTP/1.1 2x0 OK", want: errStatus},
	{line: "HTTP/1.1 +20 OK", want: errStatus, why: "net/http reads it as 20"},
	{line: "HTTP/1.1 099 OK", want: errStatus, why: "net/http reads it as 99; section 15 of RFC 9110 has 100 up"},
	{line: "HTTP/1.1 200\tOK", want: errStatus},
	{line: "HTTP/1.1 200 O\x00K", want: errStatus, why: "net/http does not look at the reason"},
	{line: "HTTP/1.1 200 O\rK", want: errStatus, why: "net/http does not look at the reason"},
	{header: "HTTP/1.1 200 OK\nX: a\r\n\r\n", want: ErrLine, why: "net/http takes a bare LF"},
	{header: "\r\nHTTP/1.1 200 OK\r\n\r\n", want: errStatusLine},
	// What is true of a request's fields is of a response's.
	{field: "no colon", want: ErrField},
	{field: "X: a\r\n b", want: ErrField, why: "net/http unfolds it"},
	{field: "X: a\x00b", want: ErrValue},
	{field: "Content-Length: 1\r\nContent-Length: 2", want: errLength},
	{field: "Content-Length: 1\r\nContent-Length: 1", want: errLength, why: "section 6.3 allows the same number again"},
	{field: "Content-Length: x", want: errLength},
	{field: "Transfer-Encoding: gzip, chunked", want: errEncoding},
	{field: "Content-Length: 1\r\nTransfer-Encoding: chunked", want: errBoth, why: "net/http drops the length"},
	{header: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", want: errEncoding, why: "net/http passes over it"},
	{field: "Connection: set-cookie", want: errOption, why: "net/http does not look at what Connection names"},
	{field: "Trailer: Content-Length", want: errTrailerName, why: "net/http looks at it only where there is a body in chunks"},
	{field: strings.Repeat("X: b\r\n", MaxFields) + "X: b", want: ErrTooLarge, why: "net/http bounds bytes alone"},
}

type responseDeparture departure

func (d responseDeparture) text() string { return departure(d).over("HTTP/1.1 200 OK", "Date: a\r\n") }

func TestResponseDepartures(t *testing.T) {
	t.Parallel()
	var r Response
	for _, c := range responseDepartures {
		text := c.text()
		if err := r.Parse([]byte(text)); !errors.Is(err, c.want) {
			t.Errorf("%.200q: %v; want %v", text, err, c.want)
		}
		if reads := netHTTPReads(text); reads != (c.why != "") {
			t.Errorf("%.200q: net/http reads it: %t; the case says: %q", text, reads, c.why)
		}
	}
}

func TestBodiless(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method string
		status int
		want   bool
	}{{"GET", 200, false}, {"HEAD", 200, true}, {"HEAD", 404, true}, {"GET", 204, true}, {"POST", 304, true}, {"GET", 205, false}, {"head", 200, false}} {
		r := Response{Status: c.status}
		if got := r.Bodiless(c.method); got != c.want {
			t.Errorf("%s, %d: %t", c.method, c.status, got)
		}
	}
}
