package input

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sluiceapi/sluice"
)

// schema is a compiled JSON Schema (2020-12, or the draft that its $schema names). Formats are asserted; patterns are
// RE2, so none takes more than linear time.
type schema struct{ compiled *jsonschema.Schema }

// schemaBase is the address of the schema while it is compiled. The domain exists nowhere (RFC 6761, section 6.4).
const schemaBase = "https://schema.invalid/body"

// compileSchema compiles a schema; nil for none. It loads nothing from anywhere. Mistakes are named "body" and joined.
func compileSchema(raw sluice.RawJSON) (*schema, error) {
	if raw == nil {
		return nil, nil
	}
	if at, fault := new(scan).check(raw); fault != "" {
		return nil, sluice.At("body", fmt.Errorf("not JSON at byte %d: %s", at+1, fault))
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, sluice.At("body", err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.UseLoader(noLoader{})
	if err := c.AddResource(schemaBase, doc); err != nil {
		return nil, sluice.At("body", err)
	}
	compiled, err := c.Compile(schemaBase)
	if err != nil {
		return nil, schemaError(err)
	}
	return &schema{compiled: compiled}, nil
}

// noLoader refuses every reference to another document.
type noLoader struct{}

func (noLoader) Load(string) (any, error) { return nil, errors.New("nothing is loaded") }

// schemaError says what is wrong with a schema in the schema's own terms.
func schemaError(err error) error {
	at := func(err error) error { return sluice.At("body", err) }
	if e, ok := errors.AsType[*jsonschema.LoadURLError](err); ok {
		return at(fmt.Errorf("%s is another document, and none is loaded; want what it holds under $defs", e.URL))
	}
	invalid, ok := errors.AsType[*jsonschema.SchemaValidationError](err)
	if !ok {
		return at(errors.New(strings.ReplaceAll(err.Error(), schemaBase, "")))
	}
	found, ok := errors.AsType[*jsonschema.ValidationError](invalid.Err)
	if !ok {
		return at(invalid.Err)
	}
	var errs []error
	for _, f := range faultsOf(found) {
		where := strings.TrimPrefix(strings.TrimPrefix(f.Name, "body"), ".")
		errs = append(errs, at(errors.New(strings.TrimPrefix(where+": "+f.Message, ": "))))
	}
	return errors.Join(errs...)
}

// check is what of a valid JSON text does not fit the schema.
func (s *schema) check(raw []byte) []sluice.InputError {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return fault("not JSON")
	}
	err = s.compiled.Validate(doc)
	if err == nil {
		return nil
	}
	if found, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return faultsOf(found)
	}
	return fault("does not fit the schema")
}

// maxFaults bounds the answer to a body in which everything is wrong.
const maxFaults = 100

// faultsOf are the faults in the order of their names: the validator finds them in that of a Go map.
func faultsOf(found *jsonschema.ValidationError) []sluice.InputError {
	all := appendFaults(nil, found)
	slices.SortFunc(all, func(a, b sluice.InputError) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Message, b.Message))
	})
	all = slices.Compact(all)
	if more := len(all) - maxFaults; more > 0 {
		all = append(all[:maxFaults], sluice.InputError{Name: "body", Message: fmt.Sprintf("%d more faults", more)})
	}
	return all
}
