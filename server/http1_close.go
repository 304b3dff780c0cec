package server

import (
	"net"
	"runtime/debug"
	"time"
)

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

// handOver gives the connection to HTTP/2. From then on nobody here dismisses it.
func (c *http1Conn) handOver(conn net.Conn) {
	c.mu.Lock()
	c.dismissed.Store(true)
	c.given.Store(true)
	c.socket.SetReadDeadline(time.Time{})
	c.mu.Unlock()
	if !c.engine.next.offer(conn) {
		c.socket.Close()
	}
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
	if c.given.Load() {
		return
	}
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

// part closes the connection. After an answer the client gets to see that and not a reset, for what it may still send.
func (c *http1Conn) part(s step) {
	switch {
	case s == stepHandOver:
		early := append([]byte(nil), c.buffer.Bytes()...)
		c.release()
		c.handOver(&replayed{c.conn, early})
		return
	case s == stepClose && !c.gone.Load():
		c.release()
		c.linger()
	}
	c.socket.Close()
	c.release()
}

// partingTime is how long a client may take to close its side too when the server stops, or the client was too slow before.
const partingTime = 500 * time.Millisecond

// linger ends what is sent, and reads away what still comes.
func (c *http1Conn) linger() {
	if c.secure != nil {
		c.secure.CloseWrite()
	}
	w, ok := c.socket.(interface{ CloseWrite() error })
	if !ok || w.CloseWrite() != nil {
		return
	}
	wait := lingering
	if c.late || c.engine.draining.Load() {
		wait = partingTime
	}
	c.readBy(time.Now().Add(wait))
	p := make([]byte, firstBuffer)
	for n := 0; n < maxLingered; {
		m, err := c.socket.Read(p)
		if n += m; err != nil {
			return
		}
	}
}

// maxLingered is how much is read away of what nobody wants.
const maxLingered = 4 << 20
