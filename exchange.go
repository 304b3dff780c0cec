package sluice

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"time"
)

// Handler answers an exchange. Nodes, endpoints, policies folded around a backend, and backends are handlers.
//
// Serve fills in x.Response and returns, or returns an error for which the server makes the answer: an *Error says
// what the client may know, any other error is Internal. A streamed response goes on after Serve has returned, until
// its last byte is out. Serve of one handler runs for many exchanges at once.
type Handler interface{ Serve(x *Exchange) error }

// HandlerFunc is a function that is a Handler.
type HandlerFunc func(*Exchange) error

// Serve calls f.
func (f HandlerFunc) Serve(x *Exchange) error { return f(x) }

// Exchange is one request and the response being made for it. It lives, with all that is borrowed in it, until the
// last byte of the response is out or the exchange has failed; then what OnEnd was given runs, once, with the
// outcome, and the server reuses it. A []byte in it is borrowed until then; a string is yours to keep. An Exchange
// belongs to one goroutine at a time.
type Exchange struct {
	// Endpoint is whose exchange it is; nil until the router has found it.
	Endpoint *Endpoint
	// Route is the route by which the router found it, as a config writes it but with its host in lower case, such as
	// "GET /a/{id}"; "" until then.
	Route    string
	Request  Request
	Response Response
	// Caller is who asks, as an authenticating policy found out.
	Caller Caller
	// Seen is what the caller has seen of the data, and what this answer was read at.
	Seen Seen
	// Start is when the first byte of the request was read.
	Start time.Time
	// Deadline is when the exchange must be over, streams included; the zero time when there is none. A policy may
	// bring it forward before next. One that tries again may put it back in between, when nothing of the try before
	// reads the request's body any more: whoever reads it looks at the deadline.
	Deadline time.Time
	// Span is the step of a trace that is going on; nil when traces are off.
	Span Span
	// Tried are the hosts that it was sent to already.
	Tried Tried

	now    time.Time
	wire   Wire
	base   context.Context // of an exchange without a wire
	ctx    derived
	ends   []Ender
	inputs []Value
	result [][]byte
	id     []byte
	newID  []byte
	arena  []byte
	pages  [][]byte
	page   int // how many of them are given out
}

// Request is what was asked. All bytes are borrowed.
type Request struct {
	// Method is as it came; methods are case-sensitive (RFC 9110, section 9.1).
	Method string
	// Scheme is "http" or "https", as the client used it.
	Scheme string
	// Proto is the version of HTTP that it came with, such as "HTTP/1.1" or "HTTP/2.0".
	Proto string
	// Host is the authority asked for, as it came.
	Host []byte
	// Path is the canonical path (see Target): what is routed, logged, used as a key and forwarded.
	Path []byte
	// Query is the query as it came, without "?".
	Query []byte
	// Header holds the fields without Host, which has a place of its own.
	Header Header
	// Params are the route's parameters, in canonical escaped form as they stand in Path.
	Params []Param
	Body   Body
	// Trailer is complete once Body has been read to its end.
	Trailer Header
	// Remote is the peer of the connection.
	Remote netip.AddrPort
	// Client is the address of the client: Remote, or what a trusted proxy says of it.
	Client netip.Addr
	// TrustedPeer tells whether Remote is a proxy whose word on the client counts.
	TrustedPeer bool
	// Peer is the verified certificate of the peer, or nil. Behind the policy client_cert it is that of the client which
	// a trusted proxy passed on, where that is what the policy takes.
	Peer *x509.Certificate
	// PeerChain is what the peer showed beside Peer to lead from it to an authority, as it came: nothing in it is
	// verified.
	PeerChain []*x509.Certificate
}

// Param is one parameter of a route.
type Param struct {
	Name  string
	Value []byte
}

// Param is the value of a path parameter, in canonical escaped form.
func (r *Request) Param(name string) ([]byte, bool) {
	for i := range r.Params {
		if r.Params[i].Name == name {
			return r.Params[i].Value, true
		}
	}
	return nil, false
}

// Response is the answer being made.
type Response struct {
	// Status is the HTTP status; zero is 200.
	Status int
	Header Header
	Body   Body
	// Trailer is sent after the body; it may be filled until the body's Stream has returned io.EOF.
	Trailer Header
	// Upgrade, with Status 101, takes over the raw connection after the head is out. The exchange ends when it
	// returns; it need not close the connection. Bytes that the client sent early come first from conn.Read.
	Upgrade func(conn net.Conn)
	// Leave, when set, tells that the answer lasts until one side ends it, as a WebSocket and a stream of events do, and has
	// it end soon and in good order. A server that stops calls it, and then waits as for any other; one whose config has
	// changed does so too, in its own time, so that clients come back to the new one. It returns at once, and may be called
	// from any goroutine, more than once, from when Serve has returned until the exchange ends.
	//
	// Such an answer must only begin by the deadline: whoever has set one puts it back when next has returned, the server
	// its own too. Whoever sets Leave bounds how long the answer may be silent.
	Leave func()
}

