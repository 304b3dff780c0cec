package sluicetest

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

func bucketOf(count int64, per time.Duration, size int64) sluice.Bucket {
	return sluice.Bucket{Rate: sluice.Rate{Count: count, Per: per}, Size: size}
}

func bucketGives(t *testing.T, s sluice.State) {
	b, key := bucketOf(1, time.Hour, 3), stateKey(t, "a")
	for i := range int64(3) {
		taken := take(t, s, key, b, 1)
		if taken.Granted != 1 || taken.Remaining != 2-i {
			t.Errorf("take %d: %+v", i, taken)
		}
		if reset := time.Duration(i+1) * time.Hour; taken.Reset > reset || taken.Reset < reset-time.Minute {
			t.Errorf("take %d: full after %s, want %s", i, taken.Reset, reset)
		}
		if i < 2 && taken.Retry != 0 {
			t.Errorf("take %d: the next after %s, and there is one", i, taken.Retry)
		}
	}
	for range 3 {
		taken := take(t, s, key, b, 1)
		if taken.Granted != 0 || taken.Remaining != 0 || taken.Retry > time.Hour || taken.Retry < time.Hour-time.Minute {
			t.Errorf("an empty bucket: %+v", taken)
		}
	}
}

func bucketGivesSome(t *testing.T, s sluice.State) {
	b, key := bucketOf(7, time.Hour, 10), stateKey(t, "a")
	if taken := take(t, s, key, b, 4); taken.Granted != 4 || taken.Remaining != 6 || taken.Retry != 0 {
		t.Errorf("4 of 10: %+v", taken)
	}
	if taken := take(t, s, key, b, 0); taken.Granted != 0 || taken.Remaining != 6 {
		t.Errorf("none of 6: %+v", taken)
	}
	if taken := take(t, s, key, b, 8); taken.Granted != 6 || taken.Remaining != 0 || taken.Retry == 0 {
		t.Errorf("8 of 6: %+v", taken)
	}
}

func bucketRetry(t *testing.T, s sluice.State) {
	b, key := bucketOf(3, 200*time.Millisecond, 1), stateKey(t, "a")
	for range 3 {
		taken := take(t, s, key, b, 1)
		if taken.Granted != 1 || taken.Retry <= 0 || taken.Retry > 67*time.Millisecond {
			t.Fatalf("%+v", taken)
		}
		if again := take(t, s, key, b, 1); again.Granted == 0 { // else the machine was slow
			taken = again
		}
		waitFor(t, time.Now().Add(taken.Retry))
	}
}

func bucketRefills(t *testing.T, s sluice.State) {
	b, key := bucketOf(100, time.Second, 5), stateKey(t, "a")
	taken := take(t, s, key, b, 5)
	if taken.Granted != 5 {
		t.Fatalf("%+v", taken)
	}
	waitFor(t, time.Now().Add(taken.Reset))
	if taken = take(t, s, key, b, 5); taken.Granted != 5 {
		t.Errorf("%+v of a bucket that is full again", taken)
	}
}

func bucketChanges(t *testing.T, s sluice.State) {
	key := stateKey(t, "a")
	take(t, s, key, bucketOf(1, time.Hour, 100), 100)
	lower := bucketOf(3, time.Hour, 2)
	if taken := take(t, s, key, lower, 1); taken.Granted != 0 || taken.Retry > 20*time.Minute || taken.Reset > 40*time.Minute {
		t.Errorf("%+v after the limit was changed", taken)
	}
	higher := bucketOf(1_000_000, time.Second, 1_000_000_000)
	taken := take(t, s, key, higher, 1)
	waitFor(t, time.Now().Add(taken.Retry))
	if again := take(t, s, key, higher, 1); taken.Retry > 2*time.Microsecond || again.Granted != 1 {
		t.Errorf("%+v and then %+v after the limit was raised", taken, again)
	}
}

func bucketAtOnce(t *testing.T, s sluice.State) {
	b, key := bucketOf(1, time.Hour, 100), stateKey(t, "a")
	var granted atomic.Int64
	together(50, func() {
		for range 5 {
			taken, err := s.Take(ctx(t), key, b, 1)
			if err != nil {
				t.Errorf("take: %v", err)
			}
			granted.Add(taken.Granted)
		}
	})
	if n := granted.Load(); n != 100 {
		t.Errorf("%d were given of a bucket of 100", n)
	}
}

// inOneWindow runs a test in one window, and again when the window ended meanwhile.
func inOneWindow(t *testing.T, s sluice.State, run func(w sluice.Window, key []byte, fault func(string, ...any))) {
	w := sluice.Window{Rate: sluice.Rate{Count: 10, Per: time.Minute}}
	var faults []string
	for try := range 3 {
		began := count(t, s, stateKey(t, fmt.Sprint("before ", try)), w, 1).Reset
		faults = nil
		run(w, stateKey(t, fmt.Sprint(try)), func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) })
		if count(t, s, stateKey(t, fmt.Sprint("after ", try)), w, 1).Reset <= began {
			break
		}
	}
	if len(faults) > 0 {
		t.Error(strings.Join(faults, "\n"))
	}
}

func windowCounts(t *testing.T, s sluice.State) {
	inOneWindow(t, s, func(w sluice.Window, key []byte, fault func(string, ...any)) {
		for i := range int64(10) {
			if taken := count(t, s, key, w, 1); taken.Granted != 1 || taken.Remaining != 9-i || taken.Reset > time.Minute {
				fault("count %d: %+v", i, taken)
			}
		}
		taken := count(t, s, key, w, 1)
		left := time.Until(time.Now().Truncate(time.Minute).Add(time.Minute))
		if taken.Granted != 0 || taken.Remaining != 0 || (taken.Retry-left).Abs() > 5*time.Second || taken.Retry != taken.Reset {
			fault("a full window, with %s left: %+v", left, taken)
		}
	})
	w, key := sluice.Window{Rate: sluice.Rate{Count: 1, Per: 100 * time.Millisecond}}, stateKey(t, "short")
	for range 3 {
		taken := count(t, s, key, w, 1)
		waitFor(t, time.Now().Add(taken.Reset))
		if taken.Granted != 1 {
			t.Errorf("%+v of a window that is new", taken)
		}
	}
}

func windowAllOrNothing(t *testing.T, s sluice.State) {
	inOneWindow(t, s, func(w sluice.Window, key []byte, fault func(string, ...any)) {
		for _, step := range []struct{ n, granted, remaining int64 }{{7, 7, 3}, {4, 0, 3}, {11, 0, 3}, {3, 3, 0}, {1, 0, 0}} {
			if taken := count(t, s, key, w, step.n); taken.Granted != step.granted || taken.Remaining != step.remaining {
				fault("%d: %+v, want %d and %d", step.n, taken, step.granted, step.remaining)
			}
		}
	})
}

func windowAtOnce(t *testing.T, s sluice.State) {
	inOneWindow(t, s, func(w sluice.Window, key []byte, fault func(string, ...any)) {
		var granted atomic.Int64
		together(20, func() {
			taken, err := s.Count(ctx(t), key, w, 1)
			if err != nil {
				t.Errorf("count: %v", err)
			}
			granted.Add(taken.Granted)
		})
		if n := granted.Load(); n != 10 {
			fault("%d were counted in a window of 10", n)
		}
	})
}
