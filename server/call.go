package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/h1"
)

// call is one exchange on a connection, whatever engine moves it.
type call struct {
	core *core
	x    *sluice.Exchange
	link link
	body *body // nil when the request has none that streams
	// streams tells that the connection carries other exchanges too, as HTTP/2 does.
	streams bool
	// websocket tells that the request asks for an upgrade that may be done.
	websocket bool
	// hangup has the head say that the connection will be closed.
	hangup bool
	// headed is set once the final head is with the engine, out once something of the answer was flushed.
	headed, out bool
	// deadline is the one that the exchange begins with, and silence how long a write may wait once that is lifted.
	deadline time.Time
	silence  time.Duration
	// chunked is set for an answer of HTTP/1 in chunks.
	chunked  bool
	now      time.Time // when the answer was made
	sent     int64
	received int64   // of a body that came whole with the header
	tunnel   *tunnel // after an upgrade
	target   []byte  // memory for the path
	first    first
}

// link is an engine's side of a call: the connection under it.
type link interface {
	// putHead takes the head of the response, of which nothing need be sent before push.
	putHead(bodiless bool)
	// put takes content. It may wait for the client, no longer than writeLimit.
	put(p []byte) error
	// push sends what was taken.
	push() error
	// putEnd takes the trailer, and sends what was taken.
	putEnd() error
	// hijack gives up the connection, for an upgrade; early is what the client has sent already.
	hijack() (conn net.Conn, early []byte, err error)
	// context ends when the client has left.
	context() context.Context
	// left tells whether the client has left, as far as is known.
	left() bool
}

// begin makes a call ready for a request.
func (c *call) begin(core *core, l link, start time.Time) {
	*c = call{core: core, x: c.x, link: l, target: c.target}
	c.x.Start = start
	if t := core.limits.WholeTimeout; t > 0 {
		c.x.Deadline = start.Add(t)
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

// Context ends when the client has left.
func (c *call) Context() context.Context { return c.link.context() }

// finish lets go of the request, so that the call can be used for another.
func (c *call) finish(w sluice.Wire) {
	c.first.release()
	c.x.Reset(w)
	c.body, c.tunnel = nil, nil
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
	if d := c.x.Deadline; !d.IsZero() && !c.now.Before(d) {
		return context.DeadlineExceeded // who made the answer did not heed the deadline
	}
	return nil
}

// maxLeftover is how much of a body that nobody wants is still read, to keep the connection.
const maxLeftover = 256 << 10

// settle reads the body that nobody read, if it is short, before an answer says that all is well: where its framing
// is bad the request is, and nothing after it can be trusted. Streams, which may
// be made of the body, do not wait for it, nor do early refusals, nor answers that are made while somebody, maybe in another
// goroutine, has read a part of it.
func (c *call) settle() error {
	r := &c.x.Response
	if c.body == nil || c.streams || r.Status >= 400 || r.Body.Stream != nil || c.body.asleep() || c.body.ended() {
		return nil
	}
	if c.body.isBegun() {
		c.hangup = true // who still reads will be cut off
		return nil
	}
	err := c.body.skim(maxLeftover)
	c.hangup = c.hangup || !c.body.ended()
	return err
}

// respond sends the answer: the response, or a problem when there is an error. whole tells that the client has got
// all of it; what is not whole must be cut off, as after a panic in what the handler gave.
func (c *call) respond(err error) (o sluice.Outcome, whole bool) {
	panicked := func() (p error) {
		defer recoverAs(&p)
		o, whole = c.reply(err)
		return nil
	}()
	if panicked != nil {
		c.core.logInternal(c.x, panicked)
		if o, whole = c.outcome(panicked), false; !c.out {
			o.Status = http.StatusInternalServerError
		}
	}
	return o, whole
}

func (c *call) reply(err error) (o sluice.Outcome, whole bool) {
	x := c.x
	c.now = c.core.clock()
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
		e := c.errorOf(err)
		if e.Code == sluice.ClientLeft {
			return c.outcome(e), false
		}
		if e.Code == sluice.Internal {
			c.core.logInternal(x, err)
		}
		c.hangup = c.hangup || e.Code == sluice.TooLarge || e.Code == sluice.RequestTimeout
		c.core.fail(x, e)
		c.first.n, c.first.err, err = 0, nil, e
	}
	if leave := x.Response.Leave; leave != nil {
		c.lift()
		c.core.last(c, leave)
		defer c.core.flights.ended(c)
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
	o := sluice.Outcome{Status: c.x.Response.Status, Sent: c.sent, Received: c.received, Err: err}
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

// leavesMuch tells whether more of the request's body is unread than will be read away.
func (c *call) leavesMuch() bool {
	return c.body != nil && !c.streams && !c.body.ended() &&
		(c.body.failed() || c.body.size-c.body.count() > maxLeftover)
}

// isLate tells whether the exchange has ended because the client was too slow, or its time was over.
func (c *call) isLate(err error) bool {
	e, told := err.(*sluice.Error)
	d := c.x.Deadline
	return told && e.Code == sluice.RequestTimeout || !d.IsZero() && !c.now.Before(d)
}

// checkDeclared refuses a body that says it is too long.
func (c *call) checkDeclared(length int64) error {
	if limit := c.core.limits.MaxBody; limit > 0 && length > limit {
		c.hangup = true
		return c.core.errBody
	}
	return nil
}

// dropNamed takes out the fields that Connection names: they were for this hop only (RFC 9110, section 7.6.1), so nobody
// may decide by what nobody behind gets to see. Upgrade and TE have rules of their own.
func dropNamed(h *sluice.Header, options h1.Options) {
	for _, name := range options {
		if role := h1.RoleOf(name); role != h1.Upgrade && role != h1.TE && !sluice.SameToken(name, "close") && !sluice.SameToken(name, "keep-alive") {
			h.Del(aliasString(name))
		}
	}
}

// readUpgrade decides on a request's wish to change the protocol: only websocket may be asked for, by a GET of
// HTTP/1.1 without a body. Any other wish is passed over, as RFC 9110, section 7.8, lets a server do, and taken out, so
// that nobody behind sees it either. named tells that Connection names it.
func (c *call) readUpgrade(named bool) {
	r := &c.x.Request
	h := &r.Header
	c.websocket = named && r.Method == "GET" && r.Proto == "HTTP/1.1" && r.Body.Len() == 0 &&
		h.Count("Upgrade") == 1 && sluice.SameToken(h.Value("Upgrade"), "websocket")
	if !c.websocket {
		h.Del("Upgrade")
		h.Del("HTTP2-Settings")
	}
}

// lingering is how long a body that nobody wants may take to arrive before the connection is closed.
const lingering = 5 * time.Second

// past is a deadline that ends a read at once.
var past = time.Unix(1, 0)