// Wire is what an engine lends to an exchange that came over a connection.
type Wire interface {
	// Context ends when the client has left, and at the latest with the exchange.
	Context() context.Context
	// Inform sends an interim response (1xx, RFC 9110, section 15.2) at once.
	Inform(status int, h *Header) error
}

// Lasting is a Wire whose exchange can go on for as long as something moves.
type Lasting interface {
	// Prolong lifts the limits that the server has for a whole request: the time for it, and the size of its body and the
	// silence in it. A byte of the answer may wait that long for room. It returns the deadline that is lifted.
	Prolong(silence time.Duration) time.Time
}

// Prolong has the exchange go on for as long as something moves, as streams of messages do, and has the limits that the
// server has for whole requests hold no more. Deadlines that policies have set stay. Who calls it does so before the
// request's body is read, and bounds what the exchange takes from then on, silence in both directions too.
func (x *Exchange) Prolong(silence time.Duration) {
	w, lasting := x.wire.(Lasting)
	if lasting && w.Prolong(silence).Equal(x.Deadline) {
		x.Deadline = time.Time{}
	}
}

// Ender is told when an exchange is over.
type Ender interface{ End(x *Exchange, o Outcome) }

// EnderFunc is a function that is an Ender.
type EnderFunc func(*Exchange, Outcome)

// End calls f.
func (f EnderFunc) End(x *Exchange, o Outcome) { f(x, o) }

// Outcome is how an exchange ended.
type Outcome struct {
	// Status is the status that was sent; 499 when the client left before there was one. Where an error was told in another
	// way, as gRPC has it, it is the status of its code.
	Status int
	// Received and Sent are the bytes of the bodies of request and response.
	Received, Sent int64
	// Err is why the exchange failed or was cut off; nil when the last byte is out and the answer was no error.
	Err error
}

// NewExchange makes an exchange for a request that came over w; w is nil for one that came over no connection.
func NewExchange(w Wire) *Exchange {
	x := &Exchange{}
	x.Reset(w)
	return x
}

// Reset makes an ended exchange ready for the next request and keeps its memory.
func (x *Exchange) Reset(w Wire) {
	x.Request.reset()
	x.Response.reset()
	x.Seen.reset()
	x.Tried.reset()
	x.Endpoint, x.Route, x.Caller, x.Span = nil, "", Caller{}, nil
	x.Start, x.Deadline, x.now = time.Time{}, time.Time{}, time.Time{}
	x.wire, x.base, x.ctx = w, nil, derived{}
	clear(x.ends)
	clear(x.inputs)
	clear(x.result)
	x.ends, x.inputs, x.result = x.ends[:0], x.inputs[:0], x.result[:0]
	x.id, x.newID = nil, nil
	if len(x.pages) > maxKeptPages {
		clear(x.pages[maxKeptPages:])
		x.pages = x.pages[:maxKeptPages]
	}
	x.page = 0
	if x.arena = x.arena[:0]; cap(x.arena) > maxKeptBuffer {
		x.arena = nil
	}
	x.prepare()
}

func (r *Request) reset() {
	r.Method, r.Scheme, r.Proto = "", "", ""
	r.Host, r.Path, r.Query = nil, nil, nil
	r.Header.Reset()
	clear(r.Params)
	r.Params = r.Params[:0]
	r.Body.reset()
	r.Trailer.Reset()
	r.Remote, r.Client, r.TrustedPeer = netip.AddrPort{}, netip.Addr{}, false
	r.Peer, r.PeerChain = nil, nil
}

func (r *Response) reset() {
	r.Status, r.Upgrade, r.Leave = 0, nil, nil
	r.Header.Reset()
	r.Body.reset()
	r.Trailer.Reset()
}

// Clear takes back the whole response made so far, so that another can be made in its place: status, upgrade, trailer,
// every header field, those set by policies too, and the body, whose stream is closed with why.
func (x *Exchange) Clear(why error) {
	r := &x.Response
	r.Body.Close(why)
	r.Body.SetBytes(nil)
	r.Header.Reset()
	r.Trailer.Reset()
	r.Status, r.Upgrade, r.Leave = 0, nil, nil
}

// Mark is how an exchange was at one point of its way, for Again. The zero Mark can be used, and used again.
type Mark struct {
	request, response []Field
	deadline          time.Time
}

// Mark notes in m how the exchange is now, before the rest of its way.
func (x *Exchange) Mark(m *Mark) {
	m.request = append(m.request[:0], x.Request.Header.fields...)
	m.response = append(m.response[:0], x.Response.Header.fields...)
	m.deadline = x.Deadline
}

// Again has the exchange be as it was at a mark, so that the rest of its way can be gone once more: what was made of the
// response since then is taken back, with its stream, which is closed with why; results are forgotten; the fields of the
// request and the deadline are what they were. It is for who called Mark, after next has returned and before anything was
// sent, while the request's body is in memory. Tried and Seen stay.
func (x *Exchange) Again(m *Mark, why error) {
	r := &x.Response
	r.Body.Close(why)
	r.Body.SetBytes(nil)
	r.Trailer.Reset()
	r.Status, r.Upgrade, r.Leave = 0, nil, nil
	r.Header.restore(m.response)
	x.Request.Header.restore(m.request)
	x.Deadline = m.deadline
	x.Waited()
	clear(x.result)
}

