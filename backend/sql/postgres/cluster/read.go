package cluster

import (
	"math/rand/v2"
	"time"

	"github.com/sluiceapi/sluice"
)

// Consistency is how new what is read must be.
type Consistency uint8

// The consistencies.
const (
	// Session is at least as new as what the caller has seen: Want.Floor.
	Session Consistency = iota
	// Eventual is no older than MaxLag, or as new as there is while the primary is away.
	Eventual
	// Strong is from the primary.
	Strong
)

// Want is what a read asks for.
type Want struct {
	Consistency Consistency
	// Floor is what the caller has seen, if HasFloor.
	Floor    sluice.Version
	HasFloor bool
	// MaxLag is how old data may be, where it is shorter than that of the cluster; zero is that of the cluster.
	MaxLag time.Duration
	// Except is the address of a server that must not be taken, for it has just failed; the primary is taken
	// nevertheless.
	Except string
}

// Reason is why a read went where it went.
type Reason uint8

// The reasons.
const (
	// NoToken: a replica that is not too late, for a caller that has seen nothing.
	NoToken Reason = iota
	// CachedLSN: a replica that was known to have what the caller has seen.
	CachedLSN
	// LastStanding: the replica that is the least late, though it is too late, for there is no primary.
	LastStanding
	// OnlyServer: the primary, for there are no others.
	OnlyServer
	// StrongRead: the primary, for the read asks for it.
	StrongRead
	// PrimaryFallback: the primary, for no replica is near enough.
	PrimaryFallback
	// NotReplayed: the primary, for no replica has what the caller has seen.
	NotReplayed
	// LostWrite: the primary, for what the caller has seen is lost.
	LostWrite
	// Writing: the primary, for a write.
	Writing

	reasons = iota
)

// String is the reason as metrics have it.
func (r Reason) String() string {
	return [...]string{"no-token", "cached-lsn", "last-standing", "only-server", "strong", "primary-fallback", "not-replayed", "lost-write", "write"}[r]
}

// readWait is how long a read waits while no server fits: long enough to find out who took over when that is quick, and
// no longer, for reads pile up.
const readWait = time.Second

// Read lends a connection in read-only mode to the server that fits and has the fewest requests in flight: a replica, or
// the primary where none fits. While no server fits it waits for a moment, until deadline at most; a zero deadline is
// none. Its errors are *sluice.Error, Unavailable. The caller must Release the lease.
func (c *Cluster) Read(deadline time.Time, want Want) (*Lease, error) {
	now := c.options.Now()
	for limit := sooner(now.Add(readWait), deadline); ; now = c.options.Now() {
		v := c.view.Load()
		pick := v.choose(&want, now, c.options.MaxLag)
		if pick.server != nil {
			l, err := c.lend(&pick, deadline, true)
			if err != nil {
				return nil, err
			}
			if l != nil {
				c.counts.reads[pick.reason].Add(1)
				if pick.reason == NotReplayed {
					v.askReplicas()
				}
				l.take(v, &pick)
				return l, nil
			}
		}
		if err := c.await(v, limit); err != nil {
			return nil, err
		}
	}
}

// sooner is the earlier of two times, of which deadline counts unless it is zero.
func sooner(limit, deadline time.Time) time.Time {
	if !deadline.IsZero() && deadline.Before(limit) {
		return deadline
	}
	return limit
}

// choice is a server for a read.
type choice struct {
	server     *server
	generation uint64     // of the server that the view is of: what is known of it holds for no later one
	replica    *candidate // nil for the primary
	reason     Reason
}

// choose chooses a server, or none.
func (v *view) choose(w *Want, now time.Time, maxLag time.Duration) choice {
	if w.MaxLag > 0 {
		maxLag = min(maxLag, w.MaxLag)
	}
	floor := w.HasFloor && w.Consistency != Eventual
	primary := choice{server: v.primary, generation: v.generation, reason: PrimaryFallback}
	switch {
	case floor && v.ahead(w.Floor):
		return choice{} // another node has seen a primary that is not known here yet
	case w.Consistency == Strong:
		primary.reason = StrongRead
		return primary
	case floor && v.lost(w.Floor):
		primary.reason = LostWrite
		return primary
	}
	var floorOf *sluice.Version
	if floor {
		floorOf, primary.reason = &w.Floor, NotReplayed
	}
	if r := v.quietest(floorOf, now.Add(-maxLag), w.Except); r != nil {
		if floor {
			return r.chosen(CachedLSN)
		}
		return r.chosen(NoToken)
	}
	if v.primary != nil {
		if len(v.replicas) == 0 {
			primary.reason = OnlyServer
		}
		return primary
	}
	if r := v.newest(floorOf, w.Except); r != nil {
		return r.chosen(LastStanding)
	}
	return choice{}
}

func (r *candidate) chosen(why Reason) choice { return choice{r.server, r.generation, r, why} }

// quietest is the replica with the fewest requests in flight of those that have all of since, and the floor.
func (v *view) quietest(floor *sluice.Version, since time.Time, except string) *candidate {
	n := len(v.replicas)
	if n == 0 {
		return nil
	}
	var best *candidate
	var least int64
	for i, start := 0, rand.IntN(n); i < n; i++ {
		r := &v.replicas[(start+i)%n]
		if r.asOf.IsZero() || r.asOf.Before(since) || floor != nil && !v.holds(r, *floor) || r.server.Address == except {
			continue
		}
		if busy := r.server.inFlight.Load(); best == nil || busy < least {
			best, least = r, busy
		}
	}
	return best
}

// newest is the replica with the newest data, if it has the floor.
func (v *view) newest(floor *sluice.Version, except string) *candidate {
	var best *candidate
	for i := range v.replicas {
		r := &v.replicas[i]
		if floor != nil && !v.holds(r, *floor) || r.server.Address == except {
			continue
		}
		if best == nil || r.timeline > best.timeline || r.timeline == best.timeline &&
			(r.asOf.After(best.asOf) || r.asOf.Equal(best.asOf) && r.lsn > best.lsn) {
			best = r
		}
	}
	return best
}

// askReplicas has replicas say anew how far they have come: most have caught up long before the next probe is due.
func (v *view) askReplicas() {
	for i := range v.replicas {
		v.replicas[i].server.kickNow()
	}
}

// ahead tells whether a floor is of a timeline that is not known here yet. Without a term it can not be told.
func (v *view) ahead(floor sluice.Version) bool {
	return v.term == nil || floor.Timeline > v.term.timeline
}

// lost tells whether what a caller has seen is not part of the current timeline. Where that can not be told, it is lost.
func (v *view) lost(floor sluice.Version) bool {
	return floor.Timeline < v.term.timeline && !floor.Timed && !v.history.kept(floor.Timeline, LSN(floor.Position))
}

// holds tells whether a replica has what a caller has seen, that is not lost.
func (v *view) holds(r *candidate, floor sluice.Version) bool {
	switch {
	case r.asOf.IsZero():
		return false
	case floor.Timed:
		return r.asOf.Add(-skew).UnixMilli() >= int64(floor.Position)
	case v.timed:
		return false
	}
	// A replica whose asOf is known has come past the start of the current timeline, and so past the end of older ones.
	return floor.Timeline < v.term.timeline || uint64(r.lsn) >= floor.Position
}

// take notes how a lease was chosen.
func (l *Lease) take(v *view, pick *choice) {
	c := l.cluster
	l.term, l.timed, l.reason, l.lost = v.term, v.timed, pick.reason, pick.reason == LostWrite
	l.version, l.known = c.versionOf(v, pick)
}
