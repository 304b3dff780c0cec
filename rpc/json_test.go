package rpc_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/rpc"
)

func all(t testing.TB) *rpc.Type {
	return method(t, load(t, "testdata/all.proto"), "rpc.test.Everything/Echo").In
}

// examples are messages as proto3 JSON has them.
var examples = []string{
	`{}`,
	`{"aBool":true,"aString":"a\"b\nü","someBytes":"AP8="}`,
	`{"anInt32":-2147483648,"aSint32":5,"aSfixed32":6,"aUint32":4294967295,"aFixed32":7}`,
	`{"anInt64":"-9223372036854775808","aSint64":"5","aSfixed64":"6","aUint64":"18446744073709551615","aFixed64":"7"}`,
	`{"aFloat":1.5,"aDouble":1e+300}`,
	`{"aFloat":"NaN","aDouble":"-Infinity"}`,
	`{"color":"COLOR_RED"}`,
	`{"color":77}`,
	`{"inner":{"name":"a","size":"3","inner":{}}}`,
	`{"strings":["a",""],"numbers":["1","2"],"inners":[{"name":"a"},{}]}`,
	`{"counts":{"a":"1","b":"2"},"byNumber":{"-1":{},"2":{"name":"x"},"10":{}},"byBool":{"false":"n","true":"y"}}`,
	`{"one":""}`,
	`{"other":0}`,
	`{"maybe":0}`,
	`{"time":"2024-02-29T12:00:00.500Z","duration":"-3.500s","mask":"aBool,inner.name"}`,
	`{"struct":{"a":[1,"b",null,{"c":true}]},"value":"text","list":[1,2]}`,
	`{"any":{"@type":"type.googleapis.com/rpc.test.Inner","name":"a"}}`,
	`{"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"}}`,
	`{"any":{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1s"}}`,
	`{"stringValue":"","int64Value":"5","boolValue":false,"bytesValue":"AA==","doubleValue":0.5}`,
	`{"times":["1970-01-01T00:00:00Z"]}`,
	`{"all":{"all":{"aBool":true}}}`,
}

func TestJSONIsReadAndWritten(t *testing.T) {
	t.Parallel()
	typ := all(t)
	for _, text := range examples {
		wire, err := typ.AppendWire(nil, []byte(text), rpc.Refuse)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := typ.AppendJSON(nil, wire, rpc.Form{})
		if err != nil || string(got) != text {
			t.Errorf("%s: came back as %s, %v", text, got, err)
		}
	}
}

func TestFormsOfJSON(t *testing.T) {
	t.Parallel()
	typ := all(t)
	wire, err := typ.AppendWire(nil, []byte(`{"anInt64":"5","numbers":["1"],"int64Value":"6","counts":{"a":"1"},"inner":{"size":"7"}}`), rpc.Refuse)
	if err != nil {
		t.Fatal(err)
	}
	got, err := typ.AppendJSON(nil, wire, rpc.Form{ProtoNames: true, NumberInt64: true})
	if want := `{"an_int64":5,"inner":{"size":7},"numbers":[1],"counts":{"a":1},"int64_value":6}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	in := method(t, load(t, "testdata/user/v1/user.proto"), "user.v1.UserService/GetUser").In
	got, err = in.AppendJSON(nil, nil, rpc.Form{ProtoNames: true, Zeros: true, NumberInt64: true})
	if want := `{"user_id":0,"kinds":[]}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

func TestJSONIsRefused(t *testing.T) {
	t.Parallel()
	typ := all(t)
	for text, want := range map[string]string{
		``:                                    "not a rpc.test.All",
		`[]`:                                  "not a rpc.test.All",
		`{"aBool":1}`:                         "invalid value for bool",
		`{"anInt32":2147483648}`:              "invalid value for int32",
		`{"aString":5}`:                       "invalid value for string",
		`{"nothingOfThis":1}`:                 `unknown field "nothingOfThis"`,
		`{"one":"a","other":1}`:               "oneof",
		`{"aBool":true,"aBool":true}`:         "duplicate field",
		`{"color":"COLOR_GREEN"}`:             "invalid value for enum",
		`{"any":{"@type":"x.y/no.Such"}}`:     "no.Such",
		`{"time":"yesterday"}`:                "invalid google.protobuf.Timestamp",
		strings.Repeat(`{"all":`, 150) + `{}`: "depth",
	} {
		_, err := typ.AppendWire(nil, []byte(text), rpc.Refuse)
		if err == nil || sluice.ErrorOf(err).Code != sluice.BadRequest || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v; want %s", text, err, want)
		}
	}
	if wire, err := typ.AppendWire(nil, []byte(`{"nothingOfThis":1,"aBool":true}`), rpc.Discard); err != nil || len(wire) != 2 {
		t.Errorf("unknown fields are not discarded: %v, %v", wire, err)
	}
	keyTwice := "\xaa\x01\x05\n\x010\b0" // once as a string, once as a number
	for _, wire := range []string{"\xff", "\x0a\x05", keyTwice} {
		if _, err := typ.Read([]byte(wire)); err == nil || sluice.ErrorOf(err).Code != sluice.BadRequest {
			t.Errorf("%q: %v", wire, err)
		}
	}
}

