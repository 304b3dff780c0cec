package cache_test

import (
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/sluicetest"
)

func TestStaleWhileRevalidate(t *testing.T) {
	t.Parallel()
	c := newClock()
	h, b := setup(t, build.Options{Now: c.Now}, "{ttl: 1m, stale_while_revalidate: 1h, key: [id]}", func(x *sluice.Exchange) error {
		x.Response.Body.SetBytes(x.Input(0).AppendText(nil))
		return nil
	})
	get(t, h, "/e/1")
	c.move(61 * time.Second)
	g := newGate()
	b.becomes(g.holds(func(x *sluice.Exchange) error {
		x.Response.Body.SetBytes(x.Input(0).AppendText([]byte("new ")))
		return nil
	}))
	for range 10 {
		a := get(t, h, "/e/1")
		wantStatus(t, a, "Sluice; hit; ttl=-1")
		if a.Body != "1" {
			t.Errorf("got %+v, want the old answer", a)
		}
	}
	<-g.came
	close(g.open)
	// The inputs were checked before the cache: the background fetch has them.
	eventually(t, "the new answer is there", func() bool { return get(t, h, "/e/1").Body == "new 1" })
	wantAsked(t, b, 2)
	wantStatus(t, get(t, h, "/e/1"), "Sluice; hit; ttl=60")
}

// A backend leaves the body out of its answer to HEAD, so what is fetched anew is fetched with GET.
func TestRefreshForHead(t *testing.T) {
	t.Parallel()
	c := newClock()
	h, b := setup(t, build.Options{Now: c.Now}, "{ttl: 1m, stale_while_revalidate: 1h}", says("old"))
	get(t, h, "/e/1")
	b.becomes(func(x *sluice.Exchange) error {
		if x.Request.Method == "HEAD" {
			return nil
		}
		return says("new")(x)
	})
	c.move(61 * time.Second)
	sluicetest.Do(h, sluicetest.Exchange(t, "HEAD /e/1", ""))
	eventually(t, "the new answer is there", func() bool { return get(t, h, "/e/1").Body == "new" })
}

func TestStaleWhileTheBackendFails(t *testing.T) {
	t.Parallel()
	c := newClock()
	h, b := setup(t, build.Options{Now: c.Now}, "{ttl: 1m, stale_while_revalidate: 10m}", says("old"))
	get(t, h, "/e/1")
	b.becomes(func(*sluice.Exchange) error { return &sluice.Error{Code: sluice.Unavailable} })
	for i := range 9 {
		c.move(time.Minute)
		if a := get(t, h, "/e/1"); a.Body != "old" {
			t.Errorf("got %+v after %d minutes, want the old answer", a, i+1)
		}
		eventually(t, "the backend is tried", func() bool { return b.asked.Load() >= int64(i+2) })
	}
	c.move(2 * time.Minute)
	if a := get(t, h, "/e/1"); a.Code != sluice.Unavailable {
		t.Errorf("got %+v, want the backend's failure when the time is over", a)
	}
}

func TestStaleIsNotGivenOn(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]sluice.HandlerFunc{
		"gone":     func(*sluice.Exchange) error { return &sluice.Error{Code: sluice.NotFound} },
		"no-store": says("secret", "cache-control: no-store"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			h, b := setup(t, build.Options{Now: c.Now}, "{ttl: 1m, stale_while_revalidate: 10m}", says("old"))
			get(t, h, "/e/1")
			b.becomes(next)
			c.move(time.Minute)
			eventually(t, "the old answer is dropped", func() bool { return get(t, h, "/e/1").Body != "old" })
		})
	}
	t.Run("must-revalidate", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		h, b := setup(t, build.Options{Now: c.Now}, "{ttl: 1m, stale_while_revalidate: 10m}", says("old", "cache-control: must-revalidate"))
		get(t, h, "/e/1")
		c.move(time.Minute)
		b.becomes(says("new"))
		if a := get(t, h, "/e/1"); a.Body != "new" {
			t.Errorf("got %+v", a)
		}
	})
}

// A node that is retired ends what it fetches in the background.
func TestRefreshEndsWithItsNode(t *testing.T) {
	t.Parallel()
	c := newClock()
	b := &backend{serve: says("old")}
	ended := make(chan struct{})
	t.Run("node", func(t *testing.T) {
		h := join(t, build.Options{Now: c.Now}, "{ttl: 1m, stale_while_revalidate: 10m}", b)
		get(t, h, "/e/1")
		g := newGate()
		b.becomes(func(x *sluice.Exchange) error {
			defer close(ended)
			return g.holds(says("new"))(x)
		})
		c.move(time.Minute)
		get(t, h, "/e/1")
		<-g.came
	})
	<-ended
}
