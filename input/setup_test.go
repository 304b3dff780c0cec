package input_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/input"
)

const maxBody = 1 << 20

// compile makes the checks of the inputs and of a body with a schema, "" for none.
func compile(schema string, inputs ...sluice.Input) (*input.Checks, error) {
	var raw sluice.RawJSON
	if schema != "" {
		raw = sluice.RawJSON(schema)
	}
	return input.Compile(&sluice.Endpoint{Name: "test", Inputs: inputs}, raw, maxBody)
}

// handler checks all inputs, and the body where it is asked for.
func handler(tb testing.TB, body bool, schema string, inputs ...sluice.Input) sluice.Handler {
	tb.Helper()
	c, err := compile(schema, inputs...)
	if err != nil {
		tb.Fatal(err)
	}
	indexes := make([]int, len(inputs))
	for i := range indexes {
		indexes[i] = i
	}
	return c.Handler(indexes, body, sluice.HandlerFunc(func(x *sluice.Exchange) error {
		x.Response.Status = 299
		return nil
	}))
}

func jsonExchange(body string) *sluice.Exchange {
	x := sluice.NewExchange(nil)
	x.Request.Header.Add("content-type", "application/json")
	x.Request.Body.SetBytes([]byte(body))
	return x
}

// served puts what came of an exchange into one text: "fits", or the code with the fields at fault.
func served(tb testing.TB, h sluice.Handler, x *sluice.Exchange) string {
	tb.Helper()
	err := h.Serve(x)
	if err == nil {
		if x.Response.Status != 299 {
			tb.Error("next was not called")
		}
		return "fits"
	}
	if x.Response.Status != 0 {
		tb.Error("next was called in spite of an error")
	}
	e, ok := errors.AsType[*sluice.Error](err)
	if !ok {
		return err.Error()
	}
	lines := []string{e.Code.String()}
	for _, f := range e.Fields {
		lines = append(lines, f.Name+": "+f.Message)
	}
	if len(e.Fields) == 0 {
		lines = append(lines, e.Message)
	}
	return strings.Join(lines, "\n")
}

func of[T any](v T) *T { return &v }
