package http

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/h1"
)

// admit looks once at every field of the request, refuses what must not be passed on, and notes what is asked of
// this hop.
func (c *call) admit() error {
	r := &c.x.Request
	upgrades, websocket := 0, false
	for _, f := range r.Header.Fields() {
		role := roleOf(f.Name)
		c.roles = append(c.roles, role)
		switch role {
		case connection:
			var ok bool
			if c.options, ok = c.options.Add(f.Value); !ok {
				return errConnection
			}
		case via:
			if bytes.Contains(f.Value, []byte(c.h.pseudonym)) {
				return errLoop
			}
		case upgrade:
			upgrades++
			websocket = sluice.SameToken(f.Value, "websocket")
		case expect:
			c.expect = r.Body.Stream != nil && r.Proto != "HTTP/1.0" && sluice.SameToken(f.Value, "100-continue")
		}
	}
	c.upgrade = upgrades == 1 && websocket && r.Method == "GET" && c.method() == "GET" && r.Proto == "HTTP/1.1" &&
		c.options.Has("upgrade") && r.Body.Len() == 0
	return nil
}

var (
	errConnection = &sluice.Error{Code: sluice.BadRequest, Message: "Connection names too much, or a field that no hop may drop"}
	errLoop       = &sluice.Error{Code: sluice.LoopDetected, Message: "the request has come back to the node that sent it"}
	errLineBreak  = &sluice.Error{Code: sluice.BadRequest, Message: "a part of the request holds a line break"}
)

// shortBody is the most of a streamed request body that is read into memory before anything is sent: then it goes
// out in one write with the head, can be sent once more, and holds no connection while the client is slow.
const shortBody = 16 << 10

// loadShort reads a body into memory that is known to be short.
func (c *call) loadShort() error {
	b := &c.x.Request.Body
	if c.expect || b.Stream == nil || b.Size < 0 || b.Size > shortBody {
		return nil
	}
	size := b.Size
	p, err := b.Load(shortBody)
	c.x.Waited()
	if err == nil && int64(len(p)) != size {
		err = errLength
	}
	if err != nil {
		return requestFault(err)
	}
	return nil
}

// appendRequest appends the head of the request.
func (c *call) appendRequest(dst []byte) ([]byte, error) {
	start := len(dst)
	dst, err := c.appendTarget(dst)
	if err != nil {
		return dst, err
	}
	dst, lines := c.appendHost(dst), 2
	dst, n := c.appendFields(dst)
	lines += n
	if dst, n, err = c.appendSet(dst); err != nil {
		return dst, err
	}
	lines += n
	dst, n = c.appendOwn(dst)
	dst = append(dst, "\r\n"...)
	lines += n + 1
	// One look at the whole tells whether anything in it would make a line of its own.
	head := dst[start:]
	if bytes.Count(head, []byte{'\n'}) != lines || bytes.Count(head, []byte{'\r'}) != lines || bytes.IndexByte(head, 0) >= 0 {
		return dst, errLineBreak
	}
	return dst, nil
}

func (c *call) appendTarget(dst []byte) ([]byte, error) {
	r, use := &c.x.Request, c.h.use
	dst = append(append(dst, c.method()...), ' ')
	switch {
	case use.Path.IsZero() && string(r.Path) == "*":
		dst = append(dst, '*')
	case use.Path.IsZero():
		dst = append(append(dst, c.conn.up.base...), r.Path...)
	default:
		path, err := use.Path.AppendPath(append(dst, c.conn.up.base...), c.x)
		if err != nil {
			return dst, err
		}
		dst = path
	}
	switch {
	case len(use.Query) > 0:
		dst = c.appendQuery(dst)
	case len(r.Query) > 0:
		dst = append(append(dst, '?'), r.Query...)
	}
	return append(dst, " HTTP/1.1\r\n"...), nil
}

