package sluice_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

// fields is a header as text, for comparison.
func fields(h *sluice.Header) string {
	var all []string
	for _, f := range h.Fields() {
		all = append(all, fmt.Sprintf("%s=%s", f.Name, f.Value))
	}
	return strings.Join(all, " ")
}

func TestHeaderKeepsOrderAndCase(t *testing.T) {
	t.Parallel()
	var h sluice.Header
	h.Add("X-B", "1")
	h.AddBytes([]byte("x-A"), []byte("2"))
	h.CopyField([]byte("X-b"), []byte("3"))
	if got, want := fields(&h), "X-B=1 x-A=2 X-b=3"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := string(h.Value("x-b")); got != "1" {
		t.Errorf("the first is %q", got)
	}
	if h.Count("X-B") != 2 || !h.Has("X-a") || h.Has("x") || h.Len() != 3 {
		t.Errorf("counted %d of %d", h.Count("X-B"), h.Len())
	}
}

func TestHeaderSetReplacesAllInThePlaceOfTheFirst(t *testing.T) {
	t.Parallel()
	var h sluice.Header
	for _, name := range []string{"a", "b", "A", "c", "a"} {
		h.Add(name, name)
	}
	h.Set("A", "new")
	if got, want := fields(&h), "a=new b=b c=c"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	h.SetInt("n", -12)
	h.SetCopy("c", []byte("copy"))
	if got, want := fields(&h), "a=new b=b c=copy n=-12"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	h.Del("B")
	h.DelFunc(func(f sluice.Field) bool { return string(f.Value) == "copy" })
	if got, want := fields(&h), "a=new n=-12"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEmptyFieldIsThere(t *testing.T) {
	t.Parallel()
	var h sluice.Header
	h.Add("a", "")
	h.SetCopy("b", nil)
	h.AddBytes([]byte("c"), nil)
	for _, name := range []string{"a", "b", "c"} {
		if v := h.Value(name); v == nil || len(v) != 0 || !h.Has(name) {
			t.Errorf("%s is %#v", name, v)
		}
	}
	if h.Value("d") != nil {
		t.Error("a field that is not there has a value")
	}
}

func TestHeaderCopiesStay(t *testing.T) {
	t.Parallel()
	var h, other sluice.Header
	for i := range 100 {
		name, value := fmt.Appendf(nil, "n%d", i), fmt.Appendf(nil, "v%d", i)
		h.CopyField(name, value)
		clear(name)
		clear(value)
	}
	other.Add("old", "field")
	other.CopyFrom(&h)
	h.Reset()
	h.CopyField([]byte("overwritten"), []byte("overwritten"))
	for i, f := range other.Fields() {
		if string(f.Name) != fmt.Sprint("n", i) || string(f.Value) != fmt.Sprint("v", i) {
			t.Fatalf("field %d is %s=%s", i, f.Name, f.Value)
		}
	}
	if other.Len() != 100 || fields(&h) != "overwritten=overwritten" {
		t.Errorf("%d fields, and %s", other.Len(), fields(&h))
	}
}

// A reused header must not hold on to the memory of the message before.
func TestResetForgetsDeletedFields(t *testing.T) {
	t.Parallel()
	var h sluice.Header
	h.Add("a", "1")
	h.Add("b", "2")
	h.Del("a")
	h.Reset()
	if all := h.Fields()[:2]; all[0].Value != nil || all[1].Value != nil {
		t.Errorf("it still holds %q", all)
	}
}
