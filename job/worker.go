package job

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sluiceapi/sluice"
)

// Times are the periods of a worker. The zero value of each is a sound default.
type Times struct {
	// Lease is how long an attempt is a worker's without being extended: 30 s. A third of it is the heartbeat.
	Lease time.Duration
	// Poll is how often the record is asked for jobs that are due, and swept: 1 s.
	Poll time.Duration
	// Unheard is how long after it was rung for a job is rung for again: 30 s.
	Unheard time.Duration
	// Crash is the time before the next attempt after a crash: 1 s, doubled with each.
	Crash time.Duration
}

func (t Times) withDefaults() Times {
	for _, d := range []struct {
		to *time.Duration
		is time.Duration
	}{{&t.Lease, 30 * time.Second}, {&t.Poll, time.Second}, {&t.Unheard, 30 * time.Second}, {&t.Crash, time.Second}} {
		if *d.to == 0 {
			*d.to = d.is
		}
	}
	return t
}

// The causes by which the context of an attempt ends, beside its deadline.
var (
	errLost      = errors.New("the lease of the job is lost")
	errCancelled = errors.New("the job was cancelled")
	errGivenBack = errors.New("the process stops, and the job goes to another")
)

// Worker carries out the jobs of the endpoints that it is told of. One worker belongs to one node.
type Worker struct {
	Keeper *Keeper
	// AtOnce is how many jobs it works on at the same time.
	AtOnce int
	Times  Times
	// Run serves an attempt: it returns how it ended. ctx ends when the attempt must.
	Run map[string]func(ctx context.Context, c Claimed) Ended
	// Told is told how an attempt at a job of an endpoint ended: the state, "retry", "given_back", or "lost" where its lease
	// was; nil is told nothing.
	Told func(endpoint, outcome string)
	Log  *slog.Logger

	endpoints []string
	slots     chan struct{}
	claims    *gatherer[string, *Claimed]
	wake      chan struct{}
	running   sync.WaitGroup

	mu   sync.Mutex // guards held
	held map[Held]*attempt
}

// Ended is how an attempt ended.
type Ended struct {
	To     State
	After  time.Duration
	Reason string
	Result *Result
}

// attempt is a job being worked on.
type attempt struct {
	end context.CancelCauseFunc
	// until is when the lease ends at the latest, by this process' clock.
	until time.Time
}

// Work carries out jobs until take ends, and returns once the last of those begun has ended. When keep ends they are given
// back.
func (w *Worker) Work(take, keep context.Context) {
	w.Times = w.Times.withDefaults()
	for endpoint := range w.Run {
		w.endpoints = append(w.endpoints, endpoint)
	}
	w.slots, w.wake, w.held = make(chan struct{}, w.AtOnce), make(chan struct{}, 1), map[Held]*attempt{}
	w.claims = newGatherer(w.claim)
	beat, stop := context.WithCancel(context.Background())
	var hearts, takers sync.WaitGroup
	hearts.Go(func() { w.every(beat, w.Times.Lease/3, w.heartbeat) })
	takers.Go(func() { w.poll(take, keep) })
	takers.Go(func() { w.every(take, w.Times.Poll, w.sweep) })
	takers.Go(func() { w.hear(take, keep) })
	takers.Wait()
	w.claims.close()
	w.running.Wait()
	stop()
	hearts.Wait()
}

