package build

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/router"
	"github.com/sluiceapi/sluice/rpc"
)

// call serves the calls of one gRPC method as the requests that they stand for, so that what stands behind it sees no
// difference, and a cache none either; and makes messages of the answers.
type call struct {
	next   sluice.Handler
	method *rpc.Method
	log    *slog.Logger
	// maxIn and maxOut bound what is read of a call and of its answer.
	maxIn, maxOut int64
	// verb is the method of the request.
	verb string
	// path is made of these parts; without any it stays that of the call.
	path []part
	// query are the fields that stand in the query, params those that are the parameters of a call that stands for none.
	query, params []binding
	// body tells whether the message is the body too, in this form.
	body bool
	form rpc.Form
}

// part is text of a path, or a field that stands there.
type part struct {
	text string
	binding
	rest bool
}

// binding is a field by its name.
type binding struct {
	name  string
	field *rpc.Field
	// zero tells that the zero of a field counts where nobody can tell whether it was set.
	zero bool
}

// minMaxMessage is up to which size answers become messages at least: what clients of gRPC take by default.
const minMaxMessage = 4 << 20

// openCall makes the handler of a route of gRPC around that of the endpoint.
func (m *maker) openCall(p *endpointPlan, route router.Route, next sluice.Handler) sluice.Handler {
	i := slices.IndexFunc(p.calls, func(c *callPlan) bool { return c.route.Call == route.Call })
	switch {
	case p.broken:
		return next
	case i < 0:
		return passed{next}
	}
	plan, limit := p.calls[i], int64(m.file.Listen.Limits.MaxBuffered)
	c := &call{next: next, method: plan.method, log: m.opts.Log, maxIn: limit, maxOut: max(limit, minMaxMessage), verb: "POST", body: true,
		form: rpc.Form{ProtoNames: true, Zeros: true, NumberInt64: true}}
	other, found := p.other()
	if !found {
		for _, f := range plan.method.In.Fields() {
			if plan.fields[f.Name] == nil {
				continue
			}
			if in := p.input(f.Name); in != nil && in.In == "query" {
				c.query = append(c.query, bind(in, f))
			} else if in == nil || in.In != "header" {
				c.params = append(c.params, bind(in, f))
			}
		}
		return c
	}
	if other.Method != router.AnyMethod {
		c.verb = other.Method
	}
	c.body = p.usesBody() || c.verb != "GET" && c.verb != "HEAD" && c.verb != "DELETE"
	c.form.Omit = other.Params()
	other.Path(func(text, param string, rest bool) {
		s := part{text: text, rest: rest}
		if param != "" {
			s.binding = bind(p.input(param), plan.fields[param])
		}
		c.path = append(c.path, s)
	})
	for _, f := range plan.method.In.Fields() {
		in := p.input(f.Name)
		if slices.Contains(other.Params(), f.Name) || in != nil && in.In != "query" {
			continue
		}
		if in != nil && plan.fields[f.Name] != nil || !c.body {
			c.query = append(c.query, bind(in, f))
		}
	}
	return c
}

// input is the endpoint's input of that name, nil when there is none.
func (p *endpointPlan) input(name string) *sluice.Input {
	for i := range p.ep.Inputs {
		if p.ep.Inputs[i].Name == name {
			return &p.ep.Inputs[i]
		}
	}
	return nil
}

func bind(in *sluice.Input, f *rpc.Field) binding {
	return binding{name: f.Name, field: f, zero: in != nil && in.Required && !f.Presence()}
}

var errNoCall = &sluice.Error{Code: sluice.UnsupportedMediaType, Message: "calls of gRPC are taken here; want a body of type application/grpc"}

// passed hands on calls as they come.
type passed struct{ next sluice.Handler }

// Serve takes calls only.
func (p passed) Serve(x *sluice.Exchange) error {
	if err := begin(x); err != nil {
		return err
	}
	return p.next.Serve(x)
}

