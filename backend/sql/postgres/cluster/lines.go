package cluster

import (
	"context"
	"errors"
	"runtime"
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
	wake     chan struct{} // has room for all owners; closed at the end
	busy     chan struct{} // tells the watch that there is something to watch; closed at the end
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

// owner is who sends and reads on one line at a time.
type owner struct {
	lines *lines
	batch []*Errand // what was sent last; the lines' mu guards it
	bare  []*postgres.Errand
	done  []bool // which of them have been answered
	tell  func(int)
}

// errAgain has an errand choose a server again, for that one was given up.
var errAgain = errors.New("the server was given up")

// keepFor is how long an owner keeps a connection while there is always something to do: then others look whether the
// connection is too old.
const keepFor = time.Second

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
	e.generation, e.refused = n.server.generation.Load(), nil
	e.since.Store(int64(now.Sub(n.opened)))
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return true, refusal(pool.ErrClosed)
	}
	if n.free == 0 && !e.Quick() {
		n.mu.Unlock()
		n.turn(e, postgres.Busy)
		return true, nil
	}
	e.state.Store(queued)
	n.push(e)
	wake, watch := n.rouse(), !n.watched
	n.watched = true
	n.mu.Unlock()
	if wake {
		n.wake <- struct{}{}
	}
	if watch {
		n.busy <- struct{}{}
	}
	if deadline.IsZero() || deadline.Sub(now) > n.patience() {
		<-e.signal
	}
	if e.state.Load() != answered {
		if kept, err = n.linger(e, deadline, who); !kept || err != nil {
			return kept, err
		}
	}
	return true, e.refused
}

// rouse tells whether an owner must be woken now, and counts on that. mu is held.
func (n *lines) rouse() bool {
	if n.free == 0 || n.waking || n.first == nil {
		return false
	}
	n.free--
	n.waking = true
	return true
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

// patience is how long a caller waits for an answer without looking at its deadline and its context, for to do so costs
// more than most statements; and how long it stays queued before it wants a connection of its own.
func (n *lines) patience() time.Duration {
	return min(maxPatience, max(time.Millisecond, n.cluster.options.Pool.AcquireTimeout/2))
}

const maxPatience = 50 * time.Millisecond

// linger waits for an answer that takes its time.
func (n *lines) linger(e *Errand, deadline time.Time, who postgres.Contexter) (kept bool, err error) {
	var ctx context.Context
	var gone <-chan struct{}
	if who != nil {
		ctx = who.Context()
		gone = ctx.Done()
	}
	server, turn := e.server.Address, n.opened.Add(time.Duration(e.since.Load())+n.patience())
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		limit, turns := deadline, false
		switch state := e.state.Load(); {
		case state == answered:
			return true, nil
		case state == queued && (limit.IsZero() || turn.Before(limit)):
			limit, turns = turn, true
		}
		if limit.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(limit.Sub(n.cluster.options.Now()))
		}
		select {
		case <-e.signal:
			continue
		case <-gone:
			turns, err = false, e.Ended(server, context.Cause(ctx))
		case <-timer.C:
			err = e.Ended(server, context.DeadlineExceeded)
		}
		switch kept, out := n.leave(e, turns); {
		case out && turns:
			n.turn(e, postgres.Busy)
			return true, nil
		case out:
			return kept, err
		}
	}
}

// turn has a caller run its errand, which is not queued, elsewhere.
func (n *lines) turn(e *Errand, d postgres.Detour) {
	e.Turn(d)
	n.counts.detours[d].Add(1)
}