// every calls f each period, give or take a fifth, until ctx ends.
func (w *Worker) every(ctx context.Context, period time.Duration, f func(context.Context)) {
	for {
		timer := time.NewTimer(period - period/5 + rand.N(2*period/5+1))
		select {
		case <-timer.C:
			f(ctx)
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// hear takes up jobs that the bell rings for, also after the bell was away.
func (w *Worker) hear(take, keep context.Context) {
	for take.Err() == nil {
		err := w.Keeper.Bell.Consume(take, w.AtOnce, func(h Hint) bool { return w.ring(take, keep, h) })
		if take.Err() != nil {
			return
		}
		w.Log.Debug("the bell of jobs is away; the record is polled", "error", err)
		timer := time.NewTimer(w.Times.Poll)
		select {
		case <-timer.C:
		case <-take.Done():
			timer.Stop()
		}
	}
}

// ring claims the job of a hint and begins it. It returns true when there is nothing left to do for the hint: the job is
// begun, or there was none to begin.
func (w *Worker) ring(take, keep context.Context, h Hint) bool {
	if w.Run[h.Endpoint] == nil {
		return true // a poll of who knows the endpoint finds it
	}
	select {
	case w.slots <- struct{}{}:
	case <-take.Done():
		return false
	}
	asked := time.Now()
	c, err := w.claims.call(context.Background(), h.Job)
	if err != nil || c == nil {
		w.free()
		if err == nil {
			w.Keeper.tally.late.Add(1)
		}
		return err == nil
	}
	w.Keeper.tally.claimed.Add(1)
	w.begin(keep, *c, asked)
	return true
}

// claim claims the jobs of several hints.
func (w *Worker) claim(ctx context.Context, ids []string) ([]*Claimed, error) {
	claimed, err := w.Keeper.Record.Claim(ctx, Claim{IDs: ids, Endpoints: w.endpoints, Limit: len(ids), Lease: w.Times.Lease})
	if err != nil {
		return nil, err
	}
	all := make([]*Claimed, len(ids))
	for i := range claimed {
		for j, id := range ids {
			if id == claimed[i].Job.ID && all[j] == nil {
				all[j] = &claimed[i]
				break
			}
		}
	}
	return all, nil
}

// poll claims what is due as long as there are free slots, when a while has passed or a slot of a full worker is free.
func (w *Worker) poll(take, keep context.Context) {
	for {
		full := w.claimDue(take, keep)
		var again <-chan struct{}
		if full {
			again = w.wake
		}
		timer := time.NewTimer(w.Times.Poll - w.Times.Poll/5 + rand.N(2*w.Times.Poll/5+1))
		select {
		case <-again:
		case <-timer.C:
		case <-take.Done():
		}
		timer.Stop()
		if take.Err() != nil {
			return
		}
	}
}

// claimDue claims jobs for all free slots, and tells whether there may be more.
func (w *Worker) claimDue(take, keep context.Context) (more bool) {
	free := 0
taking:
	for free < w.AtOnce {
		select {
		case w.slots <- struct{}{}:
			free++
		default:
			break taking
		}
	}
	if free == 0 || take.Err() != nil {
		for range free {
			w.free()
		}
		return free == 0
	}
	asked := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), gatherTime)
	defer cancel()
	claimed, err := w.Keeper.Record.Claim(ctx, Claim{Endpoints: w.endpoints, Limit: free, Lease: w.Times.Lease})
	if err != nil {
		w.Log.Warn("the record of jobs cannot be asked for jobs", "error", err)
	}
	for _, c := range claimed {
		w.begin(keep, c, asked)
	}
	for range free - len(claimed) {
		w.free()
	}
	return len(claimed) == free
}

// free gives a slot back.
func (w *Worker) free() {
	<-w.slots
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// begin works on a job in a slot that is taken already. asked is before the lease began.
func (w *Worker) begin(keep context.Context, c Claimed, asked time.Time) {
	ctx, end := context.WithCancelCause(context.Background())
	a := &attempt{end: end, until: asked.Add(w.Times.Lease)}
	w.mu.Lock()
	w.held[c.Held()] = a
	w.mu.Unlock()
	w.running.Go(func() {
		defer w.free()
		leave := w.Keeper.attend(c.Job.ID, func() { end(errCancelled) })
		stop := context.AfterFunc(keep, func() { end(errGivenBack) })
		ended := w.Run[c.Job.Endpoint](ctx, c)
		stop()
		leave()
		w.finish(ctx, c, a, ended)
		w.mu.Lock()
		delete(w.held, c.Held())
		w.mu.Unlock()
		end(nil)
	})
}

// finish records how an attempt ended, as long as its lease may be held.
func (w *Worker) finish(ctx context.Context, c Claimed, a *attempt, e Ended) {
	f := Finished{Held: c.Held(), To: e.To, After: e.After, Reason: e.Reason, Result: e.Result}
	switch cause := context.Cause(ctx); {
	case cause == errLost:
		w.dropped(c)
		return
	case cause == errCancelled && e.To != Succeeded:
		f = Finished{Held: c.Held(), To: Cancelled}
	case cause == errGivenBack && e.To != Succeeded:
		f = Finished{Held: c.Held(), To: Ready, GiveBack: true}
	}
	// It is asked again while the record is away, with pauses that nothing could cut short: the end of the lease does.
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		held, err := w.Keeper.Finish(context.Background(), f)
		if err == nil {
			if !held {
				w.dropped(c)
			} else {
				w.tell(c, outcome(f))
			}
			if held && f.To == Ready && f.After == 0 {
				w.Keeper.Ring(Hint{Job: c.Job.ID, Endpoint: c.Job.Endpoint, Trace: c.Job.Trace})
			}
			return
		}
		w.mu.Lock()
		late := time.Now().After(a.until)
		w.mu.Unlock()
		if late {
			w.Log.Error("what came of a job cannot be recorded; it will be tried again", "job", c.Job.ID, "endpoint", c.Job.Endpoint, "error", err)
			return
		}
		time.Sleep(wait)
	}
}

func (w *Worker) dropped(c Claimed) {
	w.tell(c, "lost")
	w.Keeper.tally.lost.Add(1)
	w.Log.Warn("a lease was lost, so what came of the attempt is dropped", "job", c.Job.ID, "endpoint", c.Job.Endpoint, "claim", c.Job.Claims)
}

// outcome is what Told is told of an attempt that was recorded.
func outcome(f Finished) string {
	switch {
	case f.GiveBack:
		return "given_back"
	case f.To == Ready:
		return "retry"
	}
	return string(f.To)
}

func (w *Worker) tell(c Claimed, outcome string) {
	if w.Told != nil {
		w.Told(c.Job.Endpoint, outcome)
	}
}

// heartbeat extends the leases of all jobs that are worked on, and ends those that are lost or cancelled.
func (w *Worker) heartbeat(context.Context) {
	w.mu.Lock()
	e := Extend{Lease: w.Times.Lease}
	for h := range w.held {
		e.Held = append(e.Held, h)
	}
	w.mu.Unlock()
	if len(e.Held) == 0 {
		return
	}
	asked := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), w.Times.Lease/3)
	defer cancel()
	extended, err := w.Keeper.Record.Extend(ctx, e)
	kept := map[string]Extended{}
	for _, x := range extended {
		kept[x.ID] = x
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range e.Held {
		a := w.held[h]
		x, is := kept[h.ID]
		switch {
		case a == nil:
		case err != nil:
			// The lease ends before the next heartbeat could save it.
			if time.Until(a.until) < w.Times.Lease/6 {
				a.end(errLost)
			}
		case !is:
			a.end(errLost)
		default:
			a.until = asked.Add(w.Times.Lease)
			if x.Cancel {
				a.end(errCancelled)
			}
		}
	}
}

