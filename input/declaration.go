package input

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/sluiceapi/sluice"
)

// compileValue reads one declaration and says all that is wrong with it.
func compileValue(in *sluice.Input) (value, error) {
	v := value{name: in.Name, typ: in.Type, required: in.Required}
	if v.typ == sluice.Absent {
		v.typ = sluice.Text
	}
	errs := []error{
		sluice.At("in", v.compilePlace(in)),
		sluice.At("type", checkType(v.typ)),
	}
	errs = append(errs, v.compileBounds(in)...)
	errs = append(errs, sluice.At("pattern", v.compilePattern(in)))
	v.want = v.describe(in)
	if errors.Join(errs...) == nil {
		errs = append(errs, v.compileEnum(in)...)
		v.want = v.describe(in)
		errs = append(errs, sluice.At("default", v.compileDefault(in)))
	}
	for i, err := range errs {
		errs[i] = below(in.Name, err)
	}
	return v, errors.Join(errs...)
}

// below puts the name of the input before the field.
func below(name string, err error) error {
	if e, ok := errors.AsType[*sluice.FieldError](err); ok {
		return &sluice.FieldError{Field: name + "." + e.Field, Offset: e.Offset, Err: e.Err}
	}
	return err
}

func (v *value) compilePlace(in *sluice.Input) error {
	switch in.In {
	case "path", "":
		v.from = inPath
	case "query":
		v.from = inQuery
	case "header":
		v.from = inHeader
		if strings.EqualFold(in.Name, "host") {
			v.from = inHost
		}
	default:
		return fmt.Errorf("%q is no place; want path, query or header", in.In)
	}
	return nil
}

func checkType(t sluice.ValueType) error {
	switch t {
	case sluice.Text, sluice.Integer, sluice.Number, sluice.Boolean:
		return nil
	}
	return fmt.Errorf("a value is never read as %s; want string, integer, number or boolean", t)
}

func (v *value) compileBounds(in *sluice.Input) []error {
	v.lower, v.upper, v.least, v.most = math.Inf(-1), math.Inf(1), math.MinInt64, math.MaxInt64
	var errs []error
	for _, b := range []struct {
		field string
		bound *float64
	}{{"min", in.Min}, {"max", in.Max}} {
		if b.bound == nil {
			continue
		}
		errs = append(errs, sluice.At(b.field, v.checkBound(*b.bound)))
	}
	if in.Min != nil {
		v.lower, v.least = *in.Min, clamp(math.Ceil(*in.Min))
	}
	if in.Max != nil {
		v.upper, v.most = *in.Max, clamp(math.Floor(*in.Max))
	}
	if errors.Join(errs...) == nil && (v.lower > v.upper || v.least > v.most && v.typ == sluice.Integer) {
		errs = append(errs, sluice.At("min", fmt.Errorf("nothing lies from %s to %s; want a min that is not above max", bound(v.lower), bound(v.upper))))
	}
	return errs
}

func (v *value) checkBound(b float64) error {
	switch {
	case v.typ == sluice.Boolean:
		return errors.New("a boolean has no bounds; want it on a number or a string")
	case math.IsNaN(b) || math.IsInf(b, 0):
		return errors.New("not a finite number")
	case v.typ == sluice.Text && (b < 0 || b != math.Trunc(b)):
		return fmt.Errorf("%s is no length; want a whole number of characters", bound(b))
	}
	return nil
}

// clamp is f, which is whole, within 64 bits.
func clamp(f float64) int64 {
	switch {
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}

func (v *value) compilePattern(in *sluice.Input) error {
	if in.Pattern == "" {
		return nil
	}
	if v.typ != sluice.Text {
		return fmt.Errorf("%s has no form to match; want a pattern on a string", article(v.typ))
	}
	if _, err := regexp.Compile(in.Pattern); err != nil {
		return fmt.Errorf("%w; want a regular expression of RE2", err)
	}
	whole, err := regexp.Compile(`\A(?:` + in.Pattern + `)\z`)
	v.pattern = whole
	return err
}

func article(t sluice.ValueType) string {
	if t == sluice.Integer {
		return "an integer"
	}
	return "a " + t.String()
}

func (v *value) compileEnum(in *sluice.Input) []error {
	var enum []sluice.Value
	var errs []error
	for i, text := range in.Enum {
		field := fmt.Sprintf("enum[%d]", i)
		e, fault := v.parse([]byte(text))
		if fault != "" {
			errs = append(errs, sluice.At(field, fmt.Errorf("%q is %s; want %s", text, fault, v.want)))
			continue
		}
		for _, other := range enum {
			if same(e, other) {
				errs = append(errs, sluice.At(field, fmt.Errorf("%q comes twice", text)))
			}
		}
		enum = append(enum, e)
	}
	v.enum = enum
	return errs
}

func (v *value) compileDefault(in *sluice.Input) error {
	switch {
	case in.Default == nil:
		return nil
	case in.Required:
		return errors.New("a value that must be there, as one in the path is, needs no default; want none")
	}
	fallback, fault := v.parse([]byte(*in.Default))
	if fault != "" {
		return fmt.Errorf("%q is %s; want %s", *in.Default, fault, v.want)
	}
	v.fallback = fallback
	return nil
}
