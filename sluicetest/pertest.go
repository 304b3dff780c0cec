package sluicetest

import (
	"log/slog"
	"sync"
	"testing"
)

// PerTest has make called once for each test that asks, so that all of a test have the same.
func PerTest[T any](make func(*testing.T) T) func(*testing.T) T {
	var mu sync.Mutex
	made := map[string]T{}
	return func(t *testing.T) T {
		mu.Lock()
		defer mu.Unlock()
		v, found := made[t.Name()]
		if !found {
			v = make(t)
			made[t.Name()] = v
			t.Cleanup(func() {
				mu.Lock()
				defer mu.Unlock()
				delete(made, t.Name())
			})
		}
		return v
	}
}

// Log is a log that goes to the output of a test.
func Log(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }
