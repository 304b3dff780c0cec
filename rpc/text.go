package rpc

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sluiceapi/sluice"
)

// SetText sets a field from text, as a path or a query has it: a number, true or false, a string, bytes in base64, the
// name of an enum's value, and of a message its JSON, without the quotes where that is a string. A list grows by one
// value; a map is set from a JSON object. Text that does not fit is an error that says what is wanted.
func (m *Message) SetText(f *Field, text []byte) error {
	in, last := protoreflect.Message(m.message), len(f.path)-1
	for _, d := range f.path[:last] {
		in = in.Mutable(d).Message()
	}
	d := f.path[last]
	switch {
	case d.IsMap():
		return m.setJSON(in, d, text)
	case d.IsList():
		list := in.Mutable(d).List()
		v, err := m.parse(d, list.NewElement, text)
		if err == nil {
			list.Append(v)
		}
		return err
	}
	v, err := m.parse(d, func() protoreflect.Value { return in.NewField(d) }, text)
	if err == nil {
		in.Set(d, v)
	}
	return err
}

// setJSON sets a field from the JSON of it: one value is replaced, lists and maps grow, and null is nothing.
func (m *Message) setJSON(in protoreflect.Message, d protoreflect.FieldDescriptor, text []byte) error {
	read := in.New()
	object := append(append(sluice.AppendJSONString([]byte{'{'}, []byte(d.JSONName())), ':'), text...)
	o := protojson.UnmarshalOptions{Resolver: m.typ.types, RecursionLimit: maxDepth}
	if err := o.Unmarshal(append(object, '}'), read.Interface()); err != nil {
		if d.IsMap() {
			return errors.New("want a JSON object")
		}
		return fmt.Errorf("want the JSON of a %s", (&Field{path: []protoreflect.FieldDescriptor{d}}).Declared())
	}
	if !read.Has(d) {
		return nil
	}
	if d.Message() != nil && !d.IsList() && !d.IsMap() {
		in.Clear(d)
	}
	proto.Merge(in.Interface(), read.Interface())
	return nil
}

// SetJSON sets a field from JSON, as SetText does where the JSON is one value and the field holds one that text can tell:
// 7 and "7" are the same for a number and for a string. A list grows by the values of an array, or by one value; null is
// nothing.
func (m *Message) SetJSON(f *Field, text []byte) error {
	if string(text) == "null" && f.last().Enum() == nil {
		return nil
	}
	in, last := protoreflect.Message(m.message), len(f.path)-1
	for _, d := range f.path[:last] {
		in = in.Mutable(d).Message()
	}
	one := len(text) > 0 && text[0] != '[' && text[0] != '{'
	if d := f.path[last]; !one || !f.Single() && !d.IsList() || isAnyJSON(d) {
		return m.setJSON(in, d, text)
	}
	plain := text
	if text[0] == '"' {
		var s string
		if err := json.Unmarshal(text, &s); err != nil {
			return errors.New("want JSON")
		}
		plain = []byte(s)
	}
	err := m.SetText(f, plain)
	if err != nil && m.setJSON(in, f.path[last], text) == nil { // 1e3 is an integer in JSON
		return nil
	}
	return err
}

// parse reads one value; fresh makes an empty one of the field.
func (m *Message) parse(d protoreflect.FieldDescriptor, fresh func() protoreflect.Value, text []byte) (protoreflect.Value, error) {
	if d.Message() == nil {
		return parseScalar(d, string(text))
	}
	v := fresh()
	if isWrapper(d.Message()) {
		inner := d.Message().Fields().ByName("value")
		value, err := parseScalar(inner, string(text))
		if err == nil {
			v.Message().Set(inner, value)
		}
		return v, err
	}
	o := protojson.UnmarshalOptions{Resolver: m.typ.types, RecursionLimit: maxDepth}
	if err := o.Unmarshal(text, v.Message().Interface()); err == nil {
		return v, nil
	}
	v = fresh()
	if err := o.Unmarshal(sluice.AppendJSONString(nil, text), v.Message().Interface()); err != nil {
		return v, fmt.Errorf("want the JSON of a %s", d.Message().FullName())
	}
	return v, nil
}

func parseScalar(d protoreflect.FieldDescriptor, text string) (protoreflect.Value, error) {
	switch k := d.Kind(); k {
	case protoreflect.BoolKind:
		if text != "true" && text != "false" {
			return protoreflect.Value{}, errors.New("want true or false")
		}
		return protoreflect.ValueOfBool(text == "true"), nil
	case protoreflect.StringKind:
		if !utf8.ValidString(text) {
			return protoreflect.Value{}, errors.New("want UTF-8")
		}
		return protoreflect.ValueOfString(text), nil
	case protoreflect.BytesKind:
		return parseBytes(text)
	case protoreflect.EnumKind:
		return parseEnum(d.Enum(), text)
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return parseFloat(k, text)
	default:
		return parseInteger(k, text)
	}
}

// parseBytes takes both alphabets of base64, with and without padding.
func parseBytes(text string) (protoreflect.Value, error) {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	p, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return protoreflect.Value{}, errors.New("want bytes in base64")
	}
	return protoreflect.ValueOfBytes(p), nil
}

func parseEnum(d protoreflect.EnumDescriptor, text string) (protoreflect.Value, error) {
	if d.FullName() == nullValue {
		if text != "null" {
			return protoreflect.Value{}, errors.New("want null")
		}
		return protoreflect.ValueOfEnum(0), nil
	}
	if v := d.Values().ByName(protoreflect.Name(text)); v != nil {
		return protoreflect.ValueOfEnum(v.Number()), nil
	}
	if n, err := strconv.ParseInt(text, 10, 32); err == nil && (!d.IsClosed() || d.Values().ByNumber(protoreflect.EnumNumber(n)) != nil) {
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(n)), nil
	}
	var names []string
	for i := range d.Values().Len() {
		names = append(names, string(d.Values().Get(i).Name()))
	}
	return protoreflect.Value{}, fmt.Errorf("want %s", oneOf(names))
}

