package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
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
		_, err := p.Acquire(time.Now().Add(5*time.Second), false)
		if !errors.Is(err, pool.ErrExhausted) || !errors.Is(err, errDown) {
			t.Errorf("got %v; want exhausted, and why", err)
		}
		if n := s.dials.Load(); n < 4 || n > 12 {
			t.Errorf("%d dials while one waited for 5 s", n)
		}
		time.AfterFunc(time.Second, func() { s.set(nil, nil) })
		other := acquire(t, p, false)
		p.Release(other, false)
		p.Release(h, false)
	})
}

func TestReset(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := newPool(t, s, nil)
		lent, idle := acquire(t, p, false), acquire(t, p, false)
		p.Release(idle, false)
		p.Reset()
		synctest.Wait()
		if !idle.Conn.closed.Load() || lent.Conn.closed.Load() {
			t.Error("want unused connections closed at once, and lent ones not")
		}
		h := acquire(t, p, false)
		if h == idle || h == lent {
			t.Error("an old connection was lent")
		}
		p.Release(lent, false)
		synctest.Wait()
		if !lent.Conn.closed.Load() {
			t.Error("a connection of before was kept")
		}
		p.Release(h, false)

		hang := make(chan struct{})
		s.set(nil, hang)
		got := make(chan *pool.Held[*conn])
		h = acquire(t, p, false)
		go func() {
			h, _ := p.Acquire(time.Time{}, false)
			got <- h
		}()
		synctest.Wait()
		s.set(nil, nil)
		p.Reset() // the dial that hangs ends, and another is made for who waits
		p.Release(<-got, false)
		p.Release(h, false)
		synctest.Wait()
		if st := p.Stats(); st.Idle != 1 || st.Dialing != 0 || s.open.Load() != 1 {
			t.Errorf("got %+v with %d open", st, s.open.Load())
		}
	})
}

func TestLifetime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := newPool(t, s, func(o *pool.Options[*conn]) { o.Max, o.Lifetime = 10, time.Hour })
		start := time.Now()
		first := map[*conn]time.Duration{}
		for time.Since(start) < 67*time.Minute { // a pool that is never quiet
			var held []*pool.Held[*conn]
			for range 10 {
				h := acquire(t, p, false)
				held = append(held, h)
				first[h.Conn] = time.Since(start)
			}
			for _, h := range held {
				p.Release(h, false)
			}
			time.Sleep(time.Second)
		}
		ends := map[time.Duration]bool{}
		for c, last := range first {
			if !c.closed.Load() {
				continue
			}
			if last < 53*time.Minute || last > 67*time.Minute {
				t.Errorf("used until %v; want 54 to 66 min", last)
			}
			ends[last] = true
		}
		if st := p.Stats(); st.ClosedLifetime != 10 || len(ends) < 5 {
			t.Errorf("%d ended at %d times; want 10 at different ones", st.ClosedLifetime, len(ends))
		}
		if s.most.Load() > 10 {
			t.Errorf("%d were open at once", s.most.Load())
		}
	})
}

func TestIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := newPool(t, s, func(o *pool.Options[*conn]) { o.Max, o.MinIdle, o.IdleTimeout = 10, 2, time.Minute })
		synctest.Wait()
		if n := p.Stats().Idle; n != 2 {
			t.Fatalf("%d idle at start; want 2", n)
		}
		var held []*pool.Held[*conn]
		for range 8 {
			held = append(held, acquire(t, p, false))
		}
		time.Sleep(3 * time.Second)
		if st := p.Stats(); st.Idle != 2 || st.InUse != 8 {
			t.Errorf("%+v; want 2 kept idle beside those in use", st)
		}
		for _, h := range held {
			p.Release(h, false)
		}
		time.Sleep(50 * time.Second)
		if n := p.Stats().Idle; n != 10 {
			t.Errorf("%d idle before the timeout; want 10", n)
		}
		time.Sleep(15 * time.Second)
		if st := p.Stats(); st.Idle != 2 || st.ClosedIdle != 8 || s.open.Load() != 2 {
			t.Errorf("%+v; want 2 left", st)
		}
	})
}

