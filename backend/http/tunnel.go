package http

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
)

// tunnel makes a response that joins the client's connection to the upstream's: a WebSocket (RFC 6455). n is the
// length of the answer's head.
func (c *call) tunnel(n int) error {
	websocket := 0
	for i, f := range c.head.fields {
		if c.head.roles[i] == upgrade {
			if websocket++; !sluice.SameToken(f.Value, "websocket") {
				websocket = 2
			}
		}
	}
	if !c.upgrade || websocket != 1 || c.head.old || !c.head.options.has("upgrade") {
		return malformed("a switch of protocols that nobody asked for")
	}
	r := &c.x.Response
	r.Status = c.head.status
	c.eachField(r.Header.CopyField)
	r.Header.Add("Connection", "Upgrade")
	r.Header.Add("Upgrade", "websocket")
	c.conn.skip(n)
	c.open, c.shared = true, true
	c.x.OnEnd(sluice.EnderFunc(func(_ *sluice.Exchange, o sluice.Outcome) { c.finish(o.Err) }))
	r.Upgrade = c.join
	return nil
}

// join copies both ways until both have ended. An end in one direction is passed on as such, so that the other may
// go on.
func (c *call) join(client net.Conn) {
	c.unwatch()
	c.conn.raw.SetDeadline(time.Time{})
	client.SetDeadline(time.Time{})
	t := tunnel{idle: c.h.timeouts.Tunnel}
	t.last.Store(time.Now().UnixNano())
	early := append([]byte(nil), c.conn.buffered()...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		t.copy(c.conn.stream, client, nil)
	}()
	t.copy(client, c.conn.stream, early)
	<-done
	c.conn.abort()
}

// tunnel is a pair of connections in which either may be silent as long as the other is not.
type tunnel struct {
	idle time.Duration
	last atomic.Int64 // when something last came, in Unix nanoseconds of the system's clock
	over atomic.Bool  // set once both directions are to end
}

// tunnelBuffer is small: a node may hold very many tunnels, and most messages in them are short.
const tunnelBuffer = 8 << 10

// copy copies one way until the end, which it passes on, or until either connection fails.
func (t *tunnel) copy(dst, src net.Conn, early []byte) {
	if !t.write(dst, early) {
		t.cut(dst, src)
		return
	}
	p := make([]byte, tunnelBuffer)
	for {
		src.SetReadDeadline(time.Unix(0, t.last.Load()).Add(t.idle))
		if t.over.Load() {
			return
		}
		n, err := src.Read(p)
		if n > 0 {
			t.last.Store(time.Now().UnixNano())
			if !t.write(dst, p[:n]) {
				t.cut(dst, src)
				return
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) && halfClose(dst):
			return
		case isTimeout(err) && time.Since(time.Unix(0, t.last.Load())) < t.idle:
			// The other direction was not silent.
		default:
			t.cut(dst, src)
			return
		}
	}
}

func (t *tunnel) write(dst net.Conn, p []byte) bool {
	if len(p) == 0 {
		return true
	}
	dst.SetWriteDeadline(time.Now().Add(t.idle))
	if t.over.Load() {
		return false
	}
	_, err := dst.Write(p)
	return err == nil
}

// cut ends both directions: what still waits on either connection returns. over is set first, so that a deadline
// which is set afterwards is seen to be of no more use.
func (t *tunnel) cut(a, b net.Conn) {
	t.over.Store(true)
	past := time.Unix(1, 0)
	a.SetDeadline(past)
	b.SetDeadline(past)
}

// halfClose passes an end on, where the connection can do so.
func halfClose(c net.Conn) bool {
	h, ok := c.(interface{ CloseWrite() error })
	return ok && h.CloseWrite() == nil
}
