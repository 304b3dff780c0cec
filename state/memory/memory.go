// Package memory is what one node shares with itself: cells, values and notices in its own memory.
package memory

import (
	"time"

	"github.com/sluiceapi/sluice"
)

// State keeps everything in the memory of the process. It keeps no more than it may: where there is no room for what
// is new, what has ended is given up first, then, of a few that are looked at, what would end the soonest. Of cells
// that is the bucket that is nearest to being full, so that the least is forgotten.
type State struct {
	now     func() time.Time
	buckets table[bucket]
	windows table[window]
	values  values
	notices notices
}

var (
	_ sluice.State      = (*State)(nil)
	_ sluice.CountersAt = (*State)(nil)
)

// The most that is kept: buckets and windows, each about 150 bytes with a key of usual length, and the bytes of values
// with their keys.
const (
	maxCells = 1 << 18
	maxBytes = 64 << 20
)

// New makes an empty state with that clock.
func New(now func() time.Time) *State { return newBounded(now, maxCells, maxBytes) }

func newBounded(now func() time.Time, cells, bytes int) *State {
	s := &State{now: now}
	s.buckets.init(cells)
	s.windows.init(cells)
	s.values.init(bytes)
	s.notices.listening = map[string][]*listener{}
	return s
}

// Shared tells that no other node sees it.
func (s *State) Shared() bool { return false }
