package server

import (
	"context"
	"sync"
	"time"
)

// context ends when the client has left. It is made when it is first asked for, and only then somebody looks.
func (c *http1Call) context() context.Context {
	if c.ctx == nil {
		c.ctx, c.cancel = context.WithCancel(context.Background())
		if c.conn.gone.Load() {
			c.cancel()
		}
		c.conn.engine.watched.add(&c.watch)
	}
	return c.ctx
}

func (c *http1Call) left() bool {
	return c.conn.gone.Load() || c.ctx != nil && c.ctx.Err() != nil
}

// unwatch ends the context.
func (c *http1Call) unwatch() {
	if c.ctx != nil {
		c.conn.engine.watched.remove(&c.watch)
		c.cancel()
		c.ctx, c.cancel = nil, nil
	}
}

// watch is a call whose client's leaving somebody wants to know of.
type watch struct {
	call       *http1Call
	queue      *watchQueue // nil when nobody watches
	prev, next *watch
	due        time.Time // when to look
}

// watchQueue is a list of watches in the order in which they are due. The same time lies between all looks of one queue.
type watchQueue struct {
	pause       time.Duration
	first, last *watch
}

// watched are the calls that are watched. One timer has them looked at: most calls are over before the first look. After
// each look a watch goes on to a queue of longer pauses, so whatever is not due costs nothing.
type watched struct {
	mu     sync.Mutex // guards what follows, and what is in the queues
	queues [len(looks)]watchQueue
	count  int
	timer  *time.Timer // nil when nothing is watched
}

// looks are the times between looks at one client, which may go unnoticed for so long: the longer an exchange lasts the
// longer.
var looks = [...]time.Duration{tick, tick, 2 * tick, 4 * tick, 8 * tick, 16 * tick}

const (
	tick = 50 * time.Millisecond
	// atOnce is how many are looked at before requests that begin or end get their turn.
	atOnce = 64
)

func (l *watched) add(w *watch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count++; l.timer == nil {
		for i, pause := range looks {
			l.queues[i].pause = pause
		}
		l.timer = time.AfterFunc(tick, l.look)
	}
	l.queues[0].push(w, time.Now())
}

func (l *watched) remove(w *watch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count--
	w.queue.pull(w)
}

func (q *watchQueue) push(w *watch, now time.Time) {
	w.queue, w.prev, w.next, w.due = q, q.last, nil, now.Add(q.pause)
	if q.last != nil {
		q.last.next = w
	} else {
		q.first = w
	}
	q.last = w
}

func (q *watchQueue) pull(w *watch) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		q.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		q.last = w.prev
	}
	w.queue, w.prev, w.next = nil, nil, nil
}

// look looks at all that are due, and comes back for the others.
func (l *watched) look() {
	for now := time.Now(); l.lookSome(now); {
	}
}

// lookSome looks at some, and tells whether more are due.
func (l *watched) lookSome(now time.Time) (more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := atOnce
	for i := range l.queues {
		q, next := &l.queues[i], &l.queues[min(i+1, len(looks)-1)]
		for w := q.first; w != nil && !now.Before(w.due); w = q.first {
			if left == 0 {
				return true
			}
			left--
			if w.call.isGone() {
				w.call.cancel()
			}
			q.pull(w)
			next.push(w, now)
		}
	}
	if l.count == 0 {
		l.timer = nil
	} else {
		l.timer.Reset(tick)
	}
	return false
}

// cancelAll ends the contexts of all calls that are watched.
func (l *watched) cancelAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.queues {
		for w := l.queues[i].first; w != nil; w = w.next {
			w.call.cancel()
		}
	}
}

// isGone looks whether the client has left: nothing more can come from it. While it still sends its body whoever
// reads that will see.
func (c *http1Call) isGone() bool {
	conn := c.conn
	if conn.raw == nil || c.body != nil && !c.body.ended() {
		return conn.gone.Load()
	}
	if isClosed(conn.raw, conn.secure != nil) {
		conn.gone.Store(true)
	}
	return conn.gone.Load()
}
