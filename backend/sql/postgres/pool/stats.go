package pool

import "time"

// Stats is what a pool has, and what it did since it was made.
type Stats struct {
	Max     int // connections there may be
	Idle    int // open and unused
	InUse   int // lent
	Dialing int // being opened
	Waiting int // callers that wait now

	Acquires  int64         // connections lent
	Waits     int64         // callers that had to wait
	WaitTime  time.Duration // how long they waited, in sum
	Exhausted int64         // callers that got none in time
	Refused   int64         // callers that were told at once that none can be opened

	Dials      int64 // attempts to open a connection
	DialErrors int64 // attempts that failed

	ClosedBroken   int64 // closed because they were broken, or left in a state that nobody can use
	ClosedReset    int64 // closed by Reset, and by Close
	ClosedLifetime int64 // closed because they were old
	ClosedIdle     int64 // closed because they were unused
}

// Plus is the sum of the stats of two pools.
func (s Stats) Plus(o Stats) Stats {
	return Stats{
		Max: s.Max + o.Max, Idle: s.Idle + o.Idle, InUse: s.InUse + o.InUse, Dialing: s.Dialing + o.Dialing, Waiting: s.Waiting + o.Waiting,
		Acquires: s.Acquires + o.Acquires, Waits: s.Waits + o.Waits, WaitTime: s.WaitTime + o.WaitTime,
		Exhausted: s.Exhausted + o.Exhausted, Refused: s.Refused + o.Refused, Dials: s.Dials + o.Dials, DialErrors: s.DialErrors + o.DialErrors,
		ClosedBroken: s.ClosedBroken + o.ClosedBroken, ClosedReset: s.ClosedReset + o.ClosedReset,
		ClosedLifetime: s.ClosedLifetime + o.ClosedLifetime, ClosedIdle: s.ClosedIdle + o.ClosedIdle,
	}
}

type counts struct {
	acquires, waits, exhausted, refused, dials, dialErrors int64
	broken, reset, lifetime, idle                          int64
	waited                                                 time.Duration
}

// Stats returns the counts so far.
func (p *Pool[C]) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &p.counts
	return Stats{
		Max: p.options.Max, Idle: p.idles(), InUse: p.lent, Dialing: p.dialing, Waiting: p.queue.length,
		Acquires: c.acquires, Waits: c.waits, WaitTime: c.waited, Exhausted: c.exhausted, Refused: c.refused,
		Dials: c.dials, DialErrors: c.dialErrors,
		ClosedBroken: c.broken, ClosedReset: c.reset, ClosedLifetime: c.lifetime, ClosedIdle: c.idle,
	}
}
