package pool_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice/backend/sql/postgres/pool"
)

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
