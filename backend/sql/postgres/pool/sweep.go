package pool

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// end is why a connection is closed.
type end int

const (
	endNone end = iota
	endBroken
	endReset
	endLifetime
	endIdle
)

// ending is why a connection must be closed now, if it must. mu is held.
func (p *Pool[C]) ending(h *Held[C], broken bool, now time.Time) end {
	switch {
	case h.generation != p.generation:
		return endReset
	case broken:
		return endBroken
	case !now.Before(h.ends):
		return endLifetime
	}
	return endNone
}

// drop closes a connection that is in no list any more. What is in good health counts until it is closed, for the
// server counts it too; what is not may take long to close, or was never there for the server. mu is held.
func (p *Pool[C]) drop(h *Held[C], why end) {
	counts := why == endLifetime || why == endIdle
	if counts {
		p.closing++
	}
	switch why {
	case endBroken:
		p.counts.broken++
	case endReset:
		p.counts.reset++
	case endLifetime:
		p.counts.lifetime++
	case endIdle:
		p.counts.idle++
	}
	p.tasks++
	go func() {
		_ = h.Conn.Close() // it is gone, whatever it says
		p.mu.Lock()
		defer p.mu.Unlock()
		if counts {
			p.closing--
			p.grow()
		}
		p.done()
	}()
}

// sweep keeps MinIdle connections open, and closes those that are too old or were unused for too long.
func (p *Pool[C]) sweep(ctx context.Context) {
	every := max(time.Millisecond, min(time.Second, p.options.IdleTimeout/4, p.options.Lifetime/4))
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			p.mu.Lock()
			p.done()
			p.mu.Unlock()
			return
		case <-timer.C:
		}
		p.tidy()
		timer.Reset(every/2 + rand.N(every))
	}
}

// tidy is one round of sweep.
func (p *Pool[C]) tidy() {
	now := p.options.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	spare := p.idles() - p.options.MinIdle
	for m := range p.idle {
		p.idle[m] = slices.DeleteFunc(p.idle[m], func(h *Held[C]) bool {
			why := p.ending(h, false, now)
			if why == endNone && spare > 0 && now.Sub(h.used) >= p.options.IdleTimeout {
				why = endIdle
			}
			if why == endNone {
				return false
			}
			spare--
			p.drop(h, why)
			return true
		})
	}
	p.fill()
	p.growAt(now)
}

// fill opens what is missing of MinIdle, and of one while somebody waits in Warm. mu is held.
func (p *Pool[C]) fill() {
	now := p.options.Now()
	for p.idles()+p.dialing-p.queue.length < p.options.MinIdle && p.mayDial(now) {
		p.startDial(false)
	}
	if p.warming > 0 && p.down() && p.mayDial(now) {
		p.startDial(false)
	}
}
