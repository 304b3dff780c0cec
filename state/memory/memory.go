// Package memory is what one node shares with itself: cells, values and notices in its own memory.
package memory

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/sluiceapi/sluice"
)

// State keeps everything in the memory of the process.
type State struct {
	now func() time.Time

	mu        sync.Mutex // guards all below
	cells     map[string]cell
	values    map[string]value
	listeners map[string][]*listener
}

// cell is a token bucket (its theoretical arrival time) or a counter, and when it can be forgotten.
type cell struct {
	at    time.Time
	count int64
	ends  time.Time
}

type value struct {
	bytes []byte
	ends  time.Time
}

type listener struct{ hear func([]byte) }

var _ sluice.State = (*State)(nil)

// New makes an empty state with that clock.
func New(now func() time.Time) *State {
	return &State{now: now, cells: map[string]cell{}, values: map[string]value{}, listeners: map[string][]*listener{}}
}

// Shared tells that no other node sees it.
func (s *State) Shared() bool { return false }

// Take asks a token bucket.
func (s *State) Take(_ context.Context, key string, b sluice.Bucket, n int64) (sluice.Taken, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	tat := s.cells[key].at
	if tat.Before(now) {
		tat = now
	}
	per, count := b.Rate.Per, b.Rate.Count
	span := time.Duration(b.Size) * per / time.Duration(count)
	free := int64(now.Add(span).Sub(tat)) * count / int64(per)
	granted := min(free, n)
	if granted <= 0 {
		return sluice.Taken{Remaining: 0, Retry: tat.Add(per/time.Duration(count) - span).Sub(now), Reset: tat.Sub(now)}, nil
	}
	tat = tat.Add((time.Duration(granted)*per + time.Duration(count) - 1) / time.Duration(count))
	s.cells[key] = cell{at: tat, ends: tat}
	return sluice.Taken{Granted: granted, Remaining: free - granted, Reset: tat.Sub(now)}, nil
}

// Count adds to the counter of the window of the moment.
func (s *State) Count(_ context.Context, key string, w sluice.Window, n int64) (sluice.Taken, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	ends := now.Truncate(w.Rate.Per).Add(w.Rate.Per)
	c := s.cells[key]
	if !c.ends.After(now) {
		c = cell{ends: ends}
	}
	t := sluice.Taken{Reset: ends.Sub(now)}
	if c.count+n > w.Rate.Count {
		t.Remaining, t.Retry = w.Rate.Count-c.count, t.Reset
		return t, nil
	}
	c.count += n
	s.cells[key] = c
	t.Granted, t.Remaining = n, w.Rate.Count-c.count
	return t, nil
}

// Values are those under the keys.
func (s *State) Values(_ context.Context, keys ...string) ([][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	found := make([][]byte, len(keys))
	for i, key := range keys {
		if v := s.values[key]; v.ends.After(now) {
			found[i] = v.bytes
		}
	}
	return found, nil
}

// SetValue puts a value under a key.
func (s *State) SetValue(_ context.Context, key string, v []byte, ttl time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[key] = value{bytes.Clone(v), s.now().Add(ttl)}
	return nil
}

// AddValue puts a value under a key that has none.
func (s *State) AddValue(_ context.Context, key string, v []byte, ttl time.Duration) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if old := s.values[key]; old.ends.After(now) {
		return old.bytes, nil
	}
	s.values[key] = value{bytes.Clone(v), now.Add(ttl)}
	return v, nil
}

// DeleteValues removes what is under the keys.
func (s *State) DeleteValues(_ context.Context, keys ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		delete(s.values, key)
	}
	return nil
}

// Notify has all listeners hear a notice, before it returns.
func (s *State) Notify(_ context.Context, topic string, notice []byte) error {
	s.mu.Lock()
	listening := s.listeners[topic]
	s.mu.Unlock()
	for _, l := range listening {
		l.hear(notice)
	}
	return nil
}

// Listen hears the notices of a topic.
func (s *State) Listen(topic string, hear func([]byte)) (stop func()) {
	l := &listener{hear}
	s.mu.Lock()
	s.listeners[topic] = append(s.listeners[topic][:len(s.listeners[topic]):len(s.listeners[topic])], l)
	s.mu.Unlock()
	hear(nil)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		var rest []*listener
		for _, other := range s.listeners[topic] {
			if other != l {
				rest = append(rest, other)
			}
		}
		s.listeners[topic] = rest
	}
}
