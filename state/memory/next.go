package memory

import (
	"context"
	"strconv"
	"time"
)

// Next raises the number under a key.
func (s *State) Next(_ context.Context, key string, ttl time.Duration) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	n := uint64(now.UnixMicro())
	if old := s.values[key]; old.ends.After(now) {
		last, err := strconv.ParseUint(string(old.bytes), 10, 64)
		if err != nil {
			return 0, err
		}
		n = last + 1
	}
	s.values[key] = value{strconv.AppendUint(nil, n, 10), now.Add(ttl)}
	return n, nil
}
