package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/h1"
	"github.com/sluiceapi/sluice/internal/nowait"
)

// http1Conn is one connection of HTTP/1.1. It belongs to the goroutine of run, but for what is said to be shared.
//
// While it waits for a request it has no memory but its goroutine's. Where the system allows it, what follows is done
// within the one call by which it waits for the socket to be readable (see ready), which then needs no read that comes
// too early and fails but the first. A request of which more is to come, or that wants the connection for itself, is served outside.
type http1Conn struct {
	engine *http1
	conn   net.Conn        // with TLS, where there is TLS
	socket net.Conn        // below TLS
	raw    syscall.RawConn // of the socket; nil where it has none
	secure *tls.Conn       // nil without TLS
	buffer h1.Buffer       // has memory while there is a call
	call   *http1Call      // nil while the connection waits
	step   step
	from   int // where to search on for a header's end
	// fd is the socket within ready; -1 outside.
	fd int
	// begun tells that the call is made ready for a request that has not come whole. parsed tells that the call holds a request that is not served yet, or why it is refused.
	begun, parsed bool
	refused       error
	// fresh is set until the first request.
	fresh bool

	remote    netip.AddrPort
	peer      *x509.Certificate
	peerChain []*x509.Certificate

	// turns counts twice for each request, when the first of it comes and when it is over: so it is even while the
	// connection waits. It is shared.
	turns     atomic.Uint64
	seen      uint64    // turns as dismissQuiet saw it last; only part's goroutine uses it
	seenAt    time.Time // and when it saw that first
	dismissed atomic.Bool
	gone      atomic.Bool // the client has left; shared

	mu     sync.Mutex // guards what follows, which is shared
	wanted time.Time  // when reads are to end; zero is never
}

// step is what is to be done after the connection has waited.
type step uint8

const (
	// stepWait goes on waiting.
	stepWait step = iota
	// stepOutside deals with what has come outside of ready.
	stepOutside
	// stepHandOver gives the connection to HTTP/2.
	stepHandOver
	// stepClose closes it; an answer may be on its way.
	stepClose
	// stepGone closes it at once: the client is gone.
	stepGone
)

func newHTTP1Conn(e *http1, conn net.Conn) *http1Conn {
	c := &http1Conn{engine: e, conn: conn, socket: conn, fd: -1, fresh: true}
	if s, ok := conn.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn()
	}
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		c.remote = a.AddrPort()
	}
	if e.tls != nil {
		c.secure = tls.Server(conn, e.tls)
		c.conn = c.secure
	}
	return c
}

// run serves the connection until its end.
func (c *http1Conn) run() {
	defer c.engine.forget(c)
	defer c.rescue()
	if !c.handshake() {
		c.known()
		c.socket.Close()
		return
	}
	c.awaitFirst()
	next := stepWait
	for next == stepWait {
		next = c.await()
		for next == stepOutside {
			next = c.outside()
		}
	}
	c.known()
	c.leave(next)
}

// rescue ends a connection whose goroutine has panicked, so that the others live on. What handlers do is recovered
// where they are called; so only a mistake of the engine's comes here.
func (c *http1Conn) rescue() {
	v := recover()
	if v == nil {
		return
	}
	c.engine.log.Error("a connection has failed", "client", c.remote, "error", v, "stack", string(debug.Stack()))
	if c.call != nil {
		c.call.unwatch()
	}
	c.known()
	c.socket.Close()
}

// known notes that the connection is no longer fresh.
func (c *http1Conn) known() {
	if c.fresh {
		c.fresh = false
		c.engine.known()
	}
}

// awaitFirst sets the deadline of the first request, unless the connection was dismissed before.
func (c *http1Conn) awaitFirst() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.engine.limits.HeaderTimeout; t > 0 {
		c.wanted = time.Now().Add(t)
	}
	if !c.dismissed.Load() {
		c.socket.SetReadDeadline(c.wanted)
	}
}

// handshake makes the handshake of TLS, and hands over who speaks HTTP/2. It is false when there is nothing more to do.
func (c *http1Conn) handshake() bool {
	if c.secure == nil {
		return true
	}
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if t := c.engine.limits.HeaderTimeout; t > 0 {
		ctx, cancel = context.WithTimeout(ctx, t)
	}
	defer cancel()
	if err := c.secure.HandshakeContext(ctx); err != nil {
		c.engine.log.Debug("a handshake of TLS came to nothing", "client", c.remote, "error", err)
		return false
	}
	state := c.secure.ConnectionState()
	if len(state.VerifiedChains) > 0 {
		c.peer, c.peerChain = state.PeerCertificates[0], state.PeerCertificates[1:]
	}
	if state.NegotiatedProtocol == "h2" {
		c.handOver(c.secure)
		c.known()
		c.socket = noConn{}
		return false
	}
	return true
}