// sweepMost bounds what one sweep repairs of each sort.
const sweepMost = 200

// sweep repairs what was left behind, and rings again for jobs that nobody took up, unless the bell has much to ring for.
func (w *Worker) sweep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, gatherTime)
	defer cancel()
	s := Sweep{Limit: sweepMost, Unheard: w.Times.Unheard, Crash: w.Times.Crash}
	if depth, err := w.Keeper.Bell.Depth(ctx); err != nil || depth > int64(10*w.AtOnce) {
		s.Unheard = 0
	}
	swept, err := w.Keeper.Record.Sweep(ctx, s)
	if err != nil {
		if ctx.Err() == nil {
			w.Log.Warn("the record of jobs cannot be swept", "error", err)
		}
		return
	}
	for _, h := range swept.Ring {
		w.Keeper.Ring(h)
	}
	if swept.Lost > 0 {
		w.Keeper.tally.expired.Add(float64(swept.Lost))
		w.Log.Warn("leases ran out", "jobs", swept.Lost, "dead", swept.Dead)
	}
}

// Judge says what becomes of a job after an attempt that was answered with a status.
func Judge(j *Job, plan *sluice.JobPlan, status int, retryAfter time.Duration, reason string, r *Result) Ended {
	switch {
	case status < 400:
		return Ended{To: Succeeded, Result: r}
	case !Retryable(status):
		return Ended{To: Failed, Result: r}
	case j.Attempt >= j.MaxAttempts:
		return Ended{To: Dead, Reason: Exhausted, Result: r}
	}
	return Ended{To: Ready, After: Backoff(j.Attempt, plan.Base, plan.Cap, retryAfter), Reason: reason}
}
