package config

import (
	"reflect"
	"strconv"

	"github.com/sluiceapi/sluice"
)

// References calls yield for every reference in a filled value, with a func that adds a mistake at its place. path
// is where the value stands. It may be called more than once.
func (d *Document) References(path string, filled any, yield func(r *sluice.Reference, fault func(error))) {
	v := reflect.ValueOf(filled)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return
	}
	w := referenceWalk{d: d, yield: yield}
	w.value(v.Elem(), path)
}

type referenceWalk struct {
	d     *Document
	yield func(*sluice.Reference, func(error))
}

func (w *referenceWalk) value(v reflect.Value, path string) {
	if v.Kind() == reflect.Pointer {
		if !v.IsNil() {
			w.value(v.Elem(), path)
		}
		return
	}
	if v.CanAddr() && v.Addr().CanInterface() {
		if r, is := v.Addr().Interface().(sluice.Referrer); is {
			w.referrer(r, path)
			return
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		w.fields(v, path)
	case reflect.Slice, reflect.Array:
		w.elements(v, path)
	}
}

// fields walks a struct. A field without a tag is filled by no one and may still hold references, made by Check.
func (w *referenceWalk) fields(v reflect.Value, path string) {
	if v.Type() == blockType || v.Type() == nestedType {
		return
	}
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		if !sf.IsExported() && !sf.Anonymous {
			continue
		}
		tag := sf.Tag.Get("yaml")
		f := newField(sf, tag, nil)
		at := path
		if f.name != "" && f.name != "-" {
			at = joinPath(path, f.name)
		}
		w.value(v.Field(i), at)
	}
}

func (w *referenceWalk) elements(v reflect.Value, path string) {
	isMap := reflect.PointerTo(v.Type()).Implements(entryAppender)
	for i := range v.Len() {
		if isMap {
			w.value(v.Index(i).FieldByName("Value"), joinPath(path, v.Index(i).FieldByName("Name").String()))
			continue
		}
		w.value(v.Index(i), path+"["+strconv.Itoa(i)+"]")
	}
}

// referrer yields the references of one value. Where it was filled from a map or a list, each is found among the
// scalars in there: they hold the same references in the same order.
func (w *referenceWalk) referrer(r sluice.Referrer, path string) {
	inner := w.d.inside(path)
	i := 0
	r.References(func(ref *sluice.Reference) {
		at, offset := path, ref.Offset()
		if i < len(inner) && inner[i].text == ref.String() {
			at, offset = inner[i].path, inner[i].offset
		}
		i++
		w.yield(ref, func(err error) { w.d.fault(at, offset, err) })
	})
}

// spot is where a reference stands in a template.
type spot struct {
	text, path string
	offset     int
}

// inside finds the references in the templates below a path that holds a map or a list.
func (d *Document) inside(path string) (spots []spot) {
	_, n, left := d.find(path)
	if n.shape == scalar || left != "" {
		return nil
	}
	n.scalars(path, func(s *node, at string) {
		t, err := sluice.ParseTemplate(s.text)
		if err != nil || s.typeOf() != "!!str" {
			return
		}
		t.References(func(r *sluice.Reference) {
			spots = append(spots, spot{r.String(), at, r.Offset()})
		})
	})
	return spots
}
