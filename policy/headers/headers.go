// Package headers changes header fields of requests and responses.
package headers

import (
	_ "embed"

	"github.com/sluiceapi/sluice"
)

//go:embed config.go
var source string

// Kind is the policy `headers`.
var Kind = sluice.NewPolicy("headers", Config{}, open, sluice.Manual(source))

func open(_ *sluice.Env, _ *sluice.Endpoint, c *Config) (sluice.Policy, error) {
	request, response := makeEdits(&c.Request), makeEdits(&c.Response)
	return func(next sluice.Handler) sluice.Handler {
		return &handler{request: request, response: response, next: next}
	}, nil
}

type handler struct {
	request, response edits
	next              sluice.Handler
}

// Serve changes the response after next, whether there is an answer or an error: fields set before could be taken
// back. That the values fit into fields is found out before, so that nothing is done for a request whose answer
// cannot be given.
func (h *handler) Serve(x *sluice.Exchange) error {
	if err := h.response.try(x); err != nil {
		return err
	}
	if err := h.request.apply(x, &x.Request.Header); err != nil {
		return err
	}
	err := h.next.Serve(x)
	if failed := h.response.apply(x, &x.Response.Header); err == nil {
		err = failed
	}
	return err
}

// edits are the changes of one header, ready to be made.
type edits struct {
	remove   []string
	set, add []field
}

// field is a name with a value that is the same for every exchange, or a template when that is set.
type field struct {
	name     string
	value    string
	template *sluice.Template
}

func makeEdits(c *Changes) edits {
	return edits{remove: c.Remove, set: makeFields(c.Set), add: makeFields(c.Add)}
}

func makeFields(m sluice.Map[sluice.Template]) []field {
	var fields []field
	for i := range m {
		f := field{name: m[i].Name, template: &m[i].Value}
		if constant(f.template) {
			f.value, f.template = string(f.template.Append(nil, nil)), nil
		}
		fields = append(fields, f)
	}
	return fields
}

func constant(t *sluice.Template) bool {
	constant := true
	t.References(func(*sluice.Reference) { constant = false })
	return constant
}

// apply makes the changes. A value that is empty is left out, and what a client or a backend wrote under the name of
// a field that is set is gone all the same.
func (e *edits) apply(x *sluice.Exchange, h *sluice.Header) error {
	for _, name := range e.remove {
		h.Del(name)
	}
	for i := range e.set {
		if err := e.set[i].set(x, h); err != nil {
			return err
		}
	}
	for i := range e.add {
		if err := e.add[i].add(x, h); err != nil {
			return err
		}
	}
	return nil
}

// scratch is room for a value on the stack; a longer one is rendered on the heap.
const scratch = 256

// try finds out whether all values fit into fields.
func (e *edits) try(x *sluice.Exchange) error {
	for _, fields := range [...][]field{e.set, e.add} {
		for i := range fields {
			if f := &fields[i]; f.template != nil {
				var space [scratch]byte
				if _, err := f.template.AppendField(space[:0], x); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (f *field) set(x *sluice.Exchange, h *sluice.Header) error {
	if f.template == nil {
		h.Set(f.name, f.value)
		return nil
	}
	var space [scratch]byte
	value, err := f.template.AppendField(space[:0], x)
	if err != nil || len(value) == 0 {
		h.Del(f.name)
		return err
	}
	h.SetCopy(f.name, value)
	return nil
}

func (f *field) add(x *sluice.Exchange, h *sluice.Header) error {
	if f.template == nil {
		h.Add(f.name, f.value)
		return nil
	}
	var space [scratch]byte
	value, err := f.template.AppendField(space[:0], x)
	if err != nil || len(value) == 0 {
		return err
	}
	h.CopyField([]byte(f.name), value)
	return nil
}
