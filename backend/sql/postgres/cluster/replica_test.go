package cluster

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/postgres"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

func TestReplicas(t *testing.T) {
	t.Parallel()
	pg := servers.StartCluster(t, servers.Options{}, 2)
	p, r1, r2 := pg.Primary, pg.Replicas[0], pg.Replicas[1]
	p.Exec("CREATE TABLE t (n int)", "INSERT INTO t VALUES (0)")
	pg.Sync()
	s := open(t, func(o *Options) { o.MaxLag = time.Second }, pg.URL("postgres"))
	select {
	case <-s.Reached():
	case <-time.After(patience):
		t.Fatalf("not reached: %v", s.Err())
	}
	s.states(map[*servers.Postgres]State{p: Leading, r1: Following, r2: Following})
	if err := errors.Join(s.Err(), s.Ping()); err != nil {
		t.Error(err)
	}

	// Reads go to both replicas, and not to the primary.
	taken := map[string]int{}
	for range 50 {
		got := s.read("SELECT n FROM t", Want{})
		taken[got.server]++
		if got.reason != NoToken || !got.known {
			t.Fatalf("got %+v", got)
		}
	}
	if taken[r1.Address()] == 0 || taken[r2.Address()] == 0 || taken[p.Address()] != 0 {
		t.Errorf("reads went to %v", taken)
	}
	if got := s.read("SELECT n FROM t", Want{Consistency: Strong}); got.server != p.Address() || got.reason != StrongRead {
		t.Errorf("a strong read went to %+v", got)
	}

	// What a caller has written it sees, while one replica stands still.
	r1.Pause()
	v, where := s.write("UPDATE t SET n = n + 1")
	if where != p.Address() || v.Source != 7 || v.Timeline != 1 || v.Position == 0 || v.Timed {
		t.Errorf("the write on %s is %+v", where, v)
	}
	for range 50 {
		got := s.read("SELECT n FROM t", floor(v))
		if got.value != "1" || got.server == r1.Address() {
			t.Fatalf("got %+v", got)
		}
		if got.reason == CachedLSN && !got.at.Covers(v) {
			t.Fatalf("read at %+v, which is not as new as %+v", got.at, v)
		}
	}
	until(t, "the other replica has it", func() bool { return s.read("SELECT n FROM t", floor(v)).server == r2.Address() })

	// The one that stands still is left out when it is too late, and is back when it is not.
	until(t, "the paused replica is left out", func() bool {
		s.write("UPDATE t SET n = n") // on an idle primary nobody is late
		return s.status(r1).State == Lagging
	})
	if st := s.status(r1); !st.LagKnown || st.Lag < time.Second || st.LagBytes == 0 || !strings.Contains(st.Why, "more than 1s late") {
		t.Errorf("got %+v", st)
	}
	for range 20 {
		if got := s.read("SELECT n FROM t", Want{}); got.server == r1.Address() {
			t.Fatal("a read went to the one that is too late")
		}
	}
	r1.Resume()
	s.states(map[*servers.Postgres]State{r1: Following})

	// One that is killed is left out, and so is the other: then the primary answers.
	r1.Kill()
	s.states(map[*servers.Postgres]State{r1: Unreachable})
	if got := s.read("SELECT n FROM t", Want{}); got.server != r2.Address() {
		t.Errorf("got %+v", got)
	}
	r2.Kill()
	s.states(map[*servers.Postgres]State{r2: Unreachable})
	if got := s.read("SELECT n FROM t", Want{}); got.server != p.Address() || got.value != "1" {
		t.Errorf("got %+v", got)
	}
	r1.Restart()
	s.states(map[*servers.Postgres]State{r1: Following})
	if log := s.log.String(); !strings.Contains(log, "left out") || strings.Contains(log, "the primary of the database is lost") {
		t.Errorf("the log says:\n%s", log)
	}
}

