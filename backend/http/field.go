package http

import "bytes"

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
	// forwardedOther is another X-Forwarded field, or X-Real-IP: passed on only when a trusted proxy says it.
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
		return roleIf(name, "traceparent", trace)
	case 14:
		return roleIf(name, "content-length", length) | roleIf(name, "http2-settings", hop)
	case 16:
		if is(name, "proxy-connection") {
			return hop
		}
	case 17:
		if is(name, "transfer-encoding") {
			return encoding
		}
	case 18:
		if is(name, "proxy-authenticate") {
			return hop
		}
	case 19:
		if is(name, "proxy-authorization") {
			return hop
		}
	}
	return forwardedRole(name)
}

func forwardedRole(name []byte) role {
	const prefix = "x-forwarded-"
	if len(name) <= len(prefix) || name[1] != '-' || !is(name[:len(prefix)], prefix) {
		return passes
	}
	switch rest := name[len(prefix):]; {
	case is(rest, "for"):
		return forwardedFor
	case is(rest, "proto"):
		return forwardedProto
	case is(rest, "host"):
		return forwardedHost
	}
	return forwardedOther
}

func roleIf(name []byte, known string, r role) role {
	if is(name, known) {
		return r
	}
	return passes
}

// is compares a name with a known one in lower case, without regard to ASCII case.
func is(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// same compares two names without regard to ASCII case.
func same(a, b []byte) bool { return len(a) == len(b) && bytes.EqualFold(a, b) }

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
		if is(name, lower) {
			return true
		}
	}
	return false
}

func (o options) names(field []byte) bool {
	for _, name := range o {
		if same(name, field) {
			return true
		}
	}
	return false
}

// essential are the fields that no Connection may name.
func essential(name []byte) bool {
	for _, known := range [...]string{"host", "content-length", "authorization", "cookie", "set-cookie", "www-authenticate", "authentication-info"} {
		if is(name, known) {
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

// isToken tells whether b is a token (RFC 9110, section 5.6.2).
func isToken(b []byte) bool {
	for _, c := range b {
		if !tokenChars[c] {
			return false
		}
	}
	return len(b) > 0
}

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
