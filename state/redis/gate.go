package redis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/sluiceapi/sluice"
)

// gate is a time in which Redis answers: the circuit breaker is closed as long as there is one. It lets one call through
// at first, and one more with each answer, so that calls come back to a Redis that was away within a few round trips, and
// not all at once.
type gate struct {
	client rueidis.Client
	// turns are what calls take, for as long as Redis has them: also after their callers have left. They bound what piles up
	// before a Redis that stands still is given up.
	turns    chan struct{}
	issued   atomic.Int64
	failures atomic.Int64 // in a row
	// last is when a call was answered last, since the gate was made; zero before the first.
	made time.Time
	last atomic.Int64
	// grace is for how long after an answer failures are not the end: in a cluster of which one server is gone the others
	// answer.
	grace time.Duration

	breaking sync.Once
	broken   chan struct{} // closed when Redis is given up
	why      error         // to be read after that
}

const (
	// maxTurns is about how many calls a connection of rueidis has places for.
	maxTurns = 1000
	// maxFailures in a row break the gate. Before any call was answered, one does.
	maxFailures = 5
)

func newGate(c rueidis.Client, grace time.Duration) *gate {
	g := &gate{client: c, made: time.Now(), grace: grace, turns: make(chan struct{}, maxTurns), broken: make(chan struct{})}
	g.issue()
	return g
}

// issue makes one more turn, unless there are all.
func (g *gate) issue() {
	if g.issued.Load() < maxTurns && g.issued.Add(1) <= maxTurns {
		g.turns <- struct{}{}
	}
}

func (g *gate) answered() {
	g.last.Store(int64(time.Since(g.made)))
	if g.failures.Load() != 0 {
		g.failures.Store(0)
	}
	g.issue()
}

func (g *gate) failed(err error) {
	failures, last := g.failures.Add(1), g.last.Load()
	if last == 0 || failures >= maxFailures && time.Since(g.made)-time.Duration(last) > g.grace {
		g.give(err)
	}
}

// give gives Redis up.
func (g *gate) give(why error) {
	g.breaking.Do(func() {
		g.why = why
		close(g.broken)
	})
}

// errAway and errSlow are made beforehand, since they may come with every request.
var (
	errAway = fmt.Errorf("redis does not answer and is not asked for now: %w", sluice.ErrStore)
	errSlow = fmt.Errorf("redis did not answer in time: %w", sluice.ErrStore)
)

// timers are for waits.
var timers = sync.Pool{New: func() any {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}}

// call has ask use the client, and returns at the latest when the timeout has passed or ctx ends. What ask has found is to
// be used only where call returns nil, for else ask may still be running.
func (s *State) call(ctx context.Context, o *operation, ask func(rueidis.Client) error) error {
	began := time.Now()
	err := s.try(ctx, ask)
	o.tell(time.Since(began), err)
	return err
}

func (s *State) try(ctx context.Context, ask func(rueidis.Client) error) error {
	g := s.gate.Load()
	if g == nil || isClosed(g.broken) {
		return errAway
	}
	timer := timers.Get().(*time.Timer)
	timer.Reset(s.timeout)
	defer func() {
		timer.Stop()
		timers.Put(timer)
	}()
	select {
	case <-g.turns:
	case <-g.broken:
		return errAway
	case <-timer.C:
		g.failed(errSlow)
		return errSlow
	case <-ctx.Done():
		return ctx.Err()
	}
	done := make(chan error, 1)
	go func() { // it ends with the answer, or when rueidis gives the connection up
		err := ask(g.client)
		g.turns <- struct{}{}
		done <- err
	}()
	select {
	case err := <-done:
		return s.settle(g, err)
	case <-g.broken:
		return errAway
	case <-timer.C:
		g.failed(errSlow)
		return errSlow
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settle tells the gate how a call ended.
func (s *State) settle(g *gate, err error) error {
	if err == nil {
		g.answered()
		return nil
	}
	answer, is := rueidis.IsRedisErr(err)
	switch {
	case is && answer.IsNil():
		g.answered()
		return nil
	case is && strings.HasPrefix(answer.Error(), "READONLY"):
		g.give(err) // it answers what is read, but another took over, to which a new connection may lead
	case !is, cannotServe(answer.Error()):
		g.failed(err)
	default:
		g.answered()
		s.complain(err)
	}
	return fmt.Errorf("redis: %w: %w", err, sluice.ErrStore)
}

// cannotServe tells whether an error that Redis answers says that this server, or the cluster, cannot work now.
func cannotServe(answer string) bool {
	for _, code := range []string{"LOADING", "MASTERDOWN", "CLUSTERDOWN", "BUSY", "NOREPLICAS"} {
		if strings.HasPrefix(answer, code) {
			return true
		}
	}
	return false
}

// complain logs what Redis answers where it ought to work, such as a permission that is missing, once a minute.
func (s *State) complain(err error) {
	now, last := time.Now().UnixNano(), s.complained.Load()
	if now-last > int64(time.Minute) && s.complained.CompareAndSwap(last, now) {
		s.log.Error("redis refuses what it is asked", "error", err)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// rest waits, and at most until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func jitter(d time.Duration) time.Duration { return d + rand.N(d) }

// isStore tells whether it is the store that failed, and not its caller that left.
func isStore(err error) bool { return errors.Is(err, sluice.ErrStore) }