// TestAskReplicas holds that a read which no replica could answer yet has the replicas asked anew.
func TestAskReplicas(t *testing.T) {
	t.Parallel()
	pg := servers.StartCluster(t, servers.Options{}, 1)
	p, r := pg.Primary, pg.Replicas[0]
	s := open(t, func(o *Options) { o.ProbeInterval, o.MaxLag, o.TokenTTL = time.Hour, 24*time.Hour, 100*time.Hour }, pg.URL("postgres"))
	until(t, "all is known", func() bool {
		s.probeNow()
		return s.status(p).State == Leading && s.status(r).LagKnown
	})
	until(t, "nobody is asked any more", func() bool { return len(s.servers[1].kick) == 0 && s.status(r).Age > 4*leastPause })
	v, _ := s.write("CREATE TABLE t (n int)")
	if got := s.read("SELECT count(*) FROM t", floor(v)); got.server != p.Address() || got.reason != NotReplayed {
		t.Errorf("got %+v", got)
	}
	until(t, "the replica is known to have it", func() bool {
		return s.read("SELECT count(*) FROM t", floor(v)).server == r.Address()
	})
}

// TestIdle holds that no replica is late while nothing is written, however long.
func TestIdle(t *testing.T) {
	t.Parallel()
	pg := servers.StartCluster(t, servers.Options{}, 1)
	s := open(t, nil, pg.URL("postgres"))
	s.states(map[*servers.Postgres]State{pg.Primary: Leading, pg.Replicas[0]: Following})
	end := time.Now().Add(3 * time.Second)
	until(t, "three seconds have passed", func() bool { return time.Now().After(end) })
	until(t, "the replica is not late", func() bool { return s.status(pg.Replicas[0]).Lag < time.Second })
}

// TestProbes holds that probes need nothing of the pools: who uses up all connections does not look dead.
func TestProbes(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{})
	s := open(t, nil, p.URL("postgres"))
	s.states(map[*servers.Postgres]State{p: Leading})
	if s.Tokens() {
		t.Error("a server without replicas wants tokens")
	}
	var leases []*Lease
	for range 4 {
		l, err := s.Write(time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		leases = append(leases, l)
	}
	for _, want := range []Want{{}, {Consistency: Strong}} {
		_, err := s.Read(time.Now().Add(50*time.Millisecond), want)
		if e, ok := errors.AsType[*sluice.Error](err); !ok || e.Code != sluice.Unavailable || e.RetryAfter == 0 {
			t.Errorf("got %v; want unavailable", err)
		}
	}
	began := s.status(p).Age
	until(t, "it was asked again", func() bool { st := s.status(p); return st.State == Leading && st.Age < began+time.Second })
	if n := p.Value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sluice probe'"); n != "1" {
		t.Errorf("%s connections look after the server", n)
	}
	if st := s.status(p); st.State != Leading || st.Pool.InUse != 4 || st.InFlight != 4 || st.Pool.Exhausted != 2 {
		t.Errorf("got %+v", st)
	}
	for _, l := range leases {
		l.Release(nil)
	}
	if got := s.read("SELECT 1", Want{}); got.reason != OnlyServer {
		t.Errorf("got %+v", got)
	}
}

// TestReadOnly holds that PostgreSQL refuses to write for a read, that this is no failover, and that a write which is
// refused so is one.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{})
	p.Exec("CREATE TABLE t (n int)")
	s := open(t, nil, p.URL("postgres"))
	s.states(map[*servers.Postgres]State{p: Leading})
	l, err := s.Read(time.Time{}, Want{})
	if err != nil {
		t.Fatal(err)
	}
	generation := l.generation
	_, err = run(l, "INSERT INTO t VALUES (1)")
	if !postgres.IsReadOnly(err) {
		t.Errorf("got %v; want 25006", err)
	}
	l.Release(err)
	if s.servers[0].generation.Load() != generation {
		t.Error("a read that wanted to write made a failover")
	}
	s.write("INSERT INTO t VALUES (1)")

	l, err = s.Write(time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = run(l, "SET transaction_read_only = on; INSERT INTO t VALUES (1)")
	l.Release(err)
	if !postgres.IsReadOnly(err) || s.servers[0].generation.Load() == generation {
		t.Errorf("a write that was refused as read-only made no failover: %v", err)
	}
	s.write("INSERT INTO t VALUES (1)") // once the server has said that it still is the primary
}

