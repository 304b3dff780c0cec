package redis

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"github.com/sluiceapi/sluice"
)

// limits is what this node knows of cells in Redis: which it is asking for, and which have nothing for a while. Neither
// makes an answer less exact. That time is reckoned from before Redis was asked, and an arrival time only ever moves
// forward, so Redis would have refused all that is refused here.
type limits struct {
	seed  maphash.Seed
	parts [64]limitPart
}

type limitPart struct {
	mu    sync.Mutex // guards what cells holds too
	cells map[string]*cell
}

// mostCells is how many cells a part knows. Where there are more, calls are made without knowing.
const mostCells = 1024

// cell is known while a call for it is under way, and while it has nothing.
type cell struct {
	limit sluice.Bucket
	// asking is set while a call is under way, and waiting is those who come meanwhile.
	asking  bool
	waiting *group
	// empty is until when there is surely nothing. That there is something at next, and all at full, is what can be told:
	// between the two lies the time that Redis took to answer.
	empty, next, full time.Time
}

// group is takes that go together.
type group struct {
	n     int64
	done  chan struct{} // closed when the rest is there
	taken sluice.Taken
	err   error
}

func (l *limits) init() {
	l.seed = maphash.MakeSeed()
	for i := range l.parts {
		l.parts[i].cells = map[string]*cell{}
	}
}

func (l *limits) part(key []byte) *limitPart {
	return &l.parts[maphash.Bytes(l.seed, key)%uint64(len(l.parts))]
}

// refusal is what is known of a cell that has nothing.
func (c *cell) refusal(now time.Time) (t sluice.Taken, is bool) {
	if !c.empty.After(now) {
		return t, false
	}
	return sluice.Taken{Retry: c.next.Sub(now), Reset: c.full.Sub(now)}, true
}

// learn notes what Redis, asked at began, answered of a cell that has nothing now.
func (c *cell) learn(t sluice.Taken, began, now time.Time) {
	c.empty, c.next, c.full = began.Add(t.Retry), now.Add(t.Retry), now.Add(t.Reset)
}

// enter finds the cell of a key, and makes one where there is room; nil where there is none, or where the limit was just
// changed. The part must be locked.
func (p *limitPart) enter(key []byte, limit sluice.Bucket, now time.Time) *cell {
	c := p.cells[string(key)]
	switch {
	case c == nil:
		if len(p.cells) >= mostCells && !p.tidy(now) {
			return nil
		}
		c = &cell{limit: limit}
		p.cells[string(key)] = c
	case c.limit != limit:
		if c.asking {
			return nil
		}
		*c = cell{limit: limit}
	}
	return c
}

// tidy forgets a cell that is of no use, if it finds one among a few.
func (p *limitPart) tidy(now time.Time) bool {
	left := 8
	for key, c := range p.cells {
		if !c.asking && !c.empty.After(now) {
			delete(p.cells, key)
			return true
		}
		if left--; left == 0 {
			break
		}
	}
	return false
}

func (l *limits) take(ctx context.Context, s *State, key []byte, limit sluice.Bucket, n int64) (sluice.Taken, error) {
	now := time.Now()
	p := l.part(key)
	p.mu.Lock()
	c := p.enter(key, limit, now)
	if c == nil {
		p.mu.Unlock()
		return s.askTake(ctx, string(key), limit, n)
	}
	if t, is := c.refusal(now); is {
		p.mu.Unlock()
		return t, nil
	}
	if c.asking {
		g, before := c.join(n)
		p.mu.Unlock()
		return g.wait(ctx, s, before, n)
	}
	c.asking = true
	p.mu.Unlock()
	name := string(key)
	t, err := s.askTake(ctx, name, limit, n)
	if g := p.leave(name, c, now, t, err); g != nil {
		go s.takeGroups(p, name, c, g) // it ends when nobody waits any more; each call in it ends in time
	}
	return t, err
}

// join adds n to those who wait, and tells how many are wanted before them.
func (c *cell) join(n int64) (g *group, before int64) {
	if c.waiting == nil {
		c.waiting = &group{done: make(chan struct{})}
	}
	before = c.waiting.n
	c.waiting.n += n
	return c.waiting, before
}

// wait waits for a group's turn, no longer than a call may take, and returns the share of one who wanted n.
func (g *group) wait(ctx context.Context, s *State, before, n int64) (sluice.Taken, error) {
	timer := timers.Get().(*time.Timer)
	timer.Reset(s.timeout)
	defer func() {
		timer.Stop()
		timers.Put(timer)
	}()
	select {
	case <-g.done:
	case <-timer.C:
		if now := s.gate.Load(); now != nil { // it counts like a call, or a bucket that all ask for would be slow to be noticed
			now.failed(errSlow)
		}
		return sluice.Taken{}, errSlow
	case <-ctx.Done():
		return sluice.Taken{}, ctx.Err()
	}
	t := g.taken
	t.Granted = max(0, min(n, t.Granted-before))
	return t, g.err
}

// takeGroups asks for those who wait, until there are none.
func (s *State) takeGroups(p *limitPart, key string, c *cell, g *group) {
	for g != nil {
		now := time.Now()
		g.taken, g.err = s.askTake(context.Background(), key, c.limit, g.n)
		close(g.done)
		g = p.leave(key, c, now, g.taken, g.err)
	}
}

// leave notes what Redis has answered to a call that began then, and returns those who are next to be asked for.
func (p *limitPart) leave(key string, c *cell, began time.Time, t sluice.Taken, err error) *group {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if err == nil && t.Remaining == 0 {
		c.learn(t, began, now)
	}
	g := c.waiting
	c.waiting = nil
	if g == nil {
		c.asking = false
		if !c.empty.After(now) {
			delete(p.cells, key)
		}
		return nil
	}
	refused, empty := c.refusal(now)
	if !empty && !isStore(err) {
		return g
	}
	g.taken = refused
	if !empty {
		g.err = err
	}
	c.asking = false
	close(g.done)
	return nil
}

func (l *limits) count(ctx context.Context, s *State, key []byte, limit sluice.Window, n int64) (sluice.Taken, error) {
	now := time.Now()
	p := l.part(key)
	p.mu.Lock()
	if c := p.cells[string(key)]; c != nil && c.limit.Rate == limit.Rate {
		if t, is := c.refusal(now); is {
			p.mu.Unlock()
			return t, nil
		}
	}
	p.mu.Unlock()
	t, err := s.askCount(ctx, string(key), limit, n)
	if err == nil && t.Remaining == 0 {
		p.mu.Lock()
		if c := p.enter(key, sluice.Bucket{Rate: limit.Rate}, now); c != nil {
			c.learn(t, now, time.Now())
		}
		p.mu.Unlock()
	}
	return t, err
}
