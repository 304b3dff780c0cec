package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/sluiceapi/sluice"
)

// block fills a struct.
func (fl filler) block(v reflect.Value, n *node, path string, f *field) bool {
	l := layoutOf(v.Type())
	if n.shape == mapping {
		return fl.structure(v, l, n, path)
	}
	if l.kind != nil && l.kind.bare && n.shape == scalar {
		return fl.bareKind(v, l, n, path)
	}
	if s := l.short; s != nil && formOf(indirect(s.typ)).mayBe(n.shape) {
		given := []string{s.name}
		ok := fl.value(v.FieldByIndex(s.index), n, joinPath(path, s.name), s)
		ok = fl.missing(l, path, given) && ok
		return fl.rest(v, l, n, path, given, ok)
	}
	return fl.wrong(n, path, n.standingFor(v.Type())+"; want "+wanted(v.Type(), f))
}

func indirect(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// standingFor is standing for a value that cannot fill a type. It shows the value only where no secret can be meant.
func (n *node) standingFor(t reflect.Type) string {
	if n.shape == scalar && !n.isMissing() && holdsSecret(t, nil) {
		return "one value stands here"
	}
	return n.standing()
}

// holdsSecret tells whether a secret can stand in a type; within are the types around it.
func holdsSecret(t reflect.Type, within []reflect.Type) bool {
	if t == secretType || slices.Contains(within, t) {
		return t == secretType
	}
	within = append(within, t)
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return holdsSecret(t.Elem(), within)
	case reflect.Struct:
		for _, f := range reflect.VisibleFields(t) {
			if f.IsExported() && holdsSecret(f.Type, within) {
				return true
			}
		}
	}
	return false
}

// structure fills a struct from a map.
func (fl filler) structure(v reflect.Value, l *layout, n *node, path string) bool {
	ok := true
	fl.nested(v, l, path)
	var given, meant []string
	for _, e := range n.entries {
		at := joinPath(path, e.key.text)
		switch f := l.field(e.key.text); {
		case f != nil:
			given = append(given, f.name)
			ok = fl.value(v.FieldByIndex(f.index), e.value, at, f) && ok
		case l.kind != nil:
			fl.kind(v.FieldByIndex(l.kind.index), Block{Kind: e.key.text, Path: at, doc: fl.d, node: e.value})
			ok = ok && !e.value.broken
		case l.rest != nil:
			ok = fl.entry(v.FieldByIndex(l.rest.index), e, at, l.rest) && ok
		default:
			fl.d.add(e.key.place(), at, unknownKey(e.key.text, l.names()))
			meant = append(meant, sluice.Nearest(e.key.text, l.names()))
			ok = false
		}
	}
	if !n.lost {
		ok = fl.missing(l, path, append(meant, given...)) && ok
	}
	return fl.rest(v, l, n, path, given, ok)
}

func unknownKey(name string, known []string) string {
	switch near := sluice.Nearest(name, known); {
	case len(known) == 0:
		return "unknown key; want none"
	case near != "":
		return fmt.Sprintf("unknown key; did you mean %s? want %s", near, oneOf(known))
	}
	return "unknown key; want " + oneOf(known)
}

func (fl filler) kind(v reflect.Value, b Block) {
	if nested, is := v.Addr().Interface().(*sluice.Nested); is {
		nested.Blocks = append(nested.Blocks, sluice.NestedBlock{Kind: b.Kind, Block: b})
		return
	}
	v.Set(reflect.Append(v, reflect.ValueOf(b)))
}

// nested tells the place of a block of another kind where it stands.
func (fl filler) nested(v reflect.Value, l *layout, path string) {
	if l.kind != nil && l.kind.typ == nestedType {
		*v.FieldByIndex(l.kind.index).Addr().Interface().(*sluice.Nested) = sluice.Nested{Path: path, Keys: l.names()}
	}
}

// bareKind takes a scalar for the kind of a block without content.
func (fl filler) bareKind(v reflect.Value, l *layout, n *node, path string) bool {
	if f := l.field(n.text); f != nil {
		return fl.wrong(n, path, fmt.Sprintf("%s needs a value; want %s: and %s", n.text, n.text, wanted(f.typ, f)))
	}
	if !sluice.ValidName(n.text) {
		return fl.wrong(n, path, n.quote()+" is not the name of a kind; want a name, alone or with its block after a colon")
	}
	missing := &node{source: n.source, line: n.line, column: n.column, tag: "!!null"}
	fl.kind(v.FieldByIndex(l.kind.index), Block{Kind: n.text, Path: joinPath(path, n.text), doc: fl.d, node: missing})
	return true
}