// TestTerminated holds that the end of one connection drops all, that the read may be run again, and that what waits
// finds the server again.
func TestTerminated(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{})
	s := open(t, nil, p.URL("postgres"))
	s.states(map[*servers.Postgres]State{p: Leading})
	s.read("SELECT 1", Want{})
	l, err := s.Read(time.Time{}, Want{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = run(l, "SELECT pg_terminate_backend(pg_backend_pid())")
	if !Retryable(err) {
		t.Errorf("got %v; want an error after which a read may be run again", err)
	}
	generation := l.generation
	l.Release(err)
	if s.servers[0].generation.Load() == generation {
		t.Error("the connections were kept")
	}
	if got := s.read("SELECT 7", Want{}); got.value != "7" {
		t.Errorf("got %+v", got)
	}
}

func TestDownAtStart(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{})
	p.Stop(servers.Fast)
	s := open(t, func(o *Options) { o.WriteWait = 200 * time.Millisecond }, p.URL("postgres"))
	s.states(map[*servers.Postgres]State{p: Unreachable})
	if err := s.Ping(); err == nil || !strings.Contains(err.Error(), p.Address()) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v; want the server, and why", err)
	}
	select {
	case <-s.Reached():
		t.Error("reached, while it is down")
	default:
	}
	start := time.Now()
	_, err := s.Write(time.Time{})
	if e, ok := errors.AsType[*sluice.Error](err); !ok || e.Code != sluice.Unavailable || time.Since(start) < 200*time.Millisecond {
		t.Errorf("%v after %v; want unavailable after WriteWait", err, time.Since(start))
	}
	start = time.Now()
	if _, err = s.Write(start.Add(20 * time.Millisecond)); err == nil || time.Since(start) > 190*time.Millisecond {
		t.Errorf("%v after %v; want unavailable at the deadline", err, time.Since(start))
	}
	p.Restart()
	select {
	case <-s.Reached():
	case <-time.After(patience):
		t.Fatalf("not reached: %v", s.Err())
	}
	if got := s.read("SELECT 1", Want{}); got.value != "1" || s.Err() != nil {
		t.Errorf("got %+v, %v", got, s.Err())
	}
}

// TestUnlike holds that servers of two databases are not taken for one.
func TestUnlike(t *testing.T) {
	t.Parallel()
	all := servers.StartShards(t, servers.Options{}, 2, 1)
	a, b := all[0], all[1]
	s := open(t, nil, a.Primary.URL("postgres"), b.Replicas[0].URL("postgres"))
	s.states(map[*servers.Postgres]State{a.Primary: Leading, b.Replicas[0]: Foreign})
	if got := s.read("SELECT 1", Want{}); got.server != a.Primary.Address() {
		t.Errorf("got %+v", got)
	}
	both := open(t, func(o *Options) { o.WriteWait = time.Millisecond }, a.Primary.URL("postgres"), b.Primary.URL("postgres"))
	until(t, "one is the primary or both are in dispute", func() bool {
		x, y := both.status(a.Primary).State, both.status(b.Primary).State
		return x == Leading && y == Foreign || x == Foreign && y == Leading || x == Disputed && y == Disputed
	})
}

// TestPlaces holds that an address of a replica is never written to, and that of a primary alone is.
func TestPlaces(t *testing.T) {
	t.Parallel()
	pg := servers.StartCluster(t, servers.Options{}, 1)
	p, r := pg.Primary, pg.Replicas[0]
	at := func(place Place, p *servers.Postgres) []Server {
		list, err := Parse(p.URL("postgres"), "")
		if err != nil {
			t.Fatal(err)
		}
		return At(place, list)
	}
	s := open(t, func(o *Options) { o.Servers = append(at(Primary, p), at(Replica, r)...) })
	s.states(map[*servers.Postgres]State{p: Leading, r: Following})
	wrong := open(t, func(o *Options) {
		o.Servers, o.WriteWait = append(at(Primary, r), at(Replica, p)...), time.Millisecond
	})
	wrong.states(map[*servers.Postgres]State{p: Misplaced, r: LagUnknown})
	_, err := wrong.Write(time.Time{})
	if err == nil || !strings.Contains(err.Error(), "it is a replica") {
		t.Errorf("got %v", err)
	}
}

