package observe

import (
	"time"

	"github.com/sluiceapi/sluice"
)

// entrance is the handler around a whole node, by which every exchange comes in. Without traces it is its own Ender, so that
// nothing is made for an exchange; with them the Ender is the exchange's span.
type entrance struct {
	*Observer
	next     sluice.Handler
	inFlight *level
	series   map[*sluice.Endpoint]*series
	none     *series
}

// Serve starts what is told at the end of the exchange.
func (in *entrance) Serve(x *sluice.Exchange) error {
	if x.Start.IsZero() {
		x.Start = in.now()
	}
	takeRequestID(x)
	in.inFlight.add(1)
	if in.tracer == nil {
		x.OnEnd(in)
	} else {
		in.tracer.start(in, x)
	}
	return in.next.Serve(x)
}

// End tells of an exchange without a span. A trace id that came with it is kept for the log.
func (in *entrance) End(x *sluice.Exchange, o sluice.Outcome) {
	e := in.ended(x, o)
	if in.access != nil {
		e.trace, e.traced = incoming(&x.Request.Header)
	}
	in.tell(&e)
}

// ended is an exchange that is over, as it is told.
type ended struct {
	x        *sluice.Exchange
	outcome  sluice.Outcome
	series   *series
	at       time.Time
	duration time.Duration
	// trace is valid when traced is set.
	trace  traceContext
	traced bool
	// exported is set when the trace is one that can be looked up.
	exported bool
}

func (in *entrance) ended(x *sluice.Exchange, o sluice.Outcome) ended {
	e := ended{x: x, outcome: o, series: in.series[x.Endpoint], at: in.now()}
	if e.series == nil {
		e.series = in.none
	}
	e.duration = max(0, e.at.Sub(x.Start))
	if e.outcome.Status == 0 {
		e.outcome.Status = impliedStatus(x, o.Err)
	}
	return e
}

// impliedStatus is the status of an exchange that was answered to nobody who would have told it.
func impliedStatus(x *sluice.Exchange, err error) int {
	switch {
	case err != nil:
		return sluice.ErrorOf(err).Code.Status()
	case x.Response.Status != 0:
		return x.Response.Status
	}
	return 200
}

func (in *entrance) tell(e *ended) {
	in.inFlight.add(-1)
	e.series.count(e)
	if in.access != nil {
		in.access.log(e)
	}
}

// maxRequestID is the length of the longest request id that is taken over.
const maxRequestID = 128

// takeRequestID takes over the id that came with the request when it is one that is harmless wherever ids are
// written: visible ASCII without quotes and backslashes. Otherwise the exchange makes its own.
func takeRequestID(x *sluice.Exchange) {
	id := x.Request.Header.Value("X-Request-Id")
	if len(id) == 0 || len(id) > maxRequestID {
		return
	}
	for _, c := range id {
		if c <= ' ' || c > '~' || c == '"' || c == '\'' || c == '`' || c == '\\' {
			return
		}
	}
	x.SetRequestID(id)
}
