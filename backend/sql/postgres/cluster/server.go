package cluster

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice/backend/sql/postgres/pool"
)

// server is one server of the cluster, with its pool.
type server struct {
	Server
	pool     *pool.Pool[*session]
	lines    *lines // nil if there are none
	probe    *probe
	kick     chan struct{} // asks for a probe now
	inFlight atomic.Int64
	// generation grows whenever what is known of the server is forgotten, with all connections to it. It is changed
	// with the cluster's mu held.
	generation atomic.Uint64
	sessions   sessions
	// start is that of the server which the probe looks at; zero while it is not known, or does not matter.
	start atomic.Uint64

	// The cluster's mu guards the rest.
	sight   *answer   // what the last probe found; nil while nothing is known
	asOf    time.Time // all that the primary had committed by then is there; zero while that is not known
	strikes int       // probes in a row that were not answered in time
	err     error     // why nothing is known
	state   State
	seen    [2]uint32 // the timelines on which it was a replica, the last one first
	ejected int64
	several several
}

// newServer makes a server, whose pool begins to connect.
func (c *Cluster) newServer(s Server) (*server, error) {
	o := &c.options
	n := &server{Server: s, kick: make(chan struct{}, 1), state: Unknown}
	n.probe = &probe{config: probeConfig(s), timeout: o.ProbeTimeout, now: o.Now}
	waits := c.waitHistogram(s.Address)
	var err error
	options := pool.Options[*session]{
		Dial: func(ctx context.Context) (*session, error) {
			return dial(ctx, s, o.Conn, &n.sessions)
		},
		Max: o.Pool.Max - o.Pool.lines(), MinIdle: o.Pool.MinIdle - o.Pool.idleLines(), AcquireTimeout: o.Pool.AcquireTimeout,
		IdleTimeout: o.Pool.IdleTimeout, Lifetime: o.Pool.Lifetime, Waited: waits.Observe, Now: o.Now,
	}
	if n.pool, err = pool.New(options); err != nil || o.Pool.lines() == 0 {
		return n, err
	}
	if n.lines, err = c.newLines(n, options); err != nil {
		n.pool.Close()
	}
	return n, err
}

// stats are those of all connections to the server that are lent, lines among them.
func (s *server) stats() pool.Stats {
	all := s.pool.Stats()
	if s.lines != nil {
		all = all.Plus(s.lines.pool.Stats())
	}
	return all
}

// kickNow asks for a probe without waiting for its time.
func (s *server) kickNow() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// leastPause is between probes of a server that are asked for: what many find out at once asks once.
const leastPause = 50 * time.Millisecond

// watch probes a server until ctx ends.
func (c *Cluster) watch(ctx context.Context, s *server) {
	defer s.probe.close()
	for {
		began := c.options.Now()
		generation := s.generation.Load()
		a, err := s.probe.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		c.note(s, generation, a, err)
		pause := time.NewTimer(c.interval())
		select {
		case <-pause.C:
		case <-s.kick:
		case <-ctx.Done():
		}
		pause.Stop()
		if rest := leastPause - c.options.Now().Sub(began); rest > 0 {
			pause.Reset(rest)
			select {
			case <-pause.C:
			case <-ctx.Done():
			}
			pause.Stop()
		}
	}
}

// strikesOut is how many probes in a row must go unanswered before connections to a server are dropped: one may have
// met a machine that was busy.
const strikesOut = 2

// note takes in what a probe found.
func (c *Cluster) note(s *server, generation uint64, a answer, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.generation.Load() != generation {
		s.kickNow() // it was given up while it was asked: what it said may be from before
		return
	}
	now := c.options.Now()
	switch {
	case err == nil && s.several.doubted:
		// The server that the probe knows is still there, and there was another: look at the address anew.
		s.several.add(now)
		s.several.doubted = false
		s.probe.close()
		s.kickNow()
		s.err = errOther
	case err == nil:
		c.take(s, &a)
	case err == errSilent && s.strikes+1 < strikesOut && s.sight != nil:
		s.strikes++
		if s.sight.recovery {
			s.asOf = time.Time{} // there are others to read from
		}
		s.kickNow()
	default:
		s.several.doubted = false
		c.forget(s, err)
	}
	c.judge(now)
}

// take notes what a server said. mu is held.
func (c *Cluster) take(s *server, a *answer) {
	before := s.sight
	if before != nil && a.recovery && !before.recovery {
		c.forget(s, errDemoted) // connections of when it was the primary
	}
	if before == nil {
		s.pool.Retry()
		if s.lines != nil {
			s.lines.pool.Retry()
		}
	}
	s.sight, s.err, s.strikes = a, nil, 0
	s.start.Store(a.facts.start)
	if a.recovery && a.timeline > s.seen[0] {
		s.seen = [2]uint32{a.timeline, s.seen[0]}
	}
}

// parent is the timeline that a server followed before it became the primary on another, zero if that is not known.
// While it is being promoted it says that it is a replica, and may be on its own new timeline. mu is held.
func (s *server) parent(timeline uint32) uint32 {
	for _, seen := range s.seen {
		if seen < timeline {
			return seen
		}
	}
	return 0
}

// forget drops all connections to a server and all that is known of it. mu is held.
func (c *Cluster) forget(s *server, why error) {
	s.err = why
	s.strikes = 0
	if s.sight == nil {
		return
	}
	s.sight, s.asOf = nil, time.Time{}
	s.start.Store(0)
	s.generation.Add(1)
	s.pool.Reset()
	if s.lines != nil {
		s.lines.pool.Reset()
	}
}

// suspect gives a server up for which a connection of that generation has failed, and has all servers asked now.
func (c *Cluster) suspect(s *server, generation uint64, why error) {
	c.mu.Lock()
	if s.generation.Load() == generation && s.sight != nil {
		c.forget(s, why)
		c.judge(c.options.Now())
	}
	c.mu.Unlock()
	c.probeNow()
}

// probeNow asks all servers, at once.
func (c *Cluster) probeNow() {
	for _, s := range c.servers {
		s.kickNow()
	}
}

// several notes that an address leads to more than one server, as the reader endpoint of a cloud may: then what a probe
// finds says nothing of where a connection leads. After a restart there is another server too, but the old one is gone.
type several struct {
	doubted bool      // a connection led elsewhere than the probe's
	times   int       // that both servers were there, lately
	last    time.Time // of them
}

const (
	// severalTimes is how often the address must lead to two servers at once: when a name comes to stand for another
	// server, it does so once.
	severalTimes = 3
	// severalWithin is the time in which it must, and severalFor for how long it is left out then.
	severalWithin = time.Minute
	severalFor    = 10 * time.Minute
)

func (v *several) add(now time.Time) {
	if now.Sub(v.last) > severalWithin {
		v.times = 0
	}
	v.times++
	v.last = now
}

func (v *several) sure(now time.Time) bool {
	return v.times >= severalTimes && now.Sub(v.last) < severalFor
}

var errOther = errors.New("a connection leads to another server than a moment ago")

// doubt notes that a connection of that generation led to another server than the probe's.
func (c *Cluster) doubt(s *server, generation uint64) {
	c.mu.Lock()
	if s.generation.Load() == generation && s.sight != nil {
		s.several.doubted = true
	}
	c.mu.Unlock()
	c.suspect(s, generation, errOther)
}
