package rpc

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sluiceapi/sluice"
)

// Form is how a message is written as JSON. The zero Form is proto3 JSON.
type Form struct {
	// ProtoNames has names as the .proto file has them, instead of in lowerCamelCase.
	ProtoNames bool
	// Zeros has fields that hold their zero too, where that cannot be told from their not being set.
	Zeros bool
	// NumberInt64 has integers of 64 bits as numbers instead of strings.
	NumberInt64 bool
	// Omit are fields of the message itself that are left out, by their names in the .proto file.
	Omit []string
}

// encoder writes messages as JSON. Of the types with a form of their own it writes the wrappers; the others, which are
// rare and have many rules, protojson does.
type encoder struct {
	dst   []byte
	form  Form
	types types
	err   error
}

func (e *encoder) message(m protoreflect.Message) {
	switch d := m.Descriptor(); {
	case isWrapper(d):
		f := d.Fields().ByName("value")
		e.scalar(f, m.Get(f))
		return
	case hasOwnForm(d):
		e.foreign(m)
		return
	}
	e.dst = append(e.dst, '{')
	start := len(e.dst)
	fields, omit := m.Descriptor().Fields(), e.form.Omit
	e.form.Omit = nil
	for i := range fields.Len() {
		f := fields.Get(i)
		if slices.Contains(omit, string(f.Name())) {
			continue
		}
		if m.Has(f) || e.form.Zeros && !f.HasPresence() {
			e.field(start, f, m.Get(f))
		}
	}
	if m.Descriptor().ExtensionRanges().Len() > 0 {
		m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			if f.IsExtension() {
				e.field(start, f, v)
			}
			return true
		})
	}
	e.dst = append(e.dst, '}')
}

// field writes a field and its value, after a comma where something stands before it.
func (e *encoder) field(start int, f protoreflect.FieldDescriptor, v protoreflect.Value) {
	name := f.JSONName()
	if e.form.ProtoNames && !f.IsExtension() {
		name = f.TextName()
	}
	e.comma(start)
	e.dst = append(sluice.AppendJSONString(e.dst, []byte(name)), ':')
	switch {
	case f.IsList():
		e.list(f, v.List())
	case f.IsMap():
		e.object(f, v.Map())
	default:
		e.value(f, v)
	}
}

func (e *encoder) comma(start int) {
	if len(e.dst) > start {
		e.dst = append(e.dst, ',')
	}
}

func (e *encoder) list(f protoreflect.FieldDescriptor, list protoreflect.List) {
	e.dst = append(e.dst, '[')
	for i := range list.Len() {
		if i > 0 {
			e.dst = append(e.dst, ',')
		}
		e.value(f, list.Get(i))
	}
	e.dst = append(e.dst, ']')
}

func (e *encoder) object(f protoreflect.FieldDescriptor, m protoreflect.Map) {
	keys := make([]protoreflect.MapKey, 0, m.Len())
	m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		keys = append(keys, k)
		return true
	})
	slices.SortFunc(keys, func(a, b protoreflect.MapKey) int { return compareKeys(f.MapKey().Kind(), a, b) })
	e.dst = append(e.dst, '{')
	start := len(e.dst)
	for _, k := range keys {
		e.comma(start)
		e.dst = append(sluice.AppendJSONString(e.dst, []byte(k.String())), ':')
		e.value(f.MapValue(), m.Get(k))
	}
	e.dst = append(e.dst, '}')
}

func compareKeys(kind protoreflect.Kind, a, b protoreflect.MapKey) int {
	switch kind {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind,
		protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return cmp.Compare(a.Int(), b.Int())
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return cmp.Compare(a.Uint(), b.Uint())
	}
	return cmp.Compare(a.String(), b.String())
}

func (e *encoder) value(f protoreflect.FieldDescriptor, v protoreflect.Value) {
	if f.Message() != nil {
		e.message(v.Message())
		return
	}
	e.scalar(f, v)
}

