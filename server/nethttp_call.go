package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/h1"
)

// writer is what net/http's response writers can do, both of HTTP/1.1 and HTTP/2.
type writer interface {
	http.ResponseWriter
	FlushError() error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	EnableFullDuplex() error
}

// netHTTPCall is one exchange on net/http. It is the exchange's Wire.
type netHTTPCall struct {
	call
	engine *netHTTP
	w      writer
	r      *http.Request
	// armed is set while a write has a deadline.
	armed  bool
	values []string
}

func newNetHTTPCall(e *netHTTP) *netHTTPCall {
	c := &netHTTPCall{engine: e}
	c.x = sluice.NewExchange(c)
	return c
}

func (c *netHTTPCall) start(w writer, r *http.Request) {
	c.begin(c.engine.core, c, c.engine.clock())
	c.w, c.r, c.armed, c.values = w, r, false, c.values[:0]
	c.streams = r.ProtoMajor == 2
}

// release lets go of the request, so that the call can be used for another.
func (c *netHTTPCall) release() {
	clear(c.values)
	c.w, c.r = nil, nil
	c.finish(c)
}

// context is net/http's: it ends when the client leaves, which is seen once the request's body is read.
func (c *netHTTPCall) context() context.Context { return c.r.Context() }

func (c *netHTTPCall) left() bool { return c.r.Context().Err() != nil }

// read fills in the request. An error is what the client gets without a handler seeing the exchange.
func (c *netHTTPCall) read() error {
	req, r := &c.x.Request, c.r
	req.Method, req.Proto, req.Scheme = r.Method, r.Proto, "http"
	req.Remote, _ = netip.ParseAddrPort(r.RemoteAddr)
	req.Client = req.Remote.Addr()
	if c.core.tls != nil {
		if req.Scheme = "https"; r.TLS == nil {
			return errScheme
		}
		if len(r.TLS.VerifiedChains) > 0 {
			req.Peer, req.PeerChain = r.TLS.PeerCertificates[0], r.TLS.PeerCertificates[1:]
		}
	}
	if c.streams && !strings.HasPrefix(r.RequestURI, "/") && r.RequestURI != "*" {
		return errForm
	}
	c.readBody()
	limit := c.core.limits.MaxHeader
	if limit > 0 && int64(len(r.RequestURI)) > limit {
		return errTarget
	}
	size, err := c.readHeader()
	if err != nil {
		return err
	}
	if limit > 0 && size > limit {
		return errHeader
	}
	if c.target, err = readTarget(req, c.target, aliasBytes(r.RequestURI), aliasBytes(r.Host)); err != nil {
		return err
	}
	return c.checkDeclared(r.ContentLength)
}

// readHeader aliases the fields into the exchange; size is that of the whole header as HTTP/1.1 has it. What h1 refuses in a
// header, and net/http does not, is refused here.
func (c *netHTTPCall) readHeader() (size int64, err error) {
	req, options := &c.x.Request, h1.Options(nil)
	size = int64(len(c.r.Method) + len(c.r.RequestURI) + len("  HTTP/1.1\r\n") + len("Host: \r\n") + len(c.r.Host))
	for name, values := range c.r.Header {
		for _, value := range values {
			size += int64(len(name) + len(value) + len(": \r\n"))
			switch name {
			case "Host":
				if len(values) > 1 || !strings.EqualFold(value, c.r.Host) {
					return 0, errAuthority
				}
				continue
			case "Content-Length": // of which net/http reads the first, on HTTP/2, and takes one that is no number for zero
				if n, err := strconv.ParseInt(value, 10, 64); c.streams && (len(values) > 1 || err != nil || n != c.r.ContentLength) {
					return 0, errLength
				}
			case "Connection":
				var ok bool
				if options, ok = options.Add(aliasBytes(value)); !ok {
					return 0, errNamed
				}
			}
			req.Header.AddBytes(aliasBytes(name), aliasBytes(value))
		}
	}
	if len(c.r.Trailer) > 0 { // which net/http has taken out
		var names []string
		for name := range c.r.Trailer {
			names = append(names, name)
		}
		slices.Sort(names)
		req.Header.Add("Trailer", strings.Join(names, ", "))
	}
	dropNamed(&req.Header, options)
	c.readUpgrade(options.Has("upgrade"))
	return size, nil
}

