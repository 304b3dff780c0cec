package cache_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/sluicetest"
)

// gate holds the backend until it is opened.
type gate struct {
	came chan struct{}
	open chan struct{}
}

func newGate() *gate { return &gate{make(chan struct{}, 2000), make(chan struct{})} }

func (g *gate) holds(next sluice.HandlerFunc) sluice.HandlerFunc {
	return func(x *sluice.Exchange) error {
		g.came <- struct{}{}
		select {
		case <-g.open:
			return next(x)
		case <-x.Context().Done():
			return x.Context().Err()
		}
	}
}

// crowd is requests at once. waiting counts those that wait for something: they have asked for their context.
type crowd struct {
	sync.WaitGroup
	waiting atomic.Int64
}

func (c *crowd) Context() context.Context {
	c.waiting.Add(1)
	return context.Background()
}

func (c *crowd) Inform(int, *sluice.Header) error { return nil }

// many sends requests at once and gives their answers to each, one after the other.
func many(t *testing.T, h sluice.Handler, n int, each func(sluicetest.Answer)) *crowd {
	running := &crowd{}
	var mu sync.Mutex
	for range n {
		x := over(running, sluicetest.Exchange(t, "GET /e/1", ""))
		running.Go(func() {
			a := sluicetest.Do(h, x)
			mu.Lock()
			defer mu.Unlock()
			each(a)
		})
	}
	return running
}

// over is the exchange as one that came over a connection.
func over(w sluice.Wire, sample *sluice.Exchange) *sluice.Exchange {
	x := sluice.NewExchange(w)
	x.Request = sample.Request
	return x
}

func TestJoined(t *testing.T) {
	t.Parallel()
	g := newGate()
	h, b := setup(t, build.Options{}, "1m", g.holds(says("one")))
	seen := map[string]int{}
	running := many(t, h, 1000, func(a sluicetest.Answer) {
		seen[a.Header["cache-status"]]++
		if a.Err != nil || a.Body != "one" {
			t.Errorf("got %q, %v", a.Body, a.Err)
		}
	})
	<-g.came
	eventually(t, "all wait", func() bool { return running.waiting.Load() == 1000 })
	close(g.open)
	running.Wait()
	wantAsked(t, b, 1)
	if seen["Sluice; fwd=uri-miss; stored"] != 1 || seen["Sluice; fwd=uri-miss; collapsed"] != 999 {
		t.Errorf("Cache-Status: %v", seen)
	}
}

// leaving is a connection whose client can hang up.
type leaving struct{ ctx context.Context }

func (l leaving) Context() context.Context       { return l.ctx }
func (leaving) Inform(int, *sluice.Header) error { return nil }

func TestLeaderHangsUp(t *testing.T) {
	t.Parallel()
	g := newGate()
	h, b := setup(t, build.Options{}, "1m", g.holds(says("one")))
	ctx, hangUp := context.WithCancel(context.Background())
	leader := over(leaving{ctx}, sluicetest.Exchange(t, "GET /e/1", ""))
	left := make(chan sluicetest.Answer)
	go func() { left <- sluicetest.Do(h, leader) }()
	<-g.came
	running := many(t, h, 50, func(a sluicetest.Answer) {
		if a.Err != nil || a.Body != "one" {
			t.Errorf("got %q, %v; want what a follower got who took over", a.Body, a.Err)
		}
	})
	hangUp()
	if a := <-left; a.Code != sluice.ClientLeft {
		t.Errorf("the leader got %v", a.Err)
	}
	<-g.came // one of the others has taken over
	close(g.open)
	running.Wait()
	wantAsked(t, b, 2)
}

func TestUncacheableReleases(t *testing.T) {
	t.Parallel()
	g := newGate()
	h, b := setup(t, build.Options{}, "1m", g.holds(says("one", "cache-control: no-store")))
	running := many(t, h, 100, func(a sluicetest.Answer) {
		if a.Err != nil || a.Body != "one" {
			t.Errorf("got %q, %v", a.Body, a.Err)
		}
	})
	<-g.came
	eventually(t, "all wait", func() bool { return running.waiting.Load() == 100 })
	close(g.open)
	running.Wait()
	wantAsked(t, b, 100)
	// For some seconds nobody waits: all of them are with the backend at once.
	g = newGate()
	b.becomes(g.holds(says("one", "cache-control: no-store")))
	running = many(t, h, 5, func(a sluicetest.Answer) { wantStatus(t, a, "Sluice; fwd=uri-miss; detail=PASS") })
	for range 5 {
		<-g.came
	}
	close(g.open)
	running.Wait()
	// As soon as it can be kept, it is.
	b.becomes(says("two"))
	get(t, h, "/e/1")
	wantStatus(t, get(t, h, "/e/1"), "Sluice; hit; ttl=59")
}

