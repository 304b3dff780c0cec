package http

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/sluiceapi/sluice"
)

// The bounds of what an upstream may send around a body.
const (
	maxHead    = 64 << 10 // a whole head, or a whole trailer section
	maxFields  = 256      // in one head or trailer section
	maxInterim = 16       // 1xx answers before the final one
)

// head is the head of a response, read strictly (RFC 9112). The bytes of its fields are those it was parsed from.
type head struct {
	status int
	// old is set for HTTP/1.0, which has no chunks and whose connections are not kept.
	old     bool
	fields  []sluice.Field
	roles   []role // of the fields
	options options
	// length is what Content-Length says, -1 when there is none.
	length  int64
	chunked bool
	// last is set when no other answer can follow on the connection, for what came behind this one.
	last bool
}

// malformed is what an upstream sent that is no HTTP/1.1.
type malformed string

func (m malformed) Error() string { return "malformed answer: " + string(m) }

var errHeadTooLarge = fmt.Errorf("the answer's header is larger than %s", sluice.Size(maxHead))

// parse reads a head with the empty line that ends it.
func (h *head) parse(b []byte) (err error) {
	h.length, h.chunked, h.last = -1, false, false
	line, rest, err := cutLine(b)
	if err != nil {
		return err
	}
	if err := h.statusLine(line); err != nil {
		return err
	}
	if h.fields, err = appendFields(h.fields[:0], rest); err != nil {
		return err
	}
	return h.frame()
}

// statusLine reads `HTTP/1.1 200 OK` (RFC 9112, section 4). The space before an empty reason may be missing, as many
// servers leave it out.
func (h *head) statusLine(line []byte) error {
	const version = "HTTP/1."
	if len(line) < 12 || string(line[:len(version)]) != version || line[7] != '0' && line[7] != '1' || line[8] != ' ' {
		return malformed("no status line of HTTP/1.1")
	}
	h.old = line[7] == '0'
	h.status = 0
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return malformed("a status that is no number")
		}
		h.status = h.status*10 + int(c-'0')
	}
	if h.status < 100 || len(line) > 12 && line[12] != ' ' || !sluice.ValidFieldValue(line[12:]) {
		return malformed("a bad status line")
	}
	return nil
}

// frame finds the roles of the fields, and so how the body is framed (RFC 9112, section 6).
func (h *head) frame() error {
	h.roles, h.options = h.roles[:0], h.options[:0]
	for _, f := range h.fields {
		r := roleOf(f.Name)
		h.roles = append(h.roles, r)
		switch r {
		case connection:
			var ok bool
			if h.options, ok = h.options.add(f.Value); !ok {
				return malformed("Connection names a field that no hop may drop")
			}
		case length:
			n, ok := decimal(f.Value)
			if !ok || h.length >= 0 {
				return malformed("Content-Length is no number, or comes twice")
			}
			h.length = n
		case encoding:
			if h.chunked || h.old || !sluice.SameToken(f.Value, "chunked") {
				return malformed("a Transfer-Encoding that is not chunked, once, in HTTP/1.1")
			}
			h.chunked = true
		case trailer:
			if !trailerNames(f.Value) {
				return malformed("Trailer names a field that cannot stand in a trailer")
			}
		}
	}
	if h.chunked && h.length >= 0 {
		return malformed("both Content-Length and Transfer-Encoding")
	}
	return nil
}

func trailerNames(list []byte) bool {
	for len(list) > 0 {
		var name []byte
		name, list = cutList(list)
		if len(name) > 0 && !mayTrail(name) {
			return false
		}
	}
	return true
}

// mayTrail tells whether a field may stand in a trailer section: nothing that frames or routes a message or tells
// who asks (RFC 9110, section 6.5.1).
func mayTrail(name []byte) bool {
	if essential(name) {
		return false
	}
	r := roleOf(name)
	return r == passes || r == trace
}

// keeps tells whether the connection may serve another request after this answer.
func (h *head) keeps() bool { return !h.old && !h.last && !h.options.has("close") }

// bodiless tells whether a final answer to the method has no body, whatever its fields say (RFC 9112, section 6.3).
func (h *head) bodiless(method string) bool {
	return method == "HEAD" || h.status == 204 || h.status == 304
}

// appendFields reads field lines up to the empty line that ends b.
func appendFields(fields []sluice.Field, b []byte) ([]sluice.Field, error) {
	for {
		line, rest, err := cutLine(b)
		if err != nil {
			return fields, err
		}
		if len(line) == 0 {
			return fields, nil
		}
		f, err := parseField(line)
		if err != nil {
			return fields, err
		}
		if len(fields) == maxFields {
			return fields, errHeadTooLarge
		}
		fields, b = append(fields, f), rest
	}
}

func parseField(line []byte) (sluice.Field, error) {
	colon := bytes.IndexByte(line, ':')
	if colon < 0 || !sluice.ValidFieldName(line[:colon]) {
		return sluice.Field{}, malformed("a field line without a name")
	}
	f := sluice.Field{Name: line[:colon:colon], Value: trim(line[colon+1:])}
	if !sluice.ValidFieldValue(f.Value) {
		return f, malformed("a control character in a field")
	}
	return f, nil
}

// cutLine takes a line off b, without its CRLF. There is always one; a bare LF is refused.
func cutLine(b []byte) (line, rest []byte, err error) {
	i := bytes.IndexByte(b, '\n')
	if i < 1 || b[i-1] != '\r' {
		return nil, nil, errBareLF
	}
	return b[:i-1], b[i+1:], nil
}

var (
	errBareLF error = malformed("a line that does not end with CRLF")
	errCut          = errors.New("the connection was closed in the middle of the answer")
)

// headEnd finds the end of the head in b, searching on from the line that starts at from; zero when it is not there
// yet, and then next is where to search on.
func headEnd(b []byte, from int) (end, next int, err error) {
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return 0, from, nil
		}
		if i == 0 || b[from+i-1] != '\r' {
			return 0, from, errBareLF
		}
		if i == 1 {
			return from + 2, from, nil
		}
		from += i + 1
	}
}

// decimal reads 1*DIGIT that fits 63 bits.
func decimal(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 19 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n = n*10 + int64(c-'0'); n < 0 {
			return 0, false
		}
	}
	return n, true
}
