package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/sluiceapi/sluice"
)

// row is one key of a block as the manual shows it.
type row struct {
	// path is the key relative to the block; [] stands for an entry of a list and NAME for a user's name.
	path  string
	kind  string
	notes []string
	text  string
}

// summary is what is said of a key beside its comment.
func (r row) summary() string { return strings.Join(append([]string{r.kind}, r.notes...), ", ") }

// describer lists the keys of structs with their comments.
type describer struct {
	manual manual
	rows   []row
	within []reflect.Type
}

// describe lists the keys of the struct v; its fields hold the defaults.
func describe(m manual, v reflect.Value) []row {
	d := &describer{manual: m}
	d.block(v, "")
	return d.rows
}

func (d *describer) block(v reflect.Value, prefix string) {
	d.within = append(d.within, v.Type())
	l := layoutOf(v.Type())
	for i := range l.fields {
		f := &l.fields[i]
		path := joinPath(prefix, f.name)
		d.rows = append(d.rows, row{path: path, kind: typeWord(f.typ), notes: notes(f, v.FieldByIndex(f.index)), text: d.manual.fieldText(f)})
		d.inner(v.FieldByIndex(f.index), path)
	}
	if l.rest != nil {
		path := joinPath(prefix, "NAME")
		d.rows = append(d.rows, row{path: path, kind: typeWord(element(l.rest.typ)), text: d.manual.fieldText(l.rest)})
		d.inner(reflect.New(element(l.rest.typ)).Elem(), path)
	}
	if l.kind != nil {
		d.rows = append(d.rows, row{path: joinPath(prefix, "KIND"), kind: "block", text: d.manual.fieldText(l.kind)})
	}
	d.within = d.within[:len(d.within)-1]
}

// inner lists what stands below a key. A block that stands in itself, and the policies that every list takes, are not
// listed again.
func (d *describer) inner(v reflect.Value, path string) {
	t := v.Type()
	if t.Kind() == reflect.Pointer {
		to := reflect.New(t.Elem()).Elem()
		if !v.IsNil() {
			to = v.Elem()
		}
		d.inner(to, path)
		return
	}
	switch formOf(t) {
	case formStruct:
		for _, around := range d.within {
			if around == t {
				return
			}
		}
		d.block(v, path)
	case formList:
		if t.Elem() != reflect.TypeFor[Policy]() {
			d.inner(reflect.New(t.Elem()).Elem(), path+"[]")
		}
	case formMap:
		d.inner(reflect.New(element(t)).Elem(), path+".NAME")
	}
}

// typeWord is the word for a type in manuals.
func typeWord(t reflect.Type) string {
	t = indirect(t)
	words := map[reflect.Type]string{
		secretType:                             "secret text",
		reflect.TypeFor[sluice.Size]():         "size",
		reflect.TypeFor[sluice.Rate]():         "rate",
		reflect.TypeFor[sluice.Percent]():      "share",
		reflect.TypeFor[sluice.Path]():         "path of a file",
		reflect.TypeFor[sluice.Reference]():    "reference",
		reflect.TypeFor[sluice.Template]():     "text with references",
		reflect.TypeFor[sluice.PathTemplate](): "path with references",
		reflect.TypeFor[sluice.JSONTemplate](): "JSON with references",
		reflect.TypeFor[Policy]():              "policy",
	}
	if word, found := words[t]; found {
		return word
	}
	switch formOf(t) {
	case formDuration:
		return "duration"
	case formPrefix:
		return "address or network"
	case formScalar:
		return "text, number or boolean"
	case formBool:
		return "boolean"
	case formInt, formUint:
		return "whole number"
	case formFloat:
		return "number"
	case formJSON:
		return "JSON"
	case formList:
		return "list of " + typeWord(t.Elem())
	case formMap:
		return "map of names to " + typeWord(element(t))
	case formStruct:
		return "block"
	}
	return "text"
}

// notes are what the tags of a field say.
func notes(f *field, v reflect.Value) []string {
	var all []string
	if f.one {
		all = append(all, "or one alone")
	}
	if f.required {
		all = append(all, "required")
	}
	switch {
	case len(f.enum) == 1:
		all = append(all, "always "+f.enum[0])
	case f.enum != nil:
		all = append(all, oneOf(f.enum))
	}
	if f.min != "" {
		all = append(all, "at least "+f.min)
	}
	if f.max != "" {
		all = append(all, "at most "+f.max)
	}
	if text := defaultText(f, v); text != "" {
		all = append(all, "default "+text)
	}
	if f.short {
		all = append(all, "may stand for the block")
	}
	return all
}

// defaultText is the default of a field, from the struct it stands in or from its tag.
func defaultText(f *field, v reflect.Value) string {
	if v.IsZero() || v.Kind() == reflect.Pointer && v.IsNil() {
		return f.fallback
	}
	return valueText(reflect.Indirect(v))
}

// valueText is a value as YAML would have it, or "" for one that is no scalar and no list of scalars.
func valueText(v reflect.Value) string {
	if v.Type() == durationType {
		return durationText(time.Duration(v.Int()))
	}
	if m, is := v.Interface().(encoding.TextMarshaler); is {
		text, err := m.MarshalText()
		if err != nil {
			return ""
		}
		return string(text)
	}
	switch formOf(v.Type()) {
	case formString, formScalar, formBool, formInt, formUint, formFloat:
		return fmt.Sprint(v.Interface())
	case formList:
		var all []string
		for i := range v.Len() {
			all = append(all, valueText(v.Index(i)))
		}
		return strings.Join(all, ", ")
	}
	return ""
}

// durationText is a duration without parts that are zero.
func durationText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
