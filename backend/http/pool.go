package http

import (
	"sync"
	"sync/atomic"
	"time"
)

// pool keeps the idle connections of one host. The last used is the first to be used again, so that a pool
// which has grown too large shrinks.
type pool struct {
	max     int64 // open connections; zero is without limit
	maxIdle int
	idle    time.Duration
	now     func() time.Time

	// open is how many connections there are, idle or not.
	open atomic.Int64

	mu sync.Mutex
	// conns are the idle ones, the longest idle first. All below are guarded by mu.
	conns  []*conn
	closed bool
	sweep  *time.Timer
}

// take is an idle connection, or nil. Whether it is still quiet shows when it is asked.
func (p *pool) take(now time.Time) *conn {
	for {
		p.mu.Lock()
		at := p.pick(now)
		if at < 0 {
			p.mu.Unlock()
			return nil
		}
		c := p.conns[at]
		last := at + copy(p.conns[at:], p.conns[at+1:])
		p.conns[last] = nil
		p.conns = p.conns[:last]
		p.mu.Unlock()
		if now.Sub(c.idleSince) < p.idle && !c.stale() {
			return c
		}
		c.abort()
	}
}

// settle is how long a connection is better not used behind an answer to HEAD, a 204 or a 304. Services that send a body there are
// the most common of those that send what nobody asked for, and who looks at once looks too early. It is longer than the 40 ms
// for which systems hold a small packet back until the one before was acknowledged.
const settle = 50 * time.Millisecond

// pick is where the connection stands to use next, -1 for none: the last used that has settled. When others would be too many,
// it is the one that was used the longest ago. The caller holds mu.
func (p *pool) pick(now time.Time) int {
	for at := len(p.conns) - 1; at >= 0; at-- {
		if c := p.conns[at]; !c.bare || now.Sub(c.idleSince) >= settle {
			return at
		}
	}
	if len(p.conns) > p.maxIdle/2 || p.max > 0 && p.open.Load() >= p.max {
		return min(0, len(p.conns)-1)
	}
	return -1
}

// put keeps a connection whose last answer was read to its end.
func (p *pool) put(c *conn, now time.Time) {
	c.buffer.Take()
	c.reused, c.idleSince = true, now
	p.mu.Lock()
	if p.closed || len(p.conns) >= p.maxIdle || c.stale() {
		p.mu.Unlock()
		c.abort()
		return
	}
	p.conns = append(p.conns, c)
	if p.sweep == nil {
		p.sweep = time.AfterFunc(p.idle, p.expire)
	}
	p.mu.Unlock()
}

// expire closes what was idle for too long, and comes again while there is something idle.
func (p *pool) expire() {
	p.mu.Lock()
	now, n := p.now(), 0
	for n < len(p.conns) && now.Sub(p.conns[n].idleSince) >= p.idle {
		n++
	}
	old := append([]*conn(nil), p.conns[:n]...)
	rest := copy(p.conns, p.conns[n:])
	clear(p.conns[rest:])
	p.conns = p.conns[:rest]
	if p.sweep = nil; rest > 0 && !p.closed {
		p.sweep = time.AfterFunc(p.idle, p.expire)
	}
	p.mu.Unlock()
	for _, c := range old {
		c.abort()
	}
}

// empty closes the idle connections.
func (p *pool) empty() {
	p.mu.Lock()
	idle := p.conns
	p.conns = nil
	p.mu.Unlock()
	for _, c := range idle {
		c.abort()
	}
}

// close closes the idle connections, and has those in use closed after their answer.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	if p.sweep != nil {
		p.sweep.Stop()
		p.sweep = nil
	}
	p.mu.Unlock()
	p.empty()
}
