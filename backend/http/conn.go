package http

import (
	"crypto/tls"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// conn is one connection to a host. It belongs to one exchange at a time; only abort may be called by anyone,
// at any time, and while a request's body is pumped one other goroutine writes.
type conn struct {
	up *link
	// raw is the socket; stream is raw, or TLS over it.
	raw, stream net.Conn
	tls         *tls.Config // what it was made with; nil without TLS
	// in[start:end] was read and not used yet.
	in         []byte
	start, end int
	// out is memory for the head of a request.
	out []byte
	// readBy and writeBy are the deadlines that are set, by the clock of Env.
	readBy, writeBy time.Time
	idleSince       time.Time
	// reused is set once an answer came over it.
	reused bool
	probe  probe
	gone   atomic.Bool
}

const (
	// firstBuffer holds the head and a short body of most answers.
	firstBuffer = 4 << 10
	// keptBuffer is the most that an idle connection holds on to.
	keptBuffer = 16 << 10
)

func newConn(up *link, raw, stream net.Conn) *conn {
	c := &conn{up: up, raw: raw, stream: stream, in: make([]byte, firstBuffer)}
	if s, ok := raw.(syscall.Conn); ok {
		c.probe.init(s)
	}
	return c
}

// buffered is what was read and not used yet.
func (c *conn) buffered() []byte { return c.in[c.start:c.end] }

// skip uses n bytes of what is buffered.
func (c *conn) skip(n int) {
	if c.start += n; c.start == c.end {
		c.start, c.end = 0, 0
	}
}

// space is where more can be read to, behind what is buffered; at most limit bytes are buffered. It moves what is
// buffered, so slices of it end.
func (c *conn) space(limit int) []byte {
	if c.start > 0 && c.end == len(c.in) {
		c.end = copy(c.in, c.buffered())
		c.start = 0
	}
	if c.end == len(c.in) && c.end < limit {
		grown := make([]byte, min(2*len(c.in), limit))
		copy(grown, c.in)
		c.in = grown
	}
	return c.in[c.end:]
}

// readUntil has reads end at most, or at a time that was set before and is not before least. So a busy connection
// seldom pays for a deadline. Zero for both is none.
func (c *conn) readUntil(now, least, most time.Time) {
	if !c.readBy.IsZero() && !c.readBy.Before(least) && !c.readBy.After(most) || most.IsZero() && c.readBy.IsZero() {
		return
	}
	c.readBy = most
	c.raw.SetReadDeadline(socketTime(now, most))
}

// writeUntil is readUntil for writes.
func (c *conn) writeUntil(now, least, most time.Time) {
	if !c.writeBy.IsZero() && !c.writeBy.Before(least) && !c.writeBy.After(most) || most.IsZero() && c.writeBy.IsZero() {
		return
	}
	c.writeBy = most
	c.raw.SetWriteDeadline(socketTime(now, most))
}

// socketTime is the system's time for a time of Env's clock.
func socketTime(now, t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.Now().Add(t.Sub(now))
}

// alive tells whether an idle connection can take a request: it was not closed, and nothing came that nobody asked
// for. It sets the deadline of the first read by the way.
func (c *conn) alive(now time.Time) bool {
	if c.start != c.end {
		return false
	}
	c.readUntil(now, now.Add(minPatience), now.Add(maxPatience))
	return c.probe.quiet()
}

// abort ends the connection for whoever reads or writes on it.
func (c *conn) abort() {
	if !c.gone.Swap(true) {
		c.up.pool.open.Add(-1)
		c.raw.Close()
	}
}
