package cluster

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/postgres"
	"github.com/sluiceapi/sluice/backend/sql/postgres/pool"
)

// lines are the connections to a server that reads share. Each has an owner, a goroutine that takes the errands that are
// queued, as many as there are, sends them in one write and reads their answers; it never waits for more of them.
//
// Lines have connections of their own, so that what is slow elsewhere does not hold up what is quick. An owner borrows one
// while there is something to do.
type lines struct {
	cluster *Cluster
	server  *server
	pool    *pool.Pool[*session]
	// sessions are those of the pool.
	sessions sessions
	opened   time.Time
	owners   []*owner
	running  sync.WaitGroup
	wake     chan struct{} // has room for all owners; sent to with mu held, and closed at the end
	busy     chan struct{} // tells the watch that there is something to watch; has room for that
	stop     chan struct{} // closed at the end
	counts   lineCounts
	waited   sluice.Histogram

	mu          sync.Mutex // guards what follows, and the owners' batches
	first, last *Errand    // the queue
	depth       int
	free        int  // owners that rest
	waking      bool // one was woken that has not looked at the queue yet
	watched     bool
	quiet       int // how often the watch found nothing
	closed      bool
}

// lineCounts are what metrics read.
type lineCounts struct {
	errands, batches atomic.Int64
	detours          [postgres.Detours]atomic.Int64
}

// errAgain has an errand choose a server again, for that one was given up.
var errAgain = errors.New("the server was given up")

func (c *Cluster) newLines(s *server, o pool.Options[*session]) (*lines, error) {
	n := &lines{cluster: c, server: s, opened: c.options.Now(), busy: make(chan struct{}, 1), stop: make(chan struct{})}
	n.waited = c.options.Metrics.Histogram("sluice_sql_line_wait_seconds", "Time in the queue for a line, of the read that waited longest of each batch",
		c.labels(sluice.Label{Name: "server", Value: s.Address})...)
	o.Waited = nil
	o.Max = c.options.Pool.lines()
	o.MinIdle = c.options.Pool.idleLines()
	o.Dial = func(ctx context.Context) (*session, error) {
		return dialLine(ctx, s.Server, c.options.Conn, &n.sessions)
	}
	var err error
	if n.pool, err = pool.New(o); err != nil {
		return nil, err
	}
	n.wake = make(chan struct{}, o.Max)
	for range o.Max {
		w := &owner{lines: n}
		w.tell = w.answered
		n.owners = append(n.owners, w)
		n.running.Go(w.work)
	}
	n.running.Go(n.watch)
	return n, nil
}

// dialLine opens a connection for lines.
func dialLine(ctx context.Context, s Server, o postgres.Options, of *sessions) (*session, error) {
	n, err := dial(ctx, s, o, of)
	if err != nil {
		return nil, err
	}
	if err := n.conn.AsLine(ctx, postgres.LineTime); err != nil {
		_ = n.Close() // it is of no use, and err says why
		return nil, err
	}
	return n, nil
}

// run queues an errand and waits for its answer; kept is false if the caller has left it behind. It returns errAgain if the
// server was given up.
func (n *lines) run(e *Errand, now, deadline time.Time, who postgres.Contexter) (kept bool, err error) {
	lingers := n.expect(e, now, deadline)
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return true, refusal(pool.ErrClosed)
	}
	if n.free == 0 && !e.Quick() {
		n.mu.Unlock()
		n.detour(e, postgres.Busy)
		return true, nil
	}
	e.state.Store(queued)
	n.push(e)
	n.rouse()
	if !n.watched {
		n.watched, n.quiet = true, 0
		n.busy <- struct{}{}
	}
	n.mu.Unlock()
	if !lingers {
		<-e.signal
	}
	if e.state.Load() != answered {
		if kept, err = n.linger(e, deadline, who); !kept || err != nil {
			return kept, err
		}
	}
	return true, e.refused
}

// rouse wakes an owner, if something is queued that none will look at soon. mu is held.
func (n *lines) rouse() {
	if n.free == 0 || n.waking || n.first == nil {
		return
	}
	n.free--
	n.waking = true
	n.wake <- struct{}{}
}

// push puts an errand at the end of the queue. mu is held.
func (n *lines) push(e *Errand) {
	e.next = nil
	if n.last == nil {
		n.first = e
	} else {
		n.last.next = e
	}
	n.last = e
	n.depth++
}

// pop takes the first errand off the queue, if there is one. mu is held.
func (n *lines) pop() *Errand {
	e := n.first
	if e == nil {
		return nil
	}
	if n.first = e.next; n.first == nil {
		n.last = nil
	}
	e.next = nil
	n.depth--
	e.state.Store(sent)
	return e
}

// remove takes an errand off the queue, wherever it stands. mu is held.
func (n *lines) remove(e *Errand) {
	var before *Errand
	for at := n.first; at != e; at = at.next {
		before = at
	}
	if before == nil {
		n.first = e.next
	} else {
		before.next = e.next
	}
	if n.last == e {
		n.last = before
	}
	e.next = nil
	n.depth--
	e.state.Store(unsent)
}

// detour has a caller run its errand, which is not queued, elsewhere.
func (n *lines) detour(e *Errand, d postgres.Detour) {
	e.SetDetour(d)
	n.counts.detours[d].Add(1)
}

// answer gives an errand that was taken off the queue back to its caller, or to whoever needs one next.
func (n *lines) answer(e *Errand) {
	if d := e.Detour(); d != postgres.Straight {
		n.counts.detours[d].Add(1)
	}
	if !e.state.CompareAndSwap(sent, answered) {
		n.cluster.Done(e)
		return
	}
	select {
	case e.signal <- struct{}{}:
	default: // it has been told to look already
	}
}

// clear gives back all that is queued, after f has said why.
func (n *lines) clear(f func(*Errand)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for e := n.pop(); e != nil; e = n.pop() {
		f(e)
		n.answer(e)
	}
}

// close refuses what is queued, waits for what was sent, for as long as the pool does, and ends all connections.
func (n *lines) close() {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return
	}
	n.closed = true
	n.mu.Unlock()
	n.clear(func(e *Errand) { e.refused = refusal(pool.ErrClosed) })
	close(n.stop)
	close(n.wake)
	n.pool.Close()
	n.sessions.cut(true, true)
	n.running.Wait()
}

// stats are what there is to be said of lines, and nothing where there are none.
func (n *lines) stats() LineStats {
	if n == nil {
		return LineStats{}
	}
	n.mu.Lock()
	queued := n.depth
	n.mu.Unlock()
	c := &n.counts
	st := LineStats{Queued: queued, Reads: c.errands.Load(), Batches: c.batches.Load()}
	for d := range st.Detours {
		st.Detours[d] = c.detours[d].Load()
	}
	return st
}

// lines is how many of the connections are lines: fewer than are left for others.
func (p Pool) lines() int { return min(p.Lines, max(0, p.Max-1)/2) }

// idleLines is how many of those kept open are lines.
func (p Pool) idleLines() int { return min(p.lines(), p.MinIdle/2) }
