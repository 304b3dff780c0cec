package sluice

import (
	"errors"
	"fmt"
	"strings"
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

// CheckFieldName says why a config cannot set the header field of that name: it is no name, or the field is of the
// connection or of a message's framing (RFC 9110, section 7.6.1), or it is Host, which an exchange keeps in a place
// of its own. It is nil for any other name.
func CheckFieldName(name string) error {
	if !ValidFieldName([]byte(name)) {
		return fmt.Errorf("%q is not the name of a header field", name)
	}
	switch strings.ToLower(name) {
	case "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
		"transfer-encoding", "upgrade", "http2-settings", "content-length", "host":
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
