package sluice

import (
	"errors"
	"fmt"
)

// tokenChars are the characters of a token (RFC 9110, section 5.6.2).
var tokenChars = func() (t [256]bool) {
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

// ValidFieldName tells whether b can be the name of a header field: a token (RFC 9110, section 5.6.2), as methods
// are too.
func ValidFieldName(b []byte) bool {
	for _, c := range b {
		if !tokenChars[c] {
			return false
		}
	}
	return len(b) > 0
}

// ValidFieldValue tells whether b can be the value of a header field: no control character but a tab (RFC 9110,
// section 5.5).
func ValidFieldValue(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// SameToken tells whether two tokens are the same where case does not count, as in names of header fields (RFC 9110,
// section 5.1): ASCII letters compare without case, everything else as it is.
func SameToken[A, B string | []byte](a A, b B) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if c, d := a[i], b[i]; c != d && lower(c) != lower(d) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// OfHop tells whether a header field is of one connection, and not of the message that passes over it (RFC 9110, sections
// 7.6.1 and 11.7): it is neither passed on nor kept.
func OfHop[T string | []byte](name T) bool {
	return among(name, "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authentication-info",
		"proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings")
}

// OfContent tells whether a header field describes the content of an answer (RFC 9110, section 8): it says nothing true once
// other content stands in its place.
func OfContent[T string | []byte](name T) bool {
	return OfBytes(name) || among(name, "content-type", "content-encoding", "content-language", "content-location", "content-range",
		"content-disposition", "etag", "last-modified", "trailer")
}

// OfBytes tells whether a header field describes the content byte for byte: it says nothing true once the same content is
// coded in another way.
func OfBytes[T string | []byte](name T) bool {
	return among(name, "content-length", "accept-ranges", "content-md5", "content-digest", "repr-digest", "digest")
}

func among[T string | []byte](name T, known ...string) bool {
	for _, k := range known {
		if SameToken(name, k) {
			return true
		}
	}
	return false
}

// CheckFieldName says why a config cannot set the header field of that name: it is no name, or the field is of the
// connection or of a message's framing (RFC 9110, section 7.6.1), or it is Host, which an exchange keeps in a place
// of its own. It is nil for any other name.
func CheckFieldName(name string) error {
	if !ValidFieldName([]byte(name)) {
		return fmt.Errorf("%q is not the name of a header field", name)
	}
	if OfHop(name) || SameToken(name, "content-length") || SameToken(name, "host") {
		return fmt.Errorf("%s belongs to the connection or the framing of a message and cannot be changed", name)
	}
	return nil
}

// CheckFields says what is wrong with header fields that a config sets: a name that CheckFieldName refuses, one field
// under two names, a control character in a value. Every mistake is named with At, as one in the field of a block
// that holds the map.
func CheckFields(field string, m Map[Template]) error {
	var errs []error
	for i := range m {
		at := field + "." + m[i].Name
		errs = append(errs, At(at, CheckFieldName(m[i].Name)))
		if !ValidFieldValue([]byte(m[i].Value.String())) {
			errs = append(errs, At(at, errors.New("a control character, which cannot stand in a header field")))
		}
		for j := range i {
			if SameToken(m[j].Name, m[i].Name) {
				errs = append(errs, At(at, fmt.Errorf("the same field as %s; case does not count", m[j].Name)))
			}
		}
	}
	return errors.Join(errs...)
}
