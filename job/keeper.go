package job

import (
	"context"
	"sync"
	"time"

	"github.com/sluiceapi/sluice"
)

// Keeper is what the nodes of a process have in common of jobs: the record and the bell, and what gathers calls of them. Its
// methods may be called at once.
type Keeper struct {
	Record Record
	Bell   Bell

	env      *sluice.Env
	levels   levels
	tally    tally
	accepts  *gatherer[New, Accepted]
	finishes *gatherer[Finished, bool]
	hints    chan Hint
	stop     context.CancelFunc
	ringing  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	waiting map[string][]chan struct{}
	ends    map[string]*func() // for the jobs that are worked on here: ends the attempt, for somebody wants that
}

// hintQueue bounds the hints that wait to be published; what does not fit is rung for by a sweep.
const hintQueue = 4096

// NewKeeper keeps jobs in a record and rings a bell for them. Close closes both. It logs and measures by env.
func NewKeeper(record Record, bell Bell, env *sluice.Env) *Keeper {
	k := &Keeper{Record: record, Bell: bell, env: env, tally: newTally(env.Metrics), ends: map[string]*func(){}, accepts: newGatherer(record.Accept), finishes: newGatherer(record.Finish),
		hints: make(chan Hint, hintQueue), waiting: map[string][]chan struct{}{}}
	k.levels.record = record
	ctx, stop := context.WithCancel(context.Background())
	k.stop = stop
	k.ringing.Go(func() { k.publish(ctx) })
	return k
}

// Close ends what is going on, and closes record and bell. No other method may be called any more.
func (k *Keeper) Close() error {
	k.accepts.close()
	k.finishes.close()
	k.stop()
	k.ringing.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := k.Bell.Close(ctx); err != nil {
		k.env.Log.Warn("the bell of jobs is not closed as it should be", "error", err)
	}
	return k.Record.Close()
}

// Accept keeps a job, and rings for it without waiting for the bell.
func (k *Keeper) Accept(ctx context.Context, n New) (Accepted, error) {
	a, err := k.accepts.call(ctx, n)
	if err == nil && a.Err == nil && !a.Known {
		k.Ring(Hint{Job: a.Job.ID, Endpoint: a.Job.Endpoint, Trace: a.Job.Trace})
	}
	return a, err
}

// Finish ends an attempt, and tells whether its lease was still held.
func (k *Keeper) Finish(ctx context.Context, f Finished) (bool, error) {
	held, err := k.finishes.call(ctx, f)
	if err == nil && held {
		k.changed(f.Held.ID)
	}
	return held, err
}

// Ring has a hint published soon, if it can be.
func (k *Keeper) Ring(h Hint) {
	select {
	case k.hints <- h:
	default: // the sweep rings for it
		k.tally.unpublished.Add(1)
	}
}

// publish hands hints to the bell, as many at once as wait.
func (k *Keeper) publish(ctx context.Context) {
	for {
		var hints []Hint
		select {
		case h := <-k.hints:
			hints = append(hints, h)
		case <-ctx.Done():
			return
		}
		for len(hints) < gatherMost && len(k.hints) > 0 {
			hints = append(hints, <-k.hints)
		}
		limited, cancel := context.WithTimeout(ctx, gatherTime)
		err := k.Bell.Publish(limited, hints)
		if err == nil {
			k.tally.published.Add(float64(len(hints)))
		} else if ctx.Err() == nil {
			k.tally.unpublished.Add(float64(len(hints)))
			k.env.Log.Debug("hints are lost, so a sweep rings again", "hints", len(hints), "error", err)
		}
		cancel()
	}
}

// lookAgain is how often somebody who waits for a job asks the record, for changes that other processes make.
const lookAgain = 250 * time.Millisecond

// Wait returns the job as it is once it is of another version, or final, or ctx has ended, whichever is first.
func (k *Keeper) Wait(ctx context.Context, j *Job) (*Job, error) {
	for version := j.Version; !j.State.Final() && j.Version == version; {
		change, forget := k.await(j.ID)
		next, err := k.Record.Job(context.WithoutCancel(ctx), j.ID)
		if err != nil {
			forget()
			return nil, err
		}
		if j = next; j.State.Final() || j.Version != version {
			forget()
			break
		}
		again := time.NewTimer(lookAgain)
		select {
		case <-change:
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			forget()
			return j, nil
		}
		again.Stop()
		forget()
	}
	return j, nil
}

// await is told once of the next change that this process makes to a job.
func (k *Keeper) await(id string) (change <-chan struct{}, forget func()) {
	c := make(chan struct{}, 1)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waiting[id] = append(k.waiting[id], c)
	return c, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		left := k.waiting[id][:0:0]
		for _, o := range k.waiting[id] {
			if o != c {
				left = append(left, o)
			}
		}
		if k.waiting[id] = left; len(left) == 0 {
			delete(k.waiting, id)
		}
	}
}

func (k *Keeper) changed(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.waiting[id] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// attend has end called when the attempt at a job that begins now is to end because somebody wants it to, and is told of that
// here.
func (k *Keeper) attend(id string, end func()) (leave func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ends[id] = &end
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.ends[id] == &end {
			delete(k.ends, id)
		}
	}
}

// end ends the attempt at a job, if it is made by this process; another learns of it with its next heartbeat.
func (k *Keeper) end(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if end := k.ends[id]; end != nil {
		(*end)()
	}
}
