package postgres

import (
	"context"
	"sync"
	"time"
)

// Contexter makes a context when it is asked for one, as an exchange does.
type Contexter interface{ Context() context.Context }

// slow is how long a statement may run before its Contexter is asked: a context costs more than most statements.
const slow = 100 * time.Millisecond

// limit ends what runs on a connection: at a deadline, or when whoever wants it has left. A read of the socket always ends
// slow after its request began, at the latest, and then it is seen what for. To set that costs as much as a tenth of a read
// by primary key, so it stays where it is while it is good enough.
type limit struct {
	opened   time.Time     // some time past; to ask what has passed since costs a third of asking the time
	begun    time.Duration // the request, since then
	deadline time.Duration // zero is none
	armed    time.Duration // the read deadline of the socket; zero is not known
	who      Contexter     // nil if there is none, or it has been asked
	watch    *watch
}

// watch interrupts a connection when a context ends.
type watch struct {
	ctx  context.Context
	stop func() bool
	mu   sync.Mutex // guards over
	over bool
}

func (l *limit) init() { l.opened = time.Now() }

// start limits the request that begins.
func (l *limit) start(c *Conn, deadline time.Time, who Contexter) error {
	now := time.Since(l.opened)
	l.begun, l.deadline, l.who = now, 0, who
	until := now + slow
	if !deadline.IsZero() {
		if l.deadline = deadline.Sub(l.opened); l.deadline <= now {
			return c.interrupted(context.DeadlineExceeded, NotSent)
		}
		until = min(until, l.deadline)
	}
	if l.armed > until || l.armed < min(until, now+slow/2) {
		l.arm(c, until)
	}
	return nil
}

func (l *limit) arm(c *Conn, until time.Duration) {
	l.armed = until
	// An error is that of a closed socket, which shows itself in reading.
	if until == 0 {
		_ = c.net.SetReadDeadline(time.Time{})
		return
	}
	_ = c.net.SetReadDeadline(l.opened.Add(until))
}

// short lets a read take so long.
func (l *limit) short(c *Conn, d time.Duration) { l.arm(c, time.Since(l.opened)+d) }

// hurry brings the deadline of the request forward.
func (l *limit) hurry(c *Conn, d time.Duration) {
	until := time.Since(l.opened) + d
	if l.deadline == 0 || l.deadline > until {
		l.deadline = until
		l.arm(c, until)
	}
}

// late is asked when a read has ended by its deadline: it says why the request must end, or sets the next deadline.
func (l *limit) late(c *Conn) error {
	now := time.Since(l.opened)
	if l.deadline > 0 && now >= l.deadline {
		return context.DeadlineExceeded
	}
	until := l.deadline
	if at := l.begun + slow; l.who != nil {
		if now < at {
			l.arm(c, at)
			return nil
		}
		l.follow(c)
	}
	l.arm(c, until)
	if w := l.watch; w != nil && w.ctx.Err() != nil { // it may have ended before arm
		return context.Cause(w.ctx)
	}
	return nil
}

// follow asks for the context.
func (l *limit) follow(c *Conn) {
	w := &watch{ctx: l.who.Context()}
	l.who, l.watch = nil, w
	w.stop = context.AfterFunc(w.ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.over {
			_ = c.net.SetReadDeadline(l.opened) // long ago; an error is that of a closed socket
		}
	})
}

// end lifts the limit.
func (l *limit) end() {
	l.who = nil
	w := l.watch
	if w == nil {
		return
	}
	l.watch, l.armed = nil, 0
	w.stop()
	w.mu.Lock()
	w.over = true
	w.mu.Unlock()
}

// holder is a context that is there already.
type holder struct{ ctx context.Context }

func (h holder) Context() context.Context { return h.ctx }

// under limits a request by a context.
func (l *limit) under(c *Conn, ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return c.interrupted(context.Cause(ctx), NotSent)
	}
	deadline, _ := ctx.Deadline()
	return l.start(c, deadline, holder{ctx})
}
