package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"math"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sluiceapi/sluice/h1"
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
	// over is when the last answer was out, where it is known without a look at the clock: it went out as soon as it was made.
	over time.Time
	// late tells that the client has had all its time, so no more is spent on parting with it than must be.
	late bool

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
	given     atomic.Bool // HTTP/2 has the connection; shared

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
		if !c.given.Load() {
			c.socket.Close()
		}
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
	c.part(next)
}

// known notes that the connection is no longer fresh.
func (c *http1Conn) known() {
	if c.fresh {
		c.fresh = false
		c.engine.known()
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
		return false
	}
	return true
}

func (c *http1Conn) headLimit() int {
	if n := c.engine.limits.MaxHeader; n > 0 && n < math.MaxInt32 {
		return int(n)
	}
	return math.MaxInt32
}

// preface is how a connection of HTTP/2 begins.
var preface = []byte("PRI * HTTP/2.0\r\n\r\n")

// parse reads the next header, unless it was read already. known is false while it is not known yet what becomes of it: more
// must come.
func (c *http1Conn) parse() (known bool, next step) {
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
	case end == 0 || end > c.headLimit():
		c.refused = errHeader
		if i := bytes.IndexByte(b, '\n'); i < 0 || i > c.headLimit() {
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
	c.late = call.isLate(outcome.Err)
	intact := c.engine.core.end(call.x, outcome)
	call.unwatch() // last: who is told of the end may ask for the context
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
