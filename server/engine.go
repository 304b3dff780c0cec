package server

import (
	"context"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
)

// engine moves exchanges between the connections of a listener and a handler. Which one runs is known here only.
type engine interface {
	// serve takes connections from l until l is closed or shutdown begins.
	serve(l net.Listener)
	// drain has every answer from now on ask its client to leave. It may be called more than once.
	drain()
	// leave has answers that last end, evenly over that time or until ctx ends, and returns then.
	leave(ctx context.Context, over time.Duration)
	// shutdown closes idle connections and returns when the last exchange has ended. When ctx ends before, what
	// still runs is cut off and its error returned.
	shutdown(ctx context.Context) error
}

// answer has the handler answer x. A panic in the handler is an Internal error.
func (s *core) answer(x *sluice.Exchange) (err error) {
	defer recoverAs(&err)
	return s.handler.Serve(x)
}

// refuse tells the handler, if it wants to know, that it does not get to see x.
func (s *core) refuse(x *sluice.Exchange, why error) (err error) {
	r, ok := s.handler.(Refuser)
	if !ok {
		return why
	}
	err = why
	defer recoverAs(&err)
	r.Refuse(x, why)
	return err
}

// end ends x. A panic in what OnEnd was given is logged; intact tells that there was none, so x may be used again.
func (s *core) end(x *sluice.Exchange, o sluice.Outcome) (intact bool) {
	err := calm(func() { x.End(o) })
	if err != nil {
		s.logInternal(x, err)
	}
	return err == nil
}

// panicked is a panic as an error. It does not unwrap: whatever was thrown, the failure is the server's.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string {
	return fmt.Sprintf("panic: %v", p.value)
}

// recoverAs, deferred, turns a panic into *err.
func recoverAs(err *error) {
	if v := recover(); v != nil {
		*err = &panicked{value: v, stack: debug.Stack()}
	}
}

// flights counts running exchanges and keeps the connections that were upgraded, so that they can be waited for and
// cut off.
type flights struct {
	count atomic.Int64
	none  chan struct{} // gets a signal, if nobody else has left one, whenever count falls to zero

	mu       sync.Mutex // guards what follows
	upgraded map[net.Conn]struct{}
	lasting  map[*call]func() // how to end answers that last
	leaving  bool             // those that begin from now on are to end too
}

func newFlights() *flights {
	return &flights{none: make(chan struct{}, 1), upgraded: map[net.Conn]struct{}{}, lasting: map[*call]func(){}}
}

func (f *flights) begin() { f.count.Add(1) }

func (f *flights) end() {
	if f.count.Add(-1) == 0 {
		select {
		case f.none <- struct{}{}:
		default:
		}
	}
}

// wait returns when no exchange runs, or ctx's error when that ends first.
func (f *flights) wait(ctx context.Context) error {
	for f.count.Load() > 0 {
		select {
		case <-f.none:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (f *flights) upgrade(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.upgraded[c] = struct{}{}
}

func (f *flights) downgrade(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.upgraded, c)
}

// cut closes all upgraded connections.
func (f *flights) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.upgraded {
		c.Close()
	}
}
