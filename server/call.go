package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/sluiceapi/sluice"
)

// writer is what net/http's response writers can do, both of HTTP/1.1 and HTTP/2.
type writer interface {
	http.ResponseWriter
	FlushError() error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	EnableFullDuplex() error
}

// call is one exchange on net/http. It is the exchange's Wire.
type call struct {
	engine *netHTTP
	x      *sluice.Exchange
	w      writer
	r      *http.Request
	body   *body // nil when the request has none
	http2  bool
	// websocket tells that the request asks for an upgrade that may be done.
	websocket bool
	// hangup has the head say that the connection will be closed.
	hangup bool
	// held is set while the exchange is counted as serving.
	held bool
	// headed is set once the final head is with net/http, out once something of the answer was flushed.
	headed, out bool
	// armed is set while a write has a deadline.
	armed bool
	// deadline is the one that the exchange begins with, and silence how long a write may wait once that is lifted.
	deadline time.Time
	silence  time.Duration
	// chunked is set for an answer whose end net/http writes only after ServeHTTP.
	chunked bool
	sent    int64
	tunnel  *tunnel // after an upgrade
	target  []byte  // memory for the path
	values  []string
	first   first
}

func newCall(e *netHTTP) *call {
	c := &call{engine: e}
	c.x = sluice.NewExchange(c)
	return c
}

func (c *call) begin(w writer, r *http.Request) {
	*c = call{engine: c.engine, x: c.x, w: w, r: r, http2: r.ProtoMajor == 2, target: c.target, values: c.values[:0]}
	c.x.Start = time.Now()
	if t := c.engine.limits.RequestTimeout; t > 0 {
		c.x.Deadline = c.x.Start.Add(t)
	}
	c.deadline = c.x.Deadline
}

// Prolong makes it a sluice.Lasting.
func (c *call) Prolong(silence time.Duration) time.Time {
	c.silence = silence
	if c.body != nil {
		c.body.limit, c.body.idle = 0, 0
	}
	return c.deadline
}

// finish lets go of the request, so that the call can be used for another.
func (c *call) finish() {
	clear(c.values)
	c.first.release()
	c.x.Reset(c)
	c.w, c.r, c.body, c.tunnel = nil, nil, nil, nil
}

// Context is net/http's: it ends when the client leaves, which is seen once the request's body is read.
func (c *call) Context() context.Context { return c.r.Context() }

// read fills in the request. An error is what the client gets without a handler seeing the exchange.
func (c *call) read() error {
	req, r := &c.x.Request, c.r
	req.Method, req.Proto, req.Scheme = r.Method, r.Proto, "http"
	req.Remote, _ = netip.ParseAddrPort(r.RemoteAddr)
	req.Client = req.Remote.Addr()
	if c.engine.tls != nil {
		if req.Scheme = "https"; r.TLS == nil {
			return errScheme
		}
		if len(r.TLS.VerifiedChains) > 0 {
			req.Peer, req.PeerChain = r.TLS.PeerCertificates[0], r.TLS.PeerCertificates[1:]
		}
	}
	c.readBody()
	limit := c.engine.limits.MaxHeader
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
	if limit := c.engine.limits.MaxBody; limit > 0 && r.ContentLength > limit {
		c.hangup = true
		return c.engine.errBody
	}
	return nil
}

// readHeader aliases the fields into the exchange; size is that of the whole header as HTTP/1.1 has it.
func (c *call) readHeader() (size int64, err error) {
	req, upgrade := &c.x.Request, false
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
			case "Connection":
				if err := checkConnection(aliasBytes(value)); err != nil {
					return 0, err
				}
				upgrade = upgrade || namesUpgrade(aliasBytes(value))
			}
			req.Header.AddBytes(aliasBytes(name), aliasBytes(value))
		}
	}
	c.readUpgrade(upgrade)
	return size, nil
}

// readUpgrade decides on a request's wish to change the protocol: only websocket may be asked for, by a GET of
// HTTP/1.1. Any other wish is passed over, as RFC 9110, section 7.8, lets a server do, and taken out, so that nobody
// behind sees it either.
func (c *call) readUpgrade(named bool) {
	h := &c.x.Request.Header
	c.websocket = named && c.r.Method == "GET" && c.r.ProtoMajor == 1 && c.r.ProtoMinor == 1 && c.body == nil &&
		h.Count("Upgrade") == 1 && sluice.SameToken(h.Value("Upgrade"), "websocket")
	if !c.websocket {
		h.Del("Upgrade")
		h.Del("HTTP2-Settings")
	}
}

// readBody makes the request's body a stream. HTTP/1.1 answers may begin before it has been read.
func (c *call) readBody() {
	if c.r.Body == http.NoBody || c.r.ContentLength == 0 {
		return
	}
	c.body = newBody(c)
	c.x.Request.Body.SetStream(c.body, c.r.ContentLength)
	if !c.http2 {
		c.w.EnableFullDuplex()
	}
}

var errStatus = errors.New("the handler gave a status that is not that of an answer")

