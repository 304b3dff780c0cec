package http

import (
	"crypto/tls"
	"errors"
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
	// reused is set once it was kept: it is quiet, or of no more use.
	reused bool
	// bare is set when the last answer had no body because of what it was, and not because its header said so.
	bare   bool
	socket socket
	// records are below TLS; nil without.
	records *records
	gone    atomic.Bool
}

func newConn(up *link, raw, stream net.Conn) *conn {
	c := &conn{up: up, raw: raw, stream: stream}
	if s, ok := raw.(syscall.Conn); ok {
		c.socket.init(s)
	}
	if secure, ok := stream.(*tls.Conn); ok {
		c.records = secure.NetConn().(*records)
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

// errStale is what became of a connection that was kept, before anything of the request was sent on it.
var errStale = errors.New("the kept connection was closed, or something came on it that nobody asked for")

// quiet tells whether a connection that was kept can take a request: it was not closed, and nothing came that nobody asked
// for, which would be taken for the answer. It is asked right before each request, but for those that askAndWait sends,
// which looks by itself.
func (c *conn) quiet() bool {
	return c.socket.quiet() && (c.records == nil || c.records.quiet(c.stream))
}

// abort ends the connection for whoever reads or writes on it.
func (c *conn) abort() {
	if !c.gone.Swap(true) {
		c.up.pool.open.Add(-1)
		c.raw.Close()
	}
}
