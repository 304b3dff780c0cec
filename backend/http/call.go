package http

import (
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/h1"
	"github.com/sluiceapi/sluice/upstream"
)

// handler passes the exchanges of one endpoint on to its backend.
type handler struct {
	*backend
	use      *Use
	set      [][]byte // the names in use.Headers
	passHost bool
}

// Serve answers x with what the backend answers.
func (h *handler) Serve(x *sluice.Exchange) error {
	c := h.calls.Get().(*call)
	c.h, c.x = h, x
	err := c.serve()
	if err != nil || !c.open {
		c.finish(err)
	}
	if !c.shared {
		c.reset()
		h.calls.Put(c)
	}
	return err
}

// call is one request to an upstream and its answer. It belongs to the exchange's goroutine; what the pump shares
// with it is atomic or guarded by pumped. A call that outlives Serve, as the answer's Stream, a pump's owner or a
// tunnel, is not used again.
type call struct {
	h    *handler
	x    *sluice.Exchange
	host *upstream.Host[*link] // the one picked; nil when there is none
	conn *conn
	span sluice.Span
	// start is when the call began, limit when it must be over: zero is without limit.
	start, limit time.Time

	options h1.Options // of the request
	roles   []role     // of the request's fields
	out     []byte     // memory for the request's head
	upgrade bool       // a WebSocket is asked for
	// expect is set while the request's body waits for the upstream's word (RFC 9110, section 10.1.1).
	expect bool
	trace  sluice.Header
	sent   int // bytes of this attempt that the socket took
	// later is the request, while it waits to be sent by the first read.
	later []byte
	// awaiting is set while the answer's head is awaited, and headBy is when it must be there: zero as long as the
	// request is being sent.
	awaiting bool
	headBy   time.Time
	// answered is set once a byte of the answer came.
	answered bool
	// heard is when the answer's head was there.
	heard time.Time
	head  h1.Response
	// last is set when no other answer can follow on the connection, for what came behind this one.
	last bool
	// clean is set once the answer was read to its end and the connection may serve another request.
	clean bool

	// events is set when the answer is a stream of events.
	events *events

	// open is set while the answer goes on after Serve, shared once anything else keeps the call.
	open, shared bool
	body         body

	// ctx ends the call, once watched; stop ends the watch.
	ctx  context.Context
	stop func() bool

	// pumped is closed when the pump is over; nil when there is none.
	pumped chan struct{}
	// bodyErr is why the request's body could not be read.
	bodyErr atomic.Pointer[error]
	// pumpEnding is set when the last piece of the body is on its way, pumpFailed when the upstream did not take all.
	pumpEnding, pumpFailed atomic.Bool
}

// Patience is how long a read waits before the exchange's context is asked for, which tells when the client leaves:
// nearly every answer is there before, and so does not pay for it. It lies between two bounds, so that a busy
// connection seldom needs a new deadline.
const (
	minPatience = 50 * time.Millisecond
	maxPatience = 200 * time.Millisecond
)

// begin starts the clock of the call.
func (c *call) begin() {
	c.start, c.limit = c.x.Now(c.h.now), c.x.Deadline
	if whole := c.h.timeouts.Whole; whole > 0 {
		if end := c.start.Add(whole); c.limit.IsZero() || end.Before(c.limit) {
			c.limit = end
		}
	}
}

// reset makes a finished call ready for the next exchange and keeps its memory.
func (c *call) reset() {
	c.trace.Reset()
	clear(c.head.Fields)
	clear(c.options)
	clear(c.head.Options)
	if cap(c.out) > maxKept {
		c.out = nil
	}
	*c = call{trace: c.trace, options: c.options[:0], roles: c.roles[:0], out: c.out[:0],
		head: h1.Response{Head: h1.Head{Options: c.head.Options[:0]}, Fields: c.head.Fields[:0], Roles: c.head.Roles[:0]}}
}

// maxKept is the most that a call holds on to for a head.
const maxKept = 16 << 10

func (c *call) serve() error {
	if err := c.admit(); err != nil {
		return err
	}
	if err := c.loadShort(); err != nil {
		return err
	}
	c.begin()
	c.span = c.x.Child(spanName(c.method()))
	return c.roundTrip()
}

func (c *call) method() string {
	if c.h.use.Method != "" {
		return c.h.use.Method
	}
	return c.x.Request.Method
}

// roundTrip asks until there is an answer: once, or twice when a kept connection turns out to be closed. One that is found to
// be of no more use before it is asked does not count.
func (c *call) roundTrip() error {
	c.x.Tried.Begin()
	for again := false; ; c.unsend() {
		if err := c.connect(); err != nil {
			return err
		}
		out, err := c.appendRequest(c.out[:0])
		if c.out = out[:0]; err != nil {
			c.conn.up.pool.put(c.conn, c.start)
			c.conn = nil
			return err
		}
		if err = c.send(out); err == nil {
			err = c.receive()
		}
		if err == nil {
			return nil
		}
		fault := c.fault(err)
		c.conn.abort()
		switch {
		case errors.Is(err, errStale):
		case again || !c.resendable(err):
			c.blame(fault, err)
			return fault
		default:
			again = true
			c.h.retries.Add(1)
		}
	}
}

// unsend makes the call ready to ask on another connection.
func (c *call) unsend() {
	c.unwatch()
	c.sent, c.later, c.headBy = 0, nil, time.Time{}
	c.pumpFailed.Store(false)
}

