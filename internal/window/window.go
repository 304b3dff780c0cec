// Package window counts what happened within the last while.
package window

import "time"

// slots are the parts that a window moves by.
const slots = 10

// Window counts two sorts of events over a time that ends now. It moves in steps of a tenth, so that it holds from nine
// tenths to the whole of its length. It is not safe for concurrent use.
type Window struct {
	step  int64 // nanoseconds
	slots [slots]slot
}

type slot struct {
	turn int64 // which step since 1970 it counts
	a, b int64
}

// New makes a window of that length, which is at least 10 ns.
func New(length time.Duration) Window { return Window{step: max(1, int64(length)/slots)} }

// Add counts a and b at that time.
func (w *Window) Add(now time.Time, a, b int64) {
	turn := now.UnixNano() / w.step
	s := &w.slots[index(turn)]
	if s.turn != turn {
		*s = slot{turn: turn}
	}
	s.a += a
	s.b += b
}

// Sum is what was counted within the window that ends at that time.
func (w *Window) Sum(now time.Time) (a, b int64) {
	turn := now.UnixNano() / w.step
	for i := range w.slots {
		if s := &w.slots[i]; s.turn > turn-slots && s.turn <= turn {
			a += s.a
			b += s.b
		}
	}
	return a, b
}

// Clear forgets what was counted.
func (w *Window) Clear() { w.slots = [slots]slot{} }

func index(turn int64) int64 {
	if turn %= slots; turn < 0 {
		turn += slots
	}
	return turn
}
