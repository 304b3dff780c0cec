package function

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"reflect"
	"slices"
	"strings"

	"github.com/sluiceapi/sluice"
)

// bodyField is the field that the JSON body is decoded into.
type bodyField struct {
	index int
	// optional is set for a pointer, which stays nil for a request without a body.
	optional bool
	node     *node
}

// node is the rules for a value of one type within a body. Types that refer to themselves make circles of nodes.
type node struct {
	members []member
	// elem is that of the elements of a list or a map, nil where none has rules.
	elem *node
}

// member is a field of a struct within a body.
type member struct {
	index    int
	name     string
	required bool
	// inlined members are those of an embedded struct: in JSON they stand beside the others.
	inlined bool
	rules   rules
	node    *node
}

func bodyOf(sf reflect.StructField, index int) (*bodyField, error) {
	for _, tag := range []string{"name", "required", "default", "min", "max", "pattern", "enum"} {
		if _, found := sf.Tag.Lookup(tag); found {
			return nil, fmt.Errorf("a body has no `%s`; want it at the fields of its struct", tag)
		}
	}
	f := &bodyField{index: index, optional: sf.Type.Kind() == reflect.Pointer}
	n, err := nodeOf(sf.Type, map[reflect.Type]*node{})
	if n.ruled(map[*node]bool{}) {
		f.node = n
	}
	return f, err
}

// ruled tells whether there is a rule in the node or below it.
func (n *node) ruled(seen map[*node]bool) bool {
	if n == nil || seen[n] {
		return false
	}
	seen[n] = true
	for i := range n.members {
		if m := &n.members[i]; m.required || !m.rules.none() || m.node.ruled(seen) {
			return true
		}
	}
	return n.elem.ruled(seen)
}

// nodeOf is the node of a type, nil for one that has no members or elements to look at.
func nodeOf(t reflect.Type, known map[reflect.Type]*node) (*node, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n, found := known[t]; found {
		return n, nil
	}
	if readsItself(t) {
		return nil, nil
	}
	n := &node{}
	known[t] = n
	switch t.Kind() {
	case reflect.Struct:
		return n, n.addMembers(t, known)
	case reflect.Slice, reflect.Array, reflect.Map:
		var err error
		n.elem, err = nodeOf(t.Elem(), known)
		return n, err
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return nil, fmt.Errorf("a %s cannot be read from JSON", t)
	}
	known[t] = nil
	return nil, nil
}

func readsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func (n *node) addMembers(t reflect.Type, known map[reflect.Type]*node) error {
	var errs []error
	for i := range t.NumField() {
		sf := t.Field(i)
		tag := sf.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		if !sf.IsExported() && !sf.Anonymous || tag == "-" {
			continue
		}
		m := member{index: i, name: name, inlined: sf.Anonymous && name == ""}
		if name == "" {
			m.name = sf.Name
		}
		if err := m.compile(sf, known); err != nil {
			errs = append(errs, fmt.Errorf("%s.%s: %w", t, sf.Name, err))
		}
		n.members = append(n.members, m)
	}
	return errors.Join(errs...)
}

func (m *member) compile(sf reflect.StructField, known map[reflect.Type]*node) error {
	t := sf.Type
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	m.inlined = m.inlined && t.Kind() == reflect.Struct
	if m.inlined && sf.Type.Kind() == reflect.Pointer {
		return errors.New("it is an embedded pointer, of which nobody can tell whether it must be there; want the struct itself")
	}
	if in, found := sf.Tag.Lookup("in"); found {
		return fmt.Errorf("it is in the body and cannot be in %s", in)
	}
	if _, found := sf.Tag.Lookup("default"); found {
		return errors.New("a member of a body has no default; want a pointer, to know that it is not there")
	}
	var err error
	if m.required, err = boolTag(sf.Tag, "required"); err != nil {
		return err
	}
	if m.rules, err = rulesOf(sf.Tag, t); err != nil {
		return err
	}
	m.node, err = nodeOf(t, known)
	return err
}

// read decodes the body and says what of it does not fit. An error is one that is not the content's.
func (f *bodyField) read(x *sluice.Exchange, into reflect.Value, limit int64) ([]sluice.InputError, error) {
	raw, err := x.Request.Body.Load(limit)
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 {
		if f.optional {
			return nil, nil
		}
		return []sluice.InputError{{Name: "body", Message: "missing; want JSON"}}, nil
	}
	if err := checkMediaType(&x.Request.Header); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into.Addr().Interface()); err != nil {
		return []sluice.InputError{decodeFault(err)}, nil
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return []sluice.InputError{{Name: "body", Message: "more than one JSON value"}}, nil
	}
	if f.node == nil {
		return nil, nil
	}
	c := checker{}
	c.check(f.node, into, raw, "body")
	return c.faults, nil
}

