package window_test

import (
	"testing"
	"time"

	"github.com/sluiceapi/sluice/internal/window"
)

func TestWindow(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_700_000_000, 0)
	w := window.New(10 * time.Second)
	for i, step := range []struct {
		after time.Duration
		a, b  int64
		sum   [2]int64
	}{
		{0, 3, 1, [2]int64{3, 1}},
		{500 * time.Millisecond, 1, 0, [2]int64{4, 1}},
		{9 * time.Second, 1, 1, [2]int64{5, 2}},
		{10 * time.Second, 0, 0, [2]int64{1, 1}}, // the first second has gone
		{18 * time.Second, 0, 0, [2]int64{1, 1}},
		{19 * time.Second, 0, 0, [2]int64{0, 0}},
		{time.Hour, 7, 2, [2]int64{7, 2}},
		{time.Hour - time.Second, 0, 0, [2]int64{0, 0}}, // a clock that was set back
	} {
		now := start.Add(step.after)
		w.Add(now, step.a, step.b)
		if a, b := w.Sum(now); a != step.sum[0] || b != step.sum[1] {
			t.Errorf("step %d: counted %d and %d, want %v", i, a, b, step.sum)
		}
	}
	w.Clear()
	if a, b := w.Sum(start.Add(time.Hour)); a != 0 || b != 0 {
		t.Errorf("counted %d and %d after Clear", a, b)
	}
}
