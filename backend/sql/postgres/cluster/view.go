package cluster

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
)

// view is what is known of all servers at one moment. It does not change.
type view struct {
	primary *server // nil while there is none that can be told for sure
	// generation is that of the primary which was judged: what is known here holds for no later one.
	generation uint64
	problem    error // why there is none
	term       *term // of the primary, or of the last one
	replicas   []candidate
	timed      bool // positions are times
	history    history
	next       chan struct{} // closed when another view has taken its place
}

// term is the time during which one server is the primary, on one timeline.
type term struct {
	server   *server
	system   uint64
	timeline uint32
	first    LSN           // where its log was when it was first seen: beyond the end of the timeline before
	flush    atomic.Uint64 // where its log is known to be by now, on disk
}

func (t *term) raise(lsn LSN) {
	for {
		old := t.flush.Load()
		if uint64(lsn) <= old || t.flush.CompareAndSwap(old, uint64(lsn)) {
			return
		}
	}
}

// candidate is a replica that may be read from, as far as it is not too late.
type candidate struct {
	server     *server
	generation uint64 // of the server that was judged
	timeline   uint32
	lsn        LSN
	asOf       time.Time // zero if it is not known how late it is
}

// version is what a replica holds at least, and whether that is known.
func (v *view) version(source uint64, r *candidate) (sluice.Version, bool) {
	switch {
	case r.asOf.IsZero() || v.term == nil:
		return sluice.Version{}, false
	case v.timed:
		return sluice.Version{Source: source, Timeline: v.term.timeline, Timed: true, Position: uint64(r.asOf.Add(-skew).UnixMilli())}, true
	}
	return sluice.Version{Source: source, Timeline: v.term.timeline, Position: uint64(r.lsn)}, true
}

// judge makes a view of what is known of the servers now. mu is held.
func (c *Cluster) judge(now time.Time) {
	old := c.view.Load()
	v := &view{term: old.term, history: old.history, next: make(chan struct{})}
	c.identify(v)
	v.primary, v.problem = c.elect(v, now)
	if v.primary != nil {
		v.generation = v.primary.generation.Load()
		c.govern(v, v.primary)
	}
	for _, s := range c.servers {
		v.timed = v.timed || s.sight != nil && s.sight.timed
	}
	for _, s := range c.servers {
		c.place(v, s, now)
	}
	c.tell(v, now)
	c.view.Store(v)
	close(old.next)
	c.breakOff(v)
	c.warmUp(v)
}

// identify forgets a database that was replaced by another: when no server that is seen has the old one.
func (c *Cluster) identify(v *view) {
	if v.term == nil || v.term.system == 0 {
		return
	}
	others := false
	for _, s := range c.servers {
		if s.sight == nil || s.sight.system == 0 {
			continue
		}
		if s.sight.system == v.term.system {
			return
		}
		others = others || !s.sight.recovery
	}
	if others {
		v.term, v.history = nil, nil
		c.samples.reset()
	}
}

// foreign tells whether a server belongs to another database.
func (v *view) foreign(s *server) bool {
	return v.term != nil && v.term.system != 0 && s.sight.system != 0 && s.sight.system != v.term.system
}

