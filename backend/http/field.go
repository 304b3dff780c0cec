package http

import (
	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/h1"
)

// role is what a proxy does with a field: those of h1, and those of fields that tell of the way that a request took.
type role uint8

const (
	// passes is a field of the message's own, which goes through.
	passes = role(h1.Content)
	// hop is a field of one connection (RFC 9110, section 7.6.1), never passed on.
	hop        = role(h1.Hop)
	host       = role(h1.Host)
	length     = role(h1.ContentLength)
	encoding   = role(h1.TransferEncoding)
	connection = role(h1.Connection)
	upgrade    = role(h1.Upgrade)
	te         = role(h1.TE)
	trailer    = role(h1.Trailer)
	expect     = role(h1.Expect)
)

const (
	via role = expect + 1 + iota
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

// roleOf finds the role of a field. Its cost is two switches for nearly every name.
func roleOf(name []byte) role {
	if r := h1.RoleOf(name); r != h1.Content {
		return role(r)
	}
	switch len(name) {
	case 3:
		return roleIf(name, "via", via)
	case 9:
		return roleIf(name, "forwarded", forwarded) | roleIf(name, "x-real-ip", forwardedOther)
	case 10:
		return roleIf(name, "tracestate", trace)
	case 11:
		return roleIf(name, "traceparent", trace) | roleIf(name, "client-cert", forwardedOther)
	case 17:
		return roleIf(name, "client-cert-chain", forwardedOther) | forwardedRole(name)
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
