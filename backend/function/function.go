// Package function answers with Go functions and with net/http handlers.
//
// A function takes a struct that says what it needs of a request, and returns what is sent as JSON:
//
//	type QuoteIn struct {
//		Product  int64         `in:"path" name:"id" min:"1"`
//		Currency string        `in:"query" enum:"EUR,USD" default:"EUR"`
//		Tenant   *string       `in:"header" name:"x-tenant"`
//		Caller   sluice.Caller `in:"caller"`
//		Order    Order         `in:"body"`
//	}
//
//	type Order struct {
//		SKU   string `json:"sku" required:"true" pattern:"[A-Z]{3}-[0-9]+"`
//		Count int    `json:"count" min:"1" max:"100"`
//	}
//
//	kinds := append(standard.Kinds(), function.Kind(function.New("quote", quote)))
//
// Every field says by the tag `in` where its value stands: path, query or header, under what the tag `name` says, else
// under the field's own name in snake case (ProductID is product_id, and product-id in a header); caller, for a
// sluice.Caller, which is zero when nobody is known; or body, for one field that the whole JSON body is decoded into.
// Values in path, query and header are strings, booleans, numbers, time.Duration, or know to read themselves
// (encoding.TextUnmarshaler).
//
// A value must be there unless its field is a pointer, which then is nil, or has a `default`. In the body nothing must
// be there but what is marked `required:"true"`; a member that the struct has not is refused. The tags `min` and
// `max` bound numbers, the lengths of strings in characters, and those of lists; `pattern` is a regular expression
// (RE2) that the whole of a string must match; `enum` lists the only values that are taken. They hold in the structs
// of a body too. All that is wrong with a request is told in one answer of 400.
//
// An *sluice.Error that a function returns is what the client gets; of any other error it learns nothing. The context
// ends when the client leaves or the deadline passes. A panic goes on to the server, which logs it with its stack and
// answers 500. With no fields to return (struct{}) the answer is 204 without content.
package function

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/sluiceapi/sluice"
)

//go:embed use.go
var source string

// Function is a function with the name under which a config knows it.
type Function struct {
	name string
	// err is what is wrong with it; it is told when the backend is opened.
	err    error
	handle func(*sluice.Env, *sluice.Endpoint) (sluice.Handler, error)
}

// New makes a Function of f. In is a struct as the package comment has it; Out is anything that encoding/json can
// encode. f runs for many exchanges at once, and owns all that it is given.
func New[In, Out any](name string, f func(ctx context.Context, in In) (Out, error)) Function {
	s, err := shapeOf(reflect.TypeFor[In]())
	if failed := checkOut(reflect.TypeFor[Out]()); failed != nil {
		err = errors.Join(err, failed)
	}
	if f == nil {
		err = errors.Join(err, errors.New("there is no function"))
	}
	return Function{name: name, err: err, handle: func(env *sluice.Env, ep *sluice.Endpoint) (sluice.Handler, error) {
		if err := s.fits(ep); err != nil {
			return nil, err
		}
		if ep.Int64Text {
			return nil, errors.New(`a function writes integers as the fields of its answer say (json:",string"); want no int64 here`)
		}
		empty := reflect.TypeFor[Out]() == reflect.TypeFor[struct{}]()
		return &call[In, Out]{name: name, f: f, shape: s, maxBody: env.MaxBody, empty: empty}, nil
	}}
}

// checkOut refuses what can never be JSON.
func checkOut(t reflect.Type) error {
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return fmt.Errorf("what it returns is a %s, which JSON has not", t)
	}
	return nil
}

// Kind is the backend `function` of these functions. A mistake in one of them is told when the backend is opened.
func Kind(functions ...Function) sluice.Kind {
	open := func(*sluice.Env, *sluice.None) (*backend, error) {
		b := &backend{functions: map[string]Function{}}
		var errs []error
		for _, f := range functions {
			if f.err != nil {
				errs = append(errs, fmt.Errorf("function %q: %w", f.name, f.err))
			}
			if _, found := b.functions[f.name]; found || f.name == "" {
				errs = append(errs, fmt.Errorf("function %q: want a name of its own", f.name))
			}
			b.functions[f.name] = f
			b.names = append(b.names, f.name)
		}
		return b, errors.Join(errs...)
	}
	return sluice.NewBackend("function", sluice.None{}, Use{}, open, sluice.Manual(source))
}

// backend is the functions by their names.
type backend struct {
	functions map[string]Function
	names     []string
}

// Handle makes the handler of one endpoint.
func (b *backend) Handle(env *sluice.Env, ep *sluice.Endpoint, use *Use) (sluice.Handler, error) {
	f, found := b.functions[use.Name]
	if !found {
		return nil, sluice.At("name", b.unknown(use.Name))
	}
	h, err := f.handle(env, ep)
	if err != nil {
		return nil, sluice.At("name", fmt.Errorf("function %q: %w", use.Name, err))
	}
	return h, nil
}

func (b *backend) unknown(name string) error {
	switch near := sluice.Nearest(name, b.names); {
	case near != "":
		return fmt.Errorf("unknown function %q; did you mean %s?", name, near)
	case len(b.names) == 0:
		return fmt.Errorf("unknown function %q; this program was built with none", name)
	}
	return fmt.Errorf("unknown function %q; want one of %s", name, strings.Join(b.names, ", "))
}

// call is the handler of a function.
type call[In, Out any] struct {
	name    string
	f       func(context.Context, In) (Out, error)
	shape   *shape
	maxBody int64
	// empty is set for a function that returns nothing but an error.
	empty bool
}

// Serve reads what the function needs, calls it, and writes what it returns.
func (c *call[In, Out]) Serve(x *sluice.Exchange) error {
	var in In
	if err := c.shape.read(x, reflect.ValueOf(&in).Elem(), c.maxBody); err != nil {
		return err
	}
	out, err := c.f(x.Context(), in)
	if err != nil {
		return err
	}
	r := &x.Response
	if c.empty {
		r.Status = 204
		r.Body.SetBytes(nil)
		return nil
	}
	w := appender(r.Body.Buffer())
	enc := json.NewEncoder(&w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(&out); err != nil {
		return fmt.Errorf("function %s: write the answer: %w", c.name, err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Body.SetBuffer(w[:len(w)-1]) // without the line break that Encode ends with
	return nil
}

// appender is memory that is written to.
type appender []byte

func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}