func TestLiveness(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := newPool(t, s, nil)
		a, b := acquire(t, p, false), acquire(t, p, false)
		p.Release(a, false)
		p.Release(b, false)
		a.Conn.dead.Store(true)
		b.Conn.dead.Store(true)
		time.Sleep(2 * time.Second)
		h := acquire(t, p, false)
		if h == a || h == b {
			t.Error("a dead connection was lent")
		}
		synctest.Wait()
		if st := p.Stats(); st.ClosedBroken != 2 || s.open.Load() != 1 {
			t.Errorf("got %+v with %d open", st, s.open.Load())
		}
		h.Conn.left = true
		p.Release(h, false)
		synctest.Wait()
		if !h.Conn.closed.Load() {
			t.Error("a connection with something open on it was kept")
		}
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

func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := newPool(t, s, func(o *pool.Options[*conn]) { o.Max, o.CloseTimeout = 1, 10*time.Second })
		h := acquire(t, p, false)
		failed := make(chan error)
		go func() {
			_, err := p.Acquire(time.Time{}, false)
			failed <- err
		}()
		synctest.Wait()
		closed := make(chan struct{})
		go func() {
			p.Close()
			close(closed)
		}()
		if err := <-failed; !errors.Is(err, pool.ErrClosed) {
			t.Errorf("who waited got %v", err)
		}
		if _, err := p.Acquire(time.Time{}, false); !errors.Is(err, pool.ErrClosed) {
			t.Errorf("who came later got %v", err)
		}
		time.Sleep(time.Second)
		select {
		case <-closed:
			t.Error("Close did not wait for what is lent")
		default:
		}
		p.Release(h, false)
		<-closed
		if n := s.open.Load(); n != 0 {
			t.Errorf("%d are open after Close", n)
		}
		p.Close()
	})
}

func TestCloseBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := newPool(t, s, func(o *pool.Options[*conn]) { o.CloseTimeout = 10 * time.Second })
		h := acquire(t, p, false)
		start := time.Now()
		p.Close()
		if time.Since(start) != 10*time.Second {
			t.Errorf("Close took %v; want 10 s", time.Since(start))
		}
		p.Release(h, false)
		p.Close()
		if !h.Conn.closed.Load() {
			t.Error("what came back after Close was not closed")
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

// TestStress has many callers use, break and reset a small pool of a server that fails at times. The race detector
// sees a connection that two have.
func TestStress(t *testing.T) {
	t.Parallel()
	s := &server{}
	p := newPool(t, s, func(o *pool.Options[*conn]) {
		o.Max, o.MinIdle, o.Lifetime, o.IdleTimeout = 20, 2, 20*time.Millisecond, 10*time.Millisecond
	})
	var served, failed, live, most atomic.Int64
	var all sync.WaitGroup
	for caller := range 200 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(caller)))
			for range 200 {
				h, err := p.Acquire(time.Time{}, r.IntN(2) == 0)
				if err != nil {
					failed.Add(1)
					if r.IntN(20) == 0 {
						s.set(nil, nil)
						p.Retry()
					}
					continue
				}
				n := live.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				h.Conn.uses++
				if h.Conn.closed.Load() {
					t.Error("a closed connection was lent")
				}
				h.Conn.left = r.IntN(100) == 0
				live.Add(-1)
				p.Release(h, r.IntN(100) == 0)
				served.Add(1)
				switch r.IntN(2000) {
				case 0:
					p.Reset()
				case 1:
					s.set(errDown, nil)
				}
			}
		})
	}
	all.Wait()
	if most.Load() > 20 {
		t.Errorf("%d were lent at once; want at most 20", most.Load())
	}
	s.set(nil, nil)
	p.Retry()
	until(t, "all are free", func() bool { st := p.Stats(); return st.InUse == 0 && st.Waiting == 0 && st.Idle >= 2 })
	p.Close()
	if n := s.open.Load(); n != 0 {
		t.Errorf("%d are open after Close", n)
	}
	if served.Load() == 0 {
		t.Error("nobody was served")
	}
	t.Logf("%d served, %d refused, %+v", served.Load(), failed.Load(), p.Stats())
}

// TestNeverAbove holds the limit on the server's side, where nothing breaks and connections only grow old.
func TestNeverAbove(t *testing.T) {
	t.Parallel()
	s := &server{}
	p := newPool(t, s, func(o *pool.Options[*conn]) {
		o.Max, o.MinIdle, o.Lifetime, o.IdleTimeout = 20, 5, 2*time.Millisecond, time.Millisecond
	})
	var all sync.WaitGroup
	for caller := range 200 {
		all.Go(func() {
			for i := range 200 {
				h := acquire(t, p, (caller+i)%3 == 0)
				h.Conn.uses++
				p.Release(h, false)
			}
		})
	}
	all.Wait()
	if n := s.most.Load(); n > 20 {
		t.Errorf("%d were open at once; want at most 20", n)
	}
	if st := p.Stats(); st.ClosedLifetime == 0 {
		t.Errorf("none grew old: %+v", st)
	}
}

func TestAcquireAlloc(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	p := newPool(t, &server{}, nil)
	p.Release(acquire(t, p, true), false)
	if n := testing.AllocsPerRun(1000, func() {
		h, err := p.Acquire(time.Time{}, true)
		if err != nil {
			t.Fatal(err)
		}
		p.Release(h, false)
	}); n != 0 {
		t.Errorf("%v allocations; want 0", n)
	}
}
