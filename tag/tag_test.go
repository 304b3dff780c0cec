package tag

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/state/memory"
)

// store is a state in memory that nodes of a test share. It can be away, and its notices can be lost.
type store struct {
	mu sync.RWMutex // held to replace what follows
	sluice.State
	away, deaf atomic.Bool
	asked      atomic.Int64
	// read is called between the reading of values and its end.
	read atomic.Pointer[func()]
}

func newStore() *store { return &store{State: memory.New(time.Now)} }

func (s *store) Shared() bool { return true }

func (s *store) fault() error {
	s.asked.Add(1)
	if s.away.Load() {
		return sluice.ErrStore
	}
	return nil
}

func (s *store) Values(ctx context.Context, keys ...string) ([][]byte, error) {
	if err := s.fault(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	values, err := s.State.Values(ctx, keys...)
	s.mu.RUnlock()
	if read := s.read.Swap(nil); read != nil {
		(*read)()
	}
	return values, err
}

func (s *store) SetValue(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := s.fault(); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.State.SetValue(ctx, key, value, ttl)
}

func (s *store) AddValue(ctx context.Context, key string, value []byte, ttl time.Duration) ([]byte, error) {
	if err := s.fault(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.State.AddValue(ctx, key, value, ttl)
}

func (s *store) Next(ctx context.Context, key string, ttl time.Duration) (uint64, error) {
	if err := s.fault(); err != nil {
		return 0, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.State.Next(ctx, key, ttl)
}

func (s *store) Notify(ctx context.Context, topic string, notice []byte) error {
	if s.deaf.Load() {
		return nil
	}
	return s.State.Notify(ctx, topic, notice)
}

func node(t testing.TB, s sluice.State) *Tags {
	t.Helper()
	env := &sluice.Env{State: s, Now: time.Now, Metrics: sluice.NoMetrics{}, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	g, err := Open(env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(env.Close)
	return g
}

var ctx = context.Background()

// stamped reads and settles stamps, as for something that is kept under the tags.
func stamped(t testing.TB, g *Tags, names ...string) []Stamp {
	t.Helper()
	r, err := g.Read(ctx, names)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Settle(ctx, &r, time.Hour); err != nil {
		t.Fatal(err)
	}
	return r.Stamps
}

func TestPurge(t *testing.T) {
	t.Parallel()
	s := newStore()
	a, b := node(t, s), node(t, s)
	one, two := stamped(t, a, "x", "y"), stamped(t, b, "y", "z")
	other := stamped(t, b, "z")
	for g, stamps := range map[*Tags][]Stamp{a: one, b: two} {
		if v := g.Confirm(ctx, stamps, 0); v != Current {
			t.Errorf("%v before the purge", v)
		}
		if v := g.Judge(stamps, 0, time.Now()); v != Current {
			t.Errorf("%v before the purge, without asking", v)
		}
	}
	if _, err := a.Purge(ctx, []string{"y"}, nil); err != nil {
		t.Fatal(err)
	}
	for g, stamps := range map[*Tags][]Stamp{a: one, b: two} {
		if v := g.Confirm(ctx, stamps, 0); v != Purged {
			t.Errorf("%v after the purge", v)
		}
	}
	if v := b.Confirm(ctx, other, 0); v != Current {
		t.Errorf("%v for another tag", v)
	}
}

func TestFloors(t *testing.T) {
	t.Parallel()
	a := node(t, newStore())
	made := sluice.Version{Source: 7, Timeline: 1, Position: 9, Timed: true}
	v, err := a.Purge(ctx, []string{"x"}, []sluice.Version{made, {Source: Source, Position: 3}})
	if err != nil || v.Source != Source || v.Position == 0 {
		t.Fatalf("%v, %v", v, err)
	}
	r, err := a.Read(ctx, []string{"x", "y"})
	if err != nil || !slices.Equal(r.Floors, []sluice.Version{made}) {
		t.Errorf("floors %v, %v; want what the writer has made", r.Floors, err)
	}
}

// What is read before a purge and settled after it is not kept, also when the store has forgotten the purge meanwhile.
func TestPurgeBetweenReadAndSettle(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]func(*store){
		"purged": func(*store) {},
		"purged, and the generation was evicted": func(s *store) {
			if err := s.DeleteValues(ctx, keyOf("x")); err != nil {
				t.Error(err)
			}
		},
		"purged, and the store was emptied": func(s *store) { s.State = memory.New(time.Now) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore()
			s.deaf.Store(true)
			a, b := node(t, s), node(t, s)
			r, err := a.Read(ctx, []string{"x"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.Purge(ctx, []string{"x"}, nil); err != nil {
				t.Fatal(err)
			}
			s.mu.Lock()
			then(s)
			s.mu.Unlock()
			if err := a.Settle(ctx, &r, time.Hour); !errors.Is(err, errOvertaken) {
				t.Errorf("error %v; want it not to be kept", err)
			}
		})
	}
}

// What is read from the store while a purge goes on may be what was there before it.
func TestPurgeOvertakesReading(t *testing.T) {
	t.Parallel()
	s := newStore()
	a, b := node(t, s), node(t, s)
	stamps := stamped(t, a, "x")
	if v := a.Confirm(ctx, stamps, 0); v != Current {
		t.Fatal(v)
	}
	a.drop([]string{"x"}) // so that it is read again
	purge := func() {
		if _, err := b.Purge(ctx, []string{"x"}, nil); err != nil {
			t.Error(err)
		}
	}
	s.read.Store(&purge)
	found, err := a.load(ctx, []*Tag{stamps[1].tag})
	if err != nil || found != nil {
		t.Errorf("%v, %v of a reading that a purge has overtaken", found, err)
	}
	if v := a.Confirm(ctx, stamps, 0); v != Purged {
		t.Errorf("%v after the purge", v)
	}
}

func TestStoreAway(t *testing.T) {
	t.Parallel()
	s := newStore()
	a, b := node(t, s), node(t, s)
	stamps := stamped(t, a, "x")
	theirs := stamped(t, b, "x")
	s.away.Store(true)
	if _, err := a.Purge(ctx, []string{"x"}, nil); !errors.Is(err, sluice.ErrStore) {
		t.Fatalf("error %v", err)
	}
	if v := a.Judge(stamps, 0, time.Now()); v == Current {
		t.Error("the node of the purge goes on with what it ended")
	}
	wait(t, "nothing is known any more", func() bool { return b.Judge(theirs, 0, time.Now()) == Unknown })
	if v := b.Confirm(ctx, theirs, 0); v != Unknown {
		t.Errorf("%v without a store", v)
	}
	s.away.Store(false)
	wait(t, "the purge comes late", func() bool { return b.Confirm(ctx, theirs, 0) == Purged })
	if v := a.Confirm(ctx, stamps, 0); v != Purged {
		t.Errorf("%v on the node of the purge", v)
	}
}

// While a purge waits for the store, its node does not go by what it reads there.
func TestWaitingPurgeHolds(t *testing.T) {
	t.Parallel()
	g := node(t, memory.New(time.Now))
	stamps := stamped(t, g, "x")
	g.mu.Lock()
	g.hold([]string{"x"}, 1)
	g.mu.Unlock()
	if v := g.Confirm(ctx, stamps, 0); v != Unknown {
		t.Errorf("%v while the purge waits", v)
	}
	g.mu.Lock()
	g.hold([]string{"x"}, -1)
	g.mu.Unlock()
	if v := g.Confirm(ctx, stamps, 0); v != Current {
		t.Errorf("%v afterwards", v)
	}
}

func TestTooManyWait(t *testing.T) {
	t.Parallel()
	s := newStore()
	g := node(t, s)
	stamps := stamped(t, g, "x")
	s.away.Store(true)
	g.mu.Lock()
	g.retries = make([]purge, maxRetries)
	g.mu.Unlock()
	if _, err := g.Purge(ctx, []string{"y"}, nil); err == nil {
		t.Fatal("no error")
	}
	s.away.Store(false)
	wait(t, "everything is purged", func() bool { return g.Confirm(ctx, stamps, 0) == Purged })
}

// A replica that takes over may not have the last purges. The next one is then given a number that nodes know already.
func TestNumberGivenAnew(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]int{"the same": 1, "one more": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore()
			s.deaf.Store(true)
			a, b := node(t, s), node(t, s)
			stamps, lost := stamped(t, a, "y"), stamped(t, a, "x")
			keys := []string{counter, keyOf(everything), keyOf("x"), keyOf("y")}
			before, err := s.Values(ctx, keys...)
			if err != nil {
				t.Fatal(err)
			}
			purge := func(g *Tags, name string) {
				if _, err := g.Purge(ctx, []string{name}, nil); err != nil {
					t.Fatal(err)
				}
			}
			purge(a, "x")
			if err := a.rounds.wait(ctx); err != nil {
				t.Fatal(err)
			}
			older := memory.New(time.Now)
			for i, value := range before {
				if value == nil {
					continue
				}
				if err := older.SetValue(ctx, keys[i], value, time.Hour); err != nil {
					t.Fatal(err)
				}
			}
			s.mu.Lock()
			s.State = older
			s.mu.Unlock()
			for range more {
				purge(b, "y")
			}
			if err := a.rounds.wait(ctx); err != nil {
				t.Fatal(err)
			}
			for name, stamps := range map[string][]Stamp{"y": stamps, "x": lost} {
				v := a.Judge(stamps, 0, time.Now())
				if v == Unknown {
					v = a.Confirm(ctx, stamps, 0)
				}
				if v != Purged {
					t.Errorf("%s is %v, want it purged", name, v)
				}
			}
		})
	}
}

func TestIdleTagsAreForgotten(t *testing.T) {
	t.Parallel()
	g := node(t, memory.New(time.Now))
	old := stamped(t, g, "old")
	g.mu.Lock()
	g.sweep(g.clock(time.Now().Add(time.Hour)))
	left := len(g.tags)
	g.mu.Unlock()
	if left != 0 {
		t.Errorf("%d tags are left", left)
	}
	if v := g.Judge(old, 0, time.Now()); v != Unknown {
		t.Errorf("%v of a forgotten tag", v)
	}
	if v := g.Confirm(ctx, old, 0); v != Current {
		t.Errorf("%v when it was asked for again", v)
	}
	if v := g.Judge(old, 0, time.Now()); v != Current {
		t.Errorf("%v after that", v)
	}
	for i := range 5 * minSweep {
		g.Remember([]Stamp{g.Stamp(fmt.Sprint(i), ID{1})})
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.tags) < 5*minSweep {
		t.Errorf("%d tags; those in use are forgotten", len(g.tags))
	}
}

// What was kept outlives tags that nobody uses for a while; tags that are opened anew do not go by what those knew.
// Whoever asks for ever other things that are kept under tags of their own does not fill the memory.
func TestTagsAreBounded(t *testing.T) {
	t.Parallel()
	g := node(t, memory.New(time.Now))
	g.most = 4 * minSweep
	hot := stamped(t, g, "hot")
	for i := range 50 * minSweep {
		g.Remember([]Stamp{g.Stamp(fmt.Sprint(i), ID{1})})
		if i%minSweep == 0 {
			g.Remember(hot)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.tags) > g.most || g.tags["hot"] == nil {
		t.Errorf("%d tags, want at most %d, and with them the one in use", len(g.tags), g.most)
	}
}

func TestStampsOfClosedTags(t *testing.T) {
	t.Parallel()
	s := memory.New(time.Now)
	a, b := node(t, s), node(t, s)
	stamps := stamped(t, a, "x")
	if v := a.Confirm(ctx, stamps, 0); v != Current {
		t.Fatal(v)
	}
	if v := b.Judge(stamps, 0, time.Now()); v != Purged {
		t.Errorf("%v without asking", v)
	}
	if v := b.Confirm(ctx, stamps, 0); v != Purged {
		t.Errorf("%v", v)
	}
}

// Nodes that keep, purge and check at once, with notices that are lost: what was made before a purge is current nowhere
// for who has seen the purge, and what was made after the last one is current in the end.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := newStore()
	s.deaf.Store(true)
	nodes := []*Tags{node(t, s), node(t, s), node(t, s)}
	var data, floor atomic.Uint64 // what is kept, and the position of the purge after it was last raised
	var writing sync.Mutex
	stop := make(chan struct{})
	var running sync.WaitGroup
	for i, g := range nodes {
		running.Go(func() { // a writer
			for range 100 {
				writing.Lock()
				data.Add(1)
				v, err := g.Purge(ctx, []string{"x"}, nil)
				if err != nil {
					t.Error(err)
				}
				floor.Store(v.Position)
				writing.Unlock()
			}
		})
		running.Go(func() { // a reader
			var kept uint64
			var stamps []Stamp
			for done := false; !done; {
				select {
				case <-stop:
					done = true
				default:
				}
				seen, at := floor.Load(), data.Load()
				writingNow := !writing.TryLock()
				if !writingNow {
					seen, at = floor.Load(), data.Load()
					writing.Unlock()
				}
				v := Unknown
				if stamps != nil {
					if v = g.Judge(stamps, seen, time.Now()); v == Unknown {
						v = g.Confirm(ctx, stamps, seen)
					}
				}
				if v == Current && !writingNow && kept < at {
					t.Errorf("node %d: %d is current for who has seen %d", i, kept, at)
					return
				}
				if v == Current {
					continue
				}
				fresh, err := g.Read(ctx, []string{"x"})
				if errors.Is(err, errOvertaken) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				kept = data.Load()
				if stamps = nil; g.Settle(ctx, &fresh, time.Hour) == nil {
					stamps = fresh.Stamps
				}
			}
		})
	}
	wait(t, "all is written", func() bool { return data.Load() == 300 })
	close(stop)
	running.Wait()
	for _, g := range nodes {
		if v := g.Confirm(ctx, stamped(t, g, "x"), 0); v != Current {
			t.Errorf("%v in the end", v)
		}
	}
}

// A node that uses no tags asks for nothing.
func TestIdleNodeAsksNothing(t *testing.T) {
	t.Parallel()
	s := newStore()
	g := node(t, s)
	stamped(t, g, "x")
	g.tailer.lastUse.Store(-int64(time.Hour))
	wait(t, "it is asleep", g.tailer.asleep.Load)
	before := s.asked.Load()
	if v := g.Confirm(ctx, stamped(t, g, "x"), 0); v != Current || s.asked.Load() == before {
		t.Errorf("%v after sleep, with %d questions", v, s.asked.Load()-before)
	}
}

func wait(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: it did not come to that", what)
		}
	}
}
