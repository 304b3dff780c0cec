package cluster

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
)

// LSN is a place in the write-ahead log, in bytes since the database was made.
type LSN uint64

// ParseLSN reads the form of PostgreSQL, such as 16/B374D848.
func ParseLSN(text string) (LSN, error) {
	high, low, found := strings.Cut(text, "/")
	if !found {
		return 0, fmt.Errorf("%q is no log sequence number", text)
	}
	h, err := strconv.ParseUint(high, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is no log sequence number", text)
	}
	l, err := strconv.ParseUint(low, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is no log sequence number", text)
	}
	return LSN(h<<32 | l), nil
}

// String is the form of PostgreSQL.
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint64(l)>>32, uint32(l)) }

// samples say how far the primary's log had come at which time, by our own clock: so lag needs no clock of a server,
// and is right on a primary that is idle. The oldest is first.
type samples struct {
	list []sample
}

// sample is a time at which the log had come as far as lsn at least, and not further than it at any time before.
type sample struct {
	at  time.Time
	lsn LSN
}

// most bounds how many samples are kept. When there are more, every other one of the older half goes, which makes long
// lags coarser, not wrong.
const most = 256

// add notes what the primary was asked for at a time. Only the newest time at one place is of use.
func (s *samples) add(at time.Time, lsn LSN) {
	if n := len(s.list); n > 0 {
		if last := &s.list[n-1]; last.lsn >= lsn {
			if last.lsn == lsn {
				last.at = at
			}
			return
		}
	}
	if len(s.list) == most {
		kept := s.list[:0]
		for i, old := range s.list {
			if i%2 == 0 || i >= most/2 {
				kept = append(kept, old)
			}
		}
		s.list = kept
	}
	s.list = append(s.list, sample{at, lsn})
}

// replayed is the newest time whose data are all there at lsn; none if that is before all that is known.
func (s *samples) replayed(lsn LSN) (at time.Time, known bool) {
	for i := len(s.list) - 1; i >= 0; i-- {
		if s.list[i].lsn <= lsn {
			return s.list[i].at, true
		}
	}
	return time.Time{}, false
}

// reset forgets all samples.
func (s *samples) reset() { s.list = s.list[:0] }

// history says where timelines ended: what was written to one beyond its end is lost.
type history map[uint32]LSN

// kept tells whether a place on an older timeline is part of the current one. Where an end is not known nothing can be
// shown to be kept.
func (h history) kept(timeline uint32, lsn LSN) bool {
	end, known := h[timeline]
	return known && lsn <= end
}

// grown is the history after a timeline has ended and another has begun. What had branched off later is no part of it.
func (h history) grown(parent uint32, end LSN) history {
	if old, known := h[parent]; known {
		end = min(old, end)
	}
	n := history{}
	maps.Copy(n, h)
	maps.DeleteFunc(n, func(timeline uint32, _ LSN) bool { return timeline > parent })
	n[parent] = end
	return n
}
