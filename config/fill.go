package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/sluiceapi/sluice"
)

// filler fills values from nodes and notes what does not fit. Its methods tell whether everything did. What could not
// be read is left zero, so that no half of it is used.
type filler struct{ d *Document }

// value fills v, which is addressable, from n. f is the field that v stands in.
func (fl filler) value(v reflect.Value, n *node, path string, f *field) bool {
	if v.Kind() == reflect.Pointer {
		to := reflect.New(v.Type().Elem())
		if !v.IsNil() {
			to.Elem().Set(v.Elem())
		}
		v.Set(to)
		return fl.value(to.Elem(), n, path, f)
	}
	if v.Type() == secretType && n.shape == scalar {
		n.hidden = true
		fl.d.hide(n.text)
	}
	if n.broken {
		return false
	}
	form := formOf(v.Type())
	if n.isMissing() && (form != formJSON || n.text == "") {
		return fl.wrong(n, path, n.standing()+"; want "+wanted(v.Type(), f)+", or the key left out")
	}
	ok := false
	switch form {
	case formMap:
		ok = fl.entries(v, n, path, f)
	case formList:
		ok = fl.items(v, n, path, f)
	case formStruct:
		ok = fl.block(v, n, path, f)
	case formJSON:
		ok = fl.json(v, n, path)
	default:
		ok = fl.scalar(v, n, path, f, form)
	}
	if r, is := v.Addr().Interface().(sluice.Resolver); is {
		r.Resolve(n.source.dir)
	}
	return ok
}

func (fl filler) wrong(n *node, path, message string) bool {
	fl.d.addAt(n, path, message)
	n.refused = true
	return false
}

func (fl filler) scalar(v reflect.Value, n *node, path string, f *field, form form) bool {
	if n.shape != scalar {
		return fl.wrong(n, path, notScalar(v.Type(), n, f))
	}
	if f.enum != nil && !slices.Contains(f.enum, n.text) {
		return fl.wrong(n, path, n.notAmong(f.enum))
	}
	if why := n.mismatch(form); why != "" {
		return fl.wrong(n, path, why)
	}
	if err := setText(v, n.text); err != nil {
		v.SetZero()
		if n.hidden {
			return fl.wrong(n, path, withoutValue(err.Error()))
		}
		fl.d.fault(path, 0, err)
		n.refused = true
		return false
	}
	if f.required && n.text == "" {
		return fl.wrong(n, path, "this is empty; want "+wanted(v.Type(), f))
	}
	if wrong := f.outside(v); wrong != "" {
		return fl.wrong(n, path, n.quote()+" "+wrong)
	}
	return true
}

// notAmong says that a scalar is none of the values that a field takes.
func (n *node) notAmong(known []string) string {
	if near := sluice.Nearest(n.text, known); near != "" && !n.hidden {
		return fmt.Sprintf("%s is not known; did you mean %s? want %s", n.quote(), near, oneOf(known))
	}
	return n.quote() + " is not known; want " + oneOf(known)
}

// isBraced tells whether a map is one word in braces, as a template is.
func (n *node) isBraced() bool {
	return n.shape == mapping && n.isFlow() && len(n.entries) == 1 && n.entries[0].value.isMissing() && n.entries[0].value.text == ""
}

// notScalar says what is wrong with a map or a list where a scalar is wanted, and names the braces that made it.
func notScalar(t reflect.Type, n *node, f *field) string {
	if n.isBraced() {
		shown := "{" + n.entries[0].key.text + "}"
		if t == secretType {
			shown = "{…}"
		}
		return fmt.Sprintf("YAML reads %s as a map; quote it: %q", shown, shown)
	}
	if n.shape == list && n.isFlow() && t != secretType {
		return "YAML reads what starts with [ as a list; want " + wanted(t, f) + ", quoted if it starts with ["
	}
	return n.standing() + "; want " + wanted(t, f)
}

