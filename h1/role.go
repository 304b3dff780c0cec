package h1

import "github.com/sluiceapi/sluice"

// Role is what a field is for, where that is the connection's, the framing's or the routing's matter.
type Role uint8

// Roles of fields.
const (
	// Content is any other field.
	Content Role = iota
	// Hop is a field of one connection without a role of its own: Keep-Alive, Proxy-Connection, HTTP2-Settings,
	// Proxy-Authenticate, Proxy-Authentication-Info, Proxy-Authorization (sluice.OfHop).
	Hop
	Host
	ContentLength
	TransferEncoding
	Connection
	Upgrade
	TE
	Trailer
	Expect
)

// RoleOf finds the role of a field. Its cost is a switch for nearly every name.
func RoleOf(name []byte) Role {
	switch len(name) {
	case 2:
		return roleIf(name, "te", TE)
	case 4:
		return roleIf(name, "host", Host)
	case 6:
		return roleIf(name, "expect", Expect)
	case 7:
		return roleIf(name, "upgrade", Upgrade) | roleIf(name, "trailer", Trailer)
	case 10:
		return roleIf(name, "connection", Connection) | roleIf(name, "keep-alive", Hop)
	case 14:
		return roleIf(name, "content-length", ContentLength) | roleIf(name, "http2-settings", Hop)
	case 16:
		return roleIf(name, "proxy-connection", Hop)
	case 17:
		return roleIf(name, "transfer-encoding", TransferEncoding)
	case 18:
		return roleIf(name, "proxy-authenticate", Hop)
	case 19:
		return roleIf(name, "proxy-authorization", Hop)
	case 25:
		return roleIf(name, "proxy-authentication-info", Hop)
	}
	return Content
}

func roleIf(name []byte, known string, r Role) Role {
	if name[0]|0x20 == known[0] && sluice.SameToken(name, known) {
		return r
	}
	return Content
}

// Options are the names in the Connection fields of a message: its own connection options, and the fields that are
// for one hop only. The bytes are those of the fields.
type Options [][]byte

// MaxOptions is how many names are read: each is looked for among all fields.
const MaxOptions = 32

// Add reads the value of one Connection field. ok is false when there are more than MaxOptions, or it names a field that a
// message is nothing without or that tells who asks: what one reader drops and the next one needs makes two messages of one.
func (o Options) Add(value []byte) (names Options, ok bool) {
	for len(value) > 0 {
		var name []byte
		if name, value = Element(value); len(name) == 0 {
			continue
		}
		if len(o) == MaxOptions || essential(name) || forwarding(name) {
			return o, false
		}
		o = append(o, name)
	}
	return o, true
}

// Has tells whether an option is named.
func (o Options) Has(option string) bool { return has(o, option) }

// Names tells whether a field is named.
func (o Options) Names(field []byte) bool { return has(o, field) }

func has[N string | []byte](o Options, name N) bool {
	for i := range o {
		if sluice.SameToken(name, o[i]) {
			return true
		}
	}
	return false
}

// essential are the fields that no Connection may name.
func essential(name []byte) bool {
	for _, known := range [...]string{"host", "content-length", "transfer-encoding", "authorization", "cookie", "set-cookie",
		"www-authenticate", "authentication-info"} {
		if sluice.SameToken(name, known) {
			return true
		}
	}
	return false
}

// forwarding are fields that tell who asks, and for what: what a recipient may decide by, so no trailer may bring them, and
// no Connection take them away.
func forwarding(name []byte) bool {
	const x = "x-forwarded-"
	if len(name) > len(x) && sluice.SameToken(name[:len(x)], x) {
		return true
	}
	for _, known := range [...]string{"via", "forwarded", "x-real-ip", "client-cert", "client-cert-chain"} {
		if sluice.SameToken(name, known) {
			return true
		}
	}
	return false
}

// MayTrail tells whether a field may stand in a trailer section: nothing that frames or routes a message or tells
// who asks (RFC 9110, section 6.5.1).
func MayTrail(name []byte) bool {
	return RoleOf(name) == Content && !essential(name) && !forwarding(name)
}

func trailerNames(list []byte) bool {
	for len(list) > 0 {
		var name []byte
		if name, list = Element(list); len(name) > 0 && !MayTrail(name) {
			return false
		}
	}
	return true
}
