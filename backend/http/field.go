package http

import (
	"bytes"

	"github.com/sluiceapi/sluice"
)

// role is what a proxy does with a field.
type role uint8

const (
	// passes is a field of the message's own, which goes through.
	passes role = iota
	// hop is a field of one connection (RFC 9110, section 7.6.1), never passed on.
	hop
	host
	length
	encoding
	connection
	upgrade
	te
	trailer
	expect
	via
	forwarded
	forwardedFor
	forwardedProto
	forwardedHost
	// forwardedOther is another X-Forwarded field, X-Real-IP, or the client's certificate (RFC 9440): passed on only
	// when a trusted proxy says it.
	forwardedOther
	// trace is a field of W3C Trace Context.
	trace
)

// reserved tells whether a config may not set fields of the role.
func (r role) reserved() bool { return r != passes && r != forwardedOther && r != trace }

// roleOf finds the role of a field. Its cost is a switch for nearly every name.
func roleOf(name []byte) role {
	switch len(name) {
	case 2:
		return roleIf(name, "te", te)
	case 3:
		return roleIf(name, "via", via)
	case 4:
		return roleIf(name, "host", host)
	case 6:
		return roleIf(name, "expect", expect)
	case 7:
		return roleIf(name, "upgrade", upgrade) | roleIf(name, "trailer", trailer)
	case 9:
		return roleIf(name, "forwarded", forwarded) | roleIf(name, "x-real-ip", forwardedOther)
	case 10:
		return roleIf(name, "connection", connection) | roleIf(name, "keep-alive", hop) | roleIf(name, "tracestate", trace)
	case 11:
		return roleIf(name, "traceparent", trace) | roleIf(name, "client-cert", forwardedOther)
	case 14:
		return roleIf(name, "content-length", length) | roleIf(name, "http2-settings", hop)
	case 16:
		if sluice.SameToken(name, "proxy-connection") {
			return hop
		}
	case 17:
		return roleIf(name, "transfer-encoding", encoding) | roleIf(name, "client-cert-chain", forwardedOther)
	case 18:
		if sluice.SameToken(name, "proxy-authenticate") {
			return hop
		}
	case 19:
		if sluice.SameToken(name, "proxy-authorization") {
			return hop
		}
	}
	return forwardedRole(name)
}

func forwardedRole(name []byte) role {
	const prefix = "x-forwarded-"
	if len(name) <= len(prefix) || name[1] != '-' || !sluice.SameToken(name[:len(prefix)], prefix) {
		return passes
	}
	switch rest := name[len(prefix):]; {
	case sluice.SameToken(rest, "for"):
		return forwardedFor
	case sluice.SameToken(rest, "proto"):
		return forwardedProto
	case sluice.SameToken(rest, "host"):
		return forwardedHost
	}
	return forwardedOther
}

func roleIf(name []byte, known string, r role) role {
	if sluice.SameToken(name, known) {
		return r
	}
	return passes
}

// options are the names in the Connection fields of a message: its own connection options and the fields that are
// for one hop only. The bytes are those of the fields.
type options [][]byte

// add reads the value of one Connection field. ok is false when it names a field that a message is nothing without:
// what one reader drops and the next one needs makes two messages of one.
func (o options) add(value []byte) (names options, ok bool) {
	for len(value) > 0 {
		var name []byte
		if name, value = cutList(value); len(name) == 0 {
			continue
		}
		if essential(name) {
			return o, false
		}
		o = append(o, name)
	}
	return o, true
}

func (o options) has(lower string) bool {
	for _, name := range o {
		if sluice.SameToken(name, lower) {
			return true
		}
	}
	return false
}

func (o options) names(field []byte) bool {
	for _, name := range o {
		if sluice.SameToken(name, field) {
			return true
		}
	}
	return false
}

// essential are the fields that no Connection may name.
func essential(name []byte) bool {
	for _, known := range [...]string{"host", "content-length", "authorization", "cookie", "set-cookie", "www-authenticate", "authentication-info"} {
		if sluice.SameToken(name, known) {
			return true
		}
	}
	return false
}

// cutList takes the first element off a comma-separated list.
func cutList(list []byte) (first, rest []byte) {
	first, rest, _ = bytes.Cut(list, []byte{','})
	return trim(first), rest
}

// trim removes optional white space (RFC 9110, section 5.6.3).
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
