package rpc

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/sluiceapi/sluice"
)

// maxDepth is how deep messages may be nested, on the wire and in JSON: what protobuf's own readers take.
const maxDepth = 100

// Type is a sort of message. It may be used by many at once.
type Type struct {
	// Descriptor is all that is declared of it.
	Descriptor protoreflect.MessageDescriptor

	types types
}

func newType(d protoreflect.MessageDescriptor, t types) *Type { return &Type{Descriptor: d, types: t} }

// Name is the full name, such as user.v1.UserRequest.
func (t *Type) Name() string { return string(t.Descriptor.FullName()) }

// New is a message without anything in it.
func (t *Type) New() *Message { return &Message{typ: t, message: dynamicpb.NewMessage(t.Descriptor)} }

// Read reads a message as it is on the wire. A message that is not of the type is a BadRequest.
func (t *Type) Read(wire []byte) (*Message, error) {
	m := t.New()
	if err := t.unmarshal(wire, m.message); err != nil {
		return nil, sluice.Errorf(sluice.BadRequest, nil, "the message is no %s: %s", t.Name(), plain(err))
	}
	return m, nil
}

func (t *Type) unmarshal(wire []byte, m proto.Message) (err error) {
	defer recoverAs(&err)
	o := proto.UnmarshalOptions{Resolver: t.types, RecursionLimit: maxDepth}
	return o.Unmarshal(wire, m)
}

// AppendJSON appends a message that is on the wire as JSON.
func (t *Type) AppendJSON(dst, wire []byte, f Form) ([]byte, error) {
	m, err := t.Read(wire)
	if err != nil {
		return dst, err
	}
	return m.AppendJSON(dst, f)
}

// AppendWire appends, as it is on the wire, the message that JSON tells (see Message.Merge).
func (t *Type) AppendWire(dst, json []byte, unknown Unknown) ([]byte, error) {
	m := t.New()
	if err := m.Merge(json, unknown); err != nil {
		return dst, err
	}
	return m.AppendWire(dst)
}

// Unknown is what becomes of the fields of a JSON object that the message does not have.
type Unknown bool

// What becomes of them.
const (
	Refuse  Unknown = false
	Discard Unknown = true
)

// Message is a message that is read or made. It belongs to one goroutine at a time.
type Message struct {
	typ     *Type
	message *dynamicpb.Message
}

// Merge reads the message from JSON: proto3 JSON, with names as the .proto file has them or in lowerCamelCase. What is
// no such JSON is a BadRequest. A field that was set before is replaced; lists and maps grow.
func (m *Message) Merge(json []byte, unknown Unknown) error {
	read := m.typ.New()
	o := protojson.UnmarshalOptions{DiscardUnknown: bool(unknown), Resolver: m.typ.types, RecursionLimit: maxDepth}
	if err := o.Unmarshal(json, read.message); err != nil {
		return sluice.Errorf(sluice.BadRequest, nil, "not a %s: %s", m.typ.Name(), reason(err))
	}
	proto.Merge(m.message, read.message)
	return nil
}

// reason is what protojson found wrong, without the place in a text that its author may never have seen.
func reason(err error) string {
	text := plain(err)
	if place, what, found := strings.Cut(text, "): "); found && strings.HasPrefix(place, "(line ") {
		return what
	}
	return text
}

// AppendWire appends the message as it is on the wire, always in the same order.
func (m *Message) AppendWire(dst []byte) ([]byte, error) {
	out, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(dst, m.message)
	if err != nil {
		return dst, fmt.Errorf("write a %s: %s", m.typ.Name(), plain(err))
	}
	return out, nil
}

// AppendJSON appends the message as JSON.
func (m *Message) AppendJSON(dst []byte, f Form) ([]byte, error) {
	e := encoder{dst: dst, form: f, types: m.typ.types}
	e.message(m.message)
	if e.err != nil {
		return dst, fmt.Errorf("write a %s as JSON: %s", m.typ.Name(), plain(e.err))
	}
	return e.dst, nil
}

// Field is a field of a message, or one of a message in it.
type Field struct {
	// Name is the name as the .proto file has it, with dots where it is one of a message in a message.
	Name string
	path []protoreflect.FieldDescriptor
}

// Field finds a field by its name, as the .proto file has it or in lowerCamelCase, with dots between the names of
// messages in messages. An error says what could be meant.
func (t *Type) Field(name string) (*Field, error) {
	f, d := &Field{}, t.Descriptor
	for part := range strings.SplitSeq(name, ".") {
		if d == nil {
			return nil, fmt.Errorf("%s holds no one message, so it has no %q", f.Name, part)
		}
		found := fieldOf(d, part)
		if found == nil {
			return nil, unknownField(d, part)
		}
		f.path = append(f.path, found)
		f.Name = strings.TrimPrefix(f.Name+"."+string(found.Name()), ".")
		if d = nil; found.Message() != nil && !found.IsList() && !found.IsMap() {
			d = found.Message()
		}
	}
	return f, nil
}

