package sluice_test

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sluiceapi/sluice"
)

func TestLookupJSON(t *testing.T) {
	t.Parallel()
	const text = ` { "a" : { "b" : [ 1 , -2.5 , "x\n\u00e9\ud83d\ude00" , true , null , [ ] , {"c": [[7]]} ] } ,
		"twice" : 1 , "twice" : 2 , "esc\u0061ped" : "\\\"" , "" : "empty" , "big" : 9223372036854775808 , "huge" : 1e999 } `
	for _, tt := range []struct {
		path string
		typ  sluice.ValueType
		want string
	}{
		{"a.b.0", sluice.Integer, "1"},
		{"a.b.1", sluice.Number, "-2.5"},
		{"a.b.2", sluice.Text, "x\né😀"},
		{"a.b.3", sluice.Boolean, "true"},
		{"a.b.4", sluice.Null, ""},
		{"a.b.5", sluice.JSON, "[ ]"},
		{"a.b.6", sluice.JSON, `{"c": [[7]]}`},
		{"a.b.6.c.0.0", sluice.Integer, "7"},
		{"a.b.7", sluice.Absent, ""},
		{"a.b.x", sluice.Absent, ""},
		{"a.b.-1", sluice.Absent, ""},
		{"a.b.0.x", sluice.Absent, ""},
		{"a.b.2.x", sluice.Absent, ""},
		{"a.c", sluice.Absent, ""},
		{"twice", sluice.Integer, "2"},
		{"escaped", sluice.Text, `\"`},
		{"", sluice.Text, "empty"},
		{"big", sluice.Number, "9223372036854776000"},
		{"huge", sluice.Absent, ""},
	} {
		var arena []byte
		v := sluice.LookupJSON([]byte(text), strings.Split(tt.path, "."), &arena)
		if v.Type() != tt.typ || v.String() != tt.want {
			t.Errorf("%s: got %s %q, want %s %q", tt.path, v.Type(), v, tt.typ, tt.want)
		}
	}
	var arena []byte
	if v := sluice.LookupJSON([]byte(text), nil, &arena); v.Type() != sluice.JSON || v.String() != strings.TrimSpace(text) {
		t.Errorf("the whole is %s", v)
	}
	if v := sluice.LookupJSON(nil, []string{"a"}, &arena); !v.IsAbsent() {
		t.Errorf("of nothing, a is %s", v)
	}
}

// FuzzLookupJSON compares with what encoding/json decodes, at every place of a text.
func FuzzLookupJSON(f *testing.F) {
	for _, text := range []string{`{"a": [1, {"b": "\u00e9\ud800x"}], "a": null}`, ` [[], {}, "", 1e5, -0.0]`, `{"\u0061": {"": 1}}`, `"\ud83d\ude00"`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) || !utf8.Valid(raw) {
			return
		}
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		var want any
		if err := d.Decode(&want); err != nil {
			return
		}
		compareJSON(t, raw, nil, want)
	})
}

func compareJSON(t *testing.T, raw []byte, path []string, want any) {
	t.Helper()
	var arena []byte
	v := sluice.LookupJSON(raw, path, &arena)
	below := func(name string, want any) { compareJSON(t, raw, append(path[:len(path):len(path)], name), want) }
	ok := false
	switch want := want.(type) {
	case nil:
		ok = v.Type() == sluice.Null
	case bool:
		ok = v.Type() == sluice.Boolean && v.Bool() == want
	case string:
		ok = v.Type() == sluice.Text && string(v.Bytes()) == want
	case json.Number:
		ok = sameNumber(v, want.String())
	case []any:
		ok = v.Type() == sluice.JSON && json.Valid(v.Bytes())
		for i, element := range want {
			below(strconv.Itoa(i), element)
		}
	case map[string]any:
		ok = v.Type() == sluice.JSON && json.Valid(v.Bytes())
		for name, member := range want {
			below(name, member)
		}
	}
	if !ok {
		t.Fatalf("%q in %q: got %s %q, want %v", path, raw, v.Type(), v, want)
	}
}

func sameNumber(v sluice.Value, text string) bool {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return v.Type() == sluice.Integer && v.Int() == n
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return v.IsAbsent()
	}
	return v.Type() == sluice.Number && v.Float() == f
}

func TestAppendJSONString(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "plain", "\"\\\n\r\t\b\x00\x1f\x7f", "é😀\u2028", "a\xffb\xc3", "\ufffd", "</script>"} {
		quoted := sluice.AppendJSONString([]byte("x"), []byte(text))
		var back string
		if err := json.Unmarshal(quoted[1:], &back); err != nil || back != strings.ToValidUTF8(text, "\ufffd") && back != strings.ReplaceAll(text, "\xff", "\ufffd") {
			t.Errorf("%q becomes %s, which is %q, %v", text, quoted, back, err)
		}
	}
}

// Every byte is seen wherever it stands, whatever stands beside it.
func TestAppendJSONStringEverywhere(t *testing.T) {
	t.Parallel()
	for _, fill := range []byte{' ', 'a', '~', '!', '#', '[', ']'} {
		for c := range 256 {
			for at := range 20 {
				text := bytes.Repeat([]byte{fill}, 20)
				text[at] = byte(c)
				want := strings.ToValidUTF8(string(text), "\uFFFD")
				var got string
				if err := json.Unmarshal(sluice.AppendJSONString(nil, text), &got); err != nil || got != want {
					t.Fatalf("%q becomes %q, %v", text, got, err)
				}
			}
		}
	}
}

func TestValuesAsJSON(t *testing.T) {
	t.Parallel()
	for _, f := range []float64{0, 1, -1.5, 1e20, 1e21, -1e21, 1e-6, 1e-7, 1.5e-9, 5e-324, 1.7976931348623157e308, 123456789.125} {
		want, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(sluice.NumberValue(f).AppendJSON(nil)); got != string(want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for _, tt := range []struct {
		v    sluice.Value
		json string
		text string
	}{
		{sluice.Value{}, "null", ""},
		{sluice.NullValue(), "null", ""},
		{sluice.TextValue([]byte(`a"b`)), `"a\"b"`, `a"b`},
		{sluice.IntValue(-9223372036854775808), "-9223372036854775808", "-9223372036854775808"},
		{sluice.BoolValue(true), "true", "true"},
		{sluice.BoolValue(false), "false", "false"},
		{sluice.JSONValue([]byte(`{"a":1}`)), `{"a":1}`, `{"a":1}`},
		{sluice.NumberValue(nan()), "null", "NaN"},
	} {
		if got := string(tt.v.AppendJSON(nil)); got != tt.json {
			t.Errorf("%s: got %s, want %s", tt.v.Type(), got, tt.json)
		}
		if got := tt.v.String(); got != tt.text {
			t.Errorf("%s: got %q, want %q", tt.v.Type(), got, tt.text)
		}
	}
}

func nan() float64 {
	zero := 0.0
	return zero / zero
}
