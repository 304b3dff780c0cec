package pool

import (
	"context"
	"math/rand/v2"
	"time"
)

// Between attempts to connect that fail: from the first to the longest, doubling, each within 50 % of that, so that
// nodes which lost a server together do not come back together.
const (
	firstPause = 50 * time.Millisecond
	longPause  = 2 * time.Second
)

// failing is what is known while connections can not be opened.
type failing struct {
	times int
	last  error
	until time.Time // when the next attempt may be made
	timer *time.Timer
}

// down tells whether nothing is open, and nothing is being opened or closed. mu is held.
func (p *Pool[C]) down() bool { return p.size() == 0 }

// mayDial tells whether one more connection may be opened now. While attempts fail they are made one at a time. mu is
// held.
func (p *Pool[C]) mayDial(now time.Time) bool {
	if p.closed || p.size() >= p.options.Max {
		return false
	}
	return p.failing.times == 0 || p.dialing == 0 && !now.Before(p.failing.until)
}

func (p *Pool[C]) grow() { p.growAt(p.options.Now()) }

// growAt opens connections for those who wait: never more than wait for one. mu is held.
func (p *Pool[C]) growAt(now time.Time) {
	for p.dialing < p.queue.length && p.mayDial(now) {
		p.startDial(p.queue.first.readOnly)
	}
}

// startDial begins to open a connection. mu is held.
func (p *Pool[C]) startDial(readOnly bool) {
	p.dialing++
	p.tasks++
	p.counts.dials++
	go p.dial(p.dialCtx, p.generation, readOnly)
}

// dial opens a connection for whoever waits first, in the mode it is likely to be used in.
func (p *Pool[C]) dial(ctx context.Context, generation uint64, readOnly bool) {
	limited, cancel := context.WithTimeout(ctx, p.options.DialTimeout)
	c, err := p.options.Dial(limited)
	cancel()
	if err == nil && readOnly {
		c.SetReadOnly(true)
	}
	now := p.options.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.done()
	current := generation == p.generation
	if current {
		p.dialing--
	}
	switch {
	case err == nil && current:
		p.failing.times, p.failing.last = 0, nil
		p.put(&Held[C]{Conn: c, readOnly: readOnly, generation: generation, used: now, ends: now.Add(p.lifetime())})
		p.growAt(now)
	case err == nil:
		p.drop(&Held[C]{Conn: c}, endReset)
	case current:
		p.dialFailed(err, now)
	}
	p.changed()
}

// dialFailed makes the next attempt wait, and tells those who wait if there is nothing to wait for. mu is held.
func (p *Pool[C]) dialFailed(err error, now time.Time) {
	p.counts.dialErrors++
	p.failing.last = err
	if !now.Before(p.failing.until) { // the others of attempts that were made together count as one
		pause := min(longPause, firstPause<<min(p.failing.times, 10))
		p.failing.until = now.Add(pause/2 + rand.N(pause))
		p.failing.times++
	}
	if p.down() {
		p.fail(&DialError{Err: err})
	}
	if p.queue.length > 0 || p.warming > 0 {
		p.retryAfter(p.failing.until.Sub(now))
	}
}

// retryAfter has the next attempt made after a pause. mu is held.
func (p *Pool[C]) retryAfter(pause time.Duration) {
	p.failing.stop()
	p.failing.timer = time.AfterFunc(pause, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.grow()
		p.fill()
	})
}

func (f *failing) stop() {
	if f.timer != nil {
		f.timer.Stop()
	}
}

// Retry forgets that connections could not be opened, so that the next caller tries at once: for who has learnt that
// the server is there again.
func (p *Pool[C]) Retry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failing.times, p.failing.until = 0, time.Time{}
	p.grow()
	p.fill()
}

// Warm waits until MinIdle connections are open, at least one, and returns ctx's cause, with why none could be opened,
// if it ends before.
func (p *Pool[C]) Warm(ctx context.Context) error {
	want := max(1, p.options.MinIdle)
	p.mu.Lock()
	p.warming++
	defer func() {
		p.warming--
		p.mu.Unlock()
	}()
	for p.lent+p.idles() < want {
		if p.closed {
			return ErrClosed
		}
		p.fill()
		if p.watch == nil {
			p.watch = make(chan struct{})
		}
		watch := p.watch
		p.mu.Unlock()
		select {
		case <-watch:
		case <-ctx.Done():
		}
		p.mu.Lock()
		if ctx.Err() != nil {
			return p.cold(ctx)
		}
	}
	return nil
}

// cold is why the pool is not warm. mu is held.
func (p *Pool[C]) cold(ctx context.Context) error {
	if p.failing.last != nil {
		return &DialError{Err: p.failing.last}
	}
	return context.Cause(ctx)
}

// changed wakes those who wait in Warm. mu is held.
func (p *Pool[C]) changed() {
	if p.watch != nil {
		close(p.watch)
		p.watch = nil
	}
}