// deep is a message with so many more in one another.
func deep(levels int) []byte {
	var wire []byte
	for range levels {
		n := len(wire)
		head := []byte{0x92, 0x03} // field 50
		for ; n >= 0x80; n >>= 7 {
			head = append(head, byte(n)|0x80)
		}
		wire = append(append(head, byte(n)), wire...)
	}
	return wire
}

func TestDepthIsBounded(t *testing.T) {
	t.Parallel()
	typ := all(t)
	if _, err := typ.AppendJSON(nil, deep(90), rpc.Form{}); err != nil {
		t.Error(err)
	}
	if _, err := typ.AppendJSON(nil, deep(150), rpc.Form{}); err == nil {
		t.Error("a message 150 deep is read")
	}
}

func TestTextIsReadAndWritten(t *testing.T) {
	t.Parallel()
	typ := all(t)
	for _, tt := range []struct{ field, text, json string }{
		{"a_bool", "true", `{"aBool":true}`},
		{"a_string", `a "b" 5`, `{"aString":"a \"b\" 5"}`},
		{"some_bytes", "AP8=", `{"someBytes":"AP8="}`},
		{"an_int64", "-5", `{"anInt64":"-5"}`},
		{"a_uint64", "18446744073709551615", `{"aUint64":"18446744073709551615"}`},
		{"a_float", "1.5", `{"aFloat":1.5}`},
		{"a_double", "NaN", `{"aDouble":"NaN"}`},
		{"color", "COLOR_BLUE", `{"color":"COLOR_BLUE"}`},
		{"inner.inner.name", "x", `{"inner":{"inner":{"name":"x"}}}`},
		{"inner", `{"name":"x"}`, `{"inner":{"name":"x"}}`},
		{"counts", `{"a":"1"}`, `{"counts":{"a":"1"}}`},
		{"by_number", `{"2":{"name":"x"}}`, `{"byNumber":{"2":{"name":"x"}}}`},
		{"strings", "x", `{"strings":["x"]}`},
		{"inners", `{"name":"x"}`, `{"inners":[{"name":"x"}]}`},
		{"time", "1970-01-01T00:00:00Z", `{"time":"1970-01-01T00:00:00Z"}`},
		{"duration", "3s", `{"duration":"3s"}`},
		{"mask", "aBool", `{"mask":"aBool"}`},
		{"string_value", `"quoted"`, `{"stringValue":"\"quoted\""}`},
		{"string_value", "null", `{"stringValue":"null"}`},
		{"int64_value", "5", `{"int64Value":"5"}`},
		{"value", `"text"`, `{"value":"text"}`},
		{"value", `5`, `{"value":5}`},
		{"struct", `{"a":1}`, `{"struct":{"a":1}}`},
		{"aBool", "true", `{"aBool":true}`},
	} {
		f, err := typ.Field(tt.field)
		if err != nil {
			t.Error(err)
			continue
		}
		m := typ.New()
		if err := m.SetText(f, []byte(tt.text)); err != nil {
			t.Errorf("%s: %s: %v", tt.field, tt.text, err)
			continue
		}
		got, err := m.AppendJSON(nil, rpc.Form{})
		if err != nil || string(got) != tt.json {
			t.Errorf("%s: %s: got %s, %v; want %s", tt.field, tt.text, got, err, tt.json)
		}
		if !m.Has(f) {
			t.Errorf("%s is not set", tt.field)
		}
		err = m.Texts(f, func(text []byte) error {
			if string(text) != tt.text {
				t.Errorf("%s: %s comes back as %s", tt.field, tt.text, text)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", tt.field, err)
		}
	}
}

func TestTextIsRefused(t *testing.T) {
	t.Parallel()
	typ := all(t)
	for field, texts := range map[string][]string{
		"a_bool":      {"", "1", "True"},
		"a_string":    {"\xff"},
		"some_bytes":  {"!"},
		"an_int32":    {"", "x", "1.5", "2147483648"},
		"a_uint32":    {"-1"},
		"an_int64":    {"9223372036854775808"},
		"a_double":    {"", "x", "0x1p4", "1e999"},
		"color":       {"COLOR_GREEN", ""},
		"inner":       {"x", "5"},
		"counts":      {"5", `{"a":1},"x":{`},
		"time":        {"yesterday"},
		"int64_value": {"x"},
	} {
		f, err := typ.Field(field)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			if err := typ.New().SetText(f, []byte(text)); err == nil || !strings.Contains(err.Error(), "want ") {
				t.Errorf("%s: %q: %v", field, text, err)
			}
		}
	}
}

func TestTypesOfFields(t *testing.T) {
	t.Parallel()
	typ := all(t)
	for name, want := range map[string]sluice.ValueType{
		"a_bool": sluice.Boolean, "a_string": sluice.Text, "an_int64": sluice.Integer, "a_fixed32": sluice.Integer,
		"a_float": sluice.Number, "color": sluice.Text, "int64_value": sluice.Integer, "time": sluice.Text, "counts": sluice.Text,
	} {
		f, err := typ.Field(name)
		if err != nil || f.Type() != want {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
}

// FuzzJSON holds that what is read comes back the same, and is written as protojson writes it.
func FuzzJSON(f *testing.F) {
	for _, text := range examples {
		f.Add([]byte(text))
	}
	typ := all(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		wire, err := typ.AppendWire(nil, text, rpc.Refuse)
		if err != nil {
			return
		}
		again, err := typ.AppendJSON(nil, wire, rpc.Form{})
		if err != nil {
			t.Fatalf("%q is read and not written: %v", text, err)
		}
		if !json.Valid(again) {
			t.Fatalf("%q is written as %q", text, again)
		}
		sameAsProtojson(t, typ, wire, again)
		back, err := typ.AppendWire(nil, again, rpc.Refuse)
		if err != nil {
			t.Fatalf("%q does not read as it was written: %q: %v", text, again, err)
		}
		if third, _ := typ.AppendJSON(nil, back, rpc.Form{}); string(third) != string(again) {
			t.Fatalf("%q becomes %q and then %q", text, again, third)
		}
	})
}

func sameAsProtojson(t *testing.T, typ *rpc.Type, wire, ours []byte) {
	m := dynamicpb.NewMessage(typ.Descriptor)
	if err := proto.Unmarshal(wire, m); err != nil {
		t.Fatal(err)
	}
	theirs, err := protojson.Marshal(m)
	if err != nil {
		return // of an Any whose type only the schema knows
	}
	var a, b any
	if json.Unmarshal(ours, &a) != nil || json.Unmarshal(theirs, &b) != nil || !reflect.DeepEqual(a, b) {
		t.Fatalf("ours %s\ntheirs %s", ours, theirs)
	}
}

// FuzzRead holds that no message on the wire does harm.
func FuzzRead(f *testing.F) {
	typ := all(f)
	for _, text := range examples {
		wire, err := typ.AppendWire(nil, []byte(text), rpc.Refuse)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		m, err := typ.Read(wire)
		if err != nil {
			return
		}
		text, err := m.AppendJSON(nil, rpc.Form{ProtoNames: true, Zeros: true, NumberInt64: true})
		if err == nil && !json.Valid(text) {
			t.Fatalf("%x is written as %q", wire, text)
		}
		for _, field := range typ.Fields() {
			_ = m.Texts(field, func(text []byte) error {
				return typ.New().SetText(field, text)
			})
		}
	})
}

// FuzzText holds that text that a field takes is given back as what it takes again, to the same effect.
func FuzzText(f *testing.F) {
	typ := all(f)
	for i := range typ.Fields() {
		for _, text := range []string{"", "1", "true", "x", `{"a":"1"}`, "null", `"a"`} {
			f.Add(uint8(i), []byte(text))
		}
	}
	fields := typ.Fields()
	f.Fuzz(func(t *testing.T, i uint8, text []byte) {
		field := fields[int(i)%len(fields)]
		m := typ.New()
		if m.SetText(field, text) != nil {
			return
		}
		again := typ.New()
		err := m.Texts(field, func(text []byte) error { return again.SetText(field, text) })
		if err != nil {
			t.Fatalf("%s: %q is not given back: %v", field.Name, text, err)
		}
		a, _ := m.AppendWire(nil)
		b, _ := again.AppendWire(nil)
		if string(a) != string(b) {
			t.Fatalf("%s: %q comes back as another: %x and %x", field.Name, text, a, b)
		}
	})
}

func TestMessagesAreFlattened(t *testing.T) {
	t.Parallel()
	typ := all(t)
	m := typ.New()
	if err := m.Merge([]byte(`{"all":{"inner":{"name":"a","size":"5"},"strings":["x","y"],"time":"1970-01-01T00:00:00Z","counts":{"a":"1"}}}`), rpc.Refuse); err != nil {
		t.Fatal(err)
	}
	f, err := typ.Field("all")
	if err != nil {
		t.Fatal(err)
	}
	again, got := typ.New(), ""
	err = m.Flatten(f, func(name string, text []byte) error {
		got += name + "=" + string(text) + "\n"
		field, err := typ.Field(name)
		if err != nil {
			return err
		}
		return again.SetText(field, text)
	})
	want := "all.inner.name=a\nall.inner.size=5\nall.strings=x\nall.strings=y\nall.counts={\"a\":\"1\"}\nall.time=1970-01-01T00:00:00Z\n"
	if err != nil || got != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	a, _ := m.AppendJSON(nil, rpc.Form{})
	if b, _ := again.AppendJSON(nil, rpc.Form{}); string(a) != string(b) {
		t.Errorf("%s comes back as %s", a, b)
	}
}