// readBody makes the request's body a stream. HTTP/1.1 answers may begin before it has been read.
func (c *netHTTPCall) readBody() {
	if c.r.Body == http.NoBody || c.r.ContentLength == 0 {
		return
	}
	s := &netHTTPSource{w: c.w, r: c.r}
	c.body = newBody(&c.call, s, c.r.ContentLength, c.r.Header.Get("Expect") != "")
	c.x.Request.Body.SetStream(c.body, c.r.ContentLength)
	if !c.streams {
		c.w.EnableFullDuplex()
	}
}

// netHTTPSource is a request's body from net/http. It outlives the call where somebody reads on by mistake.
type netHTTPSource struct {
	w writer
	r *http.Request
}

func (s *netHTTPSource) read(p []byte) (int, error) { return s.r.Body.Read(p) }

func (s *netHTTPSource) readBy(t time.Time) { s.w.SetReadDeadline(t) }

func (s *netHTTPSource) stop() { s.w.SetReadDeadline(past) }

// lifts: on HTTP/2 a deadline ends the stream also while nobody reads.
func (s *netHTTPSource) lifts() bool { return s.r.ProtoMajor == 2 }

func (s *netHTTPSource) trailer(h *sluice.Header) {
	for name, values := range s.r.Trailer {
		for _, value := range values {
			h.AddBytes(aliasBytes(name), aliasBytes(value))
		}
	}
}

func (s *netHTTPSource) isFraming(err error) bool {
	var op *net.OpError
	if s.r.ProtoMajor == 2 {
		return strings.HasPrefix(err.Error(), "request declared a Content-Length") // net/http has no type for it
	}
	return !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &op) && !errors.Is(err, syscall.ECONNRESET) && s.r.Context().Err() == nil
}

// putHead gives the header to net/http. Fields of the connection and of framing are the engine's own.
func (c *netHTTPCall) putHead(bodiless bool) {
	r, h := &c.x.Response, c.w.Header()
	declared := int64(-1)
	for _, f := range r.Header.Fields() {
		name := fieldName(f.Name)
		switch name {
		case "":
			continue
		case "Content-Length":
			if n, err := strconv.ParseInt(aliasString(f.Value), 10, 64); err == nil {
				declared = n
			}
			continue
		}
		c.addField(h, name, f.Value)
	}
	if _, typed := h["Content-Type"]; !typed {
		h["Content-Type"] = nil
	}
	if length := c.framing(declared, bodiless, r.Trailer.Len() > 0 || len(h["Trailer"]) > 0); length >= 0 {
		c.values = append(c.values, strconv.FormatInt(length, 10))
		h["Content-Length"] = c.values[len(c.values)-1 : len(c.values) : len(c.values)]
	}
	if c.hangup || c.leavesMuch() || c.core.draining.Load() {
		h["Connection"] = []string{"close"}
	}
	c.w.WriteHeader(r.Status)
}

// addField adds a field under the name it has. HTTP/2 may still hold the strings when the exchange is long over, in
// its compression table, so there they are copied.
func (c *netHTTPCall) addField(h http.Header, name string, value []byte) {
	v := aliasString(value)
	if c.streams {
		name, v = strings.Clone(name), strings.Clone(v)
	}
	if before, there := h[name]; there {
		h[name] = append(before, v)
		return
	}
	c.values = append(c.values, v)
	h[name] = c.values[len(c.values)-1 : len(c.values) : len(c.values)]
}

