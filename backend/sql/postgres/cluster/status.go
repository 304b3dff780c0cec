package cluster

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice/backend/sql/postgres"
	"github.com/sluiceapi/sluice/backend/sql/postgres/pool"
)

// State is what a server is good for.
type State uint8

// The states.
const (
	// Unknown: it has not answered yet.
	Unknown State = iota
	// Unreachable: it does not answer.
	Unreachable
	// Leading: it is the primary.
	Leading
	// Following: it is a replica that is read from.
	Following
	// Lagging: it is a replica that is too late.
	Lagging
	// LagUnknown: it is a replica, and how late it is can not be told.
	LagUnknown
	// OtherTimeline: it is a replica that does not follow the primary, or can not be seen to.
	OtherTimeline
	// Outdated: it was the primary, and another has taken over.
	Outdated
	// Disputed: it says that it is the primary, and so does another.
	Disputed
	// Misplaced: it is a primary, at an address of a replica.
	Misplaced
	// Foreign: it belongs to another database.
	Foreign
	// Several: its address leads to more than one server.
	Several

	states = iota
)

// String is the state in words.
func (s State) String() string {
	return [states]string{"unknown", "unreachable", "primary", "replica", "lagging", "lag unknown", "other timeline", "outdated",
		"disputed", "misplaced", "foreign", "several"}[s]
}

// Serves tells whether a server in that state is read from or written to.
func (s State) Serves() bool { return s == Leading || s == Following }

// Status is what is known of a server.
type Status struct {
	Address  string
	State    State
	Why      string // why it is left out, if it is
	Timeline uint32
	LSN      LSN
	Version  string // of PostgreSQL
	// Lag is how late it is, in time and bytes, if LagKnown.
	Lag      time.Duration
	LagBytes uint64
	LagKnown bool
	// Age is how long ago it answered, zero if it does not.
	Age      time.Duration
	InFlight int64
	// Connections is how many the server takes from all who connect to it; zero if unknown.
	Connections int
	// Synchronous is the primary's synchronous_standby_names.
	Synchronous string
	Pool        pool.Stats // of all connections that are lent, lines among them
	Lines       LineStats
}

// LineStats is what the lines to a server have to do, and what they did.
type LineStats struct {
	Queued int // reads that wait for a line now

	Reads   int64                   // sent on lines
	Batches int64                   // they were sent in
	Detours [postgres.Detours]int64 // that lines did not answer
}

// Status is what is known of each server, in the order of the options.
func (c *Cluster) Status() []Status {
	now := c.options.Now()
	all := make([]Status, len(c.servers))
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, s := range c.servers {
		all[i] = c.status(s, now)
	}
	return all
}

// status is what is known of one server. mu is held.
func (c *Cluster) status(s *server, now time.Time) Status {
	st := Status{Address: s.Address, State: s.state, Why: c.why(s), InFlight: s.inFlight.Load(), Pool: s.stats(), Lines: s.lines.stats()}
	a := s.sight
	if a == nil {
		return st
	}
	st.Timeline, st.LSN, st.Age = a.timeline, a.lsn, now.Sub(a.began)
	st.Version, st.Connections = a.facts.version, a.facts.connections
	if !a.recovery {
		st.Synchronous = a.facts.synchronous
	}
	v := c.view.Load()
	switch {
	case s == v.primary:
		st.LagKnown = true
	case !s.asOf.IsZero():
		st.Lag, st.LagKnown = max(0, now.Sub(s.asOf)), true
		if v.term != nil && !a.timed {
			st.LagBytes = v.term.flush.Load() - min(v.term.flush.Load(), uint64(a.lsn))
		}
	}
	return st
}

// why tells why a server is left out. mu is held.
func (c *Cluster) why(s *server) string {
	switch s.state {
	case Unknown:
		return "it has not answered yet"
	case Unreachable:
		return s.err.Error()
	case Lagging:
		return fmt.Sprintf("it is more than %v late", c.options.MaxLag)
	case LagUnknown:
		switch {
		case s.strikes > 0:
			return "it did not answer the last time it was asked"
		case c.view.Load().term == nil:
			return "no primary was seen yet that it could be compared with"
		}
		return "how late it is can not be told yet"
	case OtherTimeline:
		if s.sight.facts.blind {
			return "the role may not see what timeline it receives, and its last restart point is of an older one; GRANT pg_read_all_stats to the role, or wait"
		}
		return fmt.Sprintf("it is on timeline %d, and the primary is not", s.sight.timeline)
	case Outdated:
		return fmt.Sprintf("it is a primary on timeline %d, which has ended", s.sight.timeline)
	case Disputed:
		return "it is not the only primary"
	case Misplaced:
		return "it is a primary, and its address is given as that of a replica"
	case Foreign:
		return "its system identifier is not that of the others: it is another database"
	case Several:
		return "its address leads to several servers, of which one can not speak for all; want the address of each"
	}
	return ""
}

// Budget says of each server for which it holds that so many nodes may open more connections than the server takes: one
// for each place in a node's pool, and one to look after it. Servers that were not reached are not judged.
func (c *Cluster) Budget(nodes int) []string {
	var over []string
	for _, s := range c.Status() {
		each := s.Pool.Max + 1
		if s.Connections > 0 && nodes*each > s.Connections {
			over = append(over, fmt.Sprintf("%s takes %d connections, and %d nodes with %d each need %d; want pool.max at most %d, or a higher max_connections",
				s.Address, s.Connections, nodes, each, nodes*each, max(0, s.Connections/nodes-1)))
		}
	}
	return over
}

// counts are what metrics read.
type counts struct {
	reads       [reasons]atomic.Int64
	failovers   atomic.Int64
	waiting     atomic.Int64
	unavailable atomic.Int64
	off         atomic.Int64 // reads that did not fit a line
}

// tell logs what has changed, and counts it. mu is held.
func (c *Cluster) tell(v *view, now time.Time) {
	old := c.view.Load()
	for i, s := range c.servers {
		before := c.told[i]
		c.told[i] = s.state
		if before == s.state {
			continue
		}
		switch {
		case s.state.Serves():
			c.options.Log.Info("a server of the database serves", "backend", c.options.Name, "server", s.Address, "as", s.state.String(),
				"timeline", s.sight.timeline)
		case before.Serves():
			s.ejected++
			c.options.Log.Warn("a server of the database is left out", "backend", c.options.Name, "server", s.Address, "state", s.state.String(),
				"why", c.why(s))
		default:
			c.options.Log.Info("a server of the database does not serve", "backend", c.options.Name, "server", s.Address, "state", s.state.String(),
				"why", c.why(s))
		}
	}
	switch {
	case v.primary == nil && old.primary != nil:
		c.lostAt = now
		c.options.Log.Error("the primary of the database is lost", "backend", c.options.Name, "server", old.primary.Address, "why", v.problem)
	case v.primary != nil && !c.lostAt.IsZero():
		c.away.Observe(now.Sub(c.lostAt))
		c.options.Log.Info("the database has a primary again", "backend", c.options.Name, "server", v.primary.Address, "after", now.Sub(c.lostAt))
		c.lostAt = time.Time{}
	}
}
