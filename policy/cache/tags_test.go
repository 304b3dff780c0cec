package cache_test

import (
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/tag"
)

const tagged = `{ttl: 1m, tags: ["e:{id}", all]}`

func put(t testing.TB, h sluice.Handler, target string) sluicetest.Answer {
	t.Helper()
	return sluicetest.Do(h, sluicetest.Exchange(t, "PUT "+target, "x"))
}

func TestInvalidate(t *testing.T) {
	t.Parallel()
	h, b := setup(t, build.Options{}, tagged, echoes)
	get(t, h, "/e/1")
	get(t, h, "/e/1?x")
	get(t, h, "/e/2")
	put(t, h, "/e/1")
	wantAsked(t, b, 4)
	wantStatus(t, get(t, h, "/e/1"), "Sluice; fwd=stale; detail=PURGED; stored")
	wantStatus(t, get(t, h, "/e/1?x"), "Sluice; fwd=stale; detail=PURGED; stored")
	wantStatus(t, get(t, h, "/e/2"), "Sluice; hit; ttl=59")
	wantStatus(t, get(t, h, "/e/1"), "Sluice; hit; ttl=59")
	wantAsked(t, b, 6)
}

// A backend that panics may have written before.
func TestPanicInvalidates(t *testing.T) {
	t.Parallel()
	h, b := setup(t, build.Options{}, tagged, echoes)
	get(t, h, "/e/1")
	b.becomes(func(*sluice.Exchange) error { panic("of the test") })
	func() {
		defer func() { _ = recover() }()
		put(t, h, "/e/1")
	}()
	b.becomes(echoes)
	wantStatus(t, get(t, h, "/e/1"), "Sluice; fwd=stale; detail=PURGED; stored")
}

func TestOnlyWritesInvalidate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		serve sluice.HandlerFunc
		ends  bool
	}{
		{"201", func(x *sluice.Exchange) error { x.Response.Status = 201; return nil }, true},
		{"303", func(x *sluice.Exchange) error { x.Response.Status = 303; return nil }, true},
		{"404", func(x *sluice.Exchange) error { x.Response.Status = 404; return nil }, false},
		{"conflict", func(*sluice.Exchange) error { return &sluice.Error{Code: sluice.Conflict} }, false},
		{"timeout", func(*sluice.Exchange) error { return &sluice.Error{Code: sluice.GatewayTimeout} }, true},
		{"client left", func(*sluice.Exchange) error { return &sluice.Error{Code: sluice.ClientLeft} }, true},
		{"502", func(x *sluice.Exchange) error { x.Response.Status = 502; return nil }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, b := setup(t, build.Options{}, tagged, echoes)
			get(t, h, "/e/1")
			b.becomes(c.serve)
			put(t, h, "/e/1")
			b.becomes(echoes)
			if _, hit := get(t, h, "/e/1").Header["age"]; hit == c.ends {
				t.Errorf("hit %v, want %v", hit, !c.ends)
			}
		})
	}
}

// A purge while the backend is asked ends what comes of it: it may have been read before the write.
func TestInvalidateDuringLoad(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a new tag", "a known tag"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGate()
			h, b := setup(t, build.Options{}, tagged, echoes)
			if name == "a known tag" {
				get(t, h, "/e/1?x")
			}
			b.becomes(g.holds(says("old")))
			first, later := make(chan sluicetest.Answer, 1), make(chan sluicetest.Answer, 1)
			x := sluicetest.Exchange(t, "GET /e/1", "")
			go func() { first <- sluicetest.Do(h, x) }()
			<-g.came
			b.becomes(says("new"))
			put(t, h, "/e/1")
			// Who asks now waits for the answer that is on its way, and must not get it.
			crowd := &crowd{}
			y := over(crowd, sluicetest.Exchange(t, "GET /e/1", ""))
			go func() { later <- sluicetest.Do(h, y) }()
			eventually(t, "the second waits", func() bool { return crowd.waiting.Load() > 0 })
			close(g.open)
			if one, two := <-first, <-later; one.Body != "old" || two.Body != "new" {
				t.Errorf("got %q and %q", one.Body, two.Body)
			}
			if a := get(t, h, "/e/1"); a.Body != "new" {
				t.Errorf("got %+v after the write", a)
			}
		})
	}
}

// What a purge's writer has made must be in what is kept after it: an answer from a server that lags is not kept.
func TestLaggingReadIsNotKept(t *testing.T) {
	t.Parallel()
	at := func(position uint64, advance bool) sluice.HandlerFunc {
		return func(x *sluice.Exchange) error {
			v := sluice.Version{Source: 7, Position: position}
			if advance {
				x.Seen.Advance(v)
			} else if floor, ok := x.Seen.Floor(7); position < 10 && ok && floor.Position != 10 {
				t.Errorf("the backend is asked for %v, want what the writer made", floor)
			}
			x.Seen.Read(v)
			return says("at")(x)
		}
	}
	h, b := setup(t, build.Options{}, tagged, at(9, false))
	get(t, h, "/e/1")
	b.becomes(at(10, true))
	put(t, h, "/e/1")
	b.becomes(at(9, false))
	get(t, h, "/e/1")
	get(t, h, "/e/1")
	wantAsked(t, b, 4)
	b.becomes(at(11, false))
	get(t, h, "/e/1")
	get(t, h, "/e/1")
	wantAsked(t, b, 5)
}

// An answer that is older than what the caller has seen is not given.
func TestBehind(t *testing.T) {
	t.Parallel()
	position := uint64(5)
	h, b := setup(t, build.Options{}, "1m", func(x *sluice.Exchange) error {
		x.Seen.Read(sluice.Version{Source: 7, Position: position})
		return says("at")(x)
	})
	ask := func(floor uint64) sluicetest.Answer {
		x := sluicetest.Exchange(t, "GET /e/1", "")
		x.Seen.SetFloor(sluice.Version{Source: 7, Position: floor})
		a := sluicetest.Do(h, x)
		if reads := x.Seen.Reads(); len(reads) != 1 || reads[0].Position < 5 {
			t.Errorf("reads %v, want those of the answer", reads)
		}
		return a
	}
	ask(3)
	wantStatus(t, ask(5), "Sluice; hit; ttl=59")
	position = 6
	wantStatus(t, ask(6), "Sluice; fwd=request; detail=BEHIND; stored")
	wantStatus(t, ask(6), "Sluice; hit; ttl=59")
	// What lags behind what is kept does not take its place.
	position = 4
	b.becomes(func(x *sluice.Exchange) error {
		x.Seen.Read(sluice.Version{Source: 7, Position: 5})
		return says("late")(x)
	})
	ask(7)
	if a := ask(6); a.Body != "at" {
		t.Errorf("got %+v, want the newer answer", a)
	}
}

func TestPurgeIsSeen(t *testing.T) {
	t.Parallel()
	h, _ := setup(t, build.Options{}, tagged, echoes)
	x := sluicetest.Exchange(t, "PUT /e/1", "x")
	sluicetest.Do(h, x)
	floor, ok := x.Seen.Floor(tag.Source)
	if !ok || !x.Seen.Grown() || floor.Position == 0 {
		t.Fatalf("the write gives the floor %v, %v", floor, ok)
	}
	get(t, h, "/e/1")
	y := sluicetest.Exchange(t, "GET /e/1", "")
	y.Seen.SetFloor(floor)
	wantStatus(t, sluicetest.Do(h, y), "Sluice; hit; ttl=59")
}
