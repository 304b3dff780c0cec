package cluster

import (
	"errors"
	"runtime"
	"time"

	"github.com/sluiceapi/sluice/backend/sql/postgres"
	"github.com/sluiceapi/sluice/backend/sql/postgres/pool"
)

// owner is who sends and reads on one line at a time.
type owner struct {
	lines *lines
	batch []*Errand // what was sent last; the lines' mu guards it
	bare  []*postgres.Errand
	done  []bool // which of them have been answered
	tell  func(int)
}

// keepFor is how long an owner keeps a connection while there is always something to do: then others look whether the
// connection is too old.
const keepFor = time.Second

// work is what an owner does until the lines are closed.
func (w *owner) work() {
	for w.rest() {
		w.round()
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

// round borrows a connection and runs on it what is queued. Where there is none to be had others may have one: the server
// may take no more of them.
func (w *owner) round() {
	n := w.lines
	l, err := n.cluster.lendFrom(&choice{server: n.server, generation: n.server.generation.Load()}, n.pool, time.Time{}, true)
	switch {
	case l != nil:
	case err == nil: // the server was given up
		n.clear(func(e *Errand) { e.refused = errAgain })
		return
	case errors.Is(err, pool.ErrExhausted): // callers see to themselves
		return
	default:
		n.clear(func(e *Errand) { e.SetDetour(postgres.Busy) })
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
	n.rouse()
	n.mu.Unlock()
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
