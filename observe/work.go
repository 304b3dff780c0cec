package observe

import (
	"context"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/sluiceapi/sluice"
)

// Work is next with a span around each exchange, which no client waits for: as part of the trace in its header, that of
// whoever handed it over.
func (o *Observer) Work(next sluice.Handler) sluice.Handler {
	if o.tracer == nil {
		return next
	}
	return sluice.HandlerFunc(func(x *sluice.Exchange) error {
		o.tracer.startWork(x)
		return next.Serve(x)
	})
}

func (t *tracer) startWork(x *sluice.Exchange) {
	parent, remote := incoming(&x.Request.Header)
	if !remote {
		parent = newTrace()
		parent.sampled = t.sampled(parent.trace)
	}
	state := appendTracestate(nil, &x.Request.Header)
	if !parent.sampled {
		parent.span = newSpanID()
		x.Span = &silentSpan{context: parent, state: state}
		return
	}
	ctx := context.WithValue(context.Background(), begunTrace{}, trace.TraceID(parent.trace))
	if remote {
		states, err := trace.ParseTraceState(string(state))
		if err != nil {
			states = trace.TraceState{}
		}
		ctx = trace.ContextWithRemoteSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: parent.trace, SpanID: parent.span, TraceFlags: trace.FlagsSampled, TraceState: states, Remote: true,
		}))
	}
	name := "none"
	if x.Endpoint != nil {
		name = x.Endpoint.Name
	}
	_, s := t.sdk.Start(ctx, "process "+valid(name), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(x.Start),
		trace.WithAttributes(attribute.String("sluice.endpoint", valid(name)), attribute.String("sluice.request_id", string(x.RequestID()))))
	w := &workSpan{span{tracer: t, sdk: s}}
	x.Span = w
	x.OnEnd((*workEnd)(w))
}

// workSpan is the span of an exchange that no client waits for. It ends with the exchange, whoever else ends it.
type workSpan struct{ span }

// End does nothing: the exchange goes on.
func (s *workSpan) End(error) {}

// workEnd is a workSpan as an Ender.
type workEnd workSpan

func (s *workEnd) End(_ *sluice.Exchange, o sluice.Outcome) {
	switch {
	case o.Err != nil:
		s.fail(sluice.ErrorOf(o.Err).Code.String(), o.Err.Error())
	case o.Status >= 500:
		s.fail(strconv.Itoa(o.Status), "")
	}
	s.sdk.End(trace.WithTimestamp(s.tracer.now()))
}
