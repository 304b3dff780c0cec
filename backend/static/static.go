// Package static answers with what stands in the config, or with files.
package static

import (
	_ "embed"

	"github.com/sluiceapi/sluice"
)

//go:embed config.go
var source string

// Kind is the backend `static`.
var Kind = sluice.NewBackend("static", sluice.None{}, Use{}, open, sluice.Manual(source))

func open(*sluice.Env, *sluice.None) (backend, error) { return backend{}, nil }

// backend keeps nothing: all there is stands in an endpoint's block.
type backend struct{}

// Handle makes the handler of one endpoint.
func (backend) Handle(env *sluice.Env, ep *sluice.Endpoint, use *Use) (sluice.Handler, error) {
	if use.Files != "" {
		return openFiles(env, ep, use)
	}
	a := &answer{status: use.Status, fields: makeFields(use.Headers)}
	switch {
	case use.JSON != nil:
		a.contentType, a.content = "application/json", use.JSON
	case !use.Body.IsZero():
		a.contentType = "text/plain; charset=utf-8"
		if use.Type != "" {
			a.contentType = use.Type
		}
		if constant(&use.Body) {
			a.content = use.Body.Append(nil, nil)
		} else {
			a.template = &use.Body
		}
	}
	return a, nil
}

// answer is one that stands in the config, prepared once.
type answer struct {
	status      int
	fields      fields
	contentType string
	content     []byte
	// template is set where the content differs between exchanges.
	template *sluice.Template
}

// Serve lends the content to the exchange.
func (a *answer) Serve(x *sluice.Exchange) error {
	r := &x.Response
	r.Status = a.status
	if a.contentType != "" {
		r.Header.Set("Content-Type", a.contentType)
	}
	if err := a.fields.set(x); err != nil {
		return err
	}
	if a.template == nil {
		r.Body.SetBytes(a.content)
	} else {
		r.Body.SetBuffer(a.template.Append(r.Body.Buffer(), x))
	}
	return nil
}

// fields are the fields of the answer that the config gives.
type fields []field

// field is a name with a value that is the same for every exchange, or a template when that is set.
type field struct {
	name, value string
	template    *sluice.Template
}

func makeFields(m sluice.Map[sluice.Template]) fields {
	var all fields
	for i := range m {
		f := field{name: m[i].Name, template: &m[i].Value}
		if constant(f.template) {
			f.value, f.template = string(f.template.Append(nil, nil)), nil
		}
		all = append(all, f)
	}
	return all
}

func constant(t *sluice.Template) bool {
	constant := true
	t.References(func(*sluice.Reference) { constant = false })
	return constant
}

// scratch is room for a value on the stack; a longer one is rendered on the heap.
const scratch = 256

func (all fields) set(x *sluice.Exchange) error {
	h := &x.Response.Header
	for i := range all {
		f := &all[i]
		if f.template == nil {
			if f.value != "" {
				h.Set(f.name, f.value)
			}
			continue
		}
		var space [scratch]byte
		value, err := f.template.AppendField(space[:0], x)
		if err != nil {
			return err
		}
		if len(value) > 0 {
			h.SetCopy(f.name, value)
		}
	}
	return nil
}
