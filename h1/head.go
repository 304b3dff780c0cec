package h1

import (
	"bytes"
	"encoding/binary"

	"github.com/sluiceapi/sluice"
)

// Head is what the header of a message says of its body and its connection.
type Head struct {
	// Old is set for HTTP/1.0, which has no chunks and whose connections are not kept.
	Old bool
	// Length is what Content-Length says, -1 when there is none.
	Length int64
	// Chunked tells that the body comes in chunks.
	Chunked bool
	// Options are what Connection says.
	Options Options
}

func (h *Head) reset() { *h = Head{Length: -1, Options: h.Options[:0]} }

// Keeps tells whether the connection may bring another message after this one.
func (h *Head) Keeps() bool { return !h.Old && (len(h.Options) == 0 || !h.Options.Has("close")) }

// frame takes account of a field with a role (RFC 9112, section 6).
func (h *Head) frame(r Role, value []byte) error {
	switch r {
	case Connection:
		var ok bool
		if h.Options, ok = h.Options.Add(value); !ok {
			return errOption
		}
	case ContentLength:
		n, ok := decimal(value)
		if !ok || h.Length >= 0 {
			return errLength
		}
		h.Length = n
	case TransferEncoding:
		if h.Chunked || h.Old || !sluice.SameToken(value, "chunked") {
			return errEncoding
		}
		h.Chunked = true
	case Trailer:
		if !trailerNames(value) {
			return errTrailerName
		}
	}
	return nil
}

// framed looks at what frame has found.
func (h *Head) framed() error {
	if h.Chunked && h.Length >= 0 {
		return errBoth
	}
	return nil
}

var (
	errOption      error = Error("Connection names too much, or a field that no hop may drop")
	errLength      error = Error("Content-Length is no number, or comes twice")
	errEncoding    error = Error("a Transfer-Encoding that is not chunked, once, in HTTP/1.1")
	errTrailerName error = Error("Trailer names a field that cannot stand in a trailer")
	errBoth        error = Error("both Content-Length and Transfer-Encoding")
)

// End finds the end of the header at the beginning of b: how long it is with the empty line behind it, or zero while
// that has not come. from is zero at first and then the next of the call before, so that no byte is looked at twice. A
// line that does not end with CRLF is ErrLine at once, and so is what would be the last but for another CR.
func End(b []byte, from int) (end, next int, err error) {
	if from == 0 {
		if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
			return i + 4, 0, nil // the lines are looked at when they are read
		}
	}
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return 0, from, nil
		}
		if i == 0 || b[from+i-1] != '\r' || i == 2 && b[from] == '\r' {
			return 0, from, ErrLine
		}
		if i == 1 {
			return from + 2, from, nil
		}
		from += i + 1
	}
}

// cutLine takes a line off b, without its CRLF. A bare LF, and a CR anywhere else, are refused.
func cutLine(b []byte) (line, rest []byte, err error) {
	i := bytes.IndexByte(b, '\n')
	if i < 1 || b[i-1] != '\r' {
		return nil, nil, ErrLine
	}
	return b[: i-1 : i-1], b[i+1:], nil
}

// cutField takes a field line off b. At the empty line that ends the section its name is nil.
func cutField(b []byte) (f sluice.Field, rest []byte, err error) {
	line, rest, err := cutLine(b)
	if err != nil || len(line) == 0 {
		return sluice.Field{}, rest, err
	}
	colon := 0
	for colon < len(line) && token[line[colon]] {
		colon++
	}
	if colon == 0 || colon == len(line) || line[colon] != ':' {
		return sluice.Field{}, nil, ErrField
	}
	value := trim(line[colon+1:])
	if !plain(value) {
		return sluice.Field{}, nil, ErrValue
	}
	return sluice.Field{Name: line[:colon:colon], Value: value}, rest, nil
}

// token has the characters of tokens (RFC 9110, section 5.6.2).
var token = func() (t [256]bool) {
	for c := range t {
		t[c] = sluice.ValidFieldName([]byte{byte(c)})
	}
	return t
}()

// plain tells whether b has no control character but HTAB (RFC 9110, section 5.5).
func plain(b []byte) bool {
	for ; len(b) >= 8; b = b[8:] {
		// Eight bytes at a time: is one below space, or DEL? HTAB is looked at alone.
		const each = 0x0101010101010101
		w := binary.LittleEndian.Uint64(b)
		del := w ^ 0x7f*each
		if ((w-' '*each)&^w|(del-each)&^del)&(0x80*each) != 0 && !plainEach(b[:8]) {
			return false
		}
	}
	return plainEach(b)
}

func plainEach(b []byte) bool {
	for _, c := range b {
		if control[c] {
			return false
		}
	}
	return true
}

var control = func() (t [256]bool) {
	for c := range t {
		t[c] = c < ' ' && c != '\t' || c == 0x7f
	}
	return t
}()
