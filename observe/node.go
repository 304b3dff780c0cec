package observe

import (
	"time"

	"github.com/sluiceapi/sluice"
)

// node is the handler around a whole node. Without traces it is its own Ender, so that nothing is made for an
// exchange; with them the Ender is the exchange's span.
type node struct {
	*Observer
	next     sluice.Handler
	inFlight *level
	series   map[*sluice.Endpoint]*series
	none     *series
}

// Serve starts what is told at the end of the exchange.
func (n *node) Serve(x *sluice.Exchange) error {
	if x.Start.IsZero() {
		x.Start = n.now()
	}
	takeRequestID(x)
	n.inFlight.add(1)
	if n.tracer == nil {
		x.OnEnd(n)
	} else {
		n.tracer.start(n, x)
	}
	return n.next.Serve(x)
}

// End tells of an exchange without a span. A trace id that came with it is kept for the log.
func (n *node) End(x *sluice.Exchange, o sluice.Outcome) {
	e := n.ended(x, o)
	if n.access != nil {
		e.trace, e.traced = incoming(&x.Request.Header)
	}
	n.tell(&e)
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

func (n *node) ended(x *sluice.Exchange, o sluice.Outcome) ended {
	e := ended{x: x, outcome: o, series: n.series[x.Endpoint], at: n.now()}
	if e.series == nil {
		e.series = n.none
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

func (n *node) tell(e *ended) {
	n.inFlight.add(-1)
	e.series.count(e)
	if n.access != nil {
		n.access.log(e)
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
