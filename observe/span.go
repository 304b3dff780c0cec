package observe

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/sluiceapi/sluice"
)

// start gives the exchange its span: part of the trace that it came with, else of a new one.
func (t *tracer) start(in *entrance, x *sluice.Exchange) {
	parent, remote := incoming(&x.Request.Header)
	if !remote {
		parent = newTrace()
		parent.sampled = t.sampled(parent.trace)
	}
	if parent.sampled {
		t.startRecording(in, x, parent, remote)
		return
	}
	s := t.silent.Get().(*silentSpan)
	s.entrance, s.context = in, parent
	s.context.span = newSpanID()
	s.state = s.state[:0]
	if remote {
		s.state = appendTracestate(s.state, &x.Request.Header)
	}
	x.Span = s
	x.OnEnd((*silentEnd)(s))
}

func (t *tracer) startRecording(in *entrance, x *sluice.Exchange, parent traceContext, remote bool) {
	ctx := context.Background()
	if remote {
		var space [64]byte
		state, err := trace.ParseTraceState(string(appendTracestate(space[:0], &x.Request.Header)))
		if err != nil {
			state = trace.TraceState{}
		}
		ctx = trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: parent.trace, SpanID: parent.span, TraceFlags: trace.FlagsSampled, TraceState: state, Remote: true,
		}))
	} else {
		ctx = context.WithValue(ctx, begunTrace{}, trace.TraceID(parent.trace))
	}
	_, s := t.sdk.Start(ctx, methodName(x.Request.Method), trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(x.Start))
	server := &serverSpan{span: span{tracer: t, sdk: s}, entrance: in}
	x.Span = server
	x.OnEnd((*serverEnd)(server))
}

// span is a step of a trace that is sampled.
type span struct {
	tracer *tracer
	sdk    trace.Span
}

func (s *span) Recording() bool { return s.sdk.IsRecording() }

// Child starts a call to a backend, which is a client's span.
func (s *span) Child(name string) sluice.Span { return s.below(name, trace.SpanKindClient) }

// Send starts the handing over of a message, which is a producer's span.
func (s *span) Send(name string) sluice.Span { return s.below(name, trace.SpanKindProducer) }

func (s *span) below(name string, kind trace.SpanKind) sluice.Span {
	_, child := s.tracer.sdk.Start(trace.ContextWithSpan(context.Background(), s.sdk), valid(name),
		trace.WithSpanKind(kind), trace.WithTimestamp(s.tracer.now()))
	return &span{tracer: s.tracer, sdk: child}
}

func (s *span) SetText(key, value string) { s.sdk.SetAttributes(attribute.String(key, valid(value))) }

func (s *span) SetInt(key string, value int64) { s.sdk.SetAttributes(attribute.Int64(key, value)) }

func (s *span) context() traceContext {
	sc := s.sdk.SpanContext()
	return traceContext{trace: sc.TraceID(), span: sc.SpanID(), sampled: sc.IsSampled()}
}

func (s *span) Inject(h *sluice.Header) {
	tc := s.context()
	tc.inject(h, []byte(s.sdk.SpanContext().TraceState().String()))
}

func (s *span) TraceID() string { return s.sdk.SpanContext().TraceID().String() }

func (s *span) End(err error) {
	if err != nil {
		s.fail(sluice.ErrorOf(err).Code.String(), err.Error())
	}
	s.sdk.End(trace.WithTimestamp(s.tracer.now()))
}

func (s *span) fail(kind, why string) {
	s.sdk.SetStatus(codes.Error, valid(string(cut([]byte(why)))))
	s.sdk.SetAttributes(semconv.ErrorTypeKey.String(kind))
}

// serverSpan is the span of a whole exchange. It ends with the exchange, whoever else ends it.
type serverSpan struct {
	span
	entrance *entrance
}

// End does nothing: the exchange goes on.
func (s *serverSpan) End(error) {}

// serverEnd is a serverSpan as an Ender.
type serverEnd serverSpan

func (s *serverEnd) End(x *sluice.Exchange, o sluice.Outcome) {
	e := s.entrance.ended(x, o)
	e.trace, e.traced, e.exported = s.context(), true, true
	if s.Recording() {
		s.describe(&e)
	}
	s.sdk.End(trace.WithTimestamp(e.at))
	s.entrance.tell(&e)
}

// silentSpan is the span of an exchange whose trace is not sampled, and of every step below it: it records nothing
// and passes the decision on. It is reused once the exchange has ended.
type silentSpan struct {
	entrance *entrance
	context  traceContext
	// state is the tracestate that came with the request.
	state []byte
}

func (s *silentSpan) Recording() bool { return false }

func (s *silentSpan) Child(string) sluice.Span { return s }

func (s *silentSpan) Send(string) sluice.Span { return s }

func (s *silentSpan) SetText(string, string) {}

func (s *silentSpan) SetInt(string, int64) {}

func (s *silentSpan) Inject(h *sluice.Header) { s.context.inject(h, s.state) }

func (s *silentSpan) TraceID() string { return s.context.traceID() }

func (s *silentSpan) End(error) {}

// silentEnd is a silentSpan as an Ender.
type silentEnd silentSpan

func (s *silentEnd) End(x *sluice.Exchange, o sluice.Outcome) {
	e := s.entrance.ended(x, o)
	e.trace, e.traced = s.context, true
	s.entrance.tell(&e)
	t := s.entrance.tracer
	s.entrance, x.Span = nil, nil
	t.silent.Put((*silentSpan)(s))
}