func (c *call) appendQuery(dst []byte) []byte {
	mark := byte('?')
	var space [128]byte
	for i := range c.h.use.Query {
		q := &c.h.use.Query[i]
		value := q.Value.Append(space[:0], c.x)
		if len(value) == 0 {
			continue
		}
		dst = appendEscaped(append(dst, mark), q.Name)
		dst = appendEscaped(append(dst, '='), value)
		mark = '&'
	}
	return dst
}

// appendEscaped escapes everything but unreserved characters (RFC 3986, section 2.3).
func appendEscaped[T string | []byte](dst []byte, text T) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(text) {
		c := text[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}

func (c *call) appendHost(dst []byte) []byte {
	dst = append(dst, "Host: "...)
	if c.h.passHost {
		dst = append(dst, c.x.Request.Host...)
	} else {
		dst = append(dst, c.conn.up.authority...)
	}
	return append(dst, "\r\n"...)
}

// appendFields appends the fields that pass as they came, and tells how many.
func (c *call) appendFields(dst []byte) (_ []byte, lines int) {
	r := &c.x.Request
	traced := c.inject()
	for i, f := range r.Header.Fields() {
		switch c.roles[i] {
		case passes:
		case trailer:
			if !c.chunked() {
				continue
			}
		case forwardedOther:
			if !r.TrustedPeer {
				continue
			}
		case trace:
			if traced {
				continue
			}
		case expect:
			if !c.expect {
				continue
			}
		default:
			continue
		}
		if c.sets(f.Name) {
			continue
		}
		dst = h1.AppendField(dst, f.Name, f.Value)
		lines++
	}
	for _, f := range c.trace.Fields() {
		dst = h1.AppendField(dst, f.Name, f.Value)
		lines++
	}
	return dst, lines
}

// inject makes the fields of this call's own step of the trace, when there is one.
func (c *call) inject() bool {
	c.trace.Reset()
	if c.span.TraceID() == "" {
		return false
	}
	c.span.Inject(&c.trace)
	return c.trace.Len() > 0
}

func (c *call) sets(name []byte) bool {
	for _, set := range c.h.set {
		if sluice.SameToken(set, name) {
			return true
		}
	}
	return false
}

// appendSet appends the fields that the config sets.
func (c *call) appendSet(dst []byte) (_ []byte, lines int, err error) {
	for i := range c.h.use.Headers {
		h := &c.h.use.Headers[i]
		before := len(dst)
		dst = append(append(dst, h.Name...), ": "...)
		start := len(dst)
		if dst, err = h.Value.AppendField(dst, c.x); err != nil {
			return dst, lines, err
		}
		if len(dst) == start {
			dst = dst[:before]
			continue
		}
		dst = append(dst, "\r\n"...)
		lines++
	}
	return dst, lines, nil
}

// appendOwn appends the fields that this hop makes: who asked, the way taken, and the framing of the body.
func (c *call) appendOwn(dst []byte) (_ []byte, lines int) {
	dst, lines = c.appendForwarded(dst)
	dst = c.appendVia(dst)
	lines++
	switch body := &c.x.Request.Body; {
	case c.chunked():
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
		lines++
	case body.Len() > 0 || wantsLength(c.method()) || c.hasRole(length):
		dst = strconv.AppendInt(append(dst, "Content-Length: "...), body.Len(), 10)
		dst = append(dst, "\r\n"...)
		lines++
	}
	switch {
	case c.upgrade:
		dst = append(dst, "Connection: Upgrade\r\nUpgrade: websocket\r\n"...)
		lines += 2
	case c.wantsTrailers():
		dst = append(dst, "Connection: TE\r\nTE: trailers\r\n"...)
		lines += 2
	}
	return dst, lines
}

// chunked tells whether the request's body goes out in chunks: its length is not known beforehand.
func (c *call) chunked() bool { return c.x.Request.Body.Len() < 0 }

// wantsLength are the methods whose requests tell of an empty body too (RFC 9110, section 8.6).
func wantsLength(method string) bool { return method == "POST" || method == "PUT" || method == "PATCH" }

func (c *call) hasRole(r role) bool { return slices.Contains(c.roles, r) }

func (c *call) wantsTrailers() bool {
	if !c.hasRole(te) {
		return false
	}
	for i, f := range c.x.Request.Header.Fields() {
		if c.roles[i] != te {
			continue
		}
		for list := f.Value; len(list) > 0; {
			var coding []byte
			if coding, list = h1.Element(list); sluice.SameToken(coding, "trailers") {
				return true
			}
		}
	}
	return false
}

func (c *call) appendVia(dst []byte) []byte {
	dst = c.appendCame(append(dst, "Via: "...), via)
	proto := c.x.Request.Proto
	switch proto {
	case "HTTP/1.0":
		dst = append(dst, "1.0 "...)
	case "HTTP/2.0":
		dst = append(dst, "2.0 "...)
	default:
		dst = append(dst, "1.1 "...)
	}
	return append(append(dst, c.h.pseudonym...), "\r\n"...)
}

// appendCame appends the values that came in fields of a role, each with a comma behind it.
func (c *call) appendCame(dst []byte, r role) []byte {
	if !c.hasRole(r) {
		return dst
	}
	for i, f := range c.x.Request.Header.Fields() {
		if c.roles[i] == r && len(f.Value) > 0 {
			dst = append(append(dst, f.Value...), ", "...)
		}
	}
	return dst
}

// appendForwarded tells the upstream of the client: in the X-Forwarded fields, and as RFC 7239 has it. Only a
// trusted peer's word is passed on.
func (c *call) appendForwarded(dst []byte) (_ []byte, lines int) {
	r := &c.x.Request
	peer := r.Remote.Addr().Unmap()
	if peer.IsValid() {
		dst = append(dst, "X-Forwarded-For: "...)
		if r.TrustedPeer {
			dst = c.appendCame(dst, forwardedFor)
		}
		dst = append(peer.AppendTo(dst), "\r\n"...)
		lines++
	}
	dst = c.appendFirst(append(dst, "X-Forwarded-Proto: "...), forwardedProto, []byte(r.Scheme))
	dst = c.appendFirst(append(dst, "X-Forwarded-Host: "...), forwardedHost, r.Host)
	dst = append(dst, "Forwarded: "...)
	if r.TrustedPeer {
		dst = c.appendCame(dst, forwarded)
	}
	dst = appendElement(dst, peer, r)
	return append(dst, "\r\n"...), lines + 3
}

// appendFirst appends what the first proxy said, when it is trusted, else what this hop says.
func (c *call) appendFirst(dst []byte, r role, own []byte) []byte {
	if c.x.Request.TrustedPeer && c.hasRole(r) {
		for i, f := range c.x.Request.Header.Fields() {
			if c.roles[i] == r {
				own = f.Value
				break
			}
		}
	}
	return append(append(dst, own...), "\r\n"...)
}

// appendElement appends what this hop knows as one forwarded-element (RFC 7239, section 4).
func appendElement(dst []byte, peer netip.Addr, r *sluice.Request) []byte {
	switch {
	case !peer.IsValid():
		dst = append(dst, "for=unknown"...)
	case peer.Is4():
		dst = peer.AppendTo(append(dst, "for="...))
	default:
		dst = peer.AppendTo(append(dst, `for="[`...))
		dst = append(dst, `]"`...)
	}
	if len(r.Host) > 0 {
		dst = append(dst, `;host="`...)
		for _, c := range r.Host {
			if c == '"' || c == '\\' {
				dst = append(dst, '\\')
			}
			dst = append(dst, c)
		}
		dst = append(dst, '"')
	}
	if r.Scheme != "" {
		dst = append(append(dst, ";proto="...), r.Scheme...)
	}
	return dst
}