func (e *encoder) scalar(f protoreflect.FieldDescriptor, v protoreflect.Value) {
	switch f.Kind() {
	case protoreflect.BoolKind:
		e.dst = strconv.AppendBool(e.dst, v.Bool())
	case protoreflect.StringKind:
		text := v.String()
		if !utf8.ValidString(text) {
			e.fail(errNotUTF8)
		}
		e.dst = sluice.AppendJSONString(e.dst, []byte(text))
	case protoreflect.BytesKind:
		e.dst = append(e.dst, '"')
		e.dst = base64.StdEncoding.AppendEncode(e.dst, v.Bytes())
		e.dst = append(e.dst, '"')
	case protoreflect.EnumKind:
		e.enum(f.Enum(), v.Enum())
	case protoreflect.FloatKind:
		e.float(v.Float(), 32)
	case protoreflect.DoubleKind:
		e.float(v.Float(), 64)
	default:
		quoted := !e.form.NumberInt64 && is64(f.Kind())
		if quoted {
			e.dst = append(e.dst, '"')
		}
		e.dst = appendInteger(e.dst, f.Kind(), v)
		if quoted {
			e.dst = append(e.dst, '"')
		}
	}
}

func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

func is64(k protoreflect.Kind) bool {
	switch k {
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return true
	}
	return false
}

func appendInteger(dst []byte, k protoreflect.Kind, v protoreflect.Value) []byte {
	switch k {
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return strconv.AppendUint(dst, v.Uint(), 10)
	}
	return strconv.AppendInt(dst, v.Int(), 10)
}

// nullValue is the enum whose one value is JSON's null.
const nullValue = "google.protobuf.NullValue"

func (e *encoder) enum(d protoreflect.EnumDescriptor, n protoreflect.EnumNumber) {
	known := d.Values().ByNumber(n)
	switch {
	case d.FullName() == nullValue:
		e.dst = append(e.dst, "null"...)
	case known == nil:
		e.dst = strconv.AppendInt(e.dst, int64(n), 10)
	default:
		e.dst = sluice.AppendJSONString(e.dst, []byte(known.Name()))
	}
}

func (e *encoder) float(f float64, bits int) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		e.dst = append(appendFloat(append(e.dst, '"'), f, bits), '"')
		return
	}
	e.dst = appendFloat(e.dst, f, bits)
}

// appendFloat writes a number as encoding/json does, and those that JSON does not have by their names.
func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	format := byte('f')
	if size := math.Abs(f); size != 0 && (size < 1e-6 || size >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits)
}

// foreign has protojson write a message.
func (e *encoder) foreign(m protoreflect.Message) {
	o := protojson.MarshalOptions{UseProtoNames: e.form.ProtoNames, EmitDefaultValues: e.form.Zeros, Resolver: e.types}
	text, err := marshal(o, m.Interface())
	if err != nil {
		e.fail(err)
		return
	}
	var compact bytes.Buffer // protojson puts in spaces at random
	if err := json.Compact(&compact, text); err != nil {
		e.fail(err)
		return
	}
	e.dst = append(e.dst, compact.Bytes()...)
}

func marshal(o protojson.MarshalOptions, m proto.Message) (text []byte, err error) {
	defer recoverAs(&err) // it reads the messages of Any
	return o.Marshal(m)
}

// isWrapper tells a message that is written as the one value in it.
func isWrapper(d protoreflect.MessageDescriptor) bool {
	switch d.FullName() {
	case "google.protobuf.BoolValue", "google.protobuf.StringValue", "google.protobuf.BytesValue",
		"google.protobuf.Int32Value", "google.protobuf.Int64Value", "google.protobuf.UInt32Value", "google.protobuf.UInt64Value",
		"google.protobuf.FloatValue", "google.protobuf.DoubleValue":
		return true
	}
	return false
}

// hasOwnForm tells another message whose JSON is not that of its fields.
func hasOwnForm(d protoreflect.MessageDescriptor) bool {
	switch d.FullName() {
	case "google.protobuf.Any", "google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask",
		"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue":
		return true
	}
	return false
}

// hasOwnText tells a message whose JSON is one string.
func hasOwnText(d protoreflect.MessageDescriptor) bool {
	switch d.FullName() {
	case "google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask":
		return true
	}
	return false
}