// missing notes the required keys that were not given, and that no misspelt key was meant to be.
func (fl filler) missing(l *layout, path string, given []string) bool {
	ok := true
	for i := range l.fields {
		f := &l.fields[i]
		if !f.required || slices.Contains(given, f.name) || path == "" && fl.d.partial {
			continue
		}
		at, _, _ := fl.d.find(path)
		fl.d.add(at, joinPath(path, f.name), "this key is missing; want "+wanted(f.typ, f))
		ok = false
	}
	return ok
}

// rest does what is left when the keys that were given are filled: defaults and Check.
func (fl filler) rest(v reflect.Value, l *layout, n *node, path string, given []string, ok bool) bool {
	fl.defaults(v, l, given, n.source.dir)
	if c, is := v.Addr().Interface().(sluice.Checker); is && ok && !n.lost {
		if err := c.Check(); err != nil {
			fl.d.Fault(path, err)
			return false
		}
	}
	return ok && !n.lost
}

// defaults fills the fields that were not given and are zero, also in structs that were not given.
func (fl filler) defaults(v reflect.Value, l *layout, given []string, dir string) {
	for i := range l.fields {
		f := &l.fields[i]
		fv := v.FieldByIndex(f.index)
		switch {
		case slices.Contains(given, f.name) || fv.Kind() == reflect.Pointer:
			continue
		case f.fallback != "" && fv.IsZero():
			setDefault(fv, f)
		case formOf(fv.Type()) == formStruct:
			fl.defaults(fv, layoutOf(fv.Type()), nil, dir)
		}
		if r, is := fv.Addr().Interface().(sluice.Resolver); is {
			r.Resolve(dir)
		}
	}
}

// setDefault fills a field from its tag; a list from texts with commas between.
func setDefault(v reflect.Value, f *field) {
	texts, targets := []string{f.fallback}, []reflect.Value{v}
	if formOf(v.Type()) == formList {
		texts, targets = strings.Split(f.fallback, ","), nil
		v.Set(reflect.MakeSlice(v.Type(), len(texts), len(texts)))
		for i := range texts {
			targets = append(targets, v.Index(i))
		}
	}
	for i, text := range texts {
		if err := setText(targets[i], text); err != nil {
			panic("config: the default of " + f.name + ": " + err.Error())
		}
	}
}

// wanted says what a field takes, for the second half of a message.
func wanted(t reflect.Type, f *field) string {
	t = indirect(t)
	if f.enum != nil && formOf(t).isScalar() {
		return oneOf(f.enum)
	}
	switch formOf(t) {
	case formDuration:
		return "a number with a unit, such as 10s"
	case formPrefix:
		return "an address or a network, such as 10.0.0.0/8"
	case formScalar:
		return "text, a number, true or false"
	case formBool:
		return "true or false"
	case formInt, formUint:
		return "a whole number"
	case formFloat:
		return "a number"
	case formJSON:
		return "a value as in JSON"
	case formList:
		if f.one {
			return wanted(t.Elem(), &field{}) + ", or a list"
		}
		return "a list"
	case formMap:
		return "a map of names to " + wanted(element(t), &field{})
	case formStruct:
		return wantedBlock(t)
	}
	return wantedText(t)
}

func wantedBlock(t reflect.Type) string {
	l := layoutOf(t)
	keys := l.names()
	if l.kind != nil {
		keys = append(keys, "the name of a kind")
	}
	if l.rest != nil {
		keys = append(keys, "names of your own")
	}
	switch {
	case len(keys) == 0:
		return "a block without keys"
	case len(l.fields) == 0 && l.kind != nil:
		return "a block named by its kind"
	}
	want := "a block with keys such as " + strings.Join(keys[:min(4, len(keys))], ", ")
	if l.short != nil {
		want = wanted(l.short.typ, l.short) + ", or " + want
	}
	return want
}

// wantedText says what text a type reads; the name of the type is the word for it.
func wantedText(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[sluice.Size]():
		return "a size, such as 512B, 64KB or 1MiB"
	case reflect.TypeFor[sluice.Rate]():
		return "a rate, such as 100/s or 5/h"
	case reflect.TypeFor[sluice.Percent]():
		return "a share, such as 20%"
	case reflect.TypeFor[sluice.Path]():
		return "a path"
	case reflect.TypeFor[sluice.Reference]():
		return "a reference, such as id, query.q or caller.subject"
	}
	return "text"
}

func oneOf(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return "one of " + strings.Join(names, ", ")
}
