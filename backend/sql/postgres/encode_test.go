package postgres

import (
	"bytes"
	stdjson "encoding/json"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzRow holds that whatever bytes a server sends for a value, what is written is JSON or refused.
func FuzzRow(f *testing.F) {
	for k := other; k <= textArray; k++ {
		f.Add(byte(k), byte(int4), []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 7})
		f.Add(byte(k), byte(text), []byte(`{a,"b\"",NULL,{1,2}}`))
		f.Add(byte(k), byte(number), []byte{0, 2, 0, 1, 64, 0, 0, 3, 0, 1, 39, 15})
		f.Add(byte(k), byte(uuid), []byte("12345678"))
	}
	f.Fuzz(func(t *testing.T, k, elem byte, v []byte) {
		fm := form{kind(k) % (textArray + 1), kind(elem) % array}
		if fm.kind == json || fm.kind == jsonb || fm.elem == json || fm.elem == jsonb || fm.kind == number || fm.elem == number {
			return // the server has checked them
		}
		for _, e := range []encoder{{}, {int64Text: true}} {
			got, ok := e.appendValue([]byte("x"), fm, v)
			if !bytes.HasPrefix(got, []byte("x")) {
				t.Fatalf("%v % x: what was there is gone", fm, v)
			}
			if !ok || fm.kind == textArray {
				continue
			}
			if !stdjson.Valid(got[1:]) {
				t.Errorf("%v % x: %.60s is no JSON", fm, v, got[1:])
			}
		}
	})
}

// FuzzTextArray holds that an array comes back as it went: what appendArrayValue writes appendTextArray reads.
func FuzzTextArray(f *testing.F) {
	f.Add(`["a", null, "b\"\\,{}", ["NULL", ""]]`)
	f.Add(`[[["é\u0041"]], []]`)
	f.Add(`{"a": [1, "]"]}`)
	f.Fuzz(func(t *testing.T, raw string) {
		var v any
		if stdjson.Unmarshal([]byte(raw), &v) != nil || !strings.HasPrefix(raw, "[") || strings.ContainsAny(raw, "{}0123456789") {
			return
		}
		b := &binder{}
		out, how := b.appendArrayValue(nil, text, []byte(raw))
		if how != isText {
			return
		}
		if !utf8.Valid(out) {
			if utf8.ValidString(raw) {
				t.Errorf("%q: %q is not UTF-8", raw, out)
			}
			return
		}
		back := encoder{}.appendTextArray(nil, other, out)
		var w any
		if err := stdjson.Unmarshal(back, &w); err != nil {
			t.Fatalf("%q: by way of %s came %s: %v", raw, out, back, err)
		}
		want, _ := stdjson.Marshal(texts(v))
		got, _ := stdjson.Marshal(w)
		if !bytes.Equal(got, want) {
			t.Errorf("%q: by way of %s came %s, want %s", raw, out, got, want)
		}
	})
}

// texts has booleans as strings, which they are in an array of text.
func texts(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = texts(v[i])
		}
	case bool:
		if v {
			return "true"
		}
		return "false"
	}
	return v
}

// FuzzNumeric holds the digits, the integers and the order of numerics against arithmetic.
func FuzzNumeric(f *testing.F) {
	f.Add([]byte{0, 2, 0, 1, 0, 0, 0, 3, 0, 1, 39, 15}, []byte{0, 1, 255, 255, 64, 0, 0, 3, 0, 9})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0}, []byte{0, 1, 0, 4, 0, 0, 0, 0, 3, 154})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		x, okX := parseDecimal(a)
		y, okY := parseDecimal(b)
		if !okX || !okY || x.special() || y.special() || !plainScale(&x) || !plainScale(&y) {
			return
		}
		p, q := rat(t, &x), rat(t, &y)
		if got, want := x.compare(&y), p.Cmp(q); got != want {
			t.Errorf("%s and %s compare as %d, want %d", p, q, got, want)
		}
		n, ok := x.int()
		if want := p.IsInt() && p.Num().IsInt64(); ok != want || ok && p.Cmp(new(big.Rat).SetInt64(n)) != 0 {
			t.Errorf("%s as an integer is %d, %v", p, n, ok)
		}
	})
}

// plainScale tells whether the digits to be shown are all there are, as it is with what a server sends.
func plainScale(d *decimal) bool {
	return (len(d.digits)/2-1-d.weight)*4 <= d.scale && d.weight < 100
}

func rat(t *testing.T, d *decimal) *big.Rat {
	text := string(d.appendText(nil))
	if !stdjson.Valid([]byte(text)) {
		t.Fatalf("%.60s is no JSON", text)
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("%.60s is no number", text)
	}
	return r
}
