package memory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sluiceapi/sluice"
)

// values are bytes under keys, each for a time.
type values struct {
	mu    sync.Mutex // guards what follows
	held  map[string]value
	bytes int
	most  int
}

type value struct {
	bytes []byte
	ends  time.Time
}

func (v *values) init(most int) { v.held, v.most = map[string]value{}, most }

// perValue is about what a value takes besides its bytes and its key.
const perValue = 100

func sizeOf(key string, bytes []byte) int { return len(key) + len(bytes) + perValue }

// Values are those under the keys.
func (s *State) Values(_ context.Context, keys ...string) ([][]byte, error) {
	now := s.now()
	found := make([][]byte, len(keys))
	s.values.mu.Lock()
	defer s.values.mu.Unlock()
	for i, key := range keys {
		if v, ok := s.values.held[key]; ok && v.ends.After(now) {
			found[i] = v.bytes
		}
	}
	return found, nil
}

// SetValue puts a value under a key.
func (s *State) SetValue(_ context.Context, key string, bytes []byte, ttl time.Duration) error {
	now := s.now()
	s.values.mu.Lock()
	defer s.values.mu.Unlock()
	return s.values.put(key, value{notNil(bytes), now.Add(ttl)}, now)
}

// AddValue puts a value under a key that has none.
func (s *State) AddValue(_ context.Context, key string, bytes []byte, ttl time.Duration) ([]byte, error) {
	now := s.now()
	s.values.mu.Lock()
	defer s.values.mu.Unlock()
	if old, ok := s.values.held[key]; ok && old.ends.After(now) {
		return old.bytes, nil
	}
	bytes = notNil(bytes)
	return bytes, s.values.put(key, value{bytes, now.Add(ttl)}, now)
}

// DeleteValues removes what is under the keys.
func (s *State) DeleteValues(_ context.Context, keys ...string) error {
	s.values.mu.Lock()
	defer s.values.mu.Unlock()
	for _, key := range keys {
		s.values.remove(key)
	}
	return nil
}

// put keeps a value and makes room for it. The values must be locked, as for all below.
func (v *values) put(key string, new value, now time.Time) error {
	size := sizeOf(key, new.bytes)
	if size > v.most {
		return fmt.Errorf("a value of %d bytes, of which this node has room for %d in all: %w", len(new.bytes), v.most, sluice.ErrStore)
	}
	v.remove(key)
	for v.tidy(now); v.bytes+size > v.most; v.tidy(now) {
		v.remove(v.soonest())
	}
	v.held[key] = new
	v.bytes += size
	return nil
}

func (v *values) remove(key string) {
	if old, ok := v.held[key]; ok {
		v.bytes -= sizeOf(key, old.bytes)
		delete(v.held, key)
	}
}

// tidy removes what has ended of a few values.
func (v *values) tidy(now time.Time) {
	left := looks
	for key, old := range v.held {
		if !old.ends.After(now) {
			v.remove(key)
		}
		if left--; left == 0 {
			return
		}
	}
}

// soonest is the key of the value that ends first of a few.
func (v *values) soonest() (first string) {
	var ends time.Time
	left := looks
	for key, old := range v.held {
		if ends.IsZero() || old.ends.Before(ends) {
			first, ends = key, old.ends
		}
		if left--; left == 0 {
			break
		}
	}
	return first
}

// notNil makes an empty value one that is there.
func notNil(bytes []byte) []byte {
	if bytes == nil {
		return []byte{}
	}
	return bytes
}