// elect finds the primary: the highest timeline wins, and of two on one none is to be trusted. A timeline that was seen
// once, on whatever server, rules out older ones for ever. mu is held.
func (c *Cluster) elect(v *view, now time.Time) (*server, error) {
	var top uint32
	if v.term != nil {
		top = v.term.timeline
	}
	fixed := false
	for _, s := range c.servers {
		fixed = fixed || s.Place == Primary
		if s.sight != nil && !v.foreign(s) {
			top = max(top, s.sight.timeline)
		}
	}
	var found []*server
	for _, s := range c.servers {
		if s.sight == nil || s.sight.recovery || s.Place == Replica || fixed && s.Place != Primary || v.foreign(s) || s.several.sure(now) {
			continue
		}
		if s.sight.timeline == top || s.sight.timed {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, c.missing()
	}
	var names []string
	for _, s := range found {
		names = append(names, s.Address)
	}
	return nil, fmt.Errorf("there are %d primaries on timeline %d: %s; want one of them stopped", len(found), top, strings.Join(names, ", "))
}

// missing is why there is no primary. mu is held.
func (c *Cluster) missing() error {
	var why []string
	for _, s := range c.servers {
		switch {
		case s.sight == nil && s.err != nil:
			why = append(why, s.Address+": "+s.err.Error())
		case s.sight == nil:
			why = append(why, s.Address+": it has not answered yet")
		case s.sight.recovery:
			why = append(why, s.Address+": it is a replica")
		default:
			why = append(why, s.Address+": it is a primary that must not be written to, on timeline "+fmt.Sprint(s.sight.timeline))
		}
	}
	return errors.New("there is no primary: " + strings.Join(why, "; "))
}

// govern notes what the primary said, and begins a new term if it is another. mu is held.
func (c *Cluster) govern(v *view, p *server) {
	a := p.sight
	if t := v.term; t == nil || t.server != p || t.timeline != a.timeline || t.system != a.system {
		c.begin(v, p)
	}
	v.term.raise(a.lsn)
	c.samples.add(a.began, a.lsn)
}

// begin begins a term. What is known of replicas was measured against another primary. mu is held.
func (c *Cluster) begin(v *view, p *server) {
	a := p.sight
	t := &term{server: p, system: a.system, timeline: a.timeline, first: a.lsn}
	if a.timeline > 1 && a.end != 0 && (v.term == nil || v.term.timeline < a.timeline) {
		parent := a.timeline - 1
		if seen := p.parent(a.timeline); seen != 0 {
			parent = seen
		} else if v.term != nil {
			parent = v.term.timeline
		}
		v.history = v.history.grown(parent, a.end)
	}
	if v.term != nil && v.term.server != p {
		c.counts.failovers.Add(1)
	}
	v.term = t
	c.samples.reset()
	for _, s := range c.servers {
		s.asOf = time.Time{}
		if s != p {
			s.kickNow()
		}
	}
}

// place says what a server is good for. mu is held.
func (c *Cluster) place(v *view, s *server, now time.Time) {
	if s.state = v.role(s); s.sight != nil && s.several.sure(now) {
		s.state = Several
	}
	if s.state != Following {
		return
	}
	a := s.sight
	r := candidate{server: s, generation: s.generation.Load(), timeline: a.timeline, lsn: a.lsn}
	if v.term != nil && s.strikes == 0 {
		c.measureLag(v, s)
		r.asOf = s.asOf
	}
	switch {
	case r.asOf.IsZero():
		s.state = LagUnknown
	case now.Sub(r.asOf) > c.options.MaxLag:
		s.state = Lagging
	}
	v.replicas = append(v.replicas, r)
}

// measureLag finds out as of when a replica has all. Its place counts only beyond the start of the timeline: before
// that it may have come by another branch. mu is held.
func (c *Cluster) measureLag(v *view, s *server) {
	a := s.sight
	switch {
	case a.timed:
		s.asOf = time.Time{}
		if a.lagKnown {
			s.asOf = a.began.Add(-a.lag)
		}
	case a.lsn >= v.term.first:
		if at, known := c.samples.replayed(a.lsn); known && at.After(s.asOf) {
			s.asOf = at
		}
	}
}

// role is what a server is at first sight, its lag apart.
func (v *view) role(s *server) State {
	a := s.sight
	switch {
	case a == nil && s.err == nil:
		return Unknown
	case a == nil:
		return Unreachable
	case s == v.primary:
		return Leading
	case v.foreign(s):
		return Foreign
	case !a.recovery && s.Place == Replica:
		return Misplaced
	case !a.recovery && v.term != nil && a.timeline < v.term.timeline:
		return Outdated
	case !a.recovery:
		return Disputed
	case v.term != nil && a.timeline != v.term.timeline && !a.timed:
		return OtherTimeline
	}
	return Following
}

// versionOf is what is known to be there where a read goes.
func (c *Cluster) versionOf(v *view, pick *choice) (sluice.Version, bool) {
	switch {
	case pick.replica != nil:
		return v.version(c.options.Source, pick.replica)
	case v.timed:
		return sluice.Version{Source: c.options.Source, Timeline: v.term.timeline, Timed: true,
			Position: uint64(c.options.Now().Add(-skew).UnixMilli())}, true
	}
	if at := v.term.flush.Load(); at > 0 {
		return sluice.Version{Source: c.options.Source, Timeline: v.term.timeline, Position: at - 1}, true
	}
	return sluice.Version{}, false
}
