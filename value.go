package sluice

import (
	"math"
	"strconv"
)

// ValueType says what a Value holds.
type ValueType uint8

// The types of a Value. Absent is what a request did not bring; Null is a null that it did bring.
const (
	Absent ValueType = iota
	Null
	Text
	Integer
	Number
	Boolean
	JSON
)

var valueTypeNames = [...]string{"absent", "null", "string", "integer", "number", "boolean", "JSON"}

func (t ValueType) String() string { return valueTypeNames[t] }

// Value is what a reference yields: a small typed value without an interface around it. Its bytes are borrowed from
// the exchange.
type Value struct {
	typ  ValueType
	bits uint64
	text []byte
}

// TextValue is a string value.
func TextValue(b []byte) Value { return Value{typ: Text, text: b} }

// IntValue is an integer value.
func IntValue(n int64) Value { return Value{typ: Integer, bits: uint64(n)} }

// NumberValue is a floating-point value.
func NumberValue(f float64) Value { return Value{typ: Number, bits: math.Float64bits(f)} }

// BoolValue is a boolean value.
func BoolValue(b bool) Value {
	v := Value{typ: Boolean}
	if b {
		v.bits = 1
	}
	return v
}

// NullValue is a null.
func NullValue() Value { return Value{typ: Null} }

// JSONValue is an object or an array as its JSON text, which must be valid.
func JSONValue(raw []byte) Value { return Value{typ: JSON, text: raw} }

// Type is what the value holds.
func (v Value) Type() ValueType { return v.typ }

// IsAbsent tells whether the request did not bring the value.
func (v Value) IsAbsent() bool { return v.typ == Absent }

// Int is the value of an Integer.
func (v Value) Int() int64 { return int64(v.bits) }

// Float is the value of an Integer or a Number.
func (v Value) Float() float64 {
	if v.typ == Integer {
		return float64(int64(v.bits))
	}
	return math.Float64frombits(v.bits)
}

// Bool is the value of a Boolean.
func (v Value) Bool() bool { return v.bits != 0 }

// Bytes are the bytes of a Text, or the JSON text of a JSON.
func (v Value) Bytes() []byte { return v.text }

// AppendText appends the value as plain text: strings as they are, numbers in decimal, true and false, JSON as its
// text, and nothing for Absent and Null.
func (v Value) AppendText(dst []byte) []byte {
	switch v.typ {
	case Text, JSON:
		return append(dst, v.text...)
	case Integer:
		return strconv.AppendInt(dst, v.Int(), 10)
	case Number:
		return appendFloat(dst, v.Float())
	case Boolean:
		return strconv.AppendBool(dst, v.Bool())
	}
	return dst
}

// AppendJSON appends the value as JSON. Absent is null; NaN and infinities, which JSON has not, are null too.
func (v Value) AppendJSON(dst []byte) []byte {
	switch v.typ {
	case Text:
		return AppendJSONString(dst, v.text)
	case Absent, Null:
		return append(dst, "null"...)
	case Number:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return append(dst, "null"...)
		}
	}
	return v.AppendText(dst)
}

func (v Value) String() string { return string(v.AppendText(nil)) }

// appendFloat writes a float as ECMA-262 does for JSON: plain for ordinary magnitudes, else with an exponent.
func appendFloat(dst []byte, f float64) []byte {
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, f, format, -1, 64)
	if n := len(dst); format == 'e' && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' { // e-07 is e-7 there
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}
