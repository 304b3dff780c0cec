package http

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/h1"
)

// tunnel makes a response that joins the client's connection to the upstream's: a WebSocket (RFC 6455).
func (c *call) tunnel() error {
	websocket := 0
	for i, f := range c.head.Fields {
		if role(c.head.Roles[i]) == upgrade {
			if websocket++; !sluice.SameToken(f.Value, "websocket") {
				websocket = 2
			}
		}
	}
	if !c.upgrade || websocket != 1 || c.head.Old || !c.head.Options.Has("upgrade") {
		return h1.Error("a switch of protocols that nobody asked for")
	}
	r := &c.x.Response
	r.Status = c.head.Status
	c.eachField(r.Header.AddBytes)
	r.Header.Add("Connection", "Upgrade")
	r.Header.Add("Upgrade", "websocket")
	c.open, c.shared = true, true
	c.x.OnEnd(sluice.EnderFunc(func(_ *sluice.Exchange, o sluice.Outcome) { c.finish(o.Err) }))
	t := &tunnel{idle: c.h.timeouts.Tunnel}
	r.Leave = t.leave
	r.Upgrade = func(client net.Conn) { c.join(t, client) }
	return nil
}

// join copies both ways until both have ended. An end in one direction is passed on as such, so that the other may
// go on.
func (c *call) join(t *tunnel, client net.Conn) {
	c.unwatch()
	c.conn.raw.SetDeadline(time.Time{})
	client.SetDeadline(time.Time{})
	t.open(client, c.conn.stream, c.h.timeouts.Lifetime)
	early := append([]byte(nil), c.conn.buffer.Bytes()...)
	up, down := way{tunnel: t, from: client, to: c.conn.stream, masked: true}, way{tunnel: t, from: c.conn.stream, to: client}
	done := make(chan struct{})
	go func() {
		defer close(done)
		up.copy(nil)
	}()
	down.copy(early)
	<-done
	c.conn.abort()
}

// tunnel is a pair of connections in which either may be silent as long as the other is not.
type tunnel struct {
	idle time.Duration
	end  time.Time    // of its lifetime; zero is never
	last atomic.Int64 // when something last came, in Unix nanoseconds of the system's clock
	over atomic.Bool  // set once both directions are to end
	// leaving is when both sides must have closed, in Unix nanoseconds: set once they are told to.
	leaving atomic.Int64

	mu    sync.Mutex // guards conns
	conns []net.Conn // nil before the tunnel is open
}

// tunnelBuffer is small: a node may hold very many tunnels, and most messages in them are short.
const tunnelBuffer = 8 << 10

// leaveTime is how long both sides get to end an answer that lasts in good order.
const leaveTime = 5 * time.Second

// open notes what the tunnel joins.
func (t *tunnel) open(client, upstream net.Conn, lifetime time.Duration) {
	now := time.Now()
	t.last.Store(now.UnixNano())
	if lifetime > 0 {
		t.end = now.Add(lifetime)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conns = []net.Conn{client, upstream}
}

// leave has both sides told by a frame that the tunnel closes. What waits on either connection looks again.
func (t *tunnel) leave() {
	by := time.Now().Add(leaveTime)
	if !t.leaving.CompareAndSwap(0, by.UnixNano()) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.conns { // why is known already, so whoever sets a deadline afterwards sees that it is of no more use
		c.SetReadDeadline(past)
		c.SetWriteDeadline(by)
	}
}

// cut ends both directions at once.
func (t *tunnel) cut() {
	t.over.Store(true)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.conns {
		c.SetDeadline(past)
	}
}

// past is a deadline that ends what waits.
var past = time.Unix(1, 0)

// until is how long a read may wait.
func (t *tunnel) until(leaving int64) time.Time {
	if leaving != 0 {
		return time.Unix(0, leaving)
	}
	return earliest(time.Unix(0, t.last.Load()).Add(t.idle), t.end)
}

// way is one direction of a tunnel.
type way struct {
	*tunnel
	from, to net.Conn
	masked   bool // frames that go this way are those of a client
	frames   frames
	told     bool // the side at its end was told that the tunnel closes: nothing is passed on any more
}

// copy copies until the end, which it passes on, or until either connection fails. Once the tunnel is to be left, it tells
// so between two frames, and then waits for the side at its beginning to close too.
func (w *way) copy(early []byte) {
	if !w.pass(early) {
		w.cut()
		return
	}
	p := make([]byte, tunnelBuffer)
	for {
		leaving := w.leaving.Load()
		w.from.SetReadDeadline(w.until(leaving))
		switch {
		case w.over.Load():
			return
		case w.leaving.Load() != leaving:
			continue
		case leaving != 0 && !w.told && w.frames.between() && !w.tell():
			w.cut()
			return
		case leaving != 0 && w.frames.closed:
			return
		}
		n, err := w.from.Read(p)
		if n > 0 {
			w.last.Store(time.Now().UnixNano())
			if !w.pass(p[:n]) {
				w.cut()
				return
			}
		}
		if err != nil && w.ends(err) {
			return
		}
	}
}

// ends tells whether an error of reading ends the way, and passes on what it means.
func (w *way) ends(err error) bool {
	leaving := w.leaving.Load()
	switch {
	case errors.Is(err, io.EOF) && (leaving != 0 || halfClose(w.to)):
		return true
	case isTimeout(err) && time.Now().Before(w.until(leaving)):
		return w.over.Load() // else the other direction was not silent, or it was woken
	case isTimeout(err) && leaving == 0 && !w.end.IsZero() && !time.Now().Before(w.end):
		w.leave()
		return false
	}
	w.cut()
	return true
}

// pass passes bytes on, up to the next end of a frame where the tunnel is to be left.
func (w *way) pass(p []byte) bool {
	for len(p) > 0 {
		switch {
		case w.told:
			w.frames.pass(p)
			return true
		case w.leaving.Load() == 0:
			w.frames.pass(p)
			return w.write(p)
		}
		n, whole := w.frames.next(p)
		if !w.write(p[:n]) || whole && !w.tell() {
			return false
		}
		p = p[n:]
	}
	return true
}

// tell tells the side at the end that the tunnel closes, unless the other side has done so.
func (w *way) tell() bool {
	w.told = true
	return w.frames.closed || w.write(closeFrame(w.masked))
}

func (w *way) write(p []byte) bool {
	for {
		leaving, until := w.leaving.Load(), time.Now().Add(w.idle)
		if leaving != 0 {
			until = time.Unix(0, leaving)
		}
		w.to.SetWriteDeadline(until)
		if w.leaving.Load() == leaving {
			break
		}
	}
	if w.over.Load() {
		return false
	}
	_, err := w.to.Write(p)
	return err == nil
}

// halfClose passes an end on, where the connection can do so.
func halfClose(c net.Conn) bool {
	h, ok := c.(interface{ CloseWrite() error })
	return ok && h.CloseWrite() == nil
}
