package pool_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceapi/sluice/backend/sql/postgres/pool"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	s := &server{}
	for name, tt := range map[string]struct {
		o    pool.Options[*conn]
		want string
	}{
		"no dial":        {pool.Options[*conn]{Max: 1}, "want Dial"},
		"no max":         {pool.Options[*conn]{Dial: s.dial}, "max is 0; want at least 1"},
		"too many idle":  {pool.Options[*conn]{Dial: s.dial, Max: 2, MinIdle: 3}, "min_idle is 3; want 0 to max, which is 2"},
		"a time too low": {pool.Options[*conn]{Dial: s.dial, Max: 2, Lifetime: -1}, "a time is negative"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := pool.New(tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v; want %q", err, tt.want)
			}
		})
	}
}

// TestLIFO holds that the connection used last is lent first, so that a quiet pool shrinks.
func TestLIFO(t *testing.T) {
	t.Parallel()
	p := newPool(t, &server{}, nil)
	a, b := acquire(t, p, false), acquire(t, p, false)
	p.Release(a, false)
	p.Release(b, false)
	if got := acquire(t, p, false); got != b {
		t.Error("not the one that was used last")
	} else {
		p.Release(got, false)
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	s := &server{}
	p := newPool(t, s, func(o *pool.Options[*conn]) { o.Max = 2 })
	write, read := acquire(t, p, false), acquire(t, p, true)
	if write.Conn.readOnly || !read.Conn.readOnly {
		t.Fatal("a connection is not in the mode that was asked for")
	}
	p.Release(write, false)
	p.Release(read, false)
	before := s.switches.Load()
	for range 10 {
		w, r := acquire(t, p, false), acquire(t, p, true)
		if w != write || r != read {
			t.Fatal("a connection changed its mode though one of the mode was free")
		}
		p.Release(w, false)
		p.Release(r, false)
	}
	if got := s.switches.Load(); got != before {
		t.Errorf("%d changes of mode", got-before)
	}
	first, second := acquire(t, p, true), acquire(t, p, true)
	if first != read || second != write || !second.Conn.readOnly {
		t.Error("with no room for more, the one of the other mode was not changed")
	}
	p.Release(first, false)
	p.Release(second, false)
}

// TestModeMeanwhile holds that nobody waits for a new connection while one of the other mode is free, and that there
// is one of each soon.
func TestModeMeanwhile(t *testing.T) {
	t.Parallel()
	s := &server{}
	p := newPool(t, s, nil)
	p.Release(acquire(t, p, true), false)
	hang := make(chan struct{})
	s.set(nil, hang)
	h := acquire(t, p, false)
	close(hang)
	p.Release(h, false)
	until(t, "there is a second one", func() bool { return p.Stats().Idle == 2 })
}

func TestFIFO(t *testing.T) {
	t.Parallel()
	p := newPool(t, &server{}, func(o *pool.Options[*conn]) { o.Max = 1 })
	h := acquire(t, p, false)
	var order []int // whoever has the only connection appends
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			h, err := p.Acquire(time.Time{}, i%2 == 0)
			if err != nil {
				t.Error(err)
				return
			}
			order = append(order, i)
			p.Release(h, false)
		})
		until(t, "the caller waits", func() bool { return p.Stats().Waiting == i+1 })
	}
	p.Release(h, false)
	all.Wait()
	for i, got := range order {
		if got != i {
			t.Fatalf("callers were served in the order %v", order)
		}
	}
}

func TestExhausted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var waited []time.Duration
		p := newPool(t, &server{}, func(o *pool.Options[*conn]) {
			o.Max, o.AcquireTimeout = 1, 200*time.Millisecond
			o.Waited = func(wait time.Duration) { waited = append(waited, wait) }
		})
		h := acquire(t, p, false)
		start := time.Now()
		_, err := p.Acquire(time.Time{}, false)
		if !errors.Is(err, pool.ErrExhausted) || time.Since(start) != 200*time.Millisecond {
			t.Errorf("%v after %v; want exhausted after 200 ms", err, time.Since(start))
		}
		start = time.Now()
		_, err = p.Acquire(start.Add(30*time.Millisecond), false)
		if !errors.Is(err, pool.ErrExhausted) || time.Since(start) != 30*time.Millisecond {
			t.Errorf("%v after %v; want exhausted at the deadline, after 30 ms", err, time.Since(start))
		}
		p.Release(h, false)
		got := p.Stats()
		if got.Exhausted != 2 || got.Waits != 3 || got.WaitTime != 230*time.Millisecond || got.InUse != 0 || got.Idle != 1 {
			t.Errorf("got %+v", got)
		}
		if len(waited) != 3 || waited[1] != 200*time.Millisecond {
			t.Errorf("waits observed: %v", waited)
		}
	})
}

func TestReleaseTwice(t *testing.T) {
	t.Parallel()
	p := newPool(t, &server{}, nil)
	h := acquire(t, p, false)
	p.Release(h, false)
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	p.Release(h, false)
}
