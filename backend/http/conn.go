package http

import (
	"crypto/tls"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sluiceapi/sluice/h1"
)

// conn is one connection to a host. It belongs to one exchange at a time; only abort may be called by anyone,
// at any time, and while a request's body is pumped one other goroutine writes.
type conn struct {
	up *link
	// raw is the socket; stream is raw, or TLS over it.
	raw, stream net.Conn
	tls         *tls.Config // what it was made with; nil without TLS
	// buffer has memory of the exchange's while there is one.
	buffer h1.Buffer
	// readBy and writeBy are the deadlines that are set, by the clock of Env.
	readBy, writeBy time.Time
	idleSince       time.Time
	// reused is set once an answer came over it.
	reused bool
	socket socket // not with TLS
	// looks is set where it is looked whether the connection is alive before it is used.
	looks bool
	gone  atomic.Bool
}

func newConn(up *link, raw, stream net.Conn) *conn {
	c := &conn{up: up, raw: raw, stream: stream}
	if s, ok := raw.(syscall.Conn); ok {
		c.socket.init(s)
	}
	return c
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

// trusted is how long a connection may have been idle for a request that may be sent twice to go out without a look whether it
// was closed meanwhile: a busy one is not looked at each time.
const trusted = time.Millisecond

// alive tells whether an idle connection can take a request: it was not closed, and nothing came that nobody asked
// for. once tells that the request must not be sent twice. It sets the deadline of the first read by the way.
func (c *conn) alive(now time.Time, once bool) bool {
	c.readUntil(now, now.Add(minPatience), now.Add(maxPatience))
	c.looks = once || now.Sub(c.idleSince) >= trusted
	return !c.looks || c.socket.quiet()
}

// abort ends the connection for whoever reads or writes on it.
func (c *conn) abort() {
	if !c.gone.Swap(true) {
		c.up.pool.open.Add(-1)
		c.raw.Close()
	}
}
