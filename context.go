package sluice

import (
	"context"
	"sync"
	"time"
)

// derived is the context of an exchange for its present deadline, with those of deadlines before.
type derived struct {
	ctx      context.Context
	deadline time.Time
	last     *ending
}

func (d *derived) context(base context.Context, deadline time.Time) context.Context {
	if d.ctx != nil && d.deadline.Equal(deadline) {
		return d.ctx
	}
	if d.ctx, d.deadline = base, deadline; !deadline.IsZero() || base.Done() == nil {
		d.last = &ending{base: base, deadline: deadline, before: d.last}
		d.ctx = d.last
	}
	return d.ctx
}

func (d *derived) end() {
	for e := d.last; e != nil; e = e.before {
		e.end(context.Canceled)
	}
	*d = derived{}
}

// ending is a context that ends with base, at a deadline if there is one, and when it is ended. Unlike those of the
// package context it costs next to nothing until somebody waits for its end: many are only looked at.
type ending struct {
	base     context.Context
	deadline time.Time
	before   *ending // the one before it of an exchange

	mu    sync.Mutex // guards what follows
	err   error
	done  chan struct{}      // nil until it is asked for
	timer *time.Timer        // nil until then, and without a deadline
	leave func() bool        // ends the hearing of base's end; nil until then
	after map[*func()]func() // called at the end
}

// Deadline is the nearer of its own and base's.
func (e *ending) Deadline() (at time.Time, ok bool) {
	at, ok = e.base.Deadline()
	if !e.deadline.IsZero() && (!ok || e.deadline.Before(at)) {
		return e.deadline, true
	}
	return at, ok
}

// Value is base's.
func (e *ending) Value(key any) any { return e.base.Value(key) }

// Err is why it has ended; nil while it has not.
func (e *ending) Err() error {
	e.mu.Lock()
	err := e.err
	e.mu.Unlock()
	if err == nil {
		if err = e.over(); err != nil {
			err = e.end(err)
		}
	}
	return err
}

// over is why it must have ended by now.
func (e *ending) over() error {
	if err := e.base.Err(); err != nil {
		return err
	}
	if !e.deadline.IsZero() && !time.Now().Before(e.deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// Done is closed when it has ended.
func (e *ending) Done() <-chan struct{} {
	e.mu.Lock()
	if e.done != nil {
		defer e.mu.Unlock()
		return e.done
	}
	e.done = make(chan struct{})
	if e.err != nil {
		close(e.done)
	}
	if over := e.over(); e.err != nil || over != nil {
		e.mu.Unlock()
		e.end(over)
		return e.done
	}
	defer e.mu.Unlock()
	if !e.deadline.IsZero() {
		e.timer = time.AfterFunc(time.Until(e.deadline), func() { e.end(context.DeadlineExceeded) })
	}
	if e.base.Done() != nil {
		e.leave = context.AfterFunc(e.base, func() { e.end(e.base.Err()) })
	}
	return e.done
}

// AfterFunc has f called when it has ended, unless stop is called before. The package context asks for it; its functions
// take no time.
func (e *ending) AfterFunc(f func()) (stop func() bool) {
	e.Done() // from here on it knows of its end
	e.mu.Lock()
	if e.err != nil {
		e.mu.Unlock()
		go f() // who asks may hold what f waits for
		return func() bool { return false }
	}
	defer e.mu.Unlock()
	if e.after == nil {
		e.after = make(map[*func()]func(), 1)
	}
	at := &f
	e.after[at] = f
	return func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		_, there := e.after[at]
		delete(e.after, at)
		return there
	}
}

// end ends it, once, and returns why it has ended.
func (e *ending) end(why error) error {
	e.mu.Lock()
	if e.err != nil {
		defer e.mu.Unlock()
		return e.err
	}
	e.err = why
	if e.done != nil {
		close(e.done)
	}
	timer, leave, after := e.timer, e.leave, e.after
	e.timer, e.leave, e.after = nil, nil, nil
	e.mu.Unlock()
	if timer != nil {
		timer.Stop()
	}
	if leave != nil {
		leave()
	}
	for _, f := range after {
		f()
	}
	return why
}
