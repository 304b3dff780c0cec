package memory

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

var perMinute = sluice.Bucket{Rate: sluice.Rate{Count: 1, Per: time.Minute}, Size: 1}

// A flood of keys takes no more than there is room for, and what ended goes first.
func TestFloodOfKeys(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_764_000_000, 0)
	s := newBounded(func() time.Time { return now }, 64*100, 1<<20)
	ctx := context.Background()
	for i := range 100_000 {
		key := fmt.Appendf(nil, "key %d", i)
		if taken, err := s.Take(ctx, key, perMinute, 1); err != nil || taken.Granted != 1 {
			t.Fatalf("%+v, %v", taken, err)
		}
		if _, err := s.Count(ctx, key, sluice.Window{Rate: perMinute.Rate}, 1); err != nil {
			t.Fatal(err)
		}
	}
	for what, size := range map[string]int{"buckets": s.buckets.size(), "windows": s.windows.size()} {
		if size > 64*100 || size < 64*90 {
			t.Errorf("%d %s, want about all that there is room for, which is %d", size, what, 64*100)
		}
	}
	now = now.Add(2 * time.Minute)
	for i := range 3200 { // half of the room, so that no part is full of them
		s.Take(ctx, fmt.Appendf(nil, "later %d", i), perMinute, 1)
	}
	for i := range 3200 {
		key := fmt.Appendf(nil, "later %d", i)
		if taken, _ := s.Take(ctx, key, perMinute, 1); taken.Granted != 0 {
			t.Errorf("%s was forgotten while others had ended", key)
		}
	}
}

func TestEndedCellsGo(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_764_000_000, 0)
	s := newBounded(func() time.Time { return now }, 1<<20, 1<<20)
	for i := range 50_000 {
		s.Take(context.Background(), fmt.Appendf(nil, "key %d", i), perMinute, 1)
		now = now.Add(10 * time.Millisecond) // so that 6,000 live at a time
	}
	if size := s.buckets.size(); size > 12_000 {
		t.Errorf("%d cells are held of which 6,000 count", size)
	}
}

func TestValuesAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_764_000_000, 0)
	s := newBounded(func() time.Time { return now }, 64, 1<<20)
	ctx := context.Background()
	for i := range 10_000 {
		if err := s.SetValue(ctx, fmt.Sprint("key ", i), make([]byte, 1000), time.Duration(1+i%100)*time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if held := s.values.bytes; held > 1<<20 || held < 1<<19 {
		t.Errorf("%d bytes are held, want about the %d that there is room for", held, 1<<20)
	}
	if err := s.SetValue(ctx, "large", make([]byte, 1<<20), time.Minute); !errors.Is(err, sluice.ErrStore) {
		t.Errorf("error %v for a value that is larger than all the room", err)
	}
	now = now.Add(101 * time.Minute)
	for i := range 2000 {
		s.SetValue(ctx, fmt.Sprint("later ", i), nil, time.Minute)
	}
	sum := 0
	for key, v := range s.values.held {
		sum += sizeOf(key, v.bytes)
	}
	if s.values.bytes != sum {
		t.Errorf("%d bytes are counted, and %d held", s.values.bytes, sum)
	}
}

// What arrived just before a window began, and is counted after others within it, takes nothing of their count away.
func TestLateIntoNextWindow(t *testing.T) {
	t.Parallel()
	s := New(time.Now)
	key, border := []byte("a key"), time.Unix(1_764_000_000, 0) // between two minutes
	limit := sluice.Window{Rate: sluice.Rate{Count: 3, Per: time.Minute}}
	for i, tt := range []struct {
		at   time.Time
		want sluice.Taken
	}{
		{border.Add(-2 * time.Second), sluice.Taken{Granted: 1, Remaining: 2, Reset: 2 * time.Second}},
		{border, sluice.Taken{Granted: 1, Remaining: 2, Reset: time.Minute}},
		{border.Add(-time.Second), sluice.Taken{Granted: 1, Remaining: 1, Reset: time.Minute + time.Second}},
		{border.Add(time.Second), sluice.Taken{Granted: 1, Reset: time.Minute - time.Second, Retry: time.Minute - time.Second}},
		{border.Add(-time.Second), sluice.Taken{Reset: time.Minute + time.Second, Retry: time.Minute + time.Second}},
		{border.Add(time.Minute), sluice.Taken{Granted: 1, Remaining: 2, Reset: time.Minute}},
	} {
		if got := s.CountAt(tt.at, key, limit, 1); got != tt.want {
			t.Errorf("%d: %+v, want %+v", i, got, tt.want)
		}
	}
	// A window of another length, from before the limit was changed, is over.
	limit.Rate.Per = time.Second
	if got := s.CountAt(border.Add(90*time.Second), key, limit, 1); got.Remaining != 2 || got.Reset != time.Second {
		t.Errorf("after the change: %+v", got)
	}
}

func TestAllocations(t *testing.T) {
	s := New(time.Now)
	ctx := context.Background()
	hot := sluice.Bucket{Rate: sluice.Rate{Count: 1_000_000, Per: time.Second}, Size: 1_000_000}
	key := []byte("a key")
	for what, call := range map[string]func(){
		"take":    func() { s.Take(ctx, key, hot, 1) },
		"refused": func() { s.Take(ctx, []byte("other"), perMinute, 1) },
		"count":   func() { s.Count(ctx, key, sluice.Window{Rate: hot.Rate}, 1) },
	} {
		call()
		if n := testing.AllocsPerRun(1000, call); n != 0 {
			t.Errorf("%s: %v allocations, want none", what, n)
		}
	}
}

func BenchmarkTake(b *testing.B) {
	s := New(time.Now)
	limit := sluice.Bucket{Rate: sluice.Rate{Count: 1, Per: time.Second}, Size: 1_000_000_000}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		key, i := make([]byte, 8), 0
		for pb.Next() {
			i++
			key[0], key[1] = byte(i), byte(i>>8)
			s.Take(context.Background(), key, limit, 1)
		}
	})
}