func (fl filler) items(v reflect.Value, n *node, path string, f *field) bool {
	inner := *f
	inner.required, inner.one = false, false
	if f.one && n.shape == scalar {
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		return fl.value(v.Index(0), n, path, &inner)
	}
	if n.shape != list {
		return fl.wrong(n, path, n.standingFor(v.Type())+"; want a list, each entry on a line with - before it")
	}
	if f.required && len(n.items) == 0 {
		return fl.wrong(n, path, "this list is empty; want at least one entry")
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
	ok := true
	for i, item := range n.items {
		ok = fl.value(v.Index(i), item, path+"["+strconv.Itoa(i)+"]", &inner) && ok
	}
	return ok
}

// entries fills a Map with the entries of a map.
func (fl filler) entries(v reflect.Value, n *node, path string, f *field) bool {
	if n.shape != mapping {
		return fl.wrong(n, path, n.standingFor(v.Type())+"; want a map of names to "+wanted(element(v.Type()), &field{}))
	}
	if f.required && len(n.entries) == 0 {
		return fl.wrong(n, path, "this map is empty; want at least one entry")
	}
	v.SetZero()
	ok := true
	for _, e := range n.entries {
		ok = fl.entry(v, e, joinPath(path, e.key.text), f) && ok
	}
	return ok
}

func (fl filler) entry(v reflect.Value, e entry, path string, f *field) bool {
	ok := true
	if wrong := badName(e.key.text, f.names); wrong != "" {
		fl.d.add(e.key.place(), path, wrong)
		ok = false
	}
	inner := *f
	inner.required, inner.names = false, ""
	value := v.Addr().Interface().(appender).AppendEntry(e.key.text)
	return fl.value(reflect.ValueOf(value).Elem(), e.value, path, &inner) && ok
}

// badName says what is wrong with the name of an entry, or "".
func badName(name, rule string) string {
	switch {
	case (rule == "name" || rule == "input") && !sluice.ValidName(name):
		return "this name is not plain; want letters, digits, - and _, and a letter first"
	case rule == "input" && sluice.Reserved(name):
		return "this name has a meaning of its own in references; want another"
	case rule == "header" && !sluice.ValidFieldName([]byte(name)):
		return "this is no name of a header field; want letters, digits and -"
	}
	return ""
}

func (fl filler) json(v reflect.Value, n *node, path string) bool {
	raw, ok := fl.appendJSON(nil, n, path)
	if !ok {
		return false
	}
	if err := v.Addr().Interface().(json.Unmarshaler).UnmarshalJSON(raw); err != nil {
		v.SetZero()
		fl.culprit(v.Type(), n, path, err)
		n.refused = true
		return false
	}
	return true
}

// culprit notes why JSON was refused, at the scalar that is refused alone for the same reason, if there is one.
func (fl filler) culprit(t reflect.Type, n *node, path string, err error) {
	n.scalars(path, func(s *node, at string) {
		raw, ok := fl.appendJSON(nil, s, at)
		alone := reflect.New(t).Interface().(json.Unmarshaler)
		if ok && err != nil {
			if e := alone.UnmarshalJSON(raw); e != nil && e.Error() == err.Error() {
				fl.d.fault(at, 0, err)
				err = nil
			}
		}
	})
	fl.d.fault(path, 0, err) // nothing, if it was found
}

// scalars calls yield for the scalars in a node, in the order of the file.
func (n *node) scalars(path string, yield func(s *node, path string)) {
	switch n.shape {
	case scalar:
		yield(n, path)
	case list:
		for i, item := range n.items {
			item.scalars(path+"["+strconv.Itoa(i)+"]", yield)
		}
	case mapping:
		for _, e := range n.entries {
			e.value.scalars(joinPath(path, e.key.text), yield)
		}
	}
}

// appendJSON appends a node as JSON. Numbers keep their digits.
func (fl filler) appendJSON(dst []byte, n *node, path string) ([]byte, bool) {
	ok := !n.broken
	switch n.shape {
	case scalar:
		return fl.scalarJSON(dst, n, path)
	case list:
		dst = append(dst, '[')
		for i, item := range n.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			fits := false
			dst, fits = fl.appendJSON(dst, item, path+"["+strconv.Itoa(i)+"]")
			ok = ok && fits
		}
		return append(dst, ']'), ok
	}
	if n.isBraced() {
		return dst, fl.wrong(n, path, notScalar(stringType, n, &field{}))
	}
	dst = append(dst, '{')
	for i, e := range n.entries {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(sluice.AppendJSONString(dst, []byte(e.key.text)), ':')
		fits := false
		dst, fits = fl.appendJSON(dst, e.value, joinPath(path, e.key.text))
		ok = ok && fits
	}
	return append(dst, '}'), ok
}

func (fl filler) scalarJSON(dst []byte, n *node, path string) ([]byte, bool) {
	if n.broken {
		return dst, false
	}
	switch n.typeOf() {
	case "!!null":
		return append(dst, "null"...), true
	case "!!bool":
		if n.text != "true" && n.text != "false" {
			return dst, fl.wrong(n, path, n.quote()+" is not how JSON writes it; want true or false")
		}
		return append(dst, n.text...), true
	case "!!int", "!!float":
		if !jsonNumber.MatchString(n.text) {
			return dst, fl.wrong(n, path, n.quote()+" is not a number in JSON; want plain digits, such as 20 or 0.5, or quotes around text")
		}
		return append(dst, n.text...), true
	}
	return sluice.AppendJSONString(dst, []byte(n.text)), true
}
