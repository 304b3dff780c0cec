package h1

import (
	"bytes"

	"github.com/sluiceapi/sluice"
)

// Request is the header of a request. All bytes are those that it was read from.
type Request struct {
	Head
	// Method is a token, as it came.
	Method string
	// Target is as it came, without any white space in it; Host is that of the Host field.
	Target, Host []byte
	// Upgrades is how many Upgrade fields there are, and Continue tells that the client waits for 100 Continue before
	// it sends the body (RFC 9110, section 10.1.1).
	Upgrades int
	Continue bool
}

// Parse reads a header with the empty line that ends it, and adds its fields to h, but for Host and Transfer-Encoding,
// which are the message's own matter.
func (r *Request) Parse(b []byte, h *sluice.Header) error {
	r.reset()
	*r = Request{Head: r.Head}
	line, b, err := cutLine(b)
	if err != nil {
		return err
	}
	if err := r.requestLine(line); err != nil {
		return err
	}
	hosts := 0
	for n := 0; ; n++ {
		f, rest, err := cutField(b)
		if err != nil {
			return err
		}
		if f.Name == nil {
			break
		}
		if n == MaxFields {
			return ErrTooLarge
		}
		b = rest
		role := RoleOf(f.Name)
		if role == Content {
			h.AddBytes(f.Name, f.Value)
			continue
		}
		switch role {
		case Host:
			hosts++
			r.Host = f.Value
			continue
		case Upgrade:
			r.Upgrades++
		case Expect:
			if err := r.expect(f.Value); err != nil {
				return err
			}
		}
		if err := r.frame(role, f.Value); err != nil {
			return err
		}
		if role != TransferEncoding {
			h.AddBytes(f.Name, f.Value)
		}
	}
	if hosts != 1 {
		return errHosts
	}
	return r.framed()
}

var (
	errRequestLine error = Error("no request line of HTTP/1.1")
	errHosts       error = Error("Host must come once")
	errExpect      error = Error("an expectation that is not 100-continue")
)

// expect reads an Expect field. HTTP/1.0 knows none.
func (r *Request) expect(value []byte) error {
	if r.Old {
		return nil
	}
	if !sluice.SameToken(value, "100-continue") {
		return errExpect
	}
	r.Continue = true
	return nil
}

// requestLine reads `GET /path HTTP/1.1` (RFC 9112, section 3), with single spaces.
func (r *Request) requestLine(line []byte) error {
	const version = " HTTP/1.1"
	space := bytes.IndexByte(line, ' ')
	end := len(line) - len(version)
	if space < 1 || end <= space+1 || string(line[end:len(line)-1]) != version[:len(version)-1] {
		return errRequestLine
	}
	switch line[len(line)-1] {
	case '0':
		r.Old = true
	case '1':
	default:
		return errRequestLine
	}
	if r.Method = method(line[:space]); r.Method == "" {
		return errRequestLine
	}
	r.Target = line[space+1 : end : end]
	for _, c := range r.Target {
		if c <= ' ' || c == 0x7f {
			return errRequestLine
		}
	}
	return nil
}

// method is a method as a string, "" when it is no token. Known ones are not copied.
func method(b []byte) string {
	switch string(b) {
	case "GET":
		return "GET"
	case "POST":
		return "POST"
	case "PUT":
		return "PUT"
	case "PATCH":
		return "PATCH"
	case "DELETE":
		return "DELETE"
	case "HEAD":
		return "HEAD"
	case "OPTIONS":
		return "OPTIONS"
	}
	if !sluice.ValidFieldName(b) {
		return ""
	}
	return string(b)
}