func parseFloat(k protoreflect.Kind, text string) (protoreflect.Value, error) {
	bits := 64
	if k == protoreflect.FloatKind {
		bits = 32
	}
	var f float64
	switch text {
	case "NaN":
		f = math.NaN()
	case "Infinity":
		f = math.Inf(1)
	case "-Infinity":
		f = math.Inf(-1)
	default:
		var err error
		if f, err = strconv.ParseFloat(text, bits); err != nil || math.IsInf(f, 0) || math.IsNaN(f) || strings.ContainsAny(text, "xXpP_") {
			return protoreflect.Value{}, errors.New("want a number")
		}
	}
	if bits == 32 {
		return protoreflect.ValueOfFloat32(float32(f)), nil
	}
	return protoreflect.ValueOfFloat64(f), nil
}

func parseInteger(k protoreflect.Kind, text string) (protoreflect.Value, error) {
	switch k {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		n, err := strconv.ParseInt(text, 10, 32)
		return protoreflect.ValueOfInt32(int32(n)), wantInteger(err, "an integer of 32 bits")
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		n, err := strconv.ParseUint(text, 10, 32)
		return protoreflect.ValueOfUint32(uint32(n)), wantInteger(err, "an integer of 32 bits that is not below zero")
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		n, err := strconv.ParseUint(text, 10, 64)
		return protoreflect.ValueOfUint64(n), wantInteger(err, "an integer of 64 bits that is not below zero")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return protoreflect.ValueOfInt64(n), wantInteger(err, "an integer of 64 bits")
}

func wantInteger(err error, want string) error {
	if err != nil {
		return errors.New("want " + want)
	}
	return nil
}

// Has tells whether a field is set.
func (m *Message) Has(f *Field) bool {
	in := protoreflect.Message(m.message)
	for _, d := range f.path {
		if !in.Has(d) {
			return false
		}
		if d.Message() != nil && !d.IsList() && !d.IsMap() {
			in = in.Get(d).Message()
		}
	}
	return true
}

// Texts calls yield for every value of a field that is set, as text that SetText reads: once for each of a list. The
// text is borrowed until yield returns.
func (m *Message) Texts(f *Field, yield func(text []byte) error) error {
	if !m.Has(f) {
		return nil
	}
	in, last := protoreflect.Message(m.message), len(f.path)-1
	for _, d := range f.path[:last] {
		in = in.Get(d).Message()
	}
	d, e := f.path[last], encoder{types: m.typ.types}
	each := func(v protoreflect.Value) error {
		e.dst = e.dst[:0]
		e.text(d, v)
		if e.err != nil {
			return fmt.Errorf("write %s as text: %s", f.Name, plain(e.err))
		}
		return yield(e.dst)
	}
	switch v := in.Get(d); {
	case d.IsMap():
		e.object(d, v.Map())
		if e.err != nil {
			return fmt.Errorf("write %s as text: %s", f.Name, plain(e.err))
		}
		return yield(e.dst)
	case d.IsList():
		for i := range v.List().Len() {
			if err := each(v.List().Get(i)); err != nil {
				return err
			}
		}
		return nil
	default:
		return each(v)
	}
}

// Flatten calls yield for every value of a field that is set, as Texts does, with its name; of a message in it with the
// names of what is set in there, such as parent.name, as google.api.http has it in queries.
func (m *Message) Flatten(f *Field, yield func(name string, text []byte) error) error {
	d := f.last()
	if d.Message() == nil || d.IsList() || d.IsMap() || isWrapper(d.Message()) || hasOwnForm(d.Message()) {
		return m.Texts(f, func(text []byte) error { return yield(f.Name, text) })
	}
	if !m.Has(f) {
		return nil
	}
	for i := range d.Message().Fields().Len() {
		inner := d.Message().Fields().Get(i)
		below := &Field{Name: f.Name + "." + string(inner.Name()), path: append(slices.Clone(f.path), inner)}
		if err := m.Flatten(below, yield); err != nil {
			return err
		}
	}
	return nil
}

// text writes one value without quotes around it.
func (e *encoder) text(f protoreflect.FieldDescriptor, v protoreflect.Value) {
	if f.Message() != nil && isWrapper(f.Message()) {
		f = f.Message().Fields().ByName("value")
		v = v.Message().Get(f)
	}
	switch {
	case f.Kind() == protoreflect.StringKind:
		e.dst = append(e.dst, v.String()...)
	case f.Message() != nil || f.Kind() == protoreflect.BytesKind || f.Kind() == protoreflect.EnumKind:
		e.value(f, v)
		if n := len(e.dst); n > 1 && e.dst[0] == '"' && !isAnyJSON(f) {
			e.dst = e.dst[1 : n-1] // a time, a duration, a mask, base64 or a name: nothing in it is escaped
		}
	case f.Kind() == protoreflect.FloatKind:
		e.dst = appendFloat(e.dst, v.Float(), 32)
	case f.Kind() == protoreflect.DoubleKind:
		e.dst = appendFloat(e.dst, v.Float(), 64)
	case f.Kind() == protoreflect.BoolKind:
		e.dst = strconv.AppendBool(e.dst, v.Bool())
	default:
		e.dst = appendInteger(e.dst, f.Kind(), v)
	}
}

// isAnyJSON tells a field that holds any JSON, a string too.
func isAnyJSON(f protoreflect.FieldDescriptor) bool {
	return f.Message() != nil && f.Message().FullName() == "google.protobuf.Value"
}