func TestErrorsAreShared(t *testing.T) {
	t.Parallel()
	g := newGate()
	failure := &sluice.Error{Code: sluice.Unavailable, Message: "away", Header: []sluice.Field{{Name: []byte("x-a"), Value: []byte("b")}}}
	h, b := setup(t, build.Options{}, "1m", g.holds(func(*sluice.Exchange) error { return failure }))
	running := many(t, h, 100, func(a sluicetest.Answer) {
		if a.Code != sluice.Unavailable {
			t.Errorf("got %v", a.Err)
		}
	})
	<-g.came
	eventually(t, "all wait", func() bool { return running.waiting.Load() == 100 })
	close(g.open)
	running.Wait()
	wantAsked(t, b, 1)
	b.becomes(func(*sluice.Exchange) error { return &sluice.Error{Code: sluice.RateLimited} })
	if a := get(t, h, "/e/1"); a.Code != sluice.RateLimited {
		t.Errorf("got %v", a.Err)
	}
}

func TestPanicLeavesNobodyWaiting(t *testing.T) {
	t.Parallel()
	g := newGate()
	h, b := setup(t, build.Options{}, "1m", g.holds(func(*sluice.Exchange) error { panic("no") }))
	crashed := make(chan any)
	go func() {
		defer func() { crashed <- recover() }()
		get(t, h, "/e/1")
	}()
	<-g.came
	done := make(chan sluicetest.Answer)
	x := sluicetest.Exchange(t, "GET /e/1", "")
	go func() { done <- sluicetest.Do(h, x) }()
	b.becomes(says("one"))
	close(g.open)
	if r := <-crashed; r != "no" {
		t.Errorf("recovered %v", r)
	}
	if a := <-done; a.Err != nil || a.Body != "one" {
		t.Errorf("got %q, %v", a.Body, a.Err)
	}
}

func TestStreams(t *testing.T) {
	t.Parallel()
	stream := func(s *sluicetest.Stream, size int64) sluice.HandlerFunc {
		return func(x *sluice.Exchange) error {
			x.Response.Body.SetStream(s, size)
			return nil
		}
	}
	t.Run("whole", func(t *testing.T) {
		t.Parallel()
		s := sluicetest.NewStream()
		h, b := setup(t, build.Options{}, "1m", stream(s, -1))
		s.Send("one ")
		s.Send("two")
		s.Finish(nil)
		if a := get(t, h, "/e/1"); a.Body != "one two" {
			t.Errorf("got %+v", a)
		}
		if a := get(t, h, "/e/1"); a.Body != "one two" || a.Header["etag"] == "" {
			t.Errorf("got %+v", a)
		}
		wantAsked(t, b, 1)
	})
	for name, spoil := range map[string]func(s *sluicetest.Stream, x *sluice.Exchange){
		"broken":       func(s *sluicetest.Stream, _ *sluice.Exchange) { s.Finish(errors.New("broken")) },
		"too long":     func(s *sluicetest.Stream, _ *sluice.Exchange) { s.Send("0123456789"); s.Finish(nil) },
		"short":        func(s *sluicetest.Stream, x *sluice.Exchange) { x.Response.Body.Size = 9; s.Finish(nil) },
		"with trailer": func(s *sluicetest.Stream, x *sluice.Exchange) { x.Response.Trailer.Add("x", "y"); s.Finish(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, b := setup(t, build.Options{}, "{ttl: 1m, max_body: 10B}", func(x *sluice.Exchange) error {
				s := sluicetest.NewStream()
				s.Send("one")
				x.Response.Body.SetStream(s, -1)
				spoil(s, x)
				return nil
			})
			get(t, h, "/e/1")
			if a := get(t, h, "/e/1"); a.Header["age"] != "" {
				t.Errorf("got %+v", a)
			}
			wantAsked(t, b, 2)
		})
	}
	t.Run("the client leaves in the middle", func(t *testing.T) {
		t.Parallel()
		s := sluicetest.NewStream()
		s.Send("half")
		h, b := setup(t, build.Options{}, "1m", stream(s, -1))
		x := sluicetest.Exchange(t, "GET /e/1", "")
		if err := h.Serve(x); err != nil {
			t.Fatal(err)
		}
		done := make(chan sluicetest.Answer)
		follower := sluicetest.Exchange(t, "GET /e/1", "")
		go func() { done <- sluicetest.Do(h, follower) }()
		if _, err := x.Response.Body.Stream.Read(make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		b.becomes(says("whole"))
		x.End(sluice.Outcome{Err: errors.New("left")})
		if a := <-done; a.Body != "whole" {
			t.Errorf("got %+v", a)
		}
	})
	t.Run("a client that reads slowly holds up nobody", func(t *testing.T) {
		t.Parallel()
		s := sluicetest.NewStream()
		h, b := setup(t, build.Options{}, "1m", stream(s, -1))
		x := sluicetest.Exchange(t, "GET /e/1", "")
		if err := h.Serve(x); err != nil {
			t.Fatal(err)
		}
		b.becomes(says("whole"))
		began := time.Now()
		if a := get(t, h, "/e/1"); a.Body != "whole" || time.Since(began) > 8*time.Second {
			t.Errorf("got %+v after %v", a, time.Since(began))
		}
		x.End(sluice.Outcome{Err: errors.New("left")})
	})
}
