package pool

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrExhausted is in the tree of Acquire's error when all connections were in use for as long as the caller could wait.
var ErrExhausted = errors.New("all connections are in use")

// ErrClosed is Acquire's error after Close.
var ErrClosed = errors.New("the pool is closed")

// DialError is Acquire's error when no connection is open and none can be opened.
type DialError struct{ Err error }

func (e *DialError) Error() string { return "connect: " + e.Err.Error() }

func (e *DialError) Unwrap() error { return e.Err }

// Acquire lends a connection in the mode that is wanted; the caller must Release it. One that is free is lent at once,
// without an allocation. Else callers wait in the order they came, for one that is released or opened, until deadline
// or AcquireTimeout, whichever is first; a zero deadline is none. Errors: ErrExhausted, ErrClosed, *DialError.
func (p *Pool[C]) Acquire(deadline time.Time, readOnly bool) (*Held[C], error) {
	now := p.options.Now()
	for {
		h, w, err := p.take(now, readOnly)
		if w != nil {
			h, err = p.wait(w, now, deadline)
		}
		if err != nil {
			return nil, err
		}
		if now.Sub(h.used) > checkAfter && !h.Conn.Alive() {
			p.Release(h, true)
			continue
		}
		if h.readOnly != readOnly {
			h.readOnly = readOnly
			h.Conn.SetReadOnly(readOnly)
		}
		return h, nil
	}
}

// take lends a free connection, or else queues the caller.
func (p *Pool[C]) take(now time.Time, readOnly bool) (*Held[C], *waiter[C], error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, ErrClosed
	}
	own, other := mode(readOnly), mode(!readOnly)
	if list := p.idle[own]; len(list) > 0 {
		h := list[len(list)-1]
		list[len(list)-1] = nil
		p.idle[own] = list[:len(list)-1]
		return p.lend(h), nil, nil
	}
	if list := p.idle[other]; len(list) > 0 {
		// The one that was unused for longest: the others are more likely to be wanted as they are. And one more is
		// opened, if there is room, so that connections do not change their mode with every caller.
		h := list[0]
		p.idle[other] = slices.Delete(list, 0, 1)
		p.lend(h)
		if p.dialing == 0 && p.mayDial(now) {
			p.startDial(readOnly)
		}
		return h, nil, nil
	}
	if p.down() && !p.mayDial(now) {
		p.counts.refused++
		return nil, nil, &DialError{Err: p.failing.last}
	}
	w := p.queue.push(readOnly)
	p.counts.waits++
	p.growAt(now)
	return nil, w, nil
}

func (p *Pool[C]) lend(h *Held[C]) *Held[C] {
	h.lent = true
	p.lent++
	p.counts.acquires++
	return h
}

// wait waits for what the queue brings.
func (p *Pool[C]) wait(w *waiter[C], since, deadline time.Time) (*Held[C], error) {
	limit := p.options.AcquireTimeout
	if !deadline.IsZero() {
		limit = min(limit, deadline.Sub(since))
	}
	w.timer.Reset(limit)
	var got outcome[C]
	select {
	case got = <-w.got:
	case <-w.timer.C:
		got = p.leave(w)
	}
	w.timer.Stop()
	waited := p.options.Now().Sub(since)
	if p.options.Waited != nil {
		p.options.Waited(waited)
	}
	p.mu.Lock()
	p.counts.waited += waited
	p.queue.reuse(w)
	p.mu.Unlock()
	return got.held, got.err
}

// leave ends a wait that has lasted too long, unless it has just been answered.
func (p *Pool[C]) leave(w *waiter[C]) outcome[C] {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case got := <-w.got:
		return got
	default:
	}
	p.queue.remove(w)
	p.counts.exhausted++
	if p.failing.last != nil {
		return outcome[C]{err: fmt.Errorf("%w, and no more can be opened: %w", ErrExhausted, p.failing.last)}
	}
	return outcome[C]{err: ErrExhausted}
}

// Release gives a connection back. One that is broken is closed, and so is one that is not Usable, whose lifetime is
// over, or that is older than a Reset. Who waits longest gets it, else it is free. The caller must not use it again; to
// release it twice panics.
func (p *Pool[C]) Release(h *Held[C], broken bool) {
	broken = broken || !h.Conn.Usable()
	now := p.options.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !h.lent {
		panic("pool: a connection was released that is not lent")
	}
	h.lent = false
	p.lent--
	if end := p.ending(h, broken, now); end != endNone {
		p.drop(h, end)
		p.growAt(now)
		p.settle()
		return
	}
	h.used = now
	p.put(h)
}

// put gives a connection to who waits longest, or else keeps it. mu is held.
func (p *Pool[C]) put(h *Held[C]) {
	if w := p.queue.pop(); w != nil {
		w.got <- outcome[C]{held: p.lend(h)}
		return
	}
	m := mode(h.readOnly)
	p.idle[m] = append(p.idle[m], h)
}

// fail tells all who wait why they get nothing. mu is held.
func (p *Pool[C]) fail(err error) {
	for w := p.queue.pop(); w != nil; w = p.queue.pop() {
		w.got <- outcome[C]{err: err}
	}
}
