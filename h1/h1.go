// Package h1 reads and writes messages of HTTP/1.1 (RFC 9112), both ways: requests that come in, and responses of
// upstreams. It reads strictly. What two readers could read as two different messages is refused, so that whatever
// passes is read alike by everyone behind.
//
// Nothing in it allocates for a message of usual size, and nothing in it waits but a Body, through its Source: a Buffer holds
// what has come, and for a header whoever owns the connection fills it.
package h1

import (
	"errors"

	"github.com/sluiceapi/sluice"
)

// Error is what is wrong with a message that is not as RFC 9112 has it. After one nothing more may be read from the
// connection: where one message ends and the next begins is in doubt.
type Error string

func (e Error) Error() string { return "malformed message: " + string(e) }

// Errors of messages. Those that are no Error are of a message that is too large or was cut off.
var (
	ErrLine     error = Error("a line that does not end with CRLF")
	ErrField    error = Error("a field line without a name")
	ErrValue    error = Error("a control character in a field")
	ErrChunk    error = Error("a chunk is not framed as it must be")
	ErrTrailer  error = Error("a field that cannot stand in a trailer")
	ErrTooLarge       = errors.New("the header or trailer is larger than allowed")
	// ErrCut is the end of a connection in the middle of a message.
	ErrCut = errors.New("the connection was closed in the middle of the message")
)

// MaxFields is how many fields one header or trailer may have.
const MaxFields = 256

// trim removes optional white space (RFC 9110, section 5.6.3).
func trim(b []byte) []byte {
	b = trimStart(b)
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

func trimStart(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	return b
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

// Element takes the first element off a comma-separated list (RFC 9110, section 5.6.1); it may be empty.
func Element(list []byte) (first, rest []byte) {
	for i, c := range list {
		if c == ',' {
			return trim(list[:i]), list[i+1:]
		}
	}
	return trim(list), nil
}

// Names tells whether a comma-separated list has an element, where case does not count.
func Names(list []byte, element string) bool {
	for len(list) > 0 {
		var first []byte
		if first, list = Element(list); sluice.SameToken(first, element) {
			return true
		}
	}
	return false
}
