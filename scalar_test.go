package sluice_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"250ms": 250 * time.Millisecond, "10s": 10 * time.Second, "1h30m": 90 * time.Minute, "7d": 168 * time.Hour,
		"1d12h": 36 * time.Hour, "0s": 0, "0d": 0, "1.5h": 90 * time.Minute, "1µs": time.Microsecond,
	} {
		if got, err := sluice.ParseDuration(text); err != nil || got != want {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "10", "-1s", "+1s", "-1d", "+1d", "d", "1.5d", "1d2d", "1h1d", "1d-1h", "1d+1h", "1d5", "1d0", "s",
		"1 s", "99999d", "65535d2562047h", "9999999999h", "1w"} {
		if got, err := sluice.ParseDuration(text); err == nil || !strings.Contains(err.Error(), "want a number with a unit") {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want sluice.Size
		out  string
	}{
		{"0B", 0, "0B"}, {"512B", 512, "512B"}, {"1KB", 1000, "1KB"}, {"1KiB", 1024, "1KiB"}, {"64KB", 64000, "64KB"},
		{"10MiB", 10 << 20, "10MiB"}, {"2GB", 2e9, "2GB"}, {"2GiB", 2 << 30, "2GiB"}, {"1.5KiB", 1536, "1536B"}, {"1000GB", 1e12, "1000GB"},
		{"1025KB", 1025000, "1025KB"},
	} {
		var s sluice.Size
		if err := s.UnmarshalText([]byte(tt.text)); err != nil || s != tt.want || s.String() != tt.out {
			t.Errorf("%s: got %d, which prints as %s, %v", tt.text, int64(s), s, err)
		}
		var again sluice.Size
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%s reads as %d, %v", s, again, err)
		}
	}
	for _, text := range []string{"", "B", "1", "-1B", "1kb", "1 B", "1TB", "NaNB", "InfB", "9223372036854775807B", "1e30GiB", "0x1p4B"} {
		var s sluice.Size
		if err := s.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "is not a size") {
			t.Errorf("%q: got %d, %v", text, int64(s), err)
		}
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want sluice.Rate
		out  string
	}{
		{"100/s", sluice.Rate{Count: 100, Per: time.Second}, "100/s"},
		{"1000/m", sluice.Rate{Count: 1000, Per: time.Minute}, "1000/m"},
		{"5/h", sluice.Rate{Count: 5, Per: time.Hour}, "5/h"},
		{"1/d", sluice.Rate{Count: 1, Per: 24 * time.Hour}, "1/d"},
		{"10/30s", sluice.Rate{Count: 10, Per: 30 * time.Second}, "10/30s"},
		{"1/.5s", sluice.Rate{Count: 1, Per: 500 * time.Millisecond}, "1/500ms"},
		{"1/1h30m", sluice.Rate{Count: 1, Per: 90 * time.Minute}, "1/1h30m0s"},
	} {
		var r sluice.Rate
		if err := r.UnmarshalText([]byte(tt.text)); err != nil || r != tt.want || r.String() != tt.out {
			t.Errorf("%s: got %s, %v", tt.text, r, err)
		}
		var again sluice.Rate
		if err := again.UnmarshalText([]byte(r.String())); err != nil || again != r {
			t.Errorf("%s reads as %v, %v", r, again, err)
		}
	}
	for _, text := range []string{"", "100", "/s", "100/", "0/s", "-1/s", "1.5/s", "1/0s", "1/-1s", "1/x", "1/s/s", "1/10"} {
		var r sluice.Rate
		if err := r.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "is not a rate") {
			t.Errorf("%q: got %v, %v", text, r, err)
		}
	}
}

func TestSecretIsNotShown(t *testing.T) {
	t.Parallel()
	block := struct{ Key, None sluice.Secret }{Key: "hunter2"}
	shown := fmt.Sprintf("%v %+v %#v %s %q %x", block, block, block, block.Key, block.Key, block.Key)
	text, err := json.Marshal(block)
	if err != nil {
		t.Fatal(err)
	}
	if all := shown + string(text); strings.Contains(all, "hunter") || strings.Contains(all, fmt.Sprintf("%x", "hunter2")) {
		t.Errorf("it is shown: %s", all)
	}
	if string(text) != `{"Key":"***","None":""}` || block.Key.Reveal() != "hunter2" {
		t.Errorf("got %s", text)
	}
}

func TestPathIsRelativeToItsFile(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]sluice.Path{"a/b": "/etc/x/a/b", "../a": "/etc/a", "/a": "/a", "": ""} {
		var p sluice.Path
		if err := p.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if p.Resolve("/etc/x"); p != want {
			t.Errorf("%q: got %s", text, p)
		}
	}
	var p sluice.Path
	if p.UnmarshalText([]byte("a\x00b")) == nil {
		t.Error("a path with NUL is taken")
	}
}

func TestMapKeepsItsOrder(t *testing.T) {
	t.Parallel()
	var m sluice.Map[int]
	for i, name := range []string{"z", "a", "m"} {
		*m.AppendEntry(name).(*int) = i
	}
	if v, ok := m.Value("a"); v != 1 || !ok || m[0].Name != "z" || m[2].Name != "m" {
		t.Errorf("got %v", m)
	}
	if v, ok := m.Value("none"); v != 0 || ok {
		t.Errorf("got %d, %v", v, ok)
	}
}

func TestTypesHaveNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"string", "integer", "number", "boolean"} {
		var typ sluice.ValueType
		if err := typ.UnmarshalText([]byte(name)); err != nil || typ.String() != name {
			t.Errorf("%s: got %s, %v", name, typ, err)
		}
	}
	for _, name := range []string{"", "int", "String", "null", "JSON", "absent"} {
		var typ sluice.ValueType
		if typ.UnmarshalText([]byte(name)) == nil {
			t.Errorf("%q is taken as %s", name, typ)
		}
	}
}

func TestValueIsRead(t *testing.T) {
	t.Parallel()
	if v := sluice.IntValue(math.MinInt64); v.Int() != math.MinInt64 || v.Float() != math.MinInt64 || v.IsAbsent() {
		t.Errorf("got %v", v)
	}
	if v := sluice.NumberValue(-0.5); v.Float() != -0.5 || v.Type() != sluice.Number {
		t.Errorf("got %v", v)
	}
	if v := sluice.BoolValue(true); !v.Bool() || sluice.BoolValue(false).Bool() {
		t.Errorf("got %v", v)
	}
	if v := (sluice.Value{}); !v.IsAbsent() || v.Bytes() != nil {
		t.Errorf("got %v", v)
	}
}
