package input

import (
	"errors"

	"github.com/sluiceapi/sluice"
)

// Checks are the declared inputs of one endpoint, and its body, ready to be checked. They do not change, so they may
// check many exchanges at once.
type Checks struct {
	values []value
	body   *body
}

// Compile reads the declarations in ep.Inputs and the JSON Schema of the body, which may be nil. maxBody is the most
// that is read of a body, in bytes. Mistakes are named with sluice.At below the block of the inputs, such as
// "id.pattern" and "body", and joined. Whether an input in the path is in the route is left to the caller.
func Compile(ep *sluice.Endpoint, bodySchema sluice.RawJSON, maxBody int64) (*Checks, error) {
	c := &Checks{values: make([]value, len(ep.Inputs))}
	var errs []error
	for i := range ep.Inputs {
		v, err := compileValue(&ep.Inputs[i])
		errs = append(errs, err)
		v.index = i
		c.values[i] = v
	}
	schema, err := compileSchema(bodySchema)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.body = &body{schema: schema, max: maxBody}
	return c, nil
}

// Handler checks the inputs with these indexes in ep.Inputs and, where body is set, that the body is JSON that fits
// the schema; then next serves. A value that fits is set with SetInput. All that does not fit comes in one
// BadRequest. A body that is not JSON by its type is UnsupportedMediaType, one above the limit TooLarge.
func (c *Checks) Handler(indexes []int, body bool, next sluice.Handler) sluice.Handler {
	if len(indexes) == 0 && !body {
		return next
	}
	h := &handler{next: next}
	for _, i := range indexes {
		h.values = append(h.values, c.values[i])
	}
	if body {
		h.body = c.body
	}
	return h
}

type handler struct {
	values []value
	body   *body
	next   sluice.Handler
}

func (h *handler) Serve(x *sluice.Exchange) error {
	var faults []sluice.InputError
	for i := range h.values {
		v := &h.values[i]
		read, fault := v.read(x)
		if fault != "" {
			faults = append(faults, sluice.InputError{Name: v.name, Message: fault})
			continue
		}
		x.SetInput(v.index, read)
	}
	if h.body != nil {
		more, err := h.body.check(x)
		if err != nil {
			return err
		}
		faults = append(faults, more...)
	}
	if len(faults) > 0 {
		return &sluice.Error{Code: sluice.BadRequest, Message: "what the request brings does not fit", Fields: faults}
	}
	return h.next.Serve(x)
}
