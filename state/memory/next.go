package memory

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/sluiceapi/sluice"
)

// Next raises the number under a key.
func (s *State) Next(_ context.Context, key string, ttl time.Duration) (uint64, error) {
	now := s.now()
	s.values.mu.Lock()
	defer s.values.mu.Unlock()
	n := uint64(now.UnixMicro())
	if old, ok := s.values.held[key]; ok && old.ends.After(now) {
		last, err := strconv.ParseUint(string(old.bytes), 10, 63)
		if err != nil {
			return 0, fmt.Errorf("the next of a value that is no number: %w", sluice.ErrStore)
		}
		n = last + 1
	}
	return n, s.values.put(key, value{strconv.AppendUint(nil, n, 10), now.Add(ttl)}, now)
}
