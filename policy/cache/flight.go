package cache

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sluiceapi/sluice"
)

// flights are the requests for answers that are not there: for each key one that asks the backend, and those that wait
// for what it gets.
type flights struct {
	mu   sync.Mutex // guards open, and the settling of flights
	open map[key]*flight
}

// flight is one request that asks the backend. What follows done is set before done is closed.
type flight struct {
	of     *flights
	key    key
	before *flight     // the one that it must wait for; nil when there is none
	begun  bool        // nobody may join it any more; guarded by of.mu
	timer  *time.Timer // guarded by of.mu
	done   chan struct{}

	outcome outcome
	entry   *entry
	err     error
}

// outcome is what became of a flight.
type outcome uint8

const (
	// unsettled: it is still under way.
	unsettled outcome = iota
	// kept: there is an entry.
	kept
	// released: everybody asks for themselves, because what came cannot be kept.
	released
	// again: somebody else must try, because whoever asked has left, or it is known only now under what key to look.
	again
	// unknown: the store cannot say what was purged, so nobody may have what another asked for before them.
	unknown
	// failed: the backend failed, and would fail for the others.
	failed
)

func newFlights() *flights { return &flights{open: make(map[key]*flight)} }

// join is the flight for a key; lead is set for whoever must ask the backend and settle it.
func (a *flights) join(k key) (f *flight, lead bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f = a.open[k]; f != nil {
		return f, false
	}
	f = &flight{of: a, key: k, done: make(chan struct{})}
	a.open[k] = f
	return f, true
}

// line is the flight for a key that has not begun, behind the one that is under way: whoever joins it gets what was asked
// for after they came.
func (a *flights) line(k key) (f *flight, lead bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	last := a.open[k]
	if last != nil && !last.begun {
		return last, false
	}
	f = &flight{of: a, key: k, before: last, done: make(chan struct{})}
	a.open[k] = f
	return f, true
}

// begin waits for the flight before, and lets nobody join from then on.
func (f *flight) begin(ctx context.Context) error {
	if f.before != nil {
		select {
		case <-f.before.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	f.of.mu.Lock()
	defer f.of.mu.Unlock()
	f.begun, f.before = true, nil
	return nil
}

// maxWait is the longest that a request waits for what another gets.
const maxWait = 30 * time.Second

// wait waits for the flight to be settled, for as long as that may take: only then its outcome may be looked at. The error
// is that the client has left.
func (f *flight) wait(x *sluice.Exchange) (landed bool, err error) {
	ctx := x.Context()
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	defer x.Waited()
	select {
	case <-f.done:
		return true, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	case <-timer.C:
		return false, nil
	}
}

// during runs what settles the flight. After a panic nobody waits for ever.
func (f *flight) during(run func() error) error {
	finished := false
	defer func() {
		if !finished {
			f.settle(released, nil, nil)
		}
	}()
	err := run()
	finished = true
	return err
}

// settle ends the flight, once; what comes later is not heard. It does nothing for a nil flight.
func (f *flight) settle(o outcome, e *entry, err error) {
	if f == nil {
		return
	}
	f.of.mu.Lock()
	defer f.of.mu.Unlock()
	if f.outcome != unsettled {
		return
	}
	f.outcome, f.entry, f.err = o, e, err
	if f.timer != nil {
		f.timer.Stop()
	}
	if f.of.open[f.key] == f {
		delete(f.of.open, f.key)
	}
	close(f.done)
}

// within settles the flight as released unless it is settled by then: whoever reads an answer slowly holds up nobody.
func (f *flight) within(d time.Duration) {
	if f == nil {
		return
	}
	f.of.mu.Lock()
	defer f.of.mu.Unlock()
	if f.outcome == unsettled {
		f.timer = time.AfterFunc(d, func() { f.settle(released, nil, nil) })
	}
}

// fail settles a flight whose leader got an error: what the backend would tell everybody is told to all, what is of the
// leader alone to nobody.
func (f *flight) fail(err error) {
	if f == nil {
		return
	}
	e := sluice.ErrorOf(err)
	switch status := e.Code.Status(); {
	case e.Code == sluice.ClientLeft || errors.Is(err, context.Canceled):
		f.settle(again, nil, nil)
	case status >= 500, e.Code == sluice.NotFound, e.Code == sluice.Gone:
		f.settle(failed, nil, keepError(e))
	default:
		f.settle(released, nil, nil)
	}
}

// keepError is a copy of an error that borrows nothing of an exchange.
func keepError(e *sluice.Error) *sluice.Error {
	c := *e
	c.Header = nil
	for _, f := range e.Header {
		c.Header = append(c.Header, sluice.Field{Name: bytes.Clone(f.Name), Value: bytes.Clone(f.Value)})
	}
	return &c
}