// leave takes a caller's errand off the queue, or leaves it behind: then kept is false. With onlyQueued it stays if it has
// been sent meanwhile. It is not out if it stays, or has been answered meanwhile.
func (n *lines) leave(e *Errand, onlyQueued bool) (kept, out bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if e.state.Load() == queued {
		n.remove(e)
		return true, true
	}
	return false, !onlyQueued && e.state.CompareAndSwap(sent, left)
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

// work is what an owner does until the lines are closed.
func (w *owner) work() {
	for w.rest() {
		w.turn()
	}
}

// rest waits until there is something to do. It is false at the end.
func (w *owner) rest() bool {
	n := w.lines
	n.mu.Lock()
	w.batch = w.batch[:0]
	if n.first == nil && !n.closed {
		n.free++
		n.mu.Unlock()
		<-n.wake
		runtime.Gosched() // whoever is about to queue something comes first
		n.mu.Lock()
		n.waking = false
	}
	closed := n.closed
	n.mu.Unlock()
	return !closed
}

// turn borrows a connection and runs on it what is queued. Where there is none to be had others may have one: the server
// may take no more of them.
func (w *owner) turn() {
	n := w.lines
	l, err := n.cluster.lendFrom(n.server, n.pool, time.Time{}, true)
	switch {
	case l != nil:
	case err == nil: // the server was given up
		n.clear(func(e *Errand) { e.refused = errAgain })
		return
	case errors.Is(err, pool.ErrExhausted): // callers see to themselves
		return
	default:
		n.clear(func(e *Errand) { e.Turn(postgres.Busy) })
		return
	}
	now := n.cluster.options.Now()
	for end := now.Add(keepFor); now.Before(end) && w.take(l.generation, now); now = n.cluster.options.Now() {
		if err = l.Conn.Batch(w.bare, w.tell); err != nil {
			w.fail(err)
			break
		}
	}
	l.Release(err)
}

// take takes what is queued, for a connection of that generation. It is false if there is nothing, or the connection is of
// no more use.
func (w *owner) take(generation uint64, now time.Time) bool {
	n := w.lines
	w.bare, w.done = w.bare[:0], w.done[:0]
	n.mu.Lock()
	w.batch = w.batch[:0]
	if n.server.generation.Load() == generation {
		for size := 0; len(w.batch) < postgres.MaxBatch && n.first != nil && (size == 0 || size+n.first.Size() <= postgres.MaxBatchBytes); {
			e := n.pop()
			if e.generation != generation {
				e.refused = errAgain
				n.answer(e)
				continue
			}
			size += e.Size()
			w.batch = append(w.batch, e)
			w.bare = append(w.bare, &e.Errand)
			w.done = append(w.done, false)
		}
	}
	wake := n.rouse()
	n.mu.Unlock()
	if wake {
		n.wake <- struct{}{}
	}
	if len(w.batch) == 0 {
		return false
	}
	n.waited.Observe(now.Sub(n.opened) - time.Duration(w.batch[0].since.Load()))
	n.counts.batches.Add(1)
	n.counts.errands.Add(int64(len(w.batch)))
	return true
}

// answered gives one of the batch back.
func (w *owner) answered(i int) {
	w.done[i] = true
	w.lines.answer(w.batch[i])
}

// fail gives back what was not answered, for the connection has broken.
func (w *owner) fail(err error) {
	for i, e := range w.batch {
		if !w.done[i] {
			e.Fail(err)
			w.lines.answer(e)
		}
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

// watch tells callers that have waited for long to see to themselves.
func (n *lines) watch() {
	tick := time.NewTimer(time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-n.stop:
			return
		case <-n.busy:
		}
		for watching := true; watching; {
			tick.Reset(n.patience() / 4)
			select {
			case <-n.stop:
				return
			case <-tick.C:
			}
			watching = n.stir()
		}
	}
}

// quietEnough is how often the watch finds nothing before it ends.
const quietEnough = 40

// stir wakes callers that have waited for long. It is false once there is nobody to watch.
func (n *lines) stir() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := int64(n.cluster.options.Now().Add(-n.patience()).Sub(n.opened))
	some := n.first != nil
	for e := n.first; e != nil && e.since.Load() <= before; e = e.next {
		e.nudge()
	}
	for _, w := range n.owners {
		for _, e := range w.batch {
			// It may be another's by now, whom it does no harm to look.
			if e.state.Load() == sent {
				some = true
				if e.since.Load() <= before {
					e.nudge()
				}
			}
		}
	}
	if n.quiet++; some {
		n.quiet = 0
	}
	n.watched = n.quiet < quietEnough
	return n.watched
}

// nudge has the caller look.
func (e *Errand) nudge() {
	select {
	case e.signal <- struct{}{}:
	default:
	}
}

// closeTime is how long the end of a batch is waited for.
const closeTime = 5 * time.Second

// close refuses what is queued, waits for what was sent, for closeTime at most, and ends all connections.
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
	late := time.AfterFunc(closeTime, func() { n.sessions.cut(true, true) })
	n.running.Wait()
	late.Stop()
	n.pool.Close()
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

// lines is how many of the connections are lines: never more than are left for others, of which there are two at least.
func (p Pool) lines() int { return min(p.Lines, max(0, p.Max-1)/2) }

// idleLines is how many of those kept open are lines.
func (p Pool) idleLines() int { return min(p.lines(), p.MinIdle/2) }

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