// begin refuses what is no call, and has the exchange be over when its client wants that.
func begin(x *sluice.Exchange) error {
	if !rpc.IsCall(&x.Request) {
		return errNoCall
	}
	return rpc.Bound(x)
}

// Serve reads the message, serves the request that the call stands for, and writes the answer's message.
func (c *call) Serve(x *sluice.Exchange) error {
	if err := begin(x); err != nil {
		return err
	}
	m, err := c.read(x)
	if _, told := err.(*sluice.Error); err != nil && !told {
		return err
	}
	if err := c.serve(x, m, err); err != nil {
		return err
	}
	return c.answer(x)
}

// serve serves the request. Whatever becomes of it, logs, metrics and traces tell of the call.
func (c *call) serve(x *sluice.Exchange, m *rpc.Message, fault error) error {
	r := &x.Request
	came := *r
	defer func() {
		r.Method, r.Path, r.Query, r.Header, r.Params = came.Method, came.Path, came.Query, came.Header, came.Params
	}()
	r.Header = asked(&came.Header, c.body)
	if fault == nil {
		fault = c.ask(r, m)
	}
	if fault != nil {
		r.Method, r.Path, r.Params = came.Method, came.Path, nil
		r.Body.SetStream(malformed{fault}, -1)
	}
	return c.next.Serve(x)
}

// malformed is the body of a request that could not be made of a call. Policies that need nothing of it go before what is
// wrong with it, as they do for other requests: a stranger is told to say who it is.
type malformed struct{ fault error }

// Read says what is wrong.
func (m malformed) Read([]byte) (int, error) { return 0, m.fault }

// Close does nothing.
func (malformed) Close(error) {}

// wellFormed lets nothing malformed get to what looks into a request.
type wellFormed struct{ next sluice.Handler }

// Serve refuses what is malformed.
func (w wellFormed) Serve(x *sluice.Exchange) error {
	if m, bad := x.Request.Body.Stream.(malformed); bad {
		return m.fault
	}
	return w.next.Serve(x)
}

// read reads the one message of a call.
func (c *call) read(x *sluice.Exchange) (*rpc.Message, error) {
	if sub := x.Request.Header.Value("Content-Type")[len(rpc.ContentType):]; len(sub) > 0 && !strings.EqualFold(string(sub), "+proto") && sub[0] != ';' {
		return nil, sluice.Errorf(sluice.UnsupportedMediaType, nil, "messages are not read as %s; want +proto", sub)
	}
	if x.Request.Body.Stream != nil {
		defer x.Waited()
	}
	raw, err := x.Request.Body.Load(c.maxIn + rpc.PrefixSize)
	if e, is := errors.AsType[*sluice.Error](err); is && e.Code == sluice.TooLarge {
		return nil, sluice.Errorf(sluice.TooLarge, nil, "the message is larger than %s", sluice.Size(c.maxIn))
	}
	if err != nil {
		return nil, err
	}
	wire, err := rpc.One(raw, string(x.Request.Header.Value("Grpc-Encoding")), c.maxIn)
	if err != nil {
		return nil, err
	}
	return c.method.In.Read(wire)
}

// ask makes the request of the message.
func (c *call) ask(r *sluice.Request, m *rpc.Message) error {
	r.Method, r.Params = c.verb, nil
	var faults []sluice.InputError
	if len(c.path) > 0 {
		var path []byte
		for i := range c.path {
			path = append(path, '/')
			if path, faults = c.path[i].appendTo(path, r, m, faults); faults != nil {
				continue
			}
		}
		r.Path = path
	}
	for _, b := range c.params {
		b.texts(m, func(text []byte) error {
			r.Params = append(r.Params, sluice.Param{Name: b.name, Value: sluice.AppendSegment(nil, text)})
			return nil
		})
	}
	query, err := c.appendQuery(m)
	if err != nil {
		return err
	}
	r.Query = query
	if len(faults) > 0 {
		return &sluice.Error{Code: sluice.BadRequest, Message: "what the request brings does not fit", Fields: faults}
	}
	if !c.body {
		r.Body.SetBytes(nil)
		return nil
	}
	body, err := m.AppendJSON(nil, c.form)
	if err != nil {
		return sluice.Errorf(sluice.BadRequest, nil, "%s", err)
	}
	r.Body.SetBytes(body)
	return nil
}

