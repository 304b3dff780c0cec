package pool_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceapi/sluice/backend/sql/postgres/pool"
)

// TestHang holds that a caller that gives up does not end the dial it caused, and that who waits for a dial takes what
// is released before.
func TestHang(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := newPool(t, s, func(o *pool.Options[*conn]) { o.DialTimeout = time.Minute })
		h := acquire(t, p, false)
		hang := make(chan struct{})
		s.set(nil, hang)
		if _, err := p.Acquire(time.Now().Add(time.Second), false); !errors.Is(err, pool.ErrExhausted) {
			t.Errorf("got %v", err)
		}
		got := make(chan *pool.Held[*conn])
		go func() {
			h, _ := p.Acquire(time.Time{}, false)
			got <- h
		}()
		synctest.Wait()
		if dials := s.dials.Load(); dials != 2 {
			t.Errorf("%d dials; want the second caller to wait for the dial of the first", dials)
		}
		p.Release(h, false)
		if <-got != h {
			t.Error("who waited did not get what was released")
		}
		close(hang)
		synctest.Wait()
		if st := p.Stats(); st.Idle != 1 || st.Dialing != 0 {
			t.Errorf("the dial that hung was not kept: %+v", st)
		}
		p.Release(h, false)
	})
}

func TestDialTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		s.set(nil, make(chan struct{}))
		p := newPool(t, s, func(o *pool.Options[*conn]) { o.DialTimeout = 3 * time.Second })
		start := time.Now()
		_, err := p.Acquire(time.Time{}, false)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		s.set(errDown, nil)
		p := newPool(t, s, func(o *pool.Options[*conn]) { o.Max = 20 })
		start := time.Now()
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				_, err := p.Acquire(time.Time{}, false)
				if _, ok := errors.AsType[*pool.DialError](err); !ok || !errors.Is(err, errDown) {
					t.Errorf("got %v; want why there is no connection", err)
				}
			})
		}
		all.Wait()
		if time.Since(start) != 0 {
			t.Errorf("told after %v; want at once", time.Since(start))
		}
		if n := s.dials.Load(); n > 20 {
			t.Errorf("%d dials; want no more than there may be connections", n)
		}
		before := s.dials.Load()
		for time.Since(start) < 20*time.Second { // 2000 callers
			_, _ = p.Acquire(time.Time{}, false)
			time.Sleep(10 * time.Millisecond)
		}
		if n := s.dials.Load() - before; n < 8 || n > 40 {
			t.Errorf("%d dials in 20 s of failure; want about one in 2 s", n)
		}
		s.set(nil, nil)
		until := time.Now().Add(4 * time.Second)
		for {
			h, err := p.Acquire(time.Time{}, false)
			if err == nil {
				p.Release(h, false)
				break
			}
			if time.Now().After(until) {
				t.Fatalf("not back: %v", err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}

// TestRetry holds that who knows that a server is back need not wait for the next attempt.
func TestRetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		s.set(errDown, nil)
		p := newPool(t, s, nil)
		_, _ = p.Acquire(time.Time{}, false)
		s.set(nil, nil)
		if _, err := p.Acquire(time.Time{}, false); !errors.Is(err, errDown) {
			t.Errorf("an attempt was made at once: %v", err)
		}
		p.Retry()
		p.Release(acquire(t, p, false), false)
	})
}

// TestDownInUse holds that callers wait for what is in use when no more can be opened, that dials are tried again
// meanwhile, and that who waits in vain is told why.
func TestDownInUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := newPool(t, s, nil)
		h := acquire(t, p, false)
		s.set(errDown, nil)
		_, err := p.Acquire(time.Now().Add(time.Second), false)
		if !errors.Is(err, pool.ErrExhausted) || !errors.Is(err, errDown) {
			t.Errorf("got %v; want exhausted, and why", err)
		}
		if n := s.dials.Load(); n < 5 || n > 9 { // one that succeeded, and then after 0, 50, 100, 200 and 400 ms or so
			t.Errorf("%d dials while one waited for a second", n)
		}
		time.AfterFunc(time.Second, func() { s.set(nil, nil) })
		other := acquire(t, p, false)
		p.Release(other, false)
		p.Release(h, false)
	})
}

func TestWarm(t *testing.T) {
	t.Parallel()
	for name, least := range map[string]int{"min_idle": 3, "none": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{}
				s.set(errDown, nil)
				p := newPool(t, s, func(o *pool.Options[*conn]) { o.MinIdle = least })
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				if err := p.Warm(ctx); !errors.Is(err, errDown) {
					t.Errorf("got %v; want why it is not warm", err)
				}
				time.AfterFunc(time.Second, func() { s.set(nil, nil) })
				if err := p.Warm(t.Context()); err != nil {
					t.Error(err)
				}
				if n := p.Stats().Idle; n < max(1, least) {
					t.Errorf("%d open; want %d", n, least)
				}
			})
		})
	}
}
