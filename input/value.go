package input

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"unicode/utf8"

	"github.com/sluiceapi/sluice"
)

// value is one declared input.
type value struct {
	name     string
	index    int
	from     from
	typ      sluice.ValueType
	required bool
	// fallback stands for a value that is not there; it is Absent where there is none.
	fallback sluice.Value
	// least and most bound integers and the lengths of strings; lower and upper bound numbers.
	least, most  int64
	lower, upper float64
	pattern      *regexp.Regexp
	enum         []sluice.Value
	// want says what fits.
	want string
}

// from is where a value stands.
type from uint8

const (
	inPath from = iota
	inQuery
	inHeader
	inHost
)

// read is the value that the exchange brings, or what is wrong with it and what is wanted.
func (v *value) read(x *sluice.Exchange) (read sluice.Value, fault string) {
	text, count := v.text(x)
	switch {
	case count > 1:
		return sluice.Value{}, "given " + strconv.Itoa(count) + " times; want it once"
	case count == 0 && v.required:
		return sluice.Value{}, "missing; want " + v.want
	case count == 0:
		return v.fallback, ""
	}
	if read, fault = v.parse(text); fault != "" {
		fault += "; want " + v.want
	}
	return read, fault
}

// text is the value as it came, and how often it came.
func (v *value) text(x *sluice.Exchange) ([]byte, int) {
	switch r := &x.Request; v.from {
	case inQuery:
		return x.Query(v.name)
	case inHeader:
		return r.Header.Value(v.name), r.Header.Count(v.name)
	case inHost:
		return r.Host, min(len(r.Host), 1)
	default:
		raw, found := r.Param(v.name)
		if !found {
			return nil, 0
		}
		return x.Unescape(raw), 1
	}
}

// parse reads text as the type says and judges it; fault completes "it is".
func (v *value) parse(text []byte) (read sluice.Value, fault string) {
	switch v.typ {
	case sluice.Integer:
		read, fault = v.integer(text)
	case sluice.Number:
		read, fault = v.number(text)
	case sluice.Boolean:
		read, fault = boolean(text)
	default:
		read, fault = v.string(text)
	}
	if fault == "" && len(v.enum) > 0 && !v.listed(read) {
		fault = "none of the values that are taken"
	}
	return read, fault
}

// maxInteger is the length of the longest integer of 64 bits.
const maxInteger = len("-9223372036854775808")

func (v *value) integer(text []byte) (sluice.Value, string) {
	if end := integerEnd(text, 0); end != len(text) || end == 0 {
		return sluice.Value{}, "not an integer"
	}
	if len(text) > maxInteger {
		return sluice.Value{}, "beyond 64 bits"
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	switch {
	case err != nil:
		return sluice.Value{}, "beyond 64 bits"
	case n < v.least:
		return sluice.Value{}, "too small"
	case n > v.most:
		return sluice.Value{}, "too large"
	}
	return sluice.IntValue(n), ""
}

func (v *value) number(text []byte) (sluice.Value, string) {
	if end := numberEnd(text, 0); end != len(text) || end == 0 {
		return sluice.Value{}, "not a number"
	}
	if len(text) > maxNumber {
		return sluice.Value{}, "longer than any number in use"
	}
	f, err := strconv.ParseFloat(string(text), 64)
	switch {
	case err != nil || math.IsInf(f, 0):
		return sluice.Value{}, "beyond the range of numbers"
	case f < v.lower:
		return sluice.Value{}, "too small"
	case f > v.upper:
		return sluice.Value{}, "too large"
	}
	return sluice.NumberValue(f), ""
}

func boolean(text []byte) (sluice.Value, string) {
	switch string(text) {
	case "true":
		return sluice.BoolValue(true), ""
	case "false":
		return sluice.BoolValue(false), ""
	}
	return sluice.Value{}, "not a boolean"
}

func (v *value) string(text []byte) (sluice.Value, string) {
	length := int64(0)
	for i := 0; i < len(text); length++ {
		if c := text[i]; c < utf8.RuneSelf {
			if c == 0 {
				return sluice.Value{}, "with a NUL character in it"
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			return sluice.Value{}, "not UTF-8"
		}
		i += n
	}
	switch {
	case length < v.least:
		return sluice.Value{}, "too short"
	case length > v.most:
		return sluice.Value{}, "too long"
	case v.pattern != nil && !v.pattern.Match(text):
		return sluice.Value{}, "of another form"
	}
	return sluice.TextValue(text), ""
}

func (v *value) listed(read sluice.Value) bool {
	for _, e := range v.enum {
		if same(e, read) {
			return true
		}
	}
	return false
}

// same compares two values of one type.
func same(a, b sluice.Value) bool {
	switch a.Type() {
	case sluice.Text:
		return string(a.Bytes()) == string(b.Bytes())
	case sluice.Integer:
		return a.Int() == b.Int()
	case sluice.Number:
		return a.Float() == b.Float()
	default:
		return a.Bool() == b.Bool()
	}
}

// describe says what fits, to follow the word "want".
func (v *value) describe(in *sluice.Input) string {
	text := map[sluice.ValueType]string{
		sluice.Integer: "an integer", sluice.Number: "a number", sluice.Boolean: "true or false", sluice.Text: "a string",
	}[v.typ]
	if len(v.enum) > 0 {
		text = "one of "
		for i, e := range in.Enum {
			if i > 0 {
				text += ", "
			}
			text += string(e)
		}
		return text
	}
	unit := ""
	if v.typ == sluice.Text {
		unit = " characters"
	}
	switch {
	case in.Min != nil && in.Max != nil:
		text += fmt.Sprintf(" of %s to %s%s", bound(*in.Min), bound(*in.Max), unit)
	case in.Min != nil:
		text += fmt.Sprintf(" of at least %s%s", bound(*in.Min), unit)
	case in.Max != nil:
		text += fmt.Sprintf(" of at most %s%s", bound(*in.Max), unit)
	}
	if v.pattern != nil {
		text += " that matches " + in.Pattern
	}
	return text
}

func bound(f float64) string { return sluice.NumberValue(f).String() }
