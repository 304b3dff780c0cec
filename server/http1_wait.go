package server

import (
	"errors"
	"os"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice/internal/nowait"
)

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
		return c.unwaited(err)
	}
	if err := c.raw.Read(c.ready); err != nil {
		c.fd = -1
		return c.unwaited(err)
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

// unwaited is what to do when waiting has ended with an error.
func (c *http1Conn) unwaited(err error) step {
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
		switch known, next := c.parse(); {
		case next != stepWait:
			return next
		case !known || !c.call.isHere(): // also one that is refused: what is left of its body is read
			return stepOutside
		}
		if !c.serve() {
			return stepClose
		}
		if c.buffer.Len() == 0 {
			c.pause()
			return stepWait
		}
	}
}

// pause has the connection wait for its next request.
func (c *http1Conn) pause() {
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
	now := c.over
	if now.IsZero() {
		now = c.engine.clock()
	}
	if c.wanted.Before(now.Add(t)) || c.wanted.After(now.Add(t+t/8)) {
		c.readBy(now.Add(t + t/16))
	}
}

// outside serves as inside does, and may wait: for what is still to come of a request, and in reads of its body.
func (c *http1Conn) outside() step {
	for {
		known, next := c.parse()
		if next != stepWait {
			return next
		}
		if !known {
			if next := c.readMore(); next != stepWait {
				return next
			}
			continue
		}
		if !c.serve() {
			return stepClose
		}
		if c.buffer.Len() == 0 {
			c.pause()
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
	n, err := c.read(c.buffer.Space(c.headLimit()), nil)
	if n > 0 {
		c.came(n)
		return stepWait
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.parsed, c.begun, c.refused = true, false, errLate
		c.serve()
		return stepClose
	}
	return stepGone
}

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

// read reads from the connection for as long as is wanted, until stopped, which may be nil. It is for what is served outside
// of ready.
func (c *http1Conn) read(p []byte, stopped *atomic.Bool) (int, error) {
	for {
		n, err := c.conn.Read(p)
		if n > 0 || err == nil || !errors.Is(err, os.ErrDeadlineExceeded) || stopped != nil && stopped.Load() || !c.rearm() {
			return n, err
		}
	}
}
