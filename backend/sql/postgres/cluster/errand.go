package cluster

import (
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/postgres"
)

// Errand is a statement that reads, on its way over a line of the server that fits. It is its caller's but while Run is at
// work, and comes from NewErrand.
type Errand struct {
	postgres.Errand

	server     *server
	generation uint64
	reason     Reason
	version    sluice.Version
	known      bool
	refused    error // why it was not run, if it was not

	// What follows is looked at by who keeps callers from waiting too long, whoever has the errand.
	state  atomic.Uint32
	since  atomic.Int64  // when it came to its line, in ns since the lines were made
	due    atomic.Int64  // when its caller must look at its context, as since
	signal chan struct{} // tells the caller to look at state; there may be one too many
	next   *Errand       // in the queue
}

// The states of an errand.
const (
	unsent   uint32 = iota // it is its caller's
	queued                 // it is in the queue of a server
	sent                   // the owner of a line has it
	left                   // its caller has gone: it ends with the line
	answered               // it is its caller's again
)

// NewErrand is an errand to bind and run, and to give back by Done.
func (c *Cluster) NewErrand() *Errand { return c.errands.Get().(*Errand) }

// Done gives an errand back that is not used any more, nor what it has read.
func (c *Cluster) Done(e *Errand) {
	e.server, e.refused = nil, nil
	c.errands.Put(e)
}

// Server is the address of the server that ran it.
func (e *Errand) Server() string { return e.server.Address }

// Lost tells whether a write is lost that the caller has been told of, as Lease has it.
func (e *Errand) Lost() bool { return e.reason == LostWrite }

// Version is what the server holds at least, from before the statement is sent, and whether that is known.
func (e *Errand) Version() (sluice.Version, bool) { return e.version, e.known }

// Bind is that of the errand; it counts where that does not fit a line.
func (c *Cluster) Bind(e *Errand, s *postgres.Stmt, in *postgres.Input) (fits bool, err error) {
	if fits, err = e.Bind(s, in); !fits && err == nil {
		c.counts.off.Add(1)
	}
	return fits, err
}

// Lines tells whether there are any.
func (c *Cluster) Lines() bool { return c.options.Pool.lines() > 0 }

// Run has an errand that is bound run on a line of the server that fits, as Read chooses it. When it returns nil the server
// has answered, and what it says of the statement is in the errand, or the errand has a detour. An error is either a *sluice.Error, Unavailable, for there
// was no server or no line in time, or a *postgres.Error, for the deadline has come, or the context of who has ended, which
// is asked for it only after a while; who may be nil. If kept is false then the errand is not the caller's any more.
func (c *Cluster) Run(e *Errand, deadline time.Time, want Want, who postgres.Contexter) (kept bool, err error) {
	now := c.options.Now()
	for limit := sooner(now.Add(readWait), deadline); ; now = c.options.Now() {
		v := c.view.Load()
		pick := v.choose(&want, now, c.options.MaxLag)
		if s := pick.server; s != nil {
			e.server, e.reason = s, pick.reason
			e.version, e.known = c.versionOf(v, &pick)
			s.inFlight.Add(1)
			kept, err := s.lines.run(e, now, deadline, who)
			s.inFlight.Add(-1)
			if !kept || err != nil && err != errAgain {
				return kept, err
			}
			if err == nil && e.Detour() != postgres.Straight { // it counts where it runs
				return true, nil
			}
			if err == nil {
				c.counts.reads[pick.reason].Add(1)
				if pick.reason == NotReplayed {
					v.askReplicas()
				}
				return true, nil
			}
		}
		if err := c.await(v, limit); err != nil {
			return true, err
		}
	}
}
