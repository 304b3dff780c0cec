package config

import (
	"encoding"
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"github.com/sluiceapi/sluice"
)

// field is what the tags of a struct field say. The one for a value that is in no struct is empty.
type field struct {
	// name is the key in YAML.
	name  string
	index []int
	typ   reflect.Type
	// owner and ident are the struct that holds the field and its name in Go.
	owner reflect.Type
	ident string
	// short has the block given as a scalar fill this field.
	short, required bool
	// one has a scalar stand for the list of it alone.
	one bool
	// kind collects the keys that the struct does not know as blocks; with bare, the struct may be given as a
	// scalar, the kind of a block without content. rest collects them as the entries of a Map.
	kind, bare, rest   bool
	fallback, min, max string
	enum               []string
	// names says what the keys of a Map may be: name, input or header; empty is any text.
	names string
}

// layout is what a struct reads from a map.
type layout struct {
	fields            []field
	short, kind, rest *field
}

func (l *layout) names() []string {
	var all []string
	for _, f := range l.fields {
		all = append(all, f.name)
	}
	return all
}

func (l *layout) field(name string) *field {
	for i := range l.fields {
		if l.fields[i].name == name {
			return &l.fields[i]
		}
	}
	return nil
}

// Keys are the keys that a struct reads from a map, but for those of Map entries and kinds.
func Keys(of any) []string { return layoutOf(reflect.TypeOf(of)).names() }

// layoutOf reads the tags of a struct. Embedded structs without a tag add their fields.
func layoutOf(t reflect.Type) *layout {
	l := &layout{}
	l.collect(t, nil)
	for i := range l.fields {
		if l.fields[i].short {
			l.short = &l.fields[i]
		}
	}
	return l
}

func (l *layout) collect(t reflect.Type, index []int) {
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, tagged := sf.Tag.Lookup("yaml")
		at := append(append([]int(nil), index...), i)
		if sf.Anonymous && !tagged && sf.Type.Kind() == reflect.Struct {
			l.collect(sf.Type, at)
			continue
		}
		if !tagged || tag == "-" || !sf.IsExported() {
			continue
		}
		f := newField(sf, tag, at)
		f.owner = t
		switch {
		case f.kind:
			l.kind = &f
		case f.rest:
			l.rest = &f
		default:
			l.fields = append(l.fields, f)
		}
	}
}

// newField reads the tags of one field. What they say wrongly is a mistake in the program, and panics.
func newField(sf reflect.StructField, tag string, index []int) field {
	name, options, _ := strings.Cut(tag, ",")
	f := field{
		name: name, index: index, typ: sf.Type, ident: sf.Name,
		required: sf.Tag.Get("required") == "true", fallback: sf.Tag.Get("default"),
		min: sf.Tag.Get("min"), max: sf.Tag.Get("max"), names: sf.Tag.Get("names"),
	}
	if enum := sf.Tag.Get("enum"); enum != "" {
		f.enum = strings.Split(enum, ",")
	}
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "short":
			f.short = true
		case "one":
			f.one = true
		case "kind":
			f.kind = true
		case "bare":
			f.bare = true
		case "rest":
			f.rest = true
		case "":
		default:
			panic("config: the field " + sf.Name + " has the unknown option " + option)
		}
	}
	if f.one && (sf.Type.Kind() != reflect.Slice || !formOf(sf.Type.Elem()).isScalar()) {
		panic("config: the field " + sf.Name + " is no list of scalars, so none can stand for it")
	}
	if sf.Type.Kind() == reflect.Pointer && f.fallback != "" {
		panic("config: the field " + sf.Name + " is a pointer, nil when it is not given, and so has no default")
	}
	return f
}

var (
	durationType  = reflect.TypeFor[time.Duration]()
	prefixType    = reflect.TypeFor[netip.Prefix]()
	stringType    = reflect.TypeFor[string]()
	secretType    = reflect.TypeFor[sluice.Secret]()
	scalarType    = reflect.TypeFor[sluice.Scalar]()
	blockType     = reflect.TypeFor[Block]()
	nestedType    = reflect.TypeFor[sluice.Nested]()
	textReader    = reflect.TypeFor[encoding.TextUnmarshaler]()
	jsonReader    = reflect.TypeFor[json.Unmarshaler]()
	entryAppender = reflect.TypeFor[appender]()
)

// appender is a sluice.Map of whatever type.
type appender interface{ AppendEntry(name string) any }

// form is how a type is read from YAML.
type form uint8

const (
	formText form = iota // a scalar, through UnmarshalText
	formJSON
	formDuration
	formPrefix
	formScalar
	formString
	formBool
	formInt
	formUint
	formFloat
	formMap
	formList
	formStruct
)

func formOf(t reflect.Type) form {
	p := reflect.PointerTo(t)
	switch {
	case t == durationType:
		return formDuration
	case t == prefixType:
		return formPrefix
	case t == scalarType:
		return formScalar
	case p.Implements(textReader) && t != secretType:
		return formText
	case p.Implements(jsonReader):
		return formJSON
	case p.Implements(entryAppender):
		return formMap
	}
	switch t.Kind() {
	case reflect.String:
		return formString
	case reflect.Bool:
		return formBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return formInt
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return formUint
	case reflect.Float32, reflect.Float64:
		return formFloat
	case reflect.Slice:
		return formList
	case reflect.Struct:
		return formStruct
	}
	panic("config: a field of type " + t.String() + " cannot be filled from YAML")
}

// isScalar tells whether the form is written as a scalar.
func (f form) isScalar() bool { return f <= formFloat && f != formJSON }

// mayBe tells whether a value of the form that stands for its block is told from the block by its shape.
func (f form) mayBe(s shape) bool {
	switch f {
	case formJSON:
		return s != mapping
	case formList:
		return s == list
	case formMap:
		return false
	}
	return s == scalar
}

// element is what a Map holds.
func element(t reflect.Type) reflect.Type {
	value, _ := t.Elem().FieldByName("Value")
	return value.Type
}
