package sluice

import (
	"context"
	"reflect"
	"testing"
	"unsafe"
)

// What one exchange held is nowhere in the next: a field that Reset does not know would carry it over.
func TestResetForgetsEverything(t *testing.T) {
	t.Parallel()
	x := NewExchange(nil)
	occupy(reflect.ValueOf(x).Elem())
	if x.wire == nil || x.base == nil || x.Span == nil || x.ends[0] == nil || x.Response.Upgrade == nil || x.Request.Body.Stream == nil {
		t.Fatal("not every field was set before")
	}
	x.Reset(nil)
	if x.page != 0 || len(x.pages) > maxKeptPages {
		t.Errorf("%d pages are kept, and %d given out", len(x.pages), x.page)
	}
	x.pages = nil // memory that is given out again
	wantEmpty(t, "x", reflect.ValueOf(x).Elem())
}

// occupy sets every field to something.
func occupy(v reflect.Value) {
	switch v = reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem(); v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			occupy(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 5))
		for i := range 3 {
			occupy(v.Index(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			occupy(v.Index(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.Func:
		v.Set(reflect.MakeFunc(v.Type(), nil))
	case reflect.Interface:
		for _, some := range []any{context.Background(), noSpan{}, EnderFunc(nil), struct{ Stream }{}, struct{ Wire }{}} {
			if reflect.TypeOf(some).Implements(v.Type()) {
				v.Set(reflect.ValueOf(some))
			}
		}
	}
}

// wantEmpty wants a value to be zero, and a slice to have no element, within what it can grow to neither, unless that is
// plain memory.
func wantEmpty(t *testing.T, path string, v reflect.Value) {
	t.Helper()
	switch v = reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem(); v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			wantEmpty(t, path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Slice:
		if v.Len() > 0 {
			t.Errorf("%s has %d elements after Reset", path, v.Len())
		}
		if holds(v.Type().Elem()) {
			all := v.Slice(0, v.Cap())
			for i := range all.Len() {
				if !all.Index(i).IsZero() {
					t.Errorf("%s holds on to what its elements referred to", path)
					break
				}
			}
		}
	default:
		if !v.IsZero() {
			t.Errorf("%s is %v after Reset", path, v)
		}
	}
}

// holds tells whether values of a type refer to memory.
func holds(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			if holds(t.Field(i).Type) {
				return true
			}
		}
		return false
	case reflect.Slice, reflect.Pointer, reflect.String, reflect.Interface, reflect.Map, reflect.Func:
		return true
	}
	return false
}
