package memory

import (
	"context"
	"time"

	"github.com/sluiceapi/sluice"
)

// window is the counter of a period of time that ends then, in nanoseconds since 1970.
type window struct{ count, ends int64 }

func (w window) end() int64 { return w.ends }

// Count adds to the counter of the window of the moment.
func (s *State) Count(_ context.Context, key []byte, limit sluice.Window, n int64) (sluice.Taken, error) {
	return s.CountAt(s.now(), key, limit, n), nil
}

// CountAt adds to the counter of the window of that time.
func (s *State) CountAt(at time.Time, key []byte, limit sluice.Window, n int64) (taken sluice.Taken) {
	now := at.UnixNano()
	s.windows.update(key, now, func(w window) window {
		w, taken = w.add(now, limit, n)
		return w
	})
	return taken
}

// add counts n or nothing. A counter of another window, also of another length from before the limit was changed, is over. Who
// arrived just before its window began counts in it: the count of the window before is gone.
func (w window) add(now int64, limit sluice.Window, n int64) (window, sluice.Taken) {
	per := int64(limit.Rate.Per)
	ends := now - now%per + per
	if w.ends == ends+per {
		ends = w.ends
	}
	if w.ends != ends {
		w = window{ends: ends}
	}
	t := sluice.Taken{Reset: time.Duration(ends - now)}
	if n > 0 && n <= limit.Rate.Count-w.count {
		t.Granted = n
		w.count += n
	}
	if t.Remaining = max(0, limit.Rate.Count-w.count); t.Remaining == 0 {
		t.Retry = t.Reset
	}
	return w, t
}
