package battery

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// classed is a request and the classes of statuses that may be answered; none is that the server waits for more.
type classed struct {
	name, text string
	classes    []int
	mark       string
}

// quiet is how long a server that must wait is watched.
const quiet = 500 * time.Millisecond

// Classes sends what h1spec sends, the suite that other servers are held to, and wants what that wants: of a request that
// is not yet whole that the server waits, and of others a class of statuses. The cases are its own, written anew.
func (t *Target) Classes(ctx context.Context) *Report {
	r := &Report{}
	for _, c := range classes() {
		if ctx.Err() != nil {
			break
		}
		r.Cases++
		r.Sent++
		if c.mark == prefaceMark && t.TLS != nil {
			c.mark = ""
		}
		got := t.class(c)
		switch want := fmt.Sprintf("a status of the classes %v", c.classes); {
		case t.NetHTTP && c.mark != "":
			if r.Marked++; got == "" {
				r.Faults = append(r.Faults, Fault{Case: c.name, Way: "whole", Sent: c.text, Got: "just that", Want: c.mark})
			}
		case got != "":
			if c.classes == nil {
				want = "nothing, until more comes"
			}
			r.Faults = append(r.Faults, Fault{Case: c.name, Way: "whole", Sent: c.text, Got: got, Want: want})
		}
	}
	return r
}

func (t *Target) class(c classed) string {
	conn, err := t.dial(t.Address)
	if err != nil {
		return err.Error()
	}
	defer conn.close()
	io.WriteString(conn, c.text)
	if c.classes == nil {
		conn.SetDeadline(time.Now().Add(quiet))
		if n, err := io.ReadAll(conn.reader); len(n) > 0 || !late(err) {
			return fmt.Sprintf("%.100q and %v", n, err)
		}
		return ""
	}
	if t.NetHTTP && c.mark != "" {
		conn.SetDeadline(time.Now().Add(brief))
	}
	response, err := http.ReadResponse(conn.reader, nil)
	if err != nil {
		return conn.instead(err).Error()
	}
	response.Body.Close()
	for _, class := range c.classes {
		if response.StatusCode/100 == class {
			return ""
		}
	}
	return response.Status
}

// classes are the cases. A request comes in pieces: each beginning of it is to be waited for.
func classes() (all []classed) {
	const hello = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
	for _, end := range []int{1, 4, 10, 11, 15, 19, 20, 21, 24, 26, 27, 36, 37, 38, 39} {
		all = append(all, classed{name: fmt.Sprintf("h1spec: the first %d bytes of a request", end), text: hello[:end]})
	}
	const get = "GET / HTTP/1.1\r\nHost: example.com\r\n"
	return append(all, []classed{
		{name: "h1spec: a body that has not come", text: "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\nhel"},
		{name: "h1spec: no version", text: "GET / \r\n\r\n", classes: []int{4, 5}, mark: prefaceMark},
		{name: "h1spec: Expect", text: get + "Expect: 100-continue\r\n\r\n", classes: []int{1, 2}},
		{name: "h1spec: GET", text: get + "\r\n", classes: []int{2}},
		{name: "h1spec: a tab before a value, an odd case, an empty field", text: "GET / HTTP/1.1\r\nhoSt:\texample.com\r\nempty:\r\n\r\n", classes: []int{2}},
		{name: "h1spec: a name that is no token", text: get + "X-Invalid[]: test\r\n\r\n", classes: []int{4}},
		{name: "h1spec: no Host", text: "GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", classes: []int{4}},
		{name: "h1spec: two Hosts", text: get + "Host: example.org\r\n\r\n", classes: []int{4}},
		{name: "h1spec: a length far below zero", text: get + "Content-Length: -123456789123456789123456789\r\n\r\n", classes: []int{4}},
		{name: "h1spec: a length below zero", text: get + "Content-Length: -1234\r\n\r\n", classes: []int{4}},
		{name: "h1spec: a length that is no number", text: get + "Content-Length: abc\r\n\r\n", classes: []int{4}},
		{name: "h1spec: an empty value", text: get + "X-Empty-Header: \r\n\r\n", classes: []int{2}},
		{name: "h1spec: a control in a value", text: get + "X-Bad-Control-Char: test\x07\r\n\r\n", classes: []int{4}},
		{name: "h1spec: HTTP/9.9", text: "GET / HTTP/9.9\r\nHost: example.com\r\n\r\n", classes: []int{4, 5}},
		{name: "h1spec: something before the method", text: "Extra lineGET / HTTP/1.1\r\nHost: example.com\r\n\r\n", classes: []int{4, 5}},
		{name: "h1spec: a line end that is none", text: get + "\rSome-Header: Test\r\n\r\n", classes: []int{4}},
		{name: "h1spec: POST", text: "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\nhello", classes: []int{2}},
		{name: "h1spec: both framings", text: get + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", classes: []int{4}, mark: bothMark},
	}...)
}