// Reset lets go of what was noted, and keeps the memory.
func (m *Mark) Reset() {
	clear(m.request)
	clear(m.response)
	*m = Mark{request: m.request[:0], response: m.response[:0]}
}

// OnEnd has e told when the exchange is over: after the last byte, not after Serve. The last given is told first.
func (x *Exchange) OnEnd(e Ender) { x.ends = append(x.ends, e) }

// End ends the exchange: bodies are closed, contexts end, and everything given to OnEnd is told. Whoever started the
// exchange calls it once.
//
// A panic in one of them keeps none of the others from being told; it goes on when all are.
func (x *Exchange) End(o Outcome) {
	defer x.spend()
	defer x.ctx.end()
	defer x.tell(len(x.ends), o)
	defer x.Response.Body.Close(o.Err)
	x.Request.Body.Close(o.Err)
}

// tell tells the first n Enders, the last of them first.
func (x *Exchange) tell(n int, o Outcome) {
	left := n
	defer func() {
		if left > 0 { // the one before has panicked
			x.tell(left, o)
		}
	}()
	for left > 0 {
		left--
		x.ends[left].End(x, o)
	}
}

// Within has an exchange that came over no connection end with ctx.
func (x *Exchange) Within(ctx context.Context) { x.base, x.ctx = ctx, derived{} }

// Inform sends an interim (1xx) response at once; it does nothing where there is no connection to send it on.
func (x *Exchange) Inform(status int, h *Header) error {
	if x.wire == nil {
		return nil
	}
	return x.wire.Inform(status, h)
}

// Context ends at the deadline, or when the client leaves, and at the latest with the exchange. It is made when it
// is first asked for, and again when the deadline has changed since.
func (x *Exchange) Context() context.Context {
	base := context.Background()
	switch {
	case x.wire != nil:
		base = x.wire.Context()
	case x.base != nil:
		base = x.base
	}
	return x.ctx.context(base, x.Deadline)
}

// Input is the checked value of the endpoint's i-th input; Absent before it was checked.
func (x *Exchange) Input(i int) Value {
	if i >= len(x.inputs) {
		return Value{}
	}
	return x.inputs[i]
}

// SetInput sets the checked value of the endpoint's i-th input.
func (x *Exchange) SetInput(i int, v Value) {
	for len(x.inputs) <= i {
		x.inputs = append(x.inputs, Value{})
	}
	x.inputs[i] = v
}

// Result is the JSON of the result in that slot; nil when it was not made.
func (x *Exchange) Result(slot int) []byte {
	if slot >= len(x.result) {
		return nil
	}
	return x.result[slot]
}

// SetResult sets the result in that slot: valid JSON, borrowed until the exchange ends.
func (x *Exchange) SetResult(slot int, json []byte) {
	for len(x.result) <= slot {
		x.result = append(x.result, nil)
	}
	x.result[slot] = json
}

const (
	// PageSize is the size of a page in bytes: it holds the header and the body of most answers.
	PageSize = 4 << 10
	// maxKeptPages is how many pages a reused exchange may hold on to.
	maxKeptPages = 2
)

// Page is memory of the exchange's own, of PageSize bytes, for what is read as it comes and then referred to: a backend
// reads its answer into one, and has the response's header and body refer to it. It is given out once, and holds what it
// will until the exchange ends.
func (x *Exchange) Page() []byte {
	if x.page == len(x.pages) {
		x.pages = append(x.pages, make([]byte, PageSize))
	}
	x.page++
	return x.pages[x.page-1]
}

// store appends to the exchange's own memory and returns what was appended. Memory given out earlier stays valid.
func (x *Exchange) store(appendTo func([]byte) []byte) []byte {
	start := len(x.arena)
	x.arena = appendTo(x.arena)
	return x.arena[start:len(x.arena):len(x.arena)]
}

// Unescape decodes percent escapes into the exchange's own memory; text without escapes is returned as it is.
func (x *Exchange) Unescape(text []byte) []byte {
	for _, c := range text {
		if c == '%' {
			return x.store(func(dst []byte) []byte { return unescape(dst, text, false) })
		}
	}
	return text
}

// Query is the decoded value of the first query parameter of that name, and how often the name comes.
func (x *Exchange) Query(name string) (value []byte, count int) {
	start := len(x.arena)
	grown, count := QueryValue(x.arena, x.Request.Query, name)
	if count == 0 {
		return nil, 0
	}
	x.arena = grown
	return grown[start:len(grown):len(grown)], count
}

func (x *Exchange) queryValue(name string) Value {
	value, count := x.Query(name)
	if count == 0 {
		return Value{}
	}
	return TextValue(value)
}

func (x *Exchange) clientValue() Value {
	if !x.Request.Client.IsValid() {
		return Value{}
	}
	start := len(x.arena)
	x.arena = x.Request.Client.AppendTo(x.arena)
	return TextValue(x.arena[start:len(x.arena):len(x.arena)])
}