func fieldOf(d protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if f := d.Fields().ByName(protoreflect.Name(name)); f != nil {
		return f
	}
	return d.Fields().ByJSONName(name)
}

func unknownField(d protoreflect.MessageDescriptor, name string) error {
	var names []string
	for i := range d.Fields().Len() {
		names = append(names, string(d.Fields().Get(i).Name()))
	}
	if near := sluice.Nearest(name, names); near != "" {
		return fmt.Errorf("%s has no field %q; did you mean %s?", d.FullName(), name, near)
	}
	if len(names) == 0 {
		return fmt.Errorf("%s has no field %q; it has none at all", d.FullName(), name)
	}
	return fmt.Errorf("%s has no field %q; want %s", d.FullName(), name, oneOf(names))
}

// Fields are the fields of the type itself, in the order in which it declares them.
func (t *Type) Fields() []*Field {
	var all []*Field
	for i := range t.Descriptor.Fields().Len() {
		d := t.Descriptor.Fields().Get(i)
		all = append(all, &Field{Name: string(d.Name()), path: []protoreflect.FieldDescriptor{d}})
	}
	return all
}

func (f *Field) last() protoreflect.FieldDescriptor { return f.path[len(f.path)-1] }

// JSONName is the name that JSON has for the last part of the field, in lowerCamelCase.
func (f *Field) JSONName() string { return f.last().JSONName() }

// List tells whether the field holds several values.
func (f *Field) List() bool { return f.last().IsList() }

// Single tells whether the field holds one value that text can tell, as a parameter of a path does.
func (f *Field) Single() bool {
	d := f.last()
	return !d.IsList() && !d.IsMap() && (d.Message() == nil || isWrapper(d.Message()) || hasOwnText(d.Message()))
}

// Fits tells whether the field's text can be read as a type: any as a string, and any type out of a string.
func (f *Field) Fits(t sluice.ValueType) bool {
	own := f.Type()
	return t == sluice.Text || own == t || t == sluice.Number && own == sluice.Integer || own == sluice.Text && f.isString()
}

func (f *Field) isString() bool {
	d := f.last()
	return !d.IsMap() && (d.Kind() == protoreflect.StringKind || d.Message() != nil && d.Message().FullName() == "google.protobuf.StringValue")
}

// Zero is the text of a field that is not set and cannot be told from one that is zero.
func (f *Field) Zero() []byte {
	e := encoder{}
	e.text(f.last(), f.last().Default())
	return e.dst
}

// OnlyList is the field of the type that holds several values, nil where there is none, or more than one.
func (t *Type) OnlyList() *Field {
	var found *Field
	for _, f := range t.Fields() {
		if f.List() && found != nil {
			return nil
		}
		if f.List() {
			found = f
		}
	}
	return found
}

// Presence tells whether a field that holds its zero, such as 0 or "", can be told from one that is not set.
func (f *Field) Presence() bool { return f.last().HasPresence() }

// Type is what one value of the field is read as where it is given as text.
func (f *Field) Type() sluice.ValueType {
	d := f.last()
	if d.IsMap() {
		return sluice.Text
	}
	if d.Message() != nil {
		if !isWrapper(d.Message()) {
			return sluice.Text
		}
		d = d.Message().Fields().ByName("value")
	}
	switch d.Kind() {
	case protoreflect.BoolKind:
		return sluice.Boolean
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return sluice.Number
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.EnumKind:
		return sluice.Text
	}
	return sluice.Integer
}

// Declared is how the .proto file says what the field holds, such as "repeated int64".
func (f *Field) Declared() string {
	d := f.last()
	if d.IsMap() {
		return fmt.Sprintf("map<%s, %s>", kindName(d.MapKey()), kindName(d.MapValue()))
	}
	if d.IsList() {
		return "repeated " + kindName(d)
	}
	return kindName(d)
}

func kindName(d protoreflect.FieldDescriptor) string {
	switch {
	case d.Message() != nil:
		return string(d.Message().FullName())
	case d.Enum() != nil:
		return string(d.Enum().FullName())
	}
	return d.Kind().String()
}

// recoverAs, deferred around what reads messages from the wire, has a panic there be an error: the protobuf module
// panics where the key of a map's entry comes twice, the second time as something else than a key.
func recoverAs(err *error) {
	if recover() != nil {
		*err = errors.New("what it holds does not fit its fields")
	}
}

var errNotUTF8 = errors.New("not UTF-8")
