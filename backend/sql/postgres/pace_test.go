package postgres

import (
	"testing"
	"time"
)

// TestPace takes statements off lines that are slow or large, and tries them again.
func TestPace(t *testing.T) {
	t.Parallel()
	now := time.Now()
	fits := func(s *Stmt, at time.Duration, want, wantTrial bool) {
		t.Helper()
		if got, trial := s.onLine(func() time.Time { return now.Add(at) }); got != want || trial != wantTrial {
			t.Errorf("after %v it fits: %v, as a trial: %v; want %v, %v", at, got, trial, want, wantTrial)
		}
	}
	for name, tt := range map[string]struct {
		took  time.Duration
		size  int
		times int
	}{
		"50 ms": {50 * time.Millisecond, 10, 2}, "6 ms": {6 * time.Millisecond, 10, 14}, "40 KB": {time.Microsecond, 40 << 10, 13},
	} {
		s := &Stmt{}
		fits(s, 0, true, false)
		for range 100 {
			s.pace.learn(time.Millisecond, 1000, false, 0)
		}
		for range 100 {
			if on, _ := s.onLine(func() time.Time { return now }); !on {
				break
			}
			s.pace.learn(tt.took, tt.size, false, 0)
			tt.times--
		}
		if fits(s, 0, false, false); tt.times < -3 || tt.times > 3 {
			t.Errorf("%s: it took %d times more or less until it was off", name, -tt.times)
		}
	}

	s := &Stmt{}
	s.pace.away(now, true)
	s.pace.away(now.Add(time.Millisecond), true) // another that was under way
	s.pace.learn(0, 0, false, 0)                 // and one more, which was quick
	fits(s, 240*time.Millisecond, false, false)
	fits(s, 250*time.Millisecond, true, true)
	fits(s, 251*time.Millisecond, false, false) // one at a time
	s.pace.away(now.Add(300*time.Millisecond), true)
	fits(s, 790*time.Millisecond, false, false)
	fits(s, 800*time.Millisecond, true, true)
	s.pace.learn(time.Millisecond, 100, true, 0)
	fits(s, 900*time.Millisecond, true, false)
	s.pace.away(time.Now().Add(time.Second), true) // soon after it came back
	if rest := time.Duration(s.pace.rest.Load()); rest != time.Second {
		t.Errorf("it is off for %v; want twice what it was", rest)
	}
	for at := 4 * time.Second; at < 10*time.Minute; at += 65 * time.Second { // and never well
		s.pace.away(now.Add(at), true)
	}
	if rest := time.Duration(s.pace.rest.Load()); rest != mostRest {
		t.Errorf("it is off for %v; want no more than %v", rest, mostRest)
	}
	s.pace.learn(time.Millisecond, 100, true, 0)
	s.pace.away(time.Now().Add(wellFor*mostRest+time.Minute), true)
	if rest := time.Duration(s.pace.rest.Load()); rest != leastRest {
		t.Errorf("after it did well for long it is off for %v; want %v", rest, leastRest)
	}
	s = &Stmt{}
	for at := range 10 { // slow on average, again and again
		s.pace.away(now.Add(time.Duration(at)*time.Second), false)
	}
	if rest := time.Duration(s.pace.rest.Load()); rest != leastRest {
		t.Errorf("what is slow on average is off for %v; want %v", rest, leastRest)
	}
	s = &Stmt{Writes: true}
	fits(s, 0, false, false)
}

// TestPaceFirst holds that the first observation of a statement counts in full, but is not enough to take it off lines.
func TestPaceFirst(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, tt := range []struct {
		took    []time.Duration
		grouped bool
		on      bool
	}{
		{nil, false, true},
		{[]time.Duration{10 * time.Microsecond}, true, true},
		{[]time.Duration{1900 * time.Microsecond}, false, true},
		{[]time.Duration{time.Second}, false, true},
		{[]time.Duration{time.Second, time.Second}, false, false},
		{[]time.Duration{10 * time.Microsecond, 3 * time.Millisecond}, false, true},
	} {
		s := &Stmt{}
		for _, took := range tt.took {
			s.pace.learn(took, 100, false, now.UnixNano())
		}
		if on, _ := s.onLine(time.Now); s.pace.inGroup(now) != tt.grouped || on != tt.on {
			t.Errorf("after %v it is in a group: %t, on lines: %t; want %t, %t", tt.took, s.pace.inGroup(now), on, tt.grouped, tt.on)
		}
	}
}

// TestPaceFresh holds that what is in groups is measured again and again.
func TestPaceFresh(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := &Stmt{}
	s.pace.learn(time.Microsecond, 100, false, now.UnixNano())
	for range 3 {
		s.pace.weigh(100) // in groups
	}
	for at, want := range map[time.Duration]bool{0: true, fresh / 2: true, fresh: false, time.Hour: false} {
		if got := s.pace.inGroup(now.Add(at)); got != want {
			t.Errorf("after %v it is in a group: %t; want %t", at, got, want)
		}
	}
	later := now.Add(fresh)
	s.pace.learn(time.Microsecond, 100, false, later.UnixNano())
	if !s.pace.inGroup(later) {
		t.Error("it is in no group once it was measured anew")
	}
	s.pace.doubt()
	if s.pace.inGroup(later) {
		t.Error("it is in a group while it is in doubt")
	}
	for range 20 {
		s.pace.weigh(40 << 10)
	}
	if on, _ := s.onLine(time.Now); on {
		t.Error("a statement with large results in groups is still on lines")
	}
}
