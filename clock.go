package sluice

import (
	"sync/atomic"
	"time"
)

// Arrived notes what Now is to say: when the head of the request was there in full, for an engine that knows it anyhow, or
// when that of an answer was, for a backend.
func (x *Exchange) Arrived(at time.Time) { x.now = at }

// Now is the time for what is decided on the way of the exchange: when it arrived, or what the clock said to who asked
// first. So all who decide on its way go by one time, and the clock is looked at once.
func (x *Exchange) Now(clock func() time.Time) time.Time {
	if x.now.IsZero() {
		x.now = clock()
	}
	return x.now
}

// Waited has Now look at the clock again. Who has waited on the way of an exchange, for the body of the request or for
// anything else outside the process, calls it before the exchange goes on. Again does so too.
func (x *Exchange) Waited() { x.now = time.Time{} }

// NewClock makes a clock that takes less time than time.Now: it looks at the time of day once a second, and in between
// only at how much time has passed. It may be used at once by many.
func NewClock() func() time.Time {
	c := &clock{}
	c.set()
	return c.now
}

// clock is the time of day as it was last looked at.
type clock struct{ last atomic.Pointer[time.Time] }

// staleClock is for how long a change of the time of day may go unseen.
const staleClock = time.Second

func (c *clock) set() time.Time {
	now := time.Now()
	c.last.Store(&now)
	return now
}

func (c *clock) now() time.Time {
	last := c.last.Load()
	passed := time.Since(*last)
	if passed >= staleClock {
		return c.set()
	}
	return last.Add(passed)
}