// handOver gives the connection to HTTP/2. From then on nobody here dismisses it.
func (c *http1Conn) handOver(conn net.Conn) {
	c.mu.Lock()
	c.dismissed.Store(true)
	c.socket.SetReadDeadline(time.Time{})
	c.mu.Unlock()
	if !c.engine.next.offer(conn) {
		c.socket.Close()
	}
}

// noConn stands for a connection that was given away.
type noConn struct{ net.Conn }

func (noConn) Close() error { return nil }

// await waits for a request, and serves those that can be served at once.
func (c *http1Conn) await() step {
	c.step = stepWait
	if c.raw == nil || c.secure != nil || !nowait.Works {
		c.lease()
		n, err := c.conn.Read(c.buffer.Space(c.headLimit()))
		if n > 0 {
			c.came(n)
			return stepOutside
		}
		c.release()
		return c.unread(err)
	}
	if err := c.raw.Read(c.ready); err != nil {
		c.fd = -1
		return c.unread(err)
	}
	return c.step
}

// came takes account of n bytes of a request.
func (c *http1Conn) came(n int) {
	c.buffer.Filled(n)
	if c.turns.Load()&1 == 0 {
		c.turns.Add(1)
	}
}

// unread is what to do when waiting has ended with an error.
func (c *http1Conn) unread(err error) step {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return stepGone
	}
	if !c.dismissed.Load() {
		if c.rearm() {
			return stepWait
		}
		return stepGone
	}
	// One last look: what has come by now is answered.
	c.lease()
	n, err := c.look(c.buffer.Space(c.headLimit()))
	switch {
	case n > 0:
		c.came(n)
		c.rearm()
		return stepOutside
	case err != nil:
		return stepGone
	}
	c.release()
	return stepClose
}

// look reads what has come already, which may be nothing.
func (c *http1Conn) look(p []byte) (n int, err error) {
	if c.secure != nil {
		c.secure.SetReadDeadline(time.Now().Add(lookTime))
		if n, err = c.secure.Read(p); errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil
		}
		return n, err
	}
	if c.raw == nil {
		return 0, nil
	}
	if ctl := c.raw.Control(func(fd uintptr) { n, err = nowait.Read(fd, p) }); ctl != nil {
		return 0, ctl
	}
	return n, err
}

// lookTime is for the look through TLS, which cannot be told not to wait.
const lookTime = 10 * time.Millisecond

// ready is called when the socket may be readable, and tells whether waiting is over. It serves what has come.
//
// The system tells once of what comes. So what filled the buffer is read on from; what did not was all, but for the
// client's word that it sends no more, which may come in one with its last request. Clients that ask once do so, and it is
// looked for behind the first request; behind a later one IdleTimeout ends what was missed.
func (c *http1Conn) ready(fd uintptr) bool {
	for {
		c.lease()
		space, first := c.buffer.Space(c.headLimit()), c.fresh
		n, err := nowait.Read(fd, space)
		if n == 0 {
			c.release()
			if err != nil {
				c.step = stepGone
			}
			return err != nil
		}
		c.came(n)
		c.fd = int(fd)
		c.step = c.inside()
		c.fd = -1
		if c.step != stepWait || n < len(space) && !first {
			return c.step != stepWait
		}
	}
}

// inside serves what lies in the buffer, as long as that needs no more of the connection than to be written to.
func (c *http1Conn) inside() step {
	for {
		switch whole, next := c.parse(); {
		case next != stepWait:
			return next
		case !whole || !c.call.isHere(): // also one that is refused: what is left of its body is read
			return stepOutside
		}
		if !c.serve() {
			return stepClose
		}
		if c.buffer.Len() == 0 {
			c.rest()
			return stepWait
		}
	}
}

// rest has the connection wait for its next request.
func (c *http1Conn) rest() {
	c.release()
	c.idle()
	c.turns.Add(1)
}

// idle sets the deadline of waiting. It is set a little later than need be, so that it need not be set each time.
func (c *http1Conn) idle() {
	t := c.engine.limits.IdleTimeout
	if t <= 0 {
		c.readBy(time.Time{})
		return
	}
	if now := c.engine.clock(); c.wanted.Before(now.Add(t)) || c.wanted.After(now.Add(t+t/8)) {
		c.readBy(now.Add(t + t/16))
	}
}

