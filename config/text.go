package config

import (
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceapi/sluice"
)

// setText fills a value from text, which is known to be of a YAML type that it takes.
func setText(v reflect.Value, text string) error {
	switch formOf(v.Type()) {
	case formText:
		return v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
	case formJSON:
		return v.Addr().Interface().(json.Unmarshaler).UnmarshalJSON([]byte(text))
	case formDuration:
		d, err := sluice.ParseDuration(text)
		v.SetInt(int64(d))
		return err
	case formPrefix:
		prefix, err := parsePrefix(text)
		v.Set(reflect.ValueOf(prefix))
		return err
	case formString, formScalar:
		v.SetString(text)
		return nil
	case formBool:
		v.SetBool(text == "true")
		if text != "true" && text != "false" {
			return fmt.Errorf("%q is neither true nor false; want true or false", text)
		}
		return nil
	}
	return setNumber(v, text)
}

func setNumber(v reflect.Value, text string) error {
	if !jsonNumber.MatchString(text) {
		return fmt.Errorf("%q is not a number; want %s", text, numberWanted(v.Type()))
	}
	switch formOf(v.Type()) {
	case formInt:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return wholeError(text, err)
		}
		v.SetInt(n)
	case formUint:
		n, err := strconv.ParseUint(text, 10, v.Type().Bits())
		if err != nil {
			return wholeError(text, err)
		}
		v.SetUint(n)
	case formFloat:
		n, err := strconv.ParseFloat(text, v.Type().Bits())
		if err != nil || math.IsInf(n, 0) {
			return fmt.Errorf("%s is too large; want a smaller number", text)
		}
		v.SetFloat(n)
	default:
		panic("config: a " + v.Type().String() + " cannot be filled from text")
	}
	return nil
}

func wholeError(text string, err error) error {
	if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("%s is too large or too small; want a whole number that fits", text)
	}
	if text[0] == '-' {
		return fmt.Errorf("%s is below zero; want a whole number from zero on", text)
	}
	return fmt.Errorf("%s is not a whole number; want one in plain digits, such as 20", text)
}

func numberWanted(t reflect.Type) string {
	if t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64 {
		return "a number in plain digits, such as 0.5"
	}
	return "a whole number in plain digits, such as 20"
}

// parsePrefix reads a network, or one address as the network of that address alone.
func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return prefix, fmt.Errorf("%q is neither an address nor a network; want one such as 10.0.0.7 or 10.0.0.0/8", text)
	}
	if prefix != prefix.Masked() {
		return prefix, fmt.Errorf("%q has bits set beyond its length; want %s, or the address alone", text, prefix.Masked())
	}
	return prefix, nil
}

// mismatch says why a scalar of some YAML type cannot fill a value, before its text is looked at, or "".
func (n *node) mismatch(f form) string {
	kind := n.typeOf()
	loose := n.expanded()
	switch f {
	case formString:
		return n.notText(kind, loose)
	case formBool:
		return n.notBool(kind, loose)
	case formInt, formUint:
		return n.notNumber(kind, loose, "a whole number in plain digits, such as 20")
	case formFloat:
		return n.notNumber(kind, loose, "a number in plain digits, such as 0.5")
	case formDuration:
		if n.isPlain() && (kind == "!!int" || kind == "!!float") {
			return n.quote() + " has no unit; want a number with a unit, such as 10s"
		}
	}
	return ""
}

func (n *node) notText(kind string, loose bool) string {
	what := map[string]string{"!!int": "a number", "!!float": "a number", "!!bool": "a boolean", "!!timestamp": "a date"}[kind]
	if loose || what == "" {
		return ""
	}
	return fmt.Sprintf("YAML reads %s as %s, and this is text; quote it", n.quote(), what)
}

func (n *node) notBool(kind string, loose bool) string {
	switch {
	case n.text == "true" || n.text == "false":
		if n.isPlain() || loose {
			return ""
		}
		return n.quote() + " is text because it is quoted; want it without quotes"
	case slices.Contains([]string{"yes", "no", "on", "off", "y", "n"}, strings.ToLower(n.text)):
		return n.quote() + " is text in YAML 1.2, and true or false only in older ones; want true or false"
	}
	return n.quote() + " is neither true nor false; want true or false"
}

// notNumber names the ways of writing a number that two readers read in two ways.
func (n *node) notNumber(kind string, loose bool, wanted string) string {
	text := n.text
	switch {
	case !n.isPlain() && !loose && jsonNumber.MatchString(text):
		return n.quote() + " is text because it is quoted; want it without quotes"
	case jsonNumber.MatchString(text):
		return ""
	case oddNumber(text) != "":
		return n.quote() + " " + oddNumber(text) + "; want " + wanted
	}
	return n.quote() + " is not a number; want " + wanted
}

// oddNumber says what YAML, or some version of it, makes of a number that is not plain, or "".
func oddNumber(text string) string {
	digits := strings.TrimLeft(text, "+-")
	switch {
	case len(digits) > 1 && digits[0] == '0' && allDigits(digits):
		return "starts with 0, which older YAML reads as octal"
	case strings.HasPrefix(digits, "0o") || strings.HasPrefix(digits, "0x") || strings.HasPrefix(digits, "0b"):
		return "is not decimal"
	case strings.Contains(digits, ":") && allDigits(strings.ReplaceAll(digits, ":", "")):
		return "is a number of base 60 in older YAML"
	case strings.Contains(digits, "_") && allDigits(strings.ReplaceAll(digits, "_", "")):
		return "holds underscores"
	case strings.HasPrefix(text, "+") && jsonNumber.MatchString(digits):
		return "starts with a plus"
	case strings.EqualFold(digits, ".nan") || strings.EqualFold(digits, ".inf"):
		return "is not a number that can be used"
	}
	return ""
}

func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// outside says that a value is below the least or above the greatest that its field takes, or "".
func (f *field) outside(v reflect.Value) string {
	for _, bound := range []struct {
		text, wrong, want string
		sign              int
	}{{f.min, "below", "at least", -1}, {f.max, "above", "at most", 1}} {
		if bound.text == "" {
			continue
		}
		limit := reflect.New(v.Type()).Elem()
		if err := setText(limit, bound.text); err != nil {
			panic("config: the bound of " + f.name + ": " + err.Error())
		}
		if compare(v, limit) == bound.sign {
			return fmt.Sprintf("is %s %s; want %s %s", bound.wrong, bound.text, bound.want, bound.text)
		}
	}
	return ""
}

func compare(a, b reflect.Value) int {
	switch {
	case a.CanInt():
		return cmp.Compare(a.Int(), b.Int())
	case a.CanUint():
		return cmp.Compare(a.Uint(), b.Uint())
	case a.CanFloat():
		return cmp.Compare(a.Float(), b.Float())
	}
	panic("config: a " + a.Type().String() + " has no bounds")
}