// TestBudget holds that what a server takes is asked of it.
func TestBudget(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{Settings: map[string]string{"max_connections": "23", "superuser_reserved_connections": "3"}})
	s := open(t, nil, p.URL("postgres"))
	if got := s.Budget(1000); len(got) != 0 && s.status(p).Connections == 0 {
		t.Errorf("judged before it was reached: %v", got)
	}
	s.states(map[*servers.Postgres]State{p: Leading})
	if got := s.Budget(4); len(got) != 0 { // 4 nodes with 4 and 1
		t.Errorf("got %v", got)
	}
	got := s.Budget(5)
	if len(got) != 1 || !strings.Contains(got[0], "takes 20 connections, and 5 nodes with 5 each need 25; want pool.max at most 3") {
		t.Errorf("got %v", got)
	}
}

// TestBlind holds that a role which may not see what a replica receives gets on.
func TestBlind(t *testing.T) {
	t.Parallel()
	pg := servers.StartCluster(t, servers.Options{}, 1)
	pg.Primary.Exec("CREATE ROLE app LOGIN")
	pg.Sync()
	url := strings.Replace(pg.URL("postgres"), "postgres@", "app@", 1)
	s := open(t, nil, url)
	s.states(map[*servers.Postgres]State{pg.Primary: Leading, pg.Replicas[0]: Following})
}

// TestTimed holds that a server which tells no places is read from by time.
func TestTimed(t *testing.T) {
	t.Parallel()
	pg := servers.StartCluster(t, servers.Options{}, 1)
	p, r := pg.Primary, pg.Replicas[0]
	p.Exec("CREATE ROLE app LOGIN", "CREATE TABLE t (n int)", "INSERT INTO t VALUES (0)", "GRANT ALL ON t TO app",
		"REVOKE EXECUTE ON FUNCTION pg_last_wal_replay_lsn() FROM PUBLIC")
	pg.Sync()
	s := open(t, nil, strings.Replace(pg.URL("postgres"), "postgres@", "app@", 1))
	until(t, "both were seen", func() bool { return s.status(p).State == Leading && s.status(r).State != Unknown })
	v, _ := s.write("UPDATE t SET n = 1")
	if !v.Timed || v.Position < uint64(time.Now().Add(-time.Minute).UnixMilli()) {
		t.Errorf("the write is %+v", v)
	}
	if got := s.read("SELECT n FROM t", floor(v)); got.server != p.Address() || got.value != "1" || got.reason != NotReplayed {
		t.Errorf("got %+v", got)
	}
	until(t, "the replica is known to have it", func() bool {
		s.write("UPDATE t SET n = n") // the time of a replica is that of the last commit
		got := s.read("SELECT n FROM t", floor(v))
		if got.value != "1" {
			t.Fatalf("got %+v", got)
		}
		return got.server == r.Address() && got.reason == CachedLSN && got.at.Covers(v)
	})
}

// TestReadAlloc holds that to choose a server and to lend a connection allocates nothing.
func TestReadAlloc(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	pg := servers.StartCluster(t, servers.Options{}, 1)
	s := open(t, func(o *Options) { o.ProbeInterval, o.TokenTTL = time.Minute, time.Hour }, pg.URL("postgres"))
	until(t, "all is known", func() bool {
		s.probeNow()
		return s.status(pg.Replicas[0]).LagKnown
	})
	want := Want{Floor: sluice.Version{Source: 7, Timeline: 1, Position: 1}, HasFloor: true}
	s.read("SELECT 1", want)
	deadline := time.Now().Add(time.Hour)
	if n := testing.AllocsPerRun(1000, func() {
		l, err := s.Read(deadline, want)
		if err != nil {
			t.Fatal(err)
		}
		l.Release(nil)
	}); n != 0 {
		t.Errorf("%v allocations; want 0", n)
	}
}

func BenchmarkRead(b *testing.B) {
	pg := servers.StartCluster(b, servers.Options{}, 1)
	list, err := Parse(pg.URL("postgres"), "")
	if err != nil {
		b.Fatal(err)
	}
	c, err := Open(Options{Servers: list})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	<-c.Reached()
	b.ReportAllocs()
	for b.Loop() {
		l, err := c.Read(time.Time{}, Want{})
		if err != nil {
			b.Fatal(err)
		}
		l.Release(nil)
	}
}
