package server

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// conn is a connection below HTTP, and below TLS. It knows whether it waits for a request, so that a server that
// stops can let it go without losing one.
type conn struct {
	net.Conn
	engine *netHTTP
	reads  deadline
	writes deadline

	fresh   atomic.Bool  // no request and no preface of HTTP/2 has come yet
	waiting atomic.Bool  // nothing of the next request has come
	since   atomic.Int64 // since when it waits, as the engine's clock has it
	left    atomic.Bool  // nothing more is read: it waited when it was dismissed
	closing atomic.Bool  // Close was called
	broken  atomic.Bool  // a write has failed, with TLS
	http2   bool         // only the goroutine that serves it uses it

	opening [3]byte // what came first; only whoever reads uses it
	opened  int     // how much of opening has come
}

func newConn(c net.Conn, e *netHTTP) *conn {
	f := &conn{Conn: c, engine: e}
	f.reads.apply = c.SetReadDeadline
	f.writes.apply, f.writes.exact = c.SetWriteDeadline, true
	f.fresh.Store(true)
	f.wait()
	return f
}

// wait begins to wait for a request.
func (c *conn) wait() {
	c.since.Store(int64(c.engine.clock()))
	c.waiting.Store(true)
}

// dismiss has a connection that waits for a request end, unless one has arrived. It returns at once.
func (c *conn) dismiss() {
	if !c.left.Load() {
		c.reads.wake()
	}
}

// Read reads what has come.
func (c *conn) Read(p []byte) (int, error) {
	for !c.left.Load() {
		c.reads.begin()
		n, err := c.Conn.Read(p)
		switch c.reads.end(err) {
		case again:
			continue
		case woken:
			if !c.waiting.Load() {
				continue
			}
			if n, err = c.look(p); n == 0 && err == nil {
				c.left.Store(true)
				continue
			}
		}
		if n > 0 && c.waiting.Load() {
			c.came()
		}
		if c.opened < len(c.opening) {
			c.opened += copy(c.opening[c.opened:], p[:n])
		}
		return n, err
	}
	return 0, io.EOF
}

// look reads what has come already, which may be nothing.
func (c *conn) look(p []byte) (n int, err error) {
	s, ok := c.Conn.(syscall.Conn)
	if !ok {
		return 0, nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0, err
	}
	if ctl := raw.Control(func(fd uintptr) { n, err = readNow(fd, p) }); ctl != nil {
		return 0, ctl
	}
	return n, err
}

// came takes account of bytes that came while it waited. Those of a handshake are not yet a request.
func (c *conn) came() {
	if c.fresh.Load() && c.engine.tls != nil {
		c.wait()
		return
	}
	c.waiting.Store(false)
}

// isHTTP2 tells what a connection without TLS speaks: no method of HTTP/1.1 begins as the preface of HTTP/2 does
// (RFC 9113, section 3.4).
func (c *conn) isHTTP2() bool { return string(c.opening[:]) == "PRI" }

// Write writes all of p or gives an error. After an error nothing more is written under TLS: it would stand in the
// middle of a record, and the notice by which TLS ends would be waited for in vain.
func (c *conn) Write(p []byte) (int, error) {
	if c.broken.Load() {
		return 0, io.ErrClosedPipe
	}
	c.writes.begin()
	n, err := c.Conn.Write(p)
	c.writes.end(err)
	if err != nil && c.engine.tls != nil {
		c.broken.Store(true)
	}
	return n, err
}

// SetReadDeadline sets the deadline of reads.
func (c *conn) SetReadDeadline(t time.Time) error { return c.reads.put(t) }

// SetWriteDeadline sets the deadline of writes.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.writes.put(t) }

// SetDeadline sets both. That of writes holds for the connection below too, which is what a tunnel may write to.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.reads.put(t), c.writes.now(t))
}

// CloseWrite ends what is sent and leaves what is received; net/http does so before it closes on a client that
// still sends.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// partingTime is how long a dismissed client may take to close its side too.
const partingTime = 500 * time.Millisecond

// Close closes the connection. A client that was dismissed sees an end, and not a reset for what it sends meanwhile.
func (c *conn) Close() error {
	if first := !c.closing.Swap(true); first && c.left.Load() && !c.engine.cut.Load() && c.CloseWrite() == nil {
		c.Conn.SetReadDeadline(time.Now().Add(partingTime))
		p := pieces.Get().(*piece)
		for err := error(nil); err == nil; {
			_, err = c.Conn.Read(p[:])
		}
		pieces.Put(p)
	}
	c.engine.forget(c)
	return c.Conn.Close()
}
