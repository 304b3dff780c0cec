package server

import (
	"context"
	"time"
)

// lift has the time for a whole request hold no more. What a policy has made of the deadline stays.
func (c *call) lift() {
	if c.x.Deadline.Equal(c.x.Start.Add(c.core.limits.WholeTimeout)) {
		c.x.Deadline = time.Time{}
	}
}

// last takes note of an answer that lasts, until it has ended.
func (e *core) last(c *call, leave func()) {
	f := e.flights
	guarded := func() {
		if err := calm(leave); err != nil {
			e.log.Error("an answer that lasts cannot be asked to end", "error", err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lasting[c] = guarded
	if f.leaving {
		guarded()
	}
}

// ended forgets an answer that lasts: nobody asks it to end any more.
func (f *flights) ended(c *call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.lasting, c)
}

// leave has all answers that last end, and those that begin from now on.
func (f *flights) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leaving = true
	for _, leave := range f.lasting {
		leave()
	}
}

// leave has the answers end that last now.
func (e *core) leave(ctx context.Context, over time.Duration) {
	f := e.flights
	f.mu.Lock()
	calls := make([]*call, 0, len(f.lasting))
	for c := range f.lasting {
		calls = append(calls, c)
	}
	f.mu.Unlock()
	for i, c := range calls {
		if i > 0 {
			pause(ctx, over/time.Duration(len(calls)))
		}
		if ctx.Err() != nil {
			return
		}
		f.mu.Lock()
		if leave := f.lasting[c]; leave != nil { // of this answer, or of a later one on the same call, to which it does no harm
			leave()
		}
		f.mu.Unlock()
	}
}
