package retry

import (
	"math"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"7":                              7 * time.Second,
		"86400":                          24 * time.Hour,
		"99999999999999999999":           math.MaxInt64,
		"9999999999999":                  math.MaxInt64,
		"7.5":                            0,
		"7 s":                            0,
		"-1":                             0,
		"+1":                             0,
		"soon":                           0,
		"Fri, 02 Jan 2026 03:04:15 GMT":  10 * time.Second,
		"Fri, 02 Jan 2026 03:04:00 GMT":  0,
		"Friday, 02-Jan-26 03:04:15 GMT": 10 * time.Second,
		"Fri Jan  2 03:04:15 2026":       10 * time.Second,
	} {
		if got := retryAfter([]byte(text), now); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, text := range []string{"", "7", "99999999999999999999", "Fri, 02 Jan 2026 03:04:15 GMT", "x"} {
		f.Add(text)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		if d := retryAfter([]byte(text), now); d < 0 {
			t.Errorf("%q is %s", text, d)
		}
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	h := handler{config: &Config{Backoff: Backoff{Base: 10 * time.Millisecond, Cap: 35 * time.Millisecond}}}
	for tried, most := range map[int]time.Duration{1: 10 * time.Millisecond, 2: 20 * time.Millisecond, 3: 35 * time.Millisecond, 40: 35 * time.Millisecond, 100: 35 * time.Millisecond} {
		longest := time.Duration(0)
		for range 2000 {
			d := h.backoff(tried)
			if d < 0 || d >= most {
				t.Fatalf("after %d tries %s, want less than %s", tried, d, most)
			}
			longest = max(longest, d)
		}
		if longest < most*9/10 {
			t.Errorf("after %d tries at most %s, want up to %s", tried, longest, most)
		}
	}
	h.config.Backoff = Backoff{}
	if d := h.backoff(3); d != 0 {
		t.Errorf("without backoff %s", d)
	}
}

func TestBudget(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	take := func(b *budget) (n int) {
		for n < 1000 && b.take(now) {
			n++
		}
		return n
	}
	b := newBudget(&Budget{Share: 20, Least: 3, Window: 10 * time.Second})
	if n := take(b); n != 3 {
		t.Errorf("%d tries without a request, want the least", n)
	}
	for range 100 {
		b.request(now)
	}
	if n := take(b); n != 17 {
		t.Errorf("%d more tries after 100 requests, want 20 in all", n)
	}
	now = now.Add(11 * time.Second)
	if n := take(b); n != 3 {
		t.Errorf("%d tries in a window without requests, want the least", n)
	}
}
