package standard_test

import (
	"reflect"
	"testing"

	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/standard"
)

// TestManual holds that every key of every kind has its entry in the manual.
func TestManual(t *testing.T) {
	t.Parallel()
	for _, k := range standard.Kinds() {
		for _, key := range config.Undocumented(&k) {
			t.Errorf("%s %s: the key %s has no comment", k.Role, k.Name, key)
		}
	}
}

// TestDefaults holds that a default stands in one place: in the block that the kind is made with, or in a tag where no
// such block reaches.
func TestDefaults(t *testing.T) {
	t.Parallel()
	for _, k := range standard.Kinds() {
		for _, block := range []any{k.NewUse(), k.NewWhere()} {
			if block != nil {
				wantNoDefaults(t, k.Name, reflect.TypeOf(block).Elem())
			}
		}
	}
}

func wantNoDefaults(t *testing.T, path string, block reflect.Type) {
	t.Helper()
	for f := range block.Fields() {
		if text, found := f.Tag.Lookup("default"); found {
			t.Errorf("%s.%s: the tag default:%q; want the value in the block that the kind is made with", path, f.Name, text)
		}
		if f.Type.Kind() == reflect.Struct {
			wantNoDefaults(t, path+"."+f.Name, f.Type)
		}
	}
}
