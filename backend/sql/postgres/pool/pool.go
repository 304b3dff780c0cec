// Package pool keeps connections to one server and lends them to callers, at most so many at once.
package pool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Conn is a connection as the pool sees it. The pool calls its methods without a lock held, and only while nobody
// else has the connection.
type Conn interface {
	// Close closes the connection, and takes no longer than it must: a place in the pool is free only after it. Its
	// error is of no use to anyone.
	Close() error
	// Alive tells, without asking the server, whether the connection still stands: it is asked of one that was not
	// used for a while, before it is lent.
	Alive() bool
	// Usable tells whether another caller may have the connection: whether it stands, and nothing is left open on it.
	Usable() bool
	// SetReadOnly puts the connection into read-only or read-write mode. It must cost no round trip: the server is
	// told with whatever is sent next.
	SetReadOnly(readOnly bool)
}

// Options says how many connections there are and how long they stay. Dial and Max must be given.
type Options[C Conn] struct {
	// Dial opens a connection, in read-write mode. Its context ends after DialTimeout, and when the pool is reset or
	// closed; never because a caller left.
	Dial func(ctx context.Context) (C, error)
	// DialTimeout is how long opening a connection may take. 0 is 5 s.
	DialTimeout time.Duration
	// Max is how many connections there are at most, open ones and those that are being opened.
	Max int
	// MinIdle is how many are kept open and unused, so that a burst finds them.
	MinIdle int
	// IdleTimeout is how long a connection beyond MinIdle may stay unused. 0 is 30 minutes.
	IdleTimeout time.Duration
	// Lifetime is how long a connection is used. Each one has its own, within 10 % of this, so that connections that
	// were opened together do not end together. 0 is 1 hour.
	Lifetime time.Duration
	// AcquireTimeout is how long a caller waits for a connection. 0 is 1 s.
	AcquireTimeout time.Duration
	// CloseTimeout is how long Close waits for connections that are lent. 0 is 5 s.
	CloseTimeout time.Duration
	// Waited is told how long each caller has waited that had to, if it is set. It must not block.
	Waited func(wait time.Duration)
	// Now is the clock. nil is time.Now.
	Now func() time.Time
}

// WithDefaults returns o with its empty fields filled in.
func (o Options[C]) WithDefaults() Options[C] {
	o.DialTimeout = cmp.Or(o.DialTimeout, 5*time.Second)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, 30*time.Minute)
	o.Lifetime = cmp.Or(o.Lifetime, time.Hour)
	o.AcquireTimeout = cmp.Or(o.AcquireTimeout, time.Second)
	o.CloseTimeout = cmp.Or(o.CloseTimeout, 5*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func (o Options[C]) check() error {
	switch {
	case o.Dial == nil:
		return errors.New("there is no way to connect; want Dial")
	case o.Max < 1:
		return fmt.Errorf("max is %d; want at least 1", o.Max)
	case o.MinIdle < 0 || o.MinIdle > o.Max:
		return fmt.Errorf("min_idle is %d; want 0 to max, which is %d", o.MinIdle, o.Max)
	case o.DialTimeout < 0 || o.IdleTimeout < 0 || o.Lifetime < 0 || o.AcquireTimeout < 0 || o.CloseTimeout < 0:
		return errors.New("a time is negative; want none below 0")
	}
	return nil
}

// checkAfter is how long a connection may have been unused before it is looked at when it is lent: shorter than the
// time in which firewalls and restarts are noticed by others, and long enough that a busy pool never looks.
const checkAfter = time.Second

// Pool lends connections to one server. There are two sorts, those in read-only mode and those in read-write mode,
// under one limit; a caller gets one of its sort if that is free, else one of the other sort that changes. All methods
// may be called at once.
//
// Lock rules: mu guards all below it and is held for a few instructions only. No method of a connection and no
// function of the options is called under it, but for Now.
type Pool[C Conn] struct {
	options Options[C]
	stop    context.CancelFunc // of the sweeper
	empty   chan struct{}      // closed when the pool is closed and nothing is left to wait for

	mu         sync.Mutex
	closed     bool
	generation uint64
	dialCtx    context.Context // of dials of this generation
	dialStop   context.CancelFunc
	idle       [2][]*Held[C] // by mode, the one used last at the end
	queue      queue[C]
	lent       int
	dialing    int // of this generation
	closing    int // connections in good health that are being closed: they still count
	tasks      int // goroutines and connections of any generation that Close waits for
	failing    failing
	watch      chan struct{} // closed at the next change that Warm waits for; nil if nobody waits
	warming    int
	counts     counts
}

// Held is a connection that is lent. It is the borrower's alone until it is released.
type Held[C Conn] struct {
	Conn C

	readOnly   bool
	lent       bool
	generation uint64
	used       time.Time // when it was released
	ends       time.Time // when its lifetime is over
}

// New makes a pool and begins to open MinIdle connections. It does not wait for them, and a server that is down is no
// error. The caller closes the pool.
func New[C Conn](o Options[C]) (*Pool[C], error) {
	o = o.WithDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	p := &Pool[C]{options: o, empty: make(chan struct{})}
	for mode := range p.idle {
		p.idle[mode] = make([]*Held[C], 0, o.Max)
	}
	p.dialCtx, p.dialStop = context.WithCancel(context.Background())
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.tasks++
	go p.sweep(ctx)
	return p, nil
}

func mode(readOnly bool) int {
	if readOnly {
		return 1
	}
	return 0
}

// size is how many connections count against the limit. mu is held.
func (p *Pool[C]) size() int { return p.lent + p.idles() + p.dialing + p.closing }

// idles is how many connections are open and unused. mu is held.
func (p *Pool[C]) idles() int { return len(p.idle[0]) + len(p.idle[1]) }

// lifetime is how long one connection is used.
func (p *Pool[C]) lifetime() time.Duration {
	return time.Duration(float64(p.options.Lifetime) * (0.9 + 0.2*rand.Float64()))
}

// Reset drops every connection: unused ones and those being opened at once, lent ones when they come back. Callers
// that wait get new ones. It is for a server that is no longer what it was.
func (p *Pool[C]) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.forget()
	p.dialCtx, p.dialStop = context.WithCancel(context.Background())
	p.grow()
}

// forget begins a new generation, in which there is no connection. mu is held.
func (p *Pool[C]) forget() {
	p.generation++
	p.dialStop()
	p.dialing = 0
	for mode, list := range p.idle {
		for _, h := range list {
			p.drop(h, endReset)
		}
		clear(list)
		p.idle[mode] = list[:0]
	}
}

// Close refuses new callers and those that wait, closes what is unused, and waits until what is lent has come back
// and is closed, at most CloseTimeout. What comes back later is closed then. To call it again is harmless.
func (p *Pool[C]) Close() {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		p.stop()
		p.failing.stop()
		p.forget()
		p.fail(ErrClosed)
		p.changed()
		p.settle()
	}
	p.mu.Unlock()
	late := time.NewTimer(p.options.CloseTimeout)
	defer late.Stop()
	select {
	case <-p.empty:
	case <-late.C:
	}
}

// done ends a task that Close waits for. mu is held.
func (p *Pool[C]) done() {
	p.tasks--
	p.settle()
}

// settle notes that a closed pool has come to its end. mu is held.
func (p *Pool[C]) settle() {
	if p.closed && p.tasks == 0 && p.lent == 0 {
		select {
		case <-p.empty:
		default:
			close(p.empty)
		}
	}
}