// fieldName is the name under which net/http knows a field that matters to it, "" for those that are the engine's,
// else the name as it is.
func fieldName(name []byte) string {
	switch h1.RoleOf(name) {
	case h1.Connection, h1.TransferEncoding, h1.Upgrade:
		return ""
	case h1.ContentLength:
		return "Content-Length"
	case h1.Trailer:
		return "Trailer"
	case h1.Hop:
		if sluice.SameToken(name, "Keep-Alive") || sluice.SameToken(name, "Proxy-Connection") {
			return ""
		}
	}
	for _, known := range [...]string{"Content-Type", "Content-Encoding", "Date"} {
		if sluice.SameToken(name, known) {
			return known
		}
	}
	return aliasString(name)
}

func (c *netHTTPCall) put(p []byte) error {
	c.arm()
	_, err := c.w.Write(p)
	return err
}

func (c *netHTTPCall) push() error {
	c.arm()
	err := c.w.FlushError()
	if c.streams && c.armed && err == nil { // else it would end the stream also while nothing is written
		c.w.SetWriteDeadline(time.Time{})
		c.armed = false
	}
	return err
}

// putEnd sends what was taken, but for the last chunk and the trailer, which net/http sends after ServeHTTP; so the trailer
// is copied.
func (c *netHTTPCall) putEnd() error {
	if err := c.push(); err != nil || !c.streams && !c.chunked {
		return err
	}
	for _, f := range c.x.Response.Trailer.Fields() {
		name := http.TrailerPrefix + http.CanonicalHeaderKey(string(f.Name))
		c.w.Header()[name] = append(c.w.Header()[name], string(f.Value))
	}
	return nil
}

// arm sets the deadline of a write. On HTTP/2, where it costs a word with the connection, only long answers need one:
// what fits the client's window does not wait, and WriteByteTimeout watches the connection.
func (c *netHTTPCall) arm() {
	if b := &c.x.Response.Body; c.streams && b.Stream == nil && len(b.Bytes) < 32<<10 {
		return
	}
	if until := c.writeLimit(); !until.IsZero() {
		c.w.SetWriteDeadline(until)
		c.armed = true
	}
}

// Inform sends an interim response.
func (c *netHTTPCall) Inform(status int, h *sluice.Header) error {
	if send, err := c.mayInform(status); err != nil || !send {
		return err
	}
	c.arm()
	if h != nil {
		for _, f := range h.Fields() {
			if name := fieldName(f.Name); name != "" && name != "Content-Length" {
				c.addField(c.w.Header(), name, f.Value)
			}
		}
	}
	c.w.WriteHeader(status)
	clear(c.w.Header())
	return nil
}

func (c *netHTTPCall) hijack() (net.Conn, []byte, error) {
	c.arm()
	conn, buffered, err := c.w.(http.Hijacker).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	return conn, early, nil
}

// leaveBody makes a connection of HTTP/1.1 ready for what follows an answer that is out: the rest of the body is
// read if it is short, else the connection is closed. Nothing is waited for while the answer's end is not yet out.
func (c *netHTTPCall) leaveBody() {
	if c.body == nil || c.streams || c.tunnel != nil || c.body.ended() {
		return
	}
	if !c.chunked && !c.body.asleep() && !c.body.failed() {
		c.w.SetReadDeadline(time.Now().Add(lingering))
		if _, err := io.CopyN(io.Discard, c.r.Body, maxLeftover); errors.Is(err, io.EOF) {
			return
		}
	}
	c.w.SetReadDeadline(past)
	// net/http closes the connection after a body that was longer than http.MaxBytesReader allows, so one is.
	var one [1]byte
	http.MaxBytesReader(c.w, io.NopCloser(strings.NewReader("long")), 0).Read(one[:])
}

// abort cuts off an answer of HTTP/1.1 by closing the connection; on HTTP/2 net/http resets the stream when its handler
// panics.
func (c *netHTTPCall) abort() {
	if c.streams || c.tunnel != nil {
		return
	}
	conn, _, err := c.w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	socketOf(conn).Close()
}
