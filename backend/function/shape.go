package function

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"github.com/sluiceapi/sluice"
)

// shape is what a function needs of a request, found out once from its struct.
type shape struct {
	fields []field
	// body is the field that the body is decoded into, or nil.
	body *bodyField
}

// from is where a value stands.
type from uint8

const (
	fromPath from = iota
	fromQuery
	fromHeader
	fromCaller
)

// field is one field of the struct that holds one value.
type field struct {
	index    int
	name     string
	from     from
	optional bool
	fallback string
	rules    rules
	parse    parser
}

// shapeOf reads the tags of a struct and says all that is wrong with them.
func shapeOf(t reflect.Type) (*shape, error) {
	s := &shape{}
	if t.Kind() != reflect.Struct {
		return s, fmt.Errorf("it takes a %s; want a struct whose fields say where their values stand", t)
	}
	var errs []error
	for i := range t.NumField() {
		if err := s.add(t.Field(i), i); err != nil {
			errs = append(errs, fmt.Errorf("field %s of %s: %w", t.Field(i).Name, t, err))
		}
	}
	return s, errors.Join(errs...)
}

func (s *shape) add(sf reflect.StructField, index int) error {
	if !sf.IsExported() {
		return errors.New("it is not exported")
	}
	f := field{index: index}
	switch in := sf.Tag.Get("in"); in {
	case "body":
		if s.body != nil {
			return errors.New("there is one body, and another field has it")
		}
		var err error
		s.body, err = bodyOf(sf, index)
		return err
	case "caller":
		if sf.Type != reflect.TypeFor[sluice.Caller]() {
			return fmt.Errorf("it is a %s; want sluice.Caller", sf.Type)
		}
		f.from = fromCaller
		s.fields = append(s.fields, f)
		return nil
	case "path":
		f.from = fromPath
	case "query":
		f.from = fromQuery
	case "header":
		f.from = fromHeader
	default:
		return fmt.Errorf("its tag `in` is %q; want path, query, header, body or caller", in)
	}
	if err := f.compile(sf); err != nil {
		return err
	}
	s.fields = append(s.fields, f)
	return nil
}

func (f *field) compile(sf reflect.StructField) error {
	f.name = sf.Tag.Get("name")
	switch {
	case f.name == "" && f.from == fromHeader:
		f.name = strings.ReplaceAll(snake(sf.Name), "_", "-")
	case f.name == "":
		f.name = snake(sf.Name)
	}
	if f.from == fromHeader && !sluice.ValidFieldName([]byte(f.name)) {
		return fmt.Errorf("%q is not the name of a header field", f.name)
	}
	t := sf.Type
	if t.Kind() == reflect.Pointer {
		t, f.optional = t.Elem(), true
	}
	var err error
	if f.parse, err = parserOf(t); err != nil {
		return err
	}
	if f.rules, err = rulesOf(sf.Tag, t); err != nil {
		return err
	}
	return f.compileAbsence(sf, t)
}

// compileAbsence finds out what a request may leave out.
func (f *field) compileAbsence(sf reflect.StructField, t reflect.Type) error {
	required, err := boolTag(sf.Tag, "required")
	if err != nil {
		return err
	}
	fallback, found := sf.Tag.Lookup("default")
	switch {
	case required && (found || f.optional):
		return errors.New("it is required and may be left out at once")
	case found && f.optional:
		return errors.New("a pointer has no use beside a default")
	case !found:
		return nil
	}
	f.fallback, f.optional = fallback, true
	v := reflect.New(t).Elem()
	if fault := f.parse(v, fallback); fault != "" {
		return fmt.Errorf("its default %q is %s", fallback, fault)
	}
	if fault := f.rules.check(v); fault != "" {
		return fmt.Errorf("its default %q: %s", fallback, fault)
	}
	return nil
}

// snake is a Go name in snake case: ProductID is product_id.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if unicode.IsUpper(r) && i > 0 && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// fits tells whether the endpoint has what the function needs.
func (s *shape) fits(ep *sluice.Endpoint) error {
	var errs []error
	for _, f := range s.fields {
		if f.from != fromPath || f.optional {
			continue
		}
		for _, route := range ep.Routes {
			if strings.HasPrefix(route, "grpc ") || strings.HasPrefix(route, "consume ") {
				continue // a field of its message
			}
			if !strings.Contains(route, "{"+f.name+"}") && !strings.Contains(route, "{"+f.name+"...}") {
				errs = append(errs, fmt.Errorf("it needs {%s}, which the route %s has not", f.name, route))
			}
		}
	}
	if s.body != nil && !s.body.optional && ep.ReadOnly() {
		errs = append(errs, errors.New("it needs a body, which a GET has not"))
	}
	return errors.Join(errs...)
}

// read fills the struct from the exchange. All that does not fit is one BadRequest.
func (s *shape) read(x *sluice.Exchange, into reflect.Value, maxBody int64) error {
	var faults []sluice.InputError
	for i := range s.fields {
		f := &s.fields[i]
		if fault := f.read(x, into.Field(f.index)); fault != "" {
			faults = append(faults, sluice.InputError{Name: f.name, Message: fault})
		}
	}
	if s.body != nil {
		found, err := s.body.read(x, into.Field(s.body.index), maxBody)
		if err != nil {
			return err
		}
		faults = append(faults, found...)
	}
	if len(faults) > 0 {
		return &sluice.Error{Code: sluice.BadRequest, Message: "what the request brings does not fit", Fields: faults}
	}
	return nil
}

func (f *field) read(x *sluice.Exchange, into reflect.Value) (fault string) {
	if f.from == fromCaller {
		caller := x.Caller
		caller.Claims = bytes.Clone(caller.Claims)
		into.Set(reflect.ValueOf(caller))
		return ""
	}
	raw, count := f.text(x)
	text := string(raw)
	switch {
	case count > 1:
		return "given " + strconv.Itoa(count) + " times; want it once"
	case count == 0 && !f.optional:
		return "missing"
	case count == 0 && into.Kind() == reflect.Pointer && f.fallback == "":
		return ""
	case count == 0:
		text = f.fallback
	}
	if into.Kind() == reflect.Pointer {
		into.Set(reflect.New(into.Type().Elem()))
		into = into.Elem()
	}
	if fault := f.parse(into, text); fault != "" {
		return fault
	}
	return f.rules.check(into)
}

// text is the value as it came, and how often it came.
func (f *field) text(x *sluice.Exchange) ([]byte, int) {
	switch r := &x.Request; f.from {
	case fromQuery:
		return x.Query(f.name)
	case fromHeader:
		if strings.EqualFold(f.name, "host") {
			return r.Host, min(len(r.Host), 1)
		}
		return r.Header.Value(f.name), r.Header.Count(f.name)
	default:
		raw, found := r.Param(f.name)
		if !found {
			return nil, 0
		}
		return x.Unescape(raw), 1
	}
}
