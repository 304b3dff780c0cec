package cluster

import (
	"context"
	"time"

	"github.com/sluiceapi/sluice/backend/sql/postgres"
)

// patience is how long a caller waits for an answer without looking at its context, for to do so costs more than most
// statements; and how long it stays queued before it wants a connection of its own.
func (n *lines) patience() time.Duration {
	return min(maxPatience, max(time.Millisecond, n.cluster.options.Pool.AcquireTimeout/2))
}

const maxPatience = 50 * time.Millisecond

// tick is how often it is looked who has waited for long.
func (n *lines) tick() time.Duration { return n.patience() / 4 }

// expect notes when the caller of an errand must look at its context or its deadline. It tells whether that is so soon that
// the caller must do so from the start.
func (n *lines) expect(e *Errand, now, deadline time.Time) (lingers bool) {
	since, wait := now.Sub(n.opened), n.patience()
	if !deadline.IsZero() {
		wait = min(wait, deadline.Sub(now)-n.tick())
	}
	e.since.Store(int64(since))
	e.due.Store(int64(since + wait))
	return wait <= 0
}

// linger waits for an answer that takes its time.
func (n *lines) linger(e *Errand, deadline time.Time, who postgres.Contexter) (kept bool, err error) {
	var ctx context.Context
	var gone <-chan struct{}
	if who != nil {
		ctx = who.Context()
		gone = ctx.Done()
	}
	server, enough := e.server.Address, n.opened.Add(time.Duration(e.since.Load())+n.patience())
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		limit, busy := deadline, false
		switch state := e.state.Load(); {
		case state == answered:
			return true, nil
		case state == queued && (limit.IsZero() || enough.Before(limit)):
			limit, busy = enough, true
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
			busy, err = false, e.Ended(server, context.Cause(ctx))
		case <-timer.C:
			err = e.Ended(server, context.DeadlineExceeded)
		}
		switch kept, out := n.leave(e, busy); {
		case out && busy:
			n.detour(e, postgres.Busy)
			return true, nil
		case out:
			return kept, err
		}
	}
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
			tick.Reset(n.tick())
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
	now := int64(n.cluster.options.Now().Sub(n.opened))
	some := n.first != nil
	for e := n.first; e != nil; e = e.next {
		e.nudge(now)
	}
	for _, w := range n.owners {
		for _, e := range w.batch { // it may be another's by now, whom it does no harm to look
			if e.state.Load() == sent {
				some = true
				e.nudge(now)
			}
		}
	}
	if n.quiet++; some {
		n.quiet = 0
	}
	n.watched = n.quiet < quietEnough
	return n.watched
}

// nudge has the caller look, if it is time.
func (e *Errand) nudge(now int64) {
	if e.due.Load() > now {
		return
	}
	select {
	case e.signal <- struct{}{}:
	default:
	}
}