// appendTo appends a part of the path, and notes it as a parameter.
func (s *part) appendTo(path []byte, r *sluice.Request, m *rpc.Message, faults []sluice.InputError) ([]byte, []sluice.InputError) {
	if s.field == nil {
		return append(path, s.text...), faults
	}
	start := len(path)
	s.texts(m, func(text []byte) error {
		if s.rest {
			path = sluice.AppendPath(path, text)
		} else {
			path = sluice.AppendSegment(path, text)
		}
		return nil
	})
	value := path[start:len(path):len(path)]
	if canonical, _, err := sluice.Target(nil, append([]byte{'/'}, value...)); err != nil || !bytes.Equal(canonical[1:], value) {
		return path, append(faults, sluice.InputError{Name: s.name, Message: "it cannot stand in a path; want one without slashes and other than dots"})
	}
	if len(value) == 0 && !s.rest {
		return path, append(faults, sluice.InputError{Name: s.name, Message: "missing; want a value"})
	}
	r.Params = append(r.Params, sluice.Param{Name: s.name, Value: bytes.Clone(value)})
	return path, faults
}

func (c *call) appendQuery(m *rpc.Message) (query []byte, err error) {
	add := func(name string, text []byte) error {
		if len(query) > 0 {
			query = append(query, '&')
		}
		query = append(append(append(query, name...), '='), url.QueryEscape(string(text))...)
		return nil
	}
	for _, b := range c.query {
		if b.zero && !m.Has(b.field) {
			err = add(b.name, b.field.Zero())
		} else {
			err = m.Flatten(b.field, add)
		}
		if err != nil {
			return nil, sluice.Errorf(sluice.BadRequest, nil, "%s", err)
		}
	}
	return query, nil
}

// texts calls yield for every value of the field that counts.
func (b *binding) texts(m *rpc.Message, yield func(text []byte) error) error {
	if b.zero && !m.Has(b.field) {
		return yield(b.field.Zero())
	}
	return m.Texts(b.field, yield)
}

// asked is the header of the request that a call stands for: without what speaks of the call itself, its content and
// the forms that its client takes.
func asked(came *sluice.Header, body bool) sluice.Header {
	var h sluice.Header
	for _, f := range came.Fields() {
		if !ofCall(f.Name) {
			h.AddBytes(f.Name, f.Value)
		}
	}
	h.Add("Accept", "application/json")
	if body {
		h.Add("Content-Type", "application/json")
	}
	return h
}

func ofCall(name []byte) bool {
	if hasPrefix(name, "grpc-") || hasPrefix(name, "content-") || hasPrefix(name, "accept") || hasPrefix(name, "if-") {
		return true
	}
	return sluice.SameToken(name, "Te") || sluice.SameToken(name, "Range") || sluice.SameToken(name, "Trailer")
}

// hasPrefix compares without regard to case; prefix is in lower case.
func hasPrefix(name []byte, prefix string) bool {
	return len(name) >= len(prefix) && strings.EqualFold(string(name[:len(prefix)]), prefix)
}

