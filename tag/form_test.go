package tag

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

func TestForms(t *testing.T) {
	t.Parallel()
	g := &generation{id: newID(), floors: []sluice.Version{{Source: 1, Timeline: 2, Position: 3, Timed: true}, {Source: 4}}}
	b := encodeGeneration(g, purged)
	if d, err := decodeGeneration(b); err != nil || d.id != g.id || !slices.Equal(d.floors, g.floors) || originOf(b) != purged {
		t.Errorf("got %+v, %v", d, err)
	}
	at := time.UnixMicro(1e15)
	if names, when, err := decodeRecord(encodeRecord([]string{"", "a", "bc"}, at)); err != nil || !slices.Equal(names, []string{"", "a", "bc"}) || !when.Equal(at) {
		t.Errorf("got %q, %v, %v", names, when, err)
	}
	long := strings.Repeat("x", 300)
	if a, b := short(long), short(long+"y"); a == b || len(a) != maxName || short("ab") != "ab" {
		t.Errorf("long names are %q and %q", a, b)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encodeGeneration(&generation{id: ID{1}, floors: []sluice.Version{{Source: 1}}}, born))
	f.Add(encodeRecord([]string{"a", "b"}, time.UnixMicro(1)))
	f.Add([]byte{version})
	f.Fuzz(func(t *testing.T, b []byte) {
		if g, err := decodeGeneration(b); err == nil && !bytes.Equal(encodeGeneration(g, originOf(b)), b) {
			t.Errorf("%x is read as %+v", b, g)
		}
		names, at, err := decodeRecord(b)
		if err != nil {
			return
		}
		if again, when, err := decodeRecord(encodeRecord(names, at)); err != nil || !slices.Equal(again, names) || !when.Equal(at) {
			t.Errorf("%x is read as %q, %v", b, names, at)
		}
	})
}