// outside serves a request of which a part has come, waiting for what is still to come.
func (c *http1Conn) outside() step {
	for {
		whole, next := c.parse()
		if next != stepWait {
			return next
		}
		if !whole {
			if next := c.readMore(); next != stepWait {
				return next
			}
			continue
		}
		if !c.serve() {
			return stepClose
		}
		if c.buffer.Len() == 0 {
			c.rest()
			return stepWait
		}
	}
}

// readMore reads more of a header, for no longer than HeaderTimeout from its first byte.
func (c *http1Conn) readMore() step {
	if !c.fresh {
		var by time.Time
		if t := c.engine.limits.HeaderTimeout; t > 0 {
			by = c.call.x.Start.Add(t)
		}
		if !by.Equal(c.wanted) {
			c.readBy(by)
		}
	}
	var never atomic.Bool
	n, err := c.read(c.buffer.Space(c.headLimit()), &never)
	if n > 0 {
		c.came(n)
		return stepWait
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.parsed, c.begun, c.refused = true, false, errHeaderLate
		c.serve()
		return stepClose
	}
	return stepGone
}

func (c *http1Conn) headLimit() int {
	if n := c.engine.limits.MaxHeader; n > 0 && n < math.MaxInt32 {
		return int(n)
	}
	return math.MaxInt32
}

// preface is how a connection of HTTP/2 begins.
var preface = []byte("PRI * HTTP/2.0\r\n\r\n")

// parse reads the next header, unless it was read already. whole is false when it has not come whole.
func (c *http1Conn) parse() (whole bool, next step) {
	if c.parsed {
		return true, stepWait
	}
	b := c.buffer.Bytes()
	atOnce := !c.begun
	if atOnce {
		c.begun = true
		c.call.prepare(c.engine.clock())
	}
	if c.fresh {
		if n := min(len(b), len(preface)); c.secure == nil && bytes.Equal(b[:n], preface[:n]) {
			if n == len(preface) {
				return false, stepHandOver
			}
			return false, stepWait
		}
		c.known()
	}
	end, from, err := h1.End(b, c.from)
	switch {
	case err != nil:
		c.refused = malformed(err)
	case end == 0 && len(b) < c.headLimit():
		c.from = from
		return false, stepWait
	case end == 0:
		c.refused = errHeader
		if bytes.IndexByte(b, '\n') < 0 {
			c.refused = errTarget
		}
	default:
		if c.refused = c.call.read(c.buffer.Hold(end)); atOnce {
			c.call.x.Arrived(c.call.x.Start)
		}
	}
	c.parsed, c.begun, c.from = true, false, 0
	return true, stepWait
}

// serve answers the request that was parsed, and tells whether the connection may bring another one.
func (c *http1Conn) serve() (keeps bool) {
	call, err := c.call, c.refused
	c.parsed, c.refused = false, nil
	if err != nil {
		call.hangup = call.hangup || !call.framed
		err = c.engine.refuse(call.x, err)
	} else {
		err = c.engine.answer(call.x)
	}
	outcome, whole := call.respond(err)
	call.unwatch()
	intact := c.engine.core.end(call.x, outcome)
	if call.body != nil {
		call.body.quiet()
	}
	switch {
	case call.tunnel != nil:
	case whole:
		keeps = call.leaveBody()
	default:
		c.abort(call.request.Old && call.out)
	}
	if intact {
		call.done()
	} else {
		c.call = newHTTP1Call(c.engine)
		c.call.conn = c
		c.buffer.Lend(nil)
		keeps = false
	}
	c.buffer.Release()
	return keeps
}

// lease has the connection have a call, and memory.
func (c *http1Conn) lease() {
	if c.call == nil {
		c.call = c.engine.calls.Get().(*http1Call)
		c.call.conn = c
		c.buffer.Lend(c.call.memory)
		c.call.memory = nil
	}
}

// release gives both back, when nothing lies in the buffer.
func (c *http1Conn) release() {
	call := c.call
	if call == nil {
		return
	}
	if call.memory = c.buffer.Take(); cap(call.memory) > maxKept {
		call.memory = make([]byte, firstBuffer)
	}
	if cap(call.pending) > maxKept {
		call.pending = nil
	}
	c.call, call.conn = nil, nil
	c.engine.calls.Put(call)
}

const (
	// firstBuffer holds most requests.
	firstBuffer = 4 << 10
	// maxKept is the most that is kept of memory that a long message made grow.
	maxKept = 16 << 10
)

// readBy sets the deadline of reads, also of one that waits.
func (c *http1Conn) readBy(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted = t
	c.socket.SetReadDeadline(t)
}

// rearm sets the deadline anew that is wanted, after one that came too early; it is false when that is over too.
func (c *http1Conn) rearm() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.wanted.IsZero() && !time.Now().Before(c.wanted) {
		return false
	}
	c.socket.SetReadDeadline(c.wanted)
	return true
}

