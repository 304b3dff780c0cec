package server

import (
	"crypto/tls"
	"log/slog"
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
