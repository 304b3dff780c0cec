package pool_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceapi/sluice/backend/sql/postgres/pool"
)

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
		synctest.Wait()
		if n := s.dialing.Load(); n != 0 {
			t.Errorf("%d dials still hang", n)
		}
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

// TestSlowEnd holds that a connection counts until it is closed, for the server counts it too.
func TestSlowEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{stay: make(chan struct{})}
		p := newPool(t, s, func(o *pool.Options[*conn]) { o.Max, o.Lifetime = 1, time.Minute })
		h := acquire(t, p, false)
		time.Sleep(2 * time.Minute)
		p.Release(h, false)
		if _, err := p.Acquire(time.Now().Add(time.Second), false); !errors.Is(err, pool.ErrExhausted) {
			t.Errorf("got %v; want to wait for the end of the old one", err)
		}
		time.AfterFunc(time.Second, func() { close(s.stay) })
		p.Release(acquire(t, p, false), false)
		if n := s.most.Load(); n != 1 {
			t.Errorf("%d were open at once", n)
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