// read reads from the connection for as long as is wanted, until stopped. It is for what is served outside of ready.
func (c *http1Conn) read(p []byte, stopped *atomic.Bool) (int, error) {
	for {
		n, err := c.conn.Read(p)
		if n > 0 || err == nil || !errors.Is(err, os.ErrDeadlineExceeded) || stopped.Load() || !c.rearm() {
			return n, err
		}
	}
}

// stretch is how much is written under one deadline: a client that takes a long answer slowly, but takes it, gets it.
const stretch = 64 << 10

// write writes all of p. Only what the socket does not take at once has to wait, and needs a deadline for that.
func (c *http1Conn) write(p []byte, limit func() time.Time) error {
	if c.fd >= 0 {
		n, err := nowait.Write(uintptr(c.fd), p)
		if err != nil {
			return err
		}
		p = p[n:]
	}
	for len(p) > 0 {
		c.socket.SetWriteDeadline(limit())
		n, err := c.conn.Write(p[:min(len(p), stretch)])
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// writeAll is write for what lies in several places.
func (c *http1Conn) writeAll(p *net.Buffers, limit func() time.Time) error {
	c.socket.SetWriteDeadline(limit())
	_, err := p.WriteTo(c.conn)
	return err
}

// dismissQuiet has the connection end when it has waited for a while, unless a request has arrived. The engine's goroutine that shuts
// down calls it.
func (c *http1Conn) dismissQuiet(now time.Time) {
	turns := c.turns.Load()
	if turns&1 == 1 || turns != c.seen || c.seenAt.IsZero() {
		c.seen, c.seenAt = turns, now
		return
	}
	if now.Sub(c.seenAt) >= quiet {
		c.dismiss()
	}
}

// dismiss ends the connection's waiting.
func (c *http1Conn) dismiss() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dismissed.Swap(true) {
		c.socket.SetReadDeadline(past)
	}
}

// cut ends the connection for whoever uses it. It may be called from anywhere, and does not wait for the connection's
// own goroutine, as Close would.
func (c *http1Conn) cut() {
	c.gone.Store(true)
	c.socket.SetDeadline(past)
	if s, ok := c.socket.(interface {
		CloseRead() error
		CloseWrite() error
	}); ok {
		s.CloseRead()
		s.CloseWrite()
	}
}

// abort has the connection end without the notice by which TLS ends well. What ends with its connection, as on HTTP/1.0,
// would seem whole, so that connection is reset.
func (c *http1Conn) abort(reset bool) {
	c.gone.Store(true)
	if s, ok := c.socket.(interface{ SetLinger(int) error }); ok && reset {
		s.SetLinger(0)
	}
}

// leave closes the connection. After an answer the client gets to see that and not a reset, for what it may still send.
func (c *http1Conn) leave(s step) {
	switch {
	case s == stepHandOver:
		early := append([]byte(nil), c.buffer.Bytes()...)
		c.release()
		c.handOver(&replayed{c.conn, early})
		return
	case s == stepClose && !c.gone.Load():
		c.linger()
	}
	c.socket.Close()
	if c.call != nil {
		c.release()
	}
}

// partingTime is how long a client may take to close its side too when the server stops.
const partingTime = 500 * time.Millisecond

// linger ends what is sent, and reads away what still comes.
func (c *http1Conn) linger() {
	if c.secure != nil {
		c.secure.SetWriteDeadline(time.Now().Add(partingTime))
		c.secure.CloseWrite()
	}
	w, ok := c.socket.(interface{ CloseWrite() error })
	if !ok || w.CloseWrite() != nil {
		return
	}
	wait := lingering
	if c.engine.draining.Load() {
		wait = partingTime
	}
	c.readBy(time.Now().Add(wait))
	p := pieces.Get().(*piece)
	defer pieces.Put(p)
	for n := 0; n < maxLingered; {
		m, err := c.socket.Read(p[:])
		if n += m; err != nil {
			return
		}
	}
}

// maxLingered is how much is read away of what nobody wants.
const maxLingered = 4 << 20

var errHeaderLate = &sluice.Error{Code: sluice.RequestTimeout, Message: "the header stopped coming"}

// malformed is what the client is told of a header that is not as RFC 9112 has it.
func malformed(err error) error {
	if errors.Is(err, h1.ErrTooLarge) {
		return errHeader
	}
	return sluice.Errorf(sluice.BadRequest, nil, "the request is malformed: %s", reason(err))
}

func reason(err error) string {
	if e, ok := errors.AsType[h1.Error](err); ok {
		return string(e)
	}
	return err.Error()
}
