package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
)

// settings are what an engine is made from.
type settings struct {
	handler sluice.Handler
	limits  Limits
	tls     *tls.Config // nil without TLS
	log     *slog.Logger
}

// core is what all engines of one port have in common.
type core struct {
	settings
	flights  *flights
	errBody  *sluice.Error // for bodies over MaxBody
	draining atomic.Bool
	cut      atomic.Bool // what runs is cut off
	started  time.Time
	clock    func() time.Time
}

func newCore(s settings) *core {
	return &core{settings: s, flights: newFlights(), started: time.Now(), clock: sluice.NewClock(),
		errBody: sluice.Errorf(sluice.TooLarge, nil, "the body is larger than %s", sluice.Size(s.limits.MaxBody))}
}

// after is when a time is over, and up to a sixteenth of it later: so that what is set again and again is mostly what was
// set before.
func (e *core) after(t time.Duration) time.Time {
	step := max(t/16, 1)
	return e.started.Add((time.Since(e.started) + t + step).Truncate(step))
}

// writeLimit is how long a write may wait that begins now and is no part of an answer; zero is without limit.
func (e *core) writeLimit() time.Time {
	if t := e.limits.BodyTimeout; t > 0 {
		return e.after(t)
	}
	return time.Time{}
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

// calm calls f, and has a panic be an error.
func calm(f func()) (err error) {
	defer recoverAs(&err)
	f()
	return nil
}
