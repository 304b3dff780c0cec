package sluicetest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// State is the suite that every state passes. open opens one that can be reached, in the same store each time it is called
// within one test, as the nodes of a system do where they share it; what it opens is closed when the test ends.
func State(t *testing.T, open func(t *testing.T) sluice.State) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s sluice.State)
	}{
		{"a bucket gives what it holds, and then its rate", bucketGives},
		{"a bucket gives as many as there are", bucketGivesSome},
		{"a bucket says when the next is there", bucketRetry},
		{"a bucket that nobody asks is full again", bucketRefills},
		{"a bucket follows a changed limit", bucketChanges},
		{"a bucket is exact when many ask at once", bucketAtOnce},
		{"a window counts to its limit", windowCounts},
		{"a window counts all or nothing", windowAllOrNothing},
		{"a window is exact when many count at once", windowAtOnce},
		{"keys of all bytes are apart", keysApart},
		{"values are found under their keys", valuesFound},
		{"values end", valuesEnd},
		{"values are added once", valuesAdded},
		{"one of many adds a value", valuesAddedAtOnce},
		{"a large value", valueLarge},
		{"numbers go up", numbersGoUp},
		{"notices are heard in their order", noticesHeard},
		{"topics are apart", noticesApart},
		{"who stops hears no more", noticesStop},
		{"who leaves is not kept", callersLeave},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, open(t))
		})
	}
	t.Run("what nodes share", func(t *testing.T) {
		t.Parallel()
		one, other := open(t), open(t)
		if one.Shared() != other.Shared() {
			t.Fatal("two of one store do not agree on being shared")
		}
		if !one.Shared() {
			return
		}
		sharedBetween(t, one, other)
	})
}

// ctx is a context for one call.
func ctx(t *testing.T) context.Context { return t.Context() }

// stateKey is a key that no other test uses.
func stateKey(t *testing.T, name string) []byte { return []byte(t.Name() + "/" + name) }

func take(t *testing.T, s sluice.State, key []byte, b sluice.Bucket, n int64) sluice.Taken {
	t.Helper()
	taken, err := s.Take(ctx(t), key, b, n)
	if err != nil {
		t.Fatalf("take %d of %s: %v", n, key, err)
	}
	return taken
}

func count(t *testing.T, s sluice.State, key []byte, w sluice.Window, n int64) sluice.Taken {
	t.Helper()
	taken, err := s.Count(ctx(t), key, w, n)
	if err != nil {
		t.Fatalf("count %d of %s: %v", n, key, err)
	}
	return taken
}

func keysApart(t *testing.T, s sluice.State) {
	b := bucketOf(1, time.Hour, 1)
	seen := map[string]bool{}
	for _, end := range []string{"", "\x00", "\x00\x00", "\n", " ", "\xff", "{a}", "{b}", "a:b", strings.Repeat("k", 5000)} {
		key := append(stateKey(t, ""), end...)
		if taken := take(t, s, key, b, 1); taken.Granted != 1 {
			t.Errorf("the bucket of %.20q was used by another", end)
		}
		seen[end] = true
	}
	key := stateKey(t, "both")
	take(t, s, key, b, 1)
	if taken := count(t, s, key, sluice.Window{Rate: b.Rate}, 1); taken.Granted != 1 {
		t.Errorf("a window under the key of a bucket: %+v", taken)
	}
}

func callersLeave(t *testing.T, s sluice.State) {
	left, cancel := context.WithCancel(ctx(t))
	cancel()
	if !s.Shared() {
		return // it does not wait, so that nobody need leave
	}
	b, key := bucketOf(1, time.Hour, 1000), stateKey(t, "a")
	together(10, func() {
		for range 20 {
			s.Take(left, key, b, 1)
			if taken, err := s.Take(ctx(t), key, b, 1); err != nil || taken.Granted != 1 {
				t.Errorf("%+v, %v: one who stays fails with those who leave", taken, err)
			}
		}
	})
}

// sharedBetween checks that what one node keeps is there for the other.
func sharedBetween(t *testing.T, one, other sluice.State) {
	b, key := bucketOf(1, time.Hour, 10), stateKey(t, "a")
	if taken := take(t, one, key, b, 7); taken.Granted != 7 {
		t.Fatalf("%+v", taken)
	}
	if taken := take(t, other, key, b, 7); taken.Granted != 3 {
		t.Errorf("%+v of a bucket from which another node took 7 of 10", taken)
	}
	name := string(key)
	if err := one.SetValue(ctx(t), name, []byte("shared"), time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := held(t, other, name)[0]; string(got) != "shared" {
		t.Errorf("%q, want what the other node has set", got)
	}
	h := listen(t, other, name)
	notify(t, one, name, "hello")
	if got := receive(t, h.heard, "a notice of the other node"); string(got) != "hello" {
		t.Errorf("heard %q", got)
	}
}

// together runs f so often at once.
func together(n int, f func()) {
	var running sync.WaitGroup
	for range n {
		running.Go(f)
	}
	running.Wait()
}

// waitFor waits until a time that a store has told has come.
func waitFor(t *testing.T, when time.Time) {
	t.Helper()
	timer := time.NewTimer(time.Until(when) + time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}
