package sluice

import (
	"fmt"
	"strings"
)

// ValidFieldName tells whether b can be the name of a header field: a token (RFC 9110, section 5.6.2), as methods
// are too.
func ValidFieldName(b []byte) bool {
	for _, c := range b {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return len(b) > 0
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
