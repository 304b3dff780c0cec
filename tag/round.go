package tag

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// rounds have many wait for one call of do that began after they came.
type rounds struct {
	do     func(context.Context) error
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex // guards what follows
	next    *round
	running bool
	closed  bool
	workers sync.WaitGroup
}

type round struct {
	done chan struct{}
	err  error
}

func (r *rounds) init(do func(context.Context) error) {
	r.do = do
	r.ctx, r.cancel = context.WithCancel(context.Background())
}

// close ends the call that runs, and waits for it.
func (r *rounds) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	r.workers.Wait()
}

// wait waits for a call that begins now or later.
func (r *rounds) wait(ctx context.Context) error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return context.Canceled
	}
	if r.next == nil {
		r.next = &round{done: make(chan struct{})}
	}
	mine := r.next
	if !r.running {
		r.running = true
		r.workers.Go(r.run)
	}
	r.mu.Unlock()
	select {
	case <-mine.done:
		return mine.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *rounds) run() {
	for {
		r.mu.Lock()
		now := r.next
		r.next = nil
		if now == nil {
			r.running = false
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		now.err = r.do(r.ctx)
		close(now.done)
	}
}

// tailer follows purges while tags are in use, and tries again what purges have not reached the store.
type tailer struct {
	lastUse atomic.Int64
	asleep  atomic.Bool
	wake    chan struct{}
	end     chan struct{}
	ended   chan struct{}
	g       *Tags
}

func (t *tailer) start(g *Tags) {
	t.g, t.wake, t.end, t.ended = g, make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	go t.run()
}

func (t *tailer) stop() {
	close(t.end)
	t.g.rounds.close()
	<-t.ended
	t.g.lost()
}

// used notes that tags are in use, roughly.
func (t *tailer) used(clock int64) {
	if clock-t.lastUse.Load() > int64(rest/4) {
		t.lastUse.Store(clock)
		if t.asleep.Load() {
			t.stir()
		}
	}
}

// stir wakes the tailer.
func (t *tailer) stir() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *tailer) run() {
	defer close(t.ended)
	timer := time.NewTimer(pace)
	defer timer.Stop()
	for {
		select {
		case <-t.end:
			return
		case <-t.wake:
		case <-timer.C:
		}
		busy := t.g.retry(t.g.rounds.ctx)
		if t.g.state.Shared() && t.g.clock(t.g.now())-t.lastUse.Load() <= int64(rest) {
			busy = true
			_ = t.g.rounds.wait(t.g.rounds.ctx)
		}
		t.asleep.Store(!busy)
		if busy {
			timer.Reset(pace)
		}
	}
}