// checkMediaType takes application/json and what is JSON by its suffix (RFC 6839, section 3.1).
func checkMediaType(h *sluice.Header) error {
	text := string(h.Value("Content-Type"))
	media, _, err := mime.ParseMediaType(text)
	if h.Count("Content-Type") == 1 && err == nil && (media == "application/json" || strings.HasSuffix(media, "+json")) {
		return nil
	}
	return &sluice.Error{Code: sluice.UnsupportedMediaType, Message: "want a body of type application/json"}
}

func decodeFault(err error) sluice.InputError {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		name := "body"
		if e.Field != "" {
			name += "." + e.Field
		}
		return sluice.InputError{Name: name, Message: "got " + e.Value + "; want " + jsonName(e.Type)}
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return sluice.InputError{Name: "body", Message: fmt.Sprintf("not JSON at byte %d: %s", e.Offset, e.Error())}
	}
	return sluice.InputError{Name: "body", Message: strings.TrimPrefix(err.Error(), "json: ")}
}

// jsonName is what a Go type is called in JSON.
func jsonName(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.String:
		return "a string"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Float32, t.Kind() == reflect.Float64:
		return "a number"
	case number(t):
		return fmt.Sprintf("an integer of %d bits", t.Bits())
	case t.Kind() == reflect.Slice, t.Kind() == reflect.Array:
		return "an array"
	}
	return "an object"
}

// maxFaults is how many faults of one body are told: more help nobody.
const maxFaults = 20

// maxDepth bounds the work on types that hold themselves: each level is read once more for each level above it.
const maxDepth = 64

// checker walks a decoded body beside its JSON, which alone tells what was left out.
type checker struct {
	faults []sluice.InputError
	// seen counts all faults, depth the levels that the walk is down.
	seen, depth int
}

func (c *checker) fault(name, message string) {
	if c.seen++; c.seen <= maxFaults {
		c.faults = append(c.faults, sluice.InputError{Name: name, Message: message})
	}
}

func (c *checker) check(n *node, v reflect.Value, raw json.RawMessage, name string) {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	if c.depth++; c.depth > maxDepth {
		c.fault(name, fmt.Sprintf("nested deeper than %d levels", maxDepth))
		c.depth--
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		var object map[string]json.RawMessage
		if json.Unmarshal(raw, &object) == nil {
			c.members(n, v, object, raw, name)
		}
	case reflect.Slice, reflect.Array:
		c.list(n, v, raw, name)
	case reflect.Map:
		c.entries(n, v, raw, name)
	}
	c.depth--
}

func (c *checker) members(n *node, v reflect.Value, object map[string]json.RawMessage, raw json.RawMessage, name string) {
	for i := range n.members {
		m := &n.members[i]
		if m.inlined {
			if m.node != nil {
				c.check(m.node, v.Field(m.index), raw, name)
			}
			continue
		}
		at := name + "." + m.name
		value, found := lookup(object, m.name)
		if !found || string(value) == "null" {
			if m.required {
				c.fault(at, "missing")
			}
			continue
		}
		c.member(m, v.Field(m.index), value, at)
	}
}

func (c *checker) member(m *member, v reflect.Value, raw json.RawMessage, at string) {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	if fault := m.rules.check(v); fault != "" {
		c.fault(at, fault)
	}
	if m.node != nil {
		c.check(m.node, v, raw, at)
	}
}

func (c *checker) list(n *node, v reflect.Value, raw json.RawMessage, name string) {
	var items []json.RawMessage
	if n.elem == nil || json.Unmarshal(raw, &items) != nil {
		return
	}
	for i := range min(v.Len(), len(items)) {
		c.check(n.elem, v.Index(i), items[i], fmt.Sprintf("%s.%d", name, i))
	}
}

func (c *checker) entries(n *node, v reflect.Value, raw json.RawMessage, name string) {
	var entries map[string]json.RawMessage
	if n.elem == nil || v.Type().Key().Kind() != reflect.String || json.Unmarshal(raw, &entries) != nil {
		return
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, key := range keys {
		c.check(n.elem, v.MapIndex(key), entries[key.String()], name+"."+key.String())
	}
}

// lookup finds a member as encoding/json does: by its name, else without regard to case.
func lookup(object map[string]json.RawMessage, name string) (json.RawMessage, bool) {
	if value, found := object[name]; found {
		return value, true
	}
	for key, value := range object {
		if strings.EqualFold(key, name) {
			return value, true
		}
	}
	return nil, false
}
