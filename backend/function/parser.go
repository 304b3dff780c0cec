package function

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/sluiceapi/sluice"
)

// parser reads text into a value and says what is wrong with the text, "" when nothing is.
type parser func(into reflect.Value, text string) (fault string)

// parserOf is the parser of a type.
func parserOf(t reflect.Type) (parser, error) {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return parseItself, nil
	}
	if t == reflect.TypeFor[time.Duration]() {
		return parseDuration, nil
	}
	switch t.Kind() {
	case reflect.String:
		return parseString, nil
	case reflect.Bool:
		return parseBool, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return parseInt, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return parseUint, nil
	case reflect.Float32, reflect.Float64:
		return parseFloat, nil
	}
	return nil, fmt.Errorf("a %s cannot be read from text; want a string, a boolean, a number, or an encoding.TextUnmarshaler", t)
}

func parseItself(into reflect.Value, text string) string {
	if err := into.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
		return "not of the form that is wanted: " + err.Error()
	}
	return ""
}

func parseDuration(into reflect.Value, text string) string {
	d, err := sluice.ParseDuration(text)
	if err != nil {
		return "not a duration; want one such as 250ms, 10s or 5m"
	}
	into.SetInt(int64(d))
	return ""
}

func parseString(into reflect.Value, text string) string {
	if !utf8.ValidString(text) {
		return "not UTF-8"
	}
	into.SetString(text)
	return ""
}

func parseBool(into reflect.Value, text string) string {
	if text != "true" && text != "false" {
		return "not a boolean; want true or false"
	}
	into.SetBool(text == "true")
	return ""
}

func parseInt(into reflect.Value, text string) string {
	n, err := strconv.ParseInt(text, 10, into.Type().Bits())
	if err != nil || text[0] == '+' {
		return fmt.Sprintf("not an integer of %d bits", into.Type().Bits())
	}
	into.SetInt(n)
	return ""
}

func parseUint(into reflect.Value, text string) string {
	n, err := strconv.ParseUint(text, 10, into.Type().Bits())
	if err != nil {
		return fmt.Sprintf("not an integer of %d bits from zero up", into.Type().Bits())
	}
	into.SetUint(n)
	return ""
}

// parseFloat reads a number as JSON has it; strconv would take NaN, hexadecimal and underscores too.
func parseFloat(into reflect.Value, text string) string {
	n, err := strconv.ParseFloat(text, into.Type().Bits())
	if err != nil {
		return "not a number"
	}
	for i, c := range []byte(text) {
		if (c < '0' || c > '9') && c != '.' && c != 'e' && c != 'E' && c != '-' && (c != '+' || i == 0) {
			return "not a number"
		}
	}
	into.SetFloat(n)
	return ""
}
