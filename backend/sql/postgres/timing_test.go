package postgres

import (
	"testing"
	"time"
)

// TestLearnGroup holds that one which is slow does not hide in the mean of a large group, and that of a quick group only sizes
// are learnt.
func TestLearnGroup(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		errands int
		took    time.Duration
		doubted bool
	}{
		{MaxBatch, 3 * time.Millisecond, false},
		{MaxBatch, 12 * time.Millisecond, true}, // 190 µs each
		{4, 900 * time.Microsecond, false},
		{4, 2 * time.Millisecond, true},
	} {
		c, s, now := &Conn{}, &Stmt{}, time.Now()
		quick(s)
		s.pace.size.Store(800)
		p := &prepared{alike: true, steady: true}
		c.batch.empty()
		for i := range tt.errands {
			c.batch.board(&Errand{row: row{stmt: s}}, i, p, now)
			c.batch.flight[i].ok, c.batch.flight[i].size = true, 8000
		}
		c.batch.close()
		c.batch.begin(0, 0, now)
		c.batch.gap = tt.took
		c.learn(tt.errands)
		took, size := time.Duration(s.pace.took.Load()), s.pace.size.Load()
		if doubted := !s.pace.inGroup(now); doubted != tt.doubted || took != 10*time.Microsecond || (size > 800) == doubted {
			t.Errorf("a group of %d that took %v is in doubt: %t; a statement of it is taken to need %v and to give %d bytes", tt.errands, tt.took, doubted, took, size)
		}
	}
}

// TestBoard holds who is in a group.
func TestBoard(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, tt := range map[string]struct {
		alike, steady, trial, fits bool
		group                      int
	}{
		"steady and quick":   {true, true, false, true, 2},
		"not steady":         {true, false, false, true, 0},
		"a trial":            {true, true, true, true, 0},
		"not as it was said": {false, true, false, false, 0},
	} {
		b, s := &batch{}, &Stmt{}
		quick(s)
		for i := range 2 {
			e := &Errand{row: row{stmt: s}, trial: tt.trial}
			if fits := b.board(e, i, &prepared{alike: tt.alike, steady: tt.steady}, now); fits != tt.fits || fits == (e.detour == Apart) {
				t.Errorf("%s: it is in flight: %t, with the detour %v", name, fits, e.detour)
			}
		}
		if b.close(); b.group != tt.group || tt.fits && len(b.flight) != 2 {
			t.Errorf("%s: %d of %d are in a group; want %d", name, b.group, len(b.flight), tt.group)
		}
	}
}
