package sql

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
)

// patience is how long a start, or a reload, waits for servers that do not answer.
const patience = 1500 * time.Millisecond

// progress is how far a shard has come since the node started.
type progress struct {
	// migrated is closed when its migrations are applied.
	migrated chan struct{}
	// settled is closed when the tables are there, or err says why they cannot be.
	settled chan struct{}
	err     error
	// why is the last failure that passes.
	why atomic.Pointer[error]

	usable atomic.Bool
}

func newProgress() progress {
	return progress{migrated: make(chan struct{}), settled: make(chan struct{})}
}

// isReached tells whether statements can be checked on the database.
func (s *shard) isReached() bool { return s.usable.Load() }

// isSettled tells whether a shard could be used since the node started, or never will.
func (p *progress) isSettled() bool {
	select {
	case <-p.settled:
		return true
	default:
		return false
	}
}

// passing notes a failure of a shard that passes.
func (b *backend) passing(s *shard, err error) {
	s.why.Store(&err)
	b.failing.Do(func() { close(b.failed) })
}

// reason is why a shard cannot be used yet.
func (s *shard) reason() error {
	if err := s.whyNot(); err != nil {
		return err
	}
	if err := s.why.Load(); err != nil {
		return *err
	}
	return errUnreached
}

// title is a shard in words, for whoever asks what a node waits for.
func (b *backend) title(s *shard) string {
	if s.name == "" {
		return "backend " + b.name
	}
	return "backend " + b.name + ", shard " + s.name
}

// waiting are the endpoints of a backend whose databases come and go.
type waiting struct {
	env     *sluice.Env
	ctx     context.Context
	running sync.WaitGroup // what goes on until ctx ends
	// failed is closed at the first failure that passes, of whichever shard: others may wait for it.
	failed  chan struct{}
	failing sync.Once

	mu        sync.Mutex // guards all below
	followers map[*fresh]struct{}
	// turn counts how often a shard became usable.
	turn int
}

// wait begins what goes on in the background until the backend is closed.
func (b *backend) wait(env *sluice.Env) {
	ctx, cancel := context.WithCancel(context.Background())
	b.env, b.ctx, b.followers, b.failed = env, ctx, map[*fresh]struct{}{}, make(chan struct{})
	env.Cleanup(func() {
		cancel()
		b.running.Wait()
	})
}

// await waits for the shards to be made. Those that cannot be reached are left to be waited for, and hold the node from
// being ready.
func (b *backend) await(env *sluice.Env) error {
	late := time.NewTimer(patience)
	defer late.Stop()
	for _, s := range b.shards {
		select {
		case <-s.settled:
			continue
		case <-late.C:
			late.Reset(0)
		}
		if b.allReached() { // they are at work, for as long as nothing fails
			select {
			case <-s.settled:
			case <-b.failed:
			}
		}
	}
	var done []*shard
	for _, s := range b.shards {
		select {
		case <-s.settled:
			done = append(done, s)
		default:
			s.log(env).Warn("a database is not ready; the node goes on trying", "error", s.reason())
			ready := env.Hold(b.title(s))
			env.Cleanup(ready) // what is closed is not waited for
			b.running.Go(func() { b.reach(env, s, ready) })
		}
	}
	return b.mistakes(done)
}

func (b *backend) allReached() bool {
	for _, s := range b.shards {
		select {
		case <-s.reached:
		default:
			return false
		}
	}
	return true
}

// mistakes are what is wrong with the shards: once what is wrong with all of them, else with the shard's name.
func (b *backend) mistakes(done []*shard) error {
	var all []error
	same := len(done) > 0
	for _, s := range done {
		if s.err != nil && !errors.Is(s.err, errCanary) {
			all = append(all, b.named(s, s.err))
		}
		same = same && s.err != nil && s.err.Error() == done[0].err.Error()
	}
	if same && len(all) > 1 {
		return done[0].err
	}
	return errors.Join(all...)
}

// named says which shard an error is about.
func (b *backend) named(s *shard, err error) error {
	if len(b.shards) == 1 {
		return err
	}
	if at, ok := errors.AsType[*sluice.FieldError](err); ok && at.Field != "shards."+s.name {
		return &sluice.FieldError{Field: at.Field, Offset: at.Offset, Err: fmt.Errorf("shard %s: %w", s.name, at.Err)}
	}
	return err
}

// reach waits for a shard and makes the endpoints anew that could not be made without it.
func (b *backend) reach(env *sluice.Env, s *shard, ready func()) {
	<-s.settled
	switch {
	case errors.Is(s.err, context.Canceled), errors.Is(s.err, errCanary):
		return
	case s.err != nil:
		s.log(env).Error("a database was reached, and its tables cannot be made", "error", s.err)
		return
	}
	b.welcome(env, s)
	ready()
}

// welcome makes all endpoints anew, for a shard can be used that could not.
func (b *backend) welcome(env *sluice.Env, s *shard) {
	s.log(env).Info("a database is reached")
	b.mu.Lock()
	b.turn++
	var all []*fresh
	for f := range b.followers {
		all = append(all, f)
	}
	b.mu.Unlock()
	for _, f := range all {
		f.reached()
	}
}

// turns tells how often a shard became usable.
func (b *backend) turns() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.turn
}

// follow has a handler, which was made after so many turns, made anew whenever a shard becomes usable.
func (b *backend) follow(env *sluice.Env, f *fresh, turn int) {
	if b.ctx == nil {
		return
	}
	b.mu.Lock()
	b.followers[f] = struct{}{}
	missed := b.turn > turn
	b.mu.Unlock()
	env.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.followers, f)
	})
	if missed {
		f.reached()
	}
}

// lose notes that a shard which could be used cannot be reached now, so that statements are not checked there until it
// is reached again.
func (b *backend) lose(s *shard, err error) {
	if !s.usable.CompareAndSwap(true, false) {
		return
	}
	s.log(b.env).Warn("a database cannot be reached; the node goes on trying", "error", err)
	ready := b.env.Hold(b.title(s))
	b.running.Go(func() {
		defer ready()
		for again := newBackoff(); ; {
			if !again.wait(b.ctx) {
				return
			}
			ctx, cancel := context.WithTimeout(b.ctx, time.Second)
			_, err := s.query(ctx, "SELECT 1")
			cancel()
			if err == nil {
				s.usable.Store(true)
				b.welcome(b.env, s)
				return
			}
		}
	})
}
