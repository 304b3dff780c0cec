package function

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// rules are what the tags min, max, pattern and enum say of one value. The zero rules are none.
type rules struct {
	min, max *float64
	pattern  *regexp.Regexp
	// text is the pattern as it was written.
	text string
	enum []string
}

// rulesOf reads the tags of a field whose values are of type t, and refuses those that say nothing of such a value.
func rulesOf(tag reflect.StructTag, t reflect.Type) (rules, error) {
	var r rules
	var errs []error
	var err error
	if r.min, err = boundOf(tag, "min", t); err != nil {
		errs = append(errs, err)
	}
	if r.max, err = boundOf(tag, "max", t); err != nil {
		errs = append(errs, err)
	}
	if r.min != nil && r.max != nil && *r.min > *r.max {
		errs = append(errs, errors.New("its min is above its max"))
	}
	if text, found := tag.Lookup("pattern"); found {
		pattern, err := regexp.Compile(`\A(?:` + text + `)\z`)
		if err != nil {
			errs = append(errs, fmt.Errorf("its pattern: %w", err))
		}
		if t.Kind() != reflect.String {
			errs = append(errs, fmt.Errorf("a %s has no pattern", t))
		}
		r.pattern, r.text = pattern, text
	}
	if text, found := tag.Lookup("enum"); found {
		if !scalar(t) {
			errs = append(errs, fmt.Errorf("a %s has no enum", t))
		}
		r.enum = strings.Split(text, ",")
	}
	return r, errors.Join(errs...)
}

func boundOf(tag reflect.StructTag, name string, t reflect.Type) (*float64, error) {
	text, found := tag.Lookup(name)
	if !found {
		return nil, nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("its %s %q is not a number", name, text)
	}
	if !measured(t) {
		return nil, fmt.Errorf("a %s has no %s", t, name)
	}
	return &n, nil
}

// boolTag is a tag that says true or false.
func boolTag(tag reflect.StructTag, name string) (bool, error) {
	text, found := tag.Lookup(name)
	if !found {
		return false, nil
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		return false, fmt.Errorf("its %s is %q; want true or false", name, text)
	}
	return b, nil
}

func number(t reflect.Type) bool {
	return reflect.Int <= t.Kind() && t.Kind() <= reflect.Float64 && t.Kind() != reflect.Uintptr
}

func scalar(t reflect.Type) bool { return number(t) || t.Kind() == reflect.String }

func measured(t reflect.Type) bool {
	return scalar(t) || t.Kind() == reflect.Slice || t.Kind() == reflect.Array || t.Kind() == reflect.Map
}

func (r *rules) none() bool {
	return r.min == nil && r.max == nil && r.pattern == nil && r.enum == nil
}

// check says what is wrong with a value, "" when nothing is.
func (r *rules) check(v reflect.Value) string {
	if r.none() {
		return ""
	}
	if r.enum != nil && !slices.Contains(r.enum, textOf(v)) {
		return "want one of " + strings.Join(r.enum, ", ")
	}
	if r.pattern != nil && !r.pattern.MatchString(v.String()) {
		return "want a match of " + r.text
	}
	if r.min != nil && compare(v, *r.min) < 0 {
		return "want at least " + bound(*r.min) + unit(v)
	}
	if r.max != nil && compare(v, *r.max) > 0 {
		return "want at most " + bound(*r.max) + unit(v)
	}
	return ""
}

// textOf is a scalar as an enum has it.
func textOf(v reflect.Value) string {
	switch {
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10)
	case v.CanUint():
		return strconv.FormatUint(v.Uint(), 10)
	case v.CanFloat():
		return bound(v.Float())
	}
	return v.String()
}

// compare compares a number, the length of a string in characters or that of a list with a bound.
func compare(v reflect.Value, bound float64) int {
	switch {
	case v.CanInt():
		return cmp.Compare(float64(v.Int()), bound)
	case v.CanUint():
		return cmp.Compare(float64(v.Uint()), bound)
	case v.CanFloat():
		return cmp.Compare(v.Float(), bound)
	case v.Kind() == reflect.String:
		return cmp.Compare(float64(utf8.RuneCountInString(v.String())), bound)
	}
	return cmp.Compare(float64(v.Len()), bound)
}

func unit(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return " characters"
	case reflect.Slice, reflect.Array, reflect.Map:
		return " items"
	}
	return ""
}

func bound(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
