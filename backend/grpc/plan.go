package grpc

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/rpc"
)

// plan is how an endpoint's calls are made, by one schema.
type plan struct {
	err    error // why no call can be made; nil where it can
	schema *rpc.Schema
	method *rpc.Method
	// set are the fields that the block sets; byName tells that it sets none, so that the request's names do.
	set    []setting
	byName bool
	// inputs are the endpoint's inputs that are fields, those of the path last.
	inputs []named
	// fields are those of the message, by both of their names, for a query.
	fields map[string]*rpc.Field
}

// setting is a field and what it is set to.
type setting struct {
	field *rpc.Field
	json  *sluice.JSONTemplate
	// name and code tell of a value that does not fit.
	name string
	code sluice.Code
}

// named is an input of the endpoint that is a field.
type named struct {
	field *rpc.Field
	index int
	name  string
	path  bool
}

// newPlan makes the plan of an endpoint, or says what of its block does not fit the schema.
func newPlan(s *rpc.Schema, ep *sluice.Endpoint, use *Use) (*plan, error) {
	m, err := s.Method(use.Method)
	if err != nil {
		return nil, sluice.At("method", err)
	}
	if m.ClientStreams {
		return nil, sluice.At("method", fmt.Errorf("%s takes a stream of messages; want a route grpc %s/*, whose calls pass as they come", m.Name, m.Service()))
	}
	p := &plan{schema: s, method: m, byName: len(use.Message) == 0}
	if p.byName {
		return p, p.bindNames(ep)
	}
	var errs []error
	for i := range use.Message {
		entry := &use.Message[i]
		field, err := m.In.Field(entry.Name)
		if err == nil {
			st := setting{field: field, json: &entry.Value, name: entry.Name, code: sluice.BadRequest}
			constant, single := true, true
			entry.Value.References(func(r *sluice.Reference) {
				if _, result := r.Result(); result {
					st.code = sluice.BadGateway
				}
				if single = constant; single {
					st.name = r.String()
				}
				constant = false
			})
			if constant {
				err = m.In.New().SetJSON(field, entry.Value.AppendJSON(nil, nil))
			} else if !single {
				st.name = entry.Name
			}
			p.set = append(p.set, st)
		}
		errs = append(errs, sluice.At("message."+entry.Name, err))
	}
	return p, errors.Join(errs...)
}

// bindNames finds the fields that the endpoint's inputs name.
func (p *plan) bindNames(ep *sluice.Endpoint) error {
	p.fields = map[string]*rpc.Field{}
	for _, f := range p.method.In.Fields() {
		p.fields[f.Name], p.fields[f.JSONName()] = f, f
	}
	for i, in := range ep.Inputs {
		field, err := p.method.In.Field(in.Name)
		switch {
		case in.In == "header" || err != nil && in.In == "query":
		case err != nil:
			return sluice.At("method", fmt.Errorf("{%s} of the path has no place in the message: %w, or message to say what goes where", in.Name, err))
		default:
			p.inputs = append(p.inputs, named{field: field, index: i, name: in.Name, path: in.In == "path"})
		}
	}
	slices.SortStableFunc(p.inputs, func(a, b named) int {
		if a.path == b.path {
			return 0
		} else if a.path {
			return 1
		}
		return -1
	})
	return nil
}

// message makes the message of a request.
func (p *plan) message(x *sluice.Exchange, maxBody int64) (*rpc.Message, error) {
	m := p.method.In.New()
	if p.byName {
		return m, p.fillByName(m, x, maxBody)
	}
	var text []byte
	var faults []sluice.InputError
	code := sluice.BadRequest
	for i := range p.set {
		st := &p.set[i]
		text = st.json.AppendJSON(text[:0], x)
		if err := m.SetJSON(st.field, text); err != nil {
			faults = append(faults, sluice.InputError{Name: st.name, Message: err.Error()})
			if st.code != sluice.BadRequest {
				code = st.code
			}
		}
	}
	return m, misfit(code, faults)
}

// misfit is the error of values that do not fit their fields; nil where there are none.
func misfit(code sluice.Code, faults []sluice.InputError) error {
	switch {
	case len(faults) == 0:
		return nil
	case code == sluice.BadGateway:
		return sluice.Errorf(code, fmt.Errorf("%s: %s", faults[0].Name, faults[0].Message), "what a backend has answered does not fit the call")
	}
	return &sluice.Error{Code: code, Message: "what the request brings does not fit", Fields: faults}
}

var errMediaType = &sluice.Error{Code: sluice.UnsupportedMediaType, Message: "want a body of type application/json"}

// fillByName sets the fields that body, query and path name, in this order.
func (p *plan) fillByName(m *rpc.Message, x *sluice.Exchange, maxBody int64) error {
	body, err := x.Request.Body.Load(maxBody)
	if err != nil {
		return err
	}
	if len(body) > 0 {
		if !isJSON(x.Request.Header.Value("Content-Type")) {
			return errMediaType
		}
		if err := m.Merge(body, rpc.Refuse); err != nil {
			return misfit(sluice.BadRequest, []sluice.InputError{{Name: "body", Message: sluice.ErrorOf(err).Message}})
		}
	}
	faults := p.fillQuery(m, x, nil)
	for _, in := range p.inputs {
		v := x.Input(in.index)
		if raw, found := x.Request.Param(in.name); v.IsAbsent() && in.path && found {
			v = sluice.TextValue(x.Unescape(raw))
		}
		if v.IsAbsent() {
			continue
		}
		if err := m.SetText(in.field, v.AppendText(nil)); err != nil {
			faults = append(faults, sluice.InputError{Name: in.name, Message: err.Error()})
		}
	}
	return misfit(sluice.BadRequest, faults)
}

// fillQuery sets the fields that the query names, but for the endpoint's inputs.
func (p *plan) fillQuery(m *rpc.Message, x *sluice.Exchange, faults []sluice.InputError) []sluice.InputError {
	for pair := range strings.SplitSeq(string(x.Request.Query), "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || name == "" || slices.ContainsFunc(p.inputs, func(in named) bool { return in.name == name }) {
			continue
		}
		field := p.field(name)
		if field == nil {
			continue
		}
		if value, err = url.QueryUnescape(value); err == nil {
			err = m.SetText(field, []byte(value))
		}
		if err != nil {
			faults = append(faults, sluice.InputError{Name: "query." + name, Message: err.Error()})
		}
	}
	return faults
}

// field is the field of that name, nil when there is none.
func (p *plan) field(name string) *rpc.Field {
	if f := p.fields[name]; f != nil {
		return f
	}
	first, _, nested := strings.Cut(name, ".")
	if !nested || p.fields[first] == nil {
		return nil
	}
	f, err := p.method.In.Field(name)
	if err != nil {
		return nil
	}
	return f
}

// isJSON tells the content types of JSON.
func isJSON(contentType []byte) bool {
	media, _, _ := strings.Cut(string(contentType), ";")
	media = strings.ToLower(strings.TrimSpace(media))
	return media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")
}