// resendable tells whether a request that failed may be sent once more: the connection had been kept and was closed
// before a byte of an answer, and the upstream either saw nothing of the request or may see it twice.
func (c *call) resendable(err error) bool {
	if !c.conn.reused || c.answered || c.pumped != nil || c.ctx != nil && c.ctx.Err() != nil || !closedByPeer(err) {
		return false
	}
	return c.sent == 0 || c.x.Request.Body.Stream == nil && idempotent(c.method())
}

func closedByPeer(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, h1.ErrCut) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// idempotent are the methods of RFC 9110, section 9.2.2.
func idempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// blame notes a fault that is the host's: it gave no answer, or broke it off.
func (c *call) blame(fault, cause error) {
	if code := sluice.ErrorOf(fault).Code; code == sluice.BadGateway || code == sluice.GatewayTimeout {
		now := c.h.now()
		c.host.Heard(now, upstream.Failed)
		c.host.Link.tell(now, cause)
	}
}

// connect finds a connection: an idle one of the host that is picked, or a new one to the first that takes it. When a
// request is sent once more, it is a new one, and to the same host if that takes it.
func (c *call) connect() (err error) {
	fresh := c.host != nil
	for {
		if c.host == nil {
			if c.host = c.h.hosts.Pick(c.x, c.start); c.host == nil {
				return dialFault(err)
			}
		}
		if err = c.connectTo(c.host.Link, fresh); err == nil {
			return nil
		}
		if c.ctx != nil && c.ctx.Err() != nil {
			return c.left()
		}
		if !errors.Is(err, errFull) {
			now := c.h.now()
			c.host.Heard(now, upstream.Unreached)
			c.host.Link.tell(now, err)
		}
		c.letGo()
		fresh = false
	}
}

func (c *call) connectTo(l *link, fresh bool) (err error) {
	if !fresh {
		if c.conn = l.pool.take(c.start); c.conn != nil {
			c.conn.buffer.Lend(c.x.Page())
			return nil
		}
	}
	if c.ctx == nil {
		c.ctx = c.x.Context()
	}
	if c.conn, err = l.dial(c.ctx); err == nil {
		c.conn.buffer.Lend(c.x.Page())
	}
	return err
}

// letGo tells the host that the request is over.
func (c *call) letGo() {
	if c.host != nil {
		c.host.Done()
		c.host = nil
	}
}

// finish ends what was measured and gives the connection back. It is called once, when the answer is over.
func (c *call) finish(err error) {
	quiet, now := c.unwatch(), c.heard
	if err != nil || c.open || now.IsZero() {
		now = c.h.now()
	}
	if c.conn != nil {
		if err == nil && c.clean && quiet && c.events == nil && c.pumpedWhole() {
			c.conn.up.pool.put(c.conn, now)
		} else {
			c.conn.abort()
		}
	}
	c.letGo()
	if c.span == nil {
		return
	}
	if c.head.Status != 101 && c.events == nil { // what lasts says nothing of how long an answer takes
		c.h.duration.Observe(now.Sub(c.start))
	}
	if c.span.Recording() {
		c.describe(err)
	}
	c.span.End(err)
}

// watch has the connection closed when the client leaves or the exchange's deadline passes.
func (c *call) watch() {
	if c.stop != nil {
		return
	}
	c.ctx = c.x.Context()
	c.stop = context.AfterFunc(c.ctx, c.conn.abort)
}

// unwatch ends the watch, and tells whether the connection was left alone.
func (c *call) unwatch() bool {
	if c.stop == nil {
		return true
	}
	quiet := c.stop()
	c.stop = nil
	return quiet
}

// Read reads from the connection for as long as the call may wait. A request that is still to be sent is sent before.
func (c *call) Read(p []byte) (n int, err error) {
	if c.events != nil {
		return c.events.read(p)
	}
	now := c.start
	if c.later == nil || !c.conn.reused {
		now = c.h.now()
	}
	for ; ; now = c.h.now() {
		limit := earliest(c.limit, c.headBy)
		if !limit.IsZero() && !now.Before(limit) {
			return 0, c.late()
		}
		least, most := limit, limit
		if c.stop == nil || c.expect || c.pumping() {
			least, most = earliest(now.Add(minPatience), limit), earliest(now.Add(maxPatience), limit)
		}
		c.conn.readUntil(now, least, most)
		if c.later != nil {
			n, err = c.ask(p)
		} else {
			n, err = c.conn.stream.Read(p)
		}
		if n > 0 {
			c.answered = true
			return n, nil
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
		c.watch()
		if c.expect && now.Sub(c.start) >= expectPatience {
			c.goOn()
		}
		c.countHead()
	}
}

// ask sends the request that waits for that, and reads.
func (c *call) ask(p []byte) (n int, err error) {
	out := c.later
	written, n, err := c.conn.socket.askAndWait(out, p, c.conn.reused)
	if written == 0 && isTimeout(err) {
		// A deadline from before had passed. It is set anew, and the request goes out then.
		c.conn.readBy, c.headBy = time.Time{}, c.h.now().Add(c.h.timeouts.Header)
		return 0, err
	}
	c.later = nil
	c.sent += written
	if written < len(out) && err == nil {
		err = c.write(out[written:])
	}
	return n, err
}

// fill reads more into the connection's buffer, of which at most limit bytes are used.
func (c *call) fill(limit int) error {
	space := c.conn.buffer.Space(limit)
	if len(space) == 0 {
		return errHeadTooLarge
	}
	n, err := c.Read(space)
	c.conn.buffer.Filled(n)
	if errors.Is(err, io.EOF) && c.answered {
		return h1.ErrCut
	}
	return err
}

// earliest is the earlier of two times, of which zero is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
