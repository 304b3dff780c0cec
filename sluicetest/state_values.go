package sluicetest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

func held(t *testing.T, s sluice.State, keys ...string) [][]byte {
	t.Helper()
	found, err := s.Values(ctx(t), keys...)
	if err != nil || len(found) != len(keys) {
		t.Fatalf("values of %d keys: %d, %v", len(keys), len(found), err)
	}
	return found
}

func valuesFound(t *testing.T, s sluice.State) {
	name := func(key string) string { return string(stateKey(t, key)) }
	for key, value := range map[string]string{"a": "one", "b": "", "c": "\x00\xff\r\n"} {
		if err := s.SetValue(ctx(t), name(key), []byte(value), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	found := held(t, s, name("a"), name("missing"), name("c"), name("b"), name("a"))
	for i, want := range []string{"one", "", "\x00\xff\r\n", "", "one"} {
		if string(found[i]) != want {
			t.Errorf("value %d: %q, want %q", i, found[i], want)
		}
	}
	if found[1] != nil || found[3] == nil {
		t.Errorf("%v is there, want nil where nothing is and not nil where it is empty", found)
	}
	if err := s.SetValue(ctx(t), name("a"), []byte("two"), time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := held(t, s, name("a"))[0]; string(got) != "two" {
		t.Errorf("%q, want the value that was set last", got)
	}
	if err := s.DeleteValues(ctx(t), name("a"), name("missing"), name("b")); err != nil {
		t.Fatal(err)
	}
	if found := held(t, s, name("a"), name("b"), name("c")); found[0] != nil || found[1] != nil || found[2] == nil {
		t.Errorf("%v is left, want only the last", found)
	}
	if found := held(t, s); len(found) != 0 {
		t.Errorf("%v under no key", found)
	}
	if err := s.DeleteValues(ctx(t)); err != nil {
		t.Error(err)
	}
}

func valuesEnd(t *testing.T, s sluice.State) {
	key := string(stateKey(t, "a"))
	if err := s.SetValue(ctx(t), key, []byte("short"), 30*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	waitFor(t, time.Now().Add(32*time.Millisecond))
	if got := held(t, s, key)[0]; got != nil {
		t.Errorf("%q is there after its time", got)
	}
	if err := s.SetValue(ctx(t), key, []byte("shortest"), time.Nanosecond); err != nil {
		t.Fatal(err)
	}
	there, err := s.AddValue(ctx(t), key, []byte("long"), time.Hour)
	for deadline := time.Now().Add(patience); string(there) != "long"; there, err = s.AddValue(ctx(t), key, []byte("long"), time.Hour) {
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%q, %v: the value before does not end", there, err)
		}
	}
	if got := held(t, s, key)[0]; string(got) != "long" {
		t.Errorf("%q, want the value that was added", got)
	}
}

func valuesAdded(t *testing.T, s sluice.State) {
	key := string(stateKey(t, "a"))
	for i, want := range []string{"first", "first", "first"} {
		there, err := s.AddValue(ctx(t), key, []byte([]string{"first", "second", ""}[i]), time.Hour)
		if err != nil || string(there) != want {
			t.Errorf("%q, %v; want %q", there, err, want)
		}
	}
	if there, err := s.AddValue(ctx(t), string(stateKey(t, "empty")), nil, time.Hour); err != nil || there == nil || len(there) != 0 {
		t.Errorf("%v, %v; want an empty value that is there", there, err)
	}
	if there, err := s.AddValue(ctx(t), string(stateKey(t, "empty")), []byte("second"), time.Hour); err != nil || there == nil || len(there) != 0 {
		t.Errorf("%q, %v; want the empty value that was there", there, err)
	}
}

func valuesAddedAtOnce(t *testing.T, s sluice.State) {
	key := string(stateKey(t, "a"))
	var names sync.Map
	var mine, n atomic.Int64
	together(20, func() {
		name := fmt.Sprint(n.Add(1))
		there, err := s.AddValue(ctx(t), key, []byte(name), time.Hour)
		if err != nil {
			t.Errorf("add: %v", err)
		}
		names.Store(string(there), true)
		if string(there) == name {
			mine.Add(1)
		}
	})
	different := 0
	names.Range(func(any, any) bool { different++; return true })
	if different != 1 || mine.Load() != 1 {
		t.Errorf("%d values are there and %d added theirs, want one", different, mine.Load())
	}
}

func valueLarge(t *testing.T, s sluice.State) {
	key, value := string(stateKey(t, "a")), bytes.Repeat([]byte("0123456789abcdef"), 16<<10)
	if err := s.SetValue(ctx(t), key, value, time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := held(t, s, key)[0]; !bytes.Equal(got, value) {
		t.Errorf("%d bytes, want the %d that were set", len(got), len(value))
	}
}

func numbersGoUp(t *testing.T, s sluice.State) {
	key := string(stateKey(t, "a"))
	next := func() uint64 {
		n, err := s.Next(ctx(t), key, time.Hour)
		if err != nil {
			t.Fatalf("next: %v", err)
		}
		return n
	}
	before := uint64(time.Now().Add(-time.Minute).UnixMicro())
	first := next()
	if first < before || first > before+uint64(2*time.Minute/time.Microsecond) {
		t.Errorf("it starts with %d, want the time in microseconds", first)
	}
	for i := range uint64(3) {
		if n := next(); n != first+i+1 {
			t.Errorf("%d comes after %d", n, first+i)
		}
	}
	if got := string(held(t, s, key)[0]); got != fmt.Sprint(first+3) {
		t.Errorf("%q is the value, want %d", got, first+3)
	}
	if err := s.DeleteValues(ctx(t), key); err != nil {
		t.Fatal(err)
	}
	if again := next(); again <= first+3 {
		t.Errorf("%d comes when the store was emptied after %d", again, first+3)
	}
	if err := s.SetValue(ctx(t), key, []byte("no number"), time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(ctx(t), key, time.Hour); !errors.Is(err, sluice.ErrStore) {
		t.Errorf("error %v of a value that is no number", err)
	}
	var seen sync.Map
	key = string(stateKey(t, "b"))
	together(20, func() {
		n, err := s.Next(ctx(t), key, time.Hour)
		if _, twice := seen.LoadOrStore(n, true); twice || err != nil {
			t.Errorf("%d was given twice, or %v", n, err)
		}
	})
}
