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
	prev, next *watch
	due        time.Time // when to look
	pause      time.Duration
}

// watched are the calls that are watched, in one list that is looked through from time to time: most calls are over
// before the first look.
type watched struct {
	mu    sync.Mutex // guards what follows, and what is in the list
	first *watch
	timer *time.Timer // nil when nothing is watched
}

const (
	// firstLook and longestLook are how long a client that leaves may go unnoticed: the longer an exchange lasts the longer.
	firstLook   = 50 * time.Millisecond
	longestLook = time.Second
)

func (l *watched) add(w *watch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.prev, w.next, w.pause, w.due = nil, l.first, firstLook, time.Time{}
	if l.first != nil {
		l.first.prev = w
	}
	l.first = w
	if l.timer == nil {
		l.timer = time.AfterFunc(firstLook, l.look)
	}
}

func (l *watched) remove(w *watch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		l.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	}
	w.prev, w.next = nil, nil
}

func (l *watched) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == nil {
		l.timer = nil
		return
	}
	now := time.Now()
	for w := l.first; w != nil; w = w.next {
		if now.Before(w.due) {
			continue
		}
		if w.call.isGone() {
			w.call.cancel()
		}
		w.due = now.Add(w.pause)
		w.pause = min(2*w.pause, longestLook)
	}
	l.timer.Reset(firstLook)
}

// cancelAll ends the contexts of all calls that are watched.
func (l *watched) cancelAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for w := l.first; w != nil; w = w.next {
		w.call.cancel()
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
