// Package observe makes the logs, metrics and traces of exchanges and of what backends do.
package observe

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/sluiceapi/sluice"
)

// Options say what is told of exchanges, and where.
type Options struct {
	// Log is told what goes wrong in here, such as traces that nobody takes.
	Log *slog.Logger
	// Metrics counts the exchanges. The same one serves all nodes of a process, so that series go on after a reload.
	Metrics *Metrics
	// AccessLog gets a line for every exchange; nil turns it off. It gets whole lines, and may be shared with a
	// logger when its Write may be called by many at once, as that of an *os.File may.
	AccessLog io.Writer
	// Format is that of the access log.
	Format Format
	// Traces says where traces go.
	Traces Traces
	// Now is the clock.
	Now func() time.Time
}

// Observer tells of the exchanges of a node. It may serve several nodes at once.
type Observer struct {
	metrics *Metrics
	access  *accessLog
	tracer  *tracer
	now     func() time.Time
}

// New starts an Observer. It fails when the endpoint of traces cannot be read; it does not connect to it.
func New(o Options) (*Observer, error) {
	tracer, err := newTracer(&o)
	if err != nil {
		return nil, err
	}
	return &Observer{metrics: o.Metrics, access: newAccessLog(&o), tracer: tracer, now: o.Now}, nil
}

// Close writes what is still waiting: lines of the access log, then spans, until ctx ends. It is called once, after
// the last exchange; lines of exchanges that end later are written one by one, their spans are lost.
func (o *Observer) Close(ctx context.Context) error {
	var access, traces error
	if o.access != nil {
		access = o.access.out.close(ctx)
	}
	if o.tracer != nil {
		traces = o.tracer.provider.Shutdown(ctx)
	}
	return errors.Join(access, traces)
}

// Handler is next with everything told of its exchanges. It stands around a whole node, so that unknown paths are
// told too. endpoints are all that next may find for an exchange.
func (o *Observer) Handler(endpoints []*sluice.Endpoint, next sluice.Handler) sluice.Handler {
	in := &entrance{
		Observer: o, next: next,
		inFlight: o.metrics.level("api_requests_in_flight", "API requests being served now"),
		series:   make(map[*sluice.Endpoint]*series, len(endpoints)),
		none:     newSeries(o.metrics, "none"),
	}
	for _, ep := range endpoints {
		in.series[ep] = newSeries(o.metrics, ep.Name)
	}
	return in
}