// answer makes the answer's message, or several where the method says so, of the JSON that was answered.
func (c *call) answer(x *sluice.Exchange) error {
	r := &x.Response
	switch {
	case r.Status >= 400:
		return failure(r)
	case r.Status >= 300 || r.Status == 101:
		return sluice.Errorf(sluice.BadGateway, nil, "the backend answered with status %d", r.Status)
	case r.Body.Len() != 0 && !isJSON(r.Header.Value("Content-Type")) || r.Header.Has("Content-Encoding"):
		return sluice.Errorf(sluice.BadGateway, fmt.Errorf("an answer of type %q cannot become a %s", r.Header.Value("Content-Type"), c.method.Out.Name()),
			"the backend's answer is no JSON")
	}
	zip := takesGzip(&x.Request.Header)
	r.Trailer.Reset()
	r.Header.DelFunc(ofAnswer)
	if c.method.ServerStreams {
		from := newMessages(c, x, &r.Body)
		rpc.Answer(x, rpc.Source{Next: from.next, Close: from.close, Gzip: zip})
		return nil
	}
	text, err := r.Body.Load(c.maxOut)
	if err != nil {
		return err
	}
	wire, err := c.message(text)
	if err != nil {
		return err
	}
	rpc.SetHead(r, zip)
	r.Body.SetBytes(rpc.AppendMessage(nil, wire, zip))
	rpc.SetOK(&r.Trailer)
	return nil
}

// message is the message on the wire that an answer's JSON tells. No JSON at all is a message without anything in it.
func (c *call) message(text []byte) ([]byte, error) {
	m := c.method.Out.New()
	if text = bytes.TrimSpace(text); len(text) > 0 {
		if list := c.method.Out.OnlyList(); text[0] == '[' && list != nil {
			text = slices.Concat([]byte(`{"`+list.Name+`":`), text, []byte{'}'})
		}
		if err := m.Merge(text, rpc.Discard); err != nil {
			return nil, fmt.Errorf("make the message that answers a call: %s", sluice.ErrorOf(err).Message) // it is not the client's
		}
	}
	return m.AppendWire(nil)
}

// ofAnswer tells whether a field speaks of the content that became a message, or is of use to a client of HTTP only.
func ofAnswer(f sluice.Field) bool {
	return sluice.OfContent(f.Name) || slices.ContainsFunc([]string{"Cache-Control", "Expires", "Age", "Vary"}, func(name string) bool {
		return sluice.SameToken(f.Name, name)
	})
}

func takesGzip(h *sluice.Header) bool {
	for name := range bytes.SplitSeq(h.Value("Grpc-Accept-Encoding"), []byte{','}) {
		if string(bytes.TrimSpace(name)) == rpc.Gzip {
			return true
		}
	}
	return false
}

// isJSON tells the content types of JSON, and of several JSON values one after another.
func isJSON(contentType []byte) bool {
	media, _, _ := strings.Cut(strings.ToLower(string(contentType)), ";")
	switch media = strings.TrimSpace(media); media {
	case "application/json", "application/x-ndjson", "application/jsonl":
		return true
	}
	return strings.HasSuffix(media, "+json")
}

// maxProblem is how much of an answer that tells a failure is looked into.
const maxProblem = 64 << 10

// failure is what an answer of 400 and above says, as far as it says it as a problem does (RFC 9457).
func failure(r *sluice.Response) error {
	code, known := sluice.CodeOf(r.Status)
	switch {
	case !known && r.Status < 500:
		code = sluice.BadRequest
	case !known:
		code = sluice.BadGateway
	}
	e := &sluice.Error{Code: code}
	if seconds, err := strconv.Atoi(string(r.Header.Value("Retry-After"))); err == nil && seconds > 0 && seconds < 1<<30 {
		e.RetryAfter = time.Duration(seconds) * time.Second
		r.Header.Del("Retry-After")
	}
	if !isJSON(r.Header.Value("Content-Type")) || r.Header.Has("Content-Encoding") {
		return e
	}
	text, err := r.Body.Load(maxProblem)
	if err != nil {
		return e
	}
	var problem struct {
		Title, Detail string
		Errors        []sluice.InputError
	}
	if json.Unmarshal(text, &problem) == nil {
		e.Fields, e.Message = problem.Errors, problem.Detail
		if e.Message == "" {
			e.Message = problem.Title
		}
	}
	return e
}
