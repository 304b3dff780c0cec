package http

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
)

// events is what a call has beside an ordinary one whose answer is a stream of events (WHATWG HTML, section 9.2): it lasts
// until one side ends it.
type events struct {
	*call
	begun   bool
	silent  time.Time // when it has been silent for too long
	end     time.Time // of its lifetime; zero is never
	leaveBy time.Time // when it ends in the middle of an event; zero before it was seen to leave
	tail    []byte    // the last bytes of what has come
	// between is set while the last event is whole.
	between bool
	// leaving is set once it is to end with the event that is on its way.
	leaving atomic.Bool
}

// isEvents tells whether the answer, whose length is not known, is a stream of events.
func (c *call) isEvents() bool {
	if c.head.Status != 200 {
		return false
	}
	value, _, _ := bytes.Cut(c.x.Response.Header.Value("Content-Type"), []byte{';'})
	return sluice.SameToken(bytes.TrimSpace(value), "text/event-stream")
}

// lasts makes the answer one that lasts.
func (c *call) lasts() {
	c.events = &events{call: c, between: true, tail: make([]byte, 0, longestBreak)}
	c.x.Response.Leave = c.events.leave
}

// leave wakes the read that waits. Its connection is never used again, so a late call does no harm.
func (e *events) leave() {
	if !e.leaving.Swap(true) {
		e.conn.raw.SetReadDeadline(past)
	}
}

// begin has the stream go on without the limits of a request, but for the exchange's deadline as it is now.
func (e *events) begin(now time.Time) {
	e.begun = true
	e.unwatch()
	e.limit = e.x.Deadline
	e.watch()
	if t := e.h.timeouts.Lifetime; t > 0 {
		e.end = now.Add(t)
	}
}

// errLeft ends a stream of events that is to be left.
var errLeft = errors.New("the stream of events is left")

// read reads from the connection for as long as the stream may last.
func (e *events) read(p []byte) (int, error) {
	now := e.h.now()
	if !e.begun {
		e.begin(now)
	}
	e.silent = now.Add(e.h.timeouts.Tunnel)
	for ; ; now = e.h.now() {
		leaving := e.leaving.Load()
		if leaving && e.leaveBy.IsZero() {
			e.leaveBy = now.Add(leaveTime)
		}
		if leaving && (e.between || !now.Before(e.leaveBy)) {
			return 0, errLeft
		}
		if !e.limit.IsZero() && !now.Before(e.limit) {
			return 0, e.late()
		}
		soft := earliest(e.silent, e.end)
		if leaving {
			soft = e.leaveBy
		} else if !now.Before(soft) {
			e.leave()
			continue
		}
		limit := earliest(soft, e.limit)
		e.conn.readUntil(now, limit.Add(-e.h.timeouts.Tunnel/16), limit)
		if e.leaving.Load() != leaving {
			continue
		}
		n, err := e.conn.stream.Read(p)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		e.conn.readBy = time.Time{} // which has passed
	}
}

// piece gives events. When the stream is to be left it ends behind a whole one, if that comes in time.
func (e *events) piece(b *body, p []byte) (int, error) {
	n, err := b.content.Read(p)
	if errors.Is(err, errLeft) {
		return n, io.EOF
	}
	if e.leaving.Load() {
		if whole := lastBreak(p[:n]); whole > 0 {
			e.between = true
			return whole, io.EOF
		}
	}
	if n > 0 {
		e.tail = append(e.tail, p[max(0, n-longestBreak):n]...)
		e.tail = append(e.tail[:0], e.tail[max(0, len(e.tail)-longestBreak):]...)
		e.between = lastBreak(e.tail) == len(e.tail)
	}
	return n, err
}

// breaks are what stands between two events, as far as the last line matters.
var breaks = [...]string{"\n\n", "\n\r\n", "\r\r"}

const longestBreak = len("\n\r\n")

// lastBreak is where the last whole event in p ends; zero when none does.
func lastBreak(p []byte) (end int) {
	for _, b := range breaks {
		if i := bytes.LastIndex(p, []byte(b)); i >= 0 {
			end = max(end, i+len(b))
		}
	}
	return end
}
