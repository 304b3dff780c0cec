package sluice

// Span is one timed step in a trace: an exchange on a node, or one call to a backend. It is used by one goroutine at
// a time, but for Child, Send and Inject, which may be called at once.
type Span interface {
	// Recording tells whether anything that is set will be seen; work for attributes is spared when not.
	Recording() bool
	// Child starts a step within this one; the name is of low cardinality, such as "SELECT shop".
	Child(name string) Span
	// Send starts a step within this one that hands over a message, which somebody takes up at another time.
	Send(name string) Span
	// SetText and SetInt set an attribute, named as OpenTelemetry's semantic conventions name it.
	SetText(key, value string)
	SetInt(key string, value int64)
	// Inject puts the trace context into the header of a message that goes out (W3C Trace Context, section 3).
	Inject(h *Header)
	// TraceID is the trace's id in hex, or "" when there is none.
	TraceID() string
	// End ends the step; err marks it as failed.
	End(err error)
}

// Child starts a step of a trace below the exchange's own; what it returns does nothing when traces are off.
func (x *Exchange) Child(name string) Span {
	if x.Span == nil {
		return noSpan{}
	}
	return x.Span.Child(name)
}

// Send starts a step of a trace below the exchange's own that hands over a message; what it returns does nothing when
// traces are off.
func (x *Exchange) Send(name string) Span {
	if x.Span == nil {
		return noSpan{}
	}
	return x.Span.Send(name)
}

type noSpan struct{}

func (noSpan) Recording() bool        { return false }
func (s noSpan) Child(string) Span    { return s }
func (s noSpan) Send(string) Span     { return s }
func (noSpan) SetText(string, string) {}
func (noSpan) SetInt(string, int64)   {}
func (noSpan) Inject(*Header)         {}
func (noSpan) TraceID() string        { return "" }
func (noSpan) End(error)              {}
