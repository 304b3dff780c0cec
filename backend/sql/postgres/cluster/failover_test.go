package cluster

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// TestFailover kills a primary and promotes a replica, brings the old primary back as it was, and then as a replica.
func TestFailover(t *testing.T) {
	t.Parallel()
	pg := servers.StartCluster(t, servers.Options{}, 2)
	p, r1, r2 := pg.Primary, pg.Replicas[0], pg.Replicas[1]
	p.Exec("CREATE TABLE t (n int)", "INSERT INTO t VALUES (0)")
	pg.Sync()
	s := open(t, nil, pg.URL("postgres"))
	s.states(map[*servers.Postgres]State{p: Leading, r1: Following, r2: Following})
	kept, _ := s.write("UPDATE t SET n = 1")
	pg.Sync()

	// A write that reaches no replica, and a lease that is out while the primary dies.
	r1.Stop(servers.Fast)
	r2.Stop(servers.Fast)
	lost, _ := s.write("UPDATE t SET n = 99")
	lease, err := s.Write(time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	p.Kill()
	r1.Restart()
	r2.Restart()
	until(t, "the primary is away and the replicas are back", func() bool {
		return s.status(p).State == Unreachable && s.status(r1).LagKnown && s.status(r2).LagKnown
	})

	// Writes wait, reads go on.
	var waiting sync.WaitGroup
	for range 20 {
		waiting.Go(func() {
			if l, err := s.Write(time.Time{}); err != nil {
				t.Errorf("a write that waited: %v", err)
			} else {
				if l.Server() != r1.Address() {
					t.Errorf("a write went to %s", l.Server())
				}
				_, err = run(l, "UPDATE t SET n = n + 1")
				l.Release(err)
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	until(t, "the writes wait", func() bool { return s.counts.waiting.Load() == 20 })
	if got := s.read("SELECT n FROM t", floor(kept)); got.value != "1" {
		t.Errorf("got %+v", got)
	}
	if _, err := s.Read(time.Now().Add(50*time.Millisecond), floor(lost)); err == nil {
		t.Error("a read that no replica can answer was answered")
	}
	r1.Promote()
	waiting.Wait()
	s.states(map[*servers.Postgres]State{r1: Leading, r2: OtherTimeline})
	lease.Release(nil) // its connection is dead, and of a time before
	if got := s.read("SELECT n FROM t", Want{}); got.value != "21" || got.server != r1.Address() || got.lost {
		t.Errorf("got %+v", got)
	}
	if got := s.read("SELECT n FROM t", floor(kept)); got.value != "21" || got.lost {
		t.Errorf("what was kept: got %+v", got)
	}
	if got := s.read("SELECT n FROM t", floor(lost)); got.server != r1.Address() || !got.lost {
		t.Errorf("what was lost: got %+v", got)
	}
	next := kept
	next.Timeline = 9
	if _, err := s.Read(time.Now().Add(50*time.Millisecond), floor(next)); err == nil {
		t.Error("a read that has seen a primary of the future was answered")
	}

	// The other replica comes over.
	r2.Follow(r1)
	s.states(map[*servers.Postgres]State{r2: Following})
	v, where := s.write("UPDATE t SET n = 30")
	if v.Timeline != 2 || where != r1.Address() {
		t.Errorf("got %+v on %s", v, where)
	}
	until(t, "the other replica has it", func() bool {
		got := s.read("SELECT n FROM t", floor(v))
		if got.value != "30" {
			t.Fatalf("got %+v", got)
		}
		return got.server == r2.Address()
	})
	if got := s.read("SELECT n FROM t", floor(kept)); got.server != r2.Address() || got.reason != CachedLSN {
		t.Errorf("what was kept: got %+v", got)
	}

	// The old primary comes back and knows nothing: nobody may go there.
	p.Restart()
	s.states(map[*servers.Postgres]State{p: Outdated, r1: Leading, r2: Following})
	for range 20 {
		if _, where := s.write("UPDATE t SET n = n + 1"); where != r1.Address() {
			t.Fatalf("a write went to %s", where)
		}
		if got := s.read("SELECT n FROM t", Want{}); got.server == p.Address() {
			t.Fatalf("got %+v", got)
		}
	}
	p.Rejoin(r1, "r0")
	s.states(map[*servers.Postgres]State{p: Following, r1: Leading, r2: Following})
	if n := s.counts.failovers.Load(); n != 1 {
		t.Errorf("%d failovers", n)
	}
	if log := s.log.String(); !strings.Contains(log, "the primary of the database is lost") || !strings.Contains(log, "has a primary again") {
		t.Errorf("the log says:\n%s", log)
	}
}

// TestOutdated holds that an old primary is not written to when the new one is away, once that was seen.
func TestOutdated(t *testing.T) {
	t.Parallel()
	pg := servers.StartCluster(t, servers.Options{}, 1)
	p, r := pg.Primary, pg.Replicas[0]
	s := open(t, nil, pg.URL("postgres"))
	s.states(map[*servers.Postgres]State{p: Leading, r: Following})
	r.Promote() // with the old one still there
	s.states(map[*servers.Postgres]State{p: Outdated, r: Leading})
	r.Kill()
	s.states(map[*servers.Postgres]State{p: Outdated, r: Unreachable})
	if _, err := s.Write(time.Now().Add(100 * time.Millisecond)); err == nil || !strings.Contains(err.Error(), "must not be written to") {
		t.Errorf("got %v", err)
	}
	r.Restart()
	s.states(map[*servers.Postgres]State{p: Outdated, r: Leading})
}

// TestTwo holds that of two primaries on one timeline none is written to.
func TestTwo(t *testing.T) {
	t.Parallel()
	pg := servers.StartCluster(t, servers.Options{}, 2)
	p, r1, r2 := pg.Primary, pg.Replicas[0], pg.Replicas[1]
	s := open(t, nil, pg.URL("postgres"))
	s.states(map[*servers.Postgres]State{p: Leading, r1: Following, r2: Following})
	p.Kill()
	s.states(map[*servers.Postgres]State{p: Unreachable})
	r1.Promote()
	r2.Promote()
	s.states(map[*servers.Postgres]State{r1: Disputed, r2: Disputed})
	_, err := s.Write(time.Now().Add(100 * time.Millisecond))
	if err == nil || !strings.Contains(err.Error(), "2 primaries on timeline 2") {
		t.Errorf("got %v", err)
	}
	r2.Stop(servers.Fast)
	s.states(map[*servers.Postgres]State{r1: Leading, r2: Unreachable})
	if _, where := s.write("CREATE TABLE t (n int)"); where != r1.Address() {
		t.Errorf("a write went to %s", where)
	}
}

// TestAhead holds that a primary is not trusted whose replica follows a newer one, that is not among the servers.
func TestAhead(t *testing.T) {
	t.Parallel()
	pg := servers.StartCluster(t, servers.Options{}, 2)
	p, r1, r2 := pg.Primary, pg.Replicas[0], pg.Replicas[1]
	s := open(t, nil, p.URL("postgres"), r2.URL("postgres"))
	s.states(map[*servers.Postgres]State{p: Leading, r2: Following})
	r1.Promote()
	r2.Follow(r1)
	s.states(map[*servers.Postgres]State{p: Disputed, r2: OtherTimeline})
	if _, err := s.Write(time.Now().Add(50 * time.Millisecond)); err == nil {
		t.Error("a primary that another has taken over from was written to")
	}
}

// TestFrozen holds that a server which stands still, with its connections open, is left out, and comes back.
func TestFrozen(t *testing.T) {
	t.Parallel()
	pg := servers.StartCluster(t, servers.Options{}, 1)
	p, r := pg.Primary, pg.Replicas[0]
	s := open(t, func(o *Options) { o.ProbeTimeout = 300 * time.Millisecond }, pg.URL("postgres"))
	s.states(map[*servers.Postgres]State{p: Leading, r: Following})
	s.read("SELECT 1", Want{})
	r.Freeze()
	until(t, "the frozen replica is left out", func() bool { return !s.status(r).State.Serves() })
	if got := s.read("SELECT 1", Want{}); got.server != p.Address() {
		t.Errorf("got %+v", got)
	}
	s.states(map[*servers.Postgres]State{r: Unreachable})
	if n := s.status(r).Pool.Idle; n != 0 {
		t.Errorf("%d connections to the frozen one are kept", n)
	}
	r.Thaw()
	s.states(map[*servers.Postgres]State{r: Following})
	p.Freeze()
	s.states(map[*servers.Postgres]State{p: Unreachable})
	if got := s.read("SELECT 1", Want{}); got.server != r.Address() {
		t.Errorf("got %+v", got)
	}
	done := make(chan error, 1)
	go func() {
		l, err := s.Write(time.Time{})
		if err == nil {
			l.Release(nil)
		}
		done <- err
	}()
	until(t, "the write waits", func() bool { return s.counts.waiting.Load() == 1 })
	p.Thaw()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestBrokenOff holds that nobody waits for a server that stands still once another can do it: what was read is read
// elsewhere, and of what was written nobody knows whether it is there. Where there is no other, it is waited for.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	pg := servers.StartCluster(t, servers.Options{}, 1)
	p, r := pg.Primary, pg.Replicas[0]
	p.Exec("CREATE TABLE t (n int)")
	pg.Sync()
	s := open(t, func(o *Options) { o.ProbeTimeout = 300 * time.Millisecond }, pg.URL("postgres"))
	s.states(map[*servers.Postgres]State{p: Leading, r: Following})
	hang := func(l *Lease, err error, sql string) chan error {
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := run(l, sql)
			l.Release(err)
			done <- err
		}()
		return done
	}
	read := func() (*Lease, error) { return s.Read(time.Time{}, Want{}) }
	write := func() (*Lease, error) { return s.Write(time.Time{}) }
	l, err := read()
	if err == nil && l.Server() != r.Address() {
		t.Fatalf("the read went to %s", l.Server())
	}
	r.Freeze()
	if err := <-hang(l, err, "SELECT count(*) FROM t"); !Retryable(err) {
		t.Errorf("a read of a frozen replica: %v; want one that may be run again", err)
	}
	r.Thaw()
	s.states(map[*servers.Postgres]State{r: Following})

	l, err = write()
	p.Freeze()
	waiting := hang(l, err, "INSERT INTO t VALUES (1)")
	s.states(map[*servers.Postgres]State{p: Unreachable})
	p.Thaw()
	if err := <-waiting; err != nil {
		t.Errorf("a write of a primary that nobody replaced: %v", err)
	}
	s.states(map[*servers.Postgres]State{p: Leading, r: Following})

	l, err = write()
	p.Freeze()
	waiting = hang(l, err, "INSERT INTO t VALUES (2)")
	s.states(map[*servers.Postgres]State{p: Unreachable})
	select {
	case err := <-waiting:
		t.Errorf("a write of a primary that nobody has replaced yet: %v", err)
	default:
	}
	r.Promote()
	if err := <-waiting; !gone(err) {
		t.Errorf("a write of a primary that was replaced: %v; want a connection that broke", err)
	}
	p.Thaw()
}

// TestLastStanding holds that reads go on while the primary is away for longer than a replica may be late.
func TestLastStanding(t *testing.T) {
	t.Parallel()
	pg := servers.StartCluster(t, servers.Options{}, 1)
	p, r := pg.Primary, pg.Replicas[0]
	s := open(t, func(o *Options) { o.MaxLag = 200 * time.Millisecond }, pg.URL("postgres"))
	s.states(map[*servers.Postgres]State{p: Leading, r: Following})
	v, _ := s.write("CREATE TABLE t AS SELECT 5 AS n")
	pg.Sync()
	until(t, "the replica is known to have it", func() bool { return s.read("SELECT n FROM t", floor(v)).server == r.Address() })
	p.Kill()
	s.states(map[*servers.Postgres]State{p: Unreachable, r: Lagging})
	for _, want := range []Want{{}, {Consistency: Eventual}, floor(v)} {
		if got := s.read("SELECT n FROM t", want); got.server != r.Address() || got.reason != LastStanding || got.value != "5" {
			t.Errorf("got %+v", got)
		}
	}
	_, err := s.Read(time.Now().Add(50*time.Millisecond), Want{Consistency: Strong})
	if e, ok := errors.AsType[*sluice.Error](err); !ok || e.Code != sluice.Unavailable {
		t.Errorf("got %v; want unavailable", err)
	}
	// One that has never seen the primary reads too, and promises nothing.
	late := open(t, nil, pg.URL("postgres"))
	late.states(map[*servers.Postgres]State{p: Unreachable, r: LagUnknown})
	if got := late.read("SELECT n FROM t", Want{}); got.value != "5" || got.known {
		t.Errorf("got %+v", got)
	}
	if _, err := late.Read(time.Now().Add(50*time.Millisecond), floor(v)); err == nil {
		t.Error("a read with a floor was answered by a server of which nothing is known")
	}
}