// check refuses a response that cannot be sent, or comes too late.
func (c *call) check() error {
	switch status := c.x.Response.Status; {
	case status == http.StatusSwitchingProtocols:
		return c.checkUpgrade()
	case status != 0 && (status < 200 || status > 999):
		return fmt.Errorf("%w: %d", errStatus, status)
	}
	if d := c.x.Deadline; !d.IsZero() && !time.Now().Before(d) {
		return context.DeadlineExceeded // who made the answer did not heed the deadline
	}
	return nil
}

// maxLeftover is how much of a body that nobody wants is still read, to keep the connection.
const maxLeftover = 256 << 10

// settle reads the body that nobody read, if it is short, before an answer says that all is well: where its framing
// is bad the request is, and nothing after it can be trusted. Early refusals do not wait, nor do answers that are made
// while another goroutine still reads.
func (c *call) settle() error {
	r := &c.x.Response
	if c.body == nil || c.http2 || r.Status >= 400 || r.Body.Stream != nil || c.body.asleep() || c.body.ended() {
		return nil
	}
	if c.body.isReading() {
		c.hangup = true // by whoever began to: it will be cut off
		return nil
	}
	err := c.body.skim(maxLeftover)
	c.hangup = c.hangup || !c.body.ended()
	return err
}

// respond sends the answer: the response, or a problem when there is an error. whole tells that the client has got
// all of it; what is not whole must be cut off.
func (c *call) respond(err error) (o sluice.Outcome, whole bool) {
	x := c.x
	if err == nil {
		err = c.check()
	}
	if err == nil {
		err = c.settle()
	}
	if err == nil {
		err = c.fetch()
	}
	if err != nil {
		e := errorOf(err, c.r.Context().Err() != nil)
		if e.Code == sluice.ClientLeft {
			return c.outcome(e), false
		}
		if e.Code == sluice.Internal {
			c.engine.logInternal(x, err)
		}
		c.hangup = c.hangup || e.Code == sluice.TooLarge || e.Code == sluice.RequestTimeout
		c.engine.fail(x, e)
		c.first.n, c.first.err, err = 0, nil, e
	}
	if leave := x.Response.Leave; leave != nil {
		c.lift()
		c.engine.flights.last(c, leave)
		defer c.engine.flights.ended(c)
	}
	var sendErr error
	if x.Response.Status == http.StatusSwitchingProtocols {
		sendErr = c.upgrade()
	} else {
		sendErr = c.send()
	}
	if sendErr != nil {
		return c.outcome(sendErr), false
	}
	if t, tells := x.Response.Body.Stream.(sluice.Telling); tells && err == nil {
		if e := t.Told(); e != nil {
			err = e
		}
	}
	o = c.outcome(err)
	if e, told := err.(*sluice.Error); told {
		o.Status = e.Code.Status() // also where the answer tells it in another way
	}
	return o, true
}

func (c *call) outcome(err error) sluice.Outcome {
	o := sluice.Outcome{Status: c.x.Response.Status, Sent: c.sent, Err: err}
	if o.Status == 0 {
		o.Status = http.StatusOK
	}
	if c.body != nil {
		o.Received = c.body.count()
	}
	if c.tunnel != nil {
		o.Received, o.Sent = c.tunnel.received.Load(), c.tunnel.sent.Load()
	}
	if !c.out && err != nil {
		if e, ok := err.(*sluice.Error); !ok || e.Code == sluice.ClientLeft {
			o.Status = sluice.ClientLeft.Status()
		}
	}
	return o
}

// lingering is how long a body that nobody wants may take to arrive before the connection is closed.
const lingering = 5 * time.Second

// leaveBody makes the connection of HTTP/1.1 ready for what follows an answer that is out: the rest of the body is
// read if it is short, else the connection is closed. Nothing is waited for while the answer's end is not yet out.
func (c *call) leaveBody() {
	if c.body == nil || c.http2 || c.tunnel != nil || c.body.ended() {
		return
	}
	if !c.chunked && !c.body.asleep() && !c.body.failed() {
		c.w.SetReadDeadline(time.Now().Add(lingering))
		if _, err := io.CopyN(io.Discard, c.r.Body, maxLeftover); errors.Is(err, io.EOF) {
			return
		}
	}
	c.w.SetReadDeadline(past)
	hangUp(c.w)
}

// past is a deadline that ends a read at once.
var past = time.Unix(1, 0)

// hangUp has net/http close the connection after the answer, also when its head is out already: that is what it does
// after a body that was longer than http.MaxBytesReader allows, so one is.
func hangUp(w http.ResponseWriter) {
	var one [1]byte
	http.MaxBytesReader(w, io.NopCloser(strings.NewReader("long")), 0).Read(one[:])
}

// abort cuts off an answer of HTTP/1.1 by closing the connection, without the notice by which TLS ends well. One of
// HTTP/1.0 that ends with its connection would seem whole, so that connection is reset. On HTTP/2 net/http resets the
// stream when its handler panics.
func (c *call) abort() {
	if c.http2 || c.tunnel != nil {
		return
	}
	c.release()
	conn, _, err := c.w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	conn = socketOf(conn)
	if tcp, ok := conn.(interface{ SetLinger(int) error }); ok && c.r.ProtoMinor == 0 && c.out {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// socketOf is the connection below TLS and conn.
func socketOf(c net.Conn) net.Conn {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	if f, ok := c.(*conn); ok {
		c = f.Conn
	}
	return c
}
