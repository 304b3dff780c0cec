package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/postgres"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// statement is a statement that the primary has described, with the parameter n.
func (s *setup) statement(sql string) *postgres.Stmt {
	s.t.Helper()
	l, err := s.Write(time.Time{})
	if err != nil {
		s.t.Fatal(err)
	}
	stmt, err := l.Conn.Describe(s.t.Context(), sql)
	l.Release(err)
	if err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return stmt
}

// who is a caller that may leave.
type who struct{ ctx context.Context }

func (w who) Context() context.Context { return w.ctx }

// share is what a read of one row gives that goes over a line, where it ran and why.
func (s *setup) share(stmt *postgres.Stmt, n int, want Want) (read, error) {
	return s.shareUntil(stmt, n, want, time.Now().Add(patience), nil)
}

// shareUntil tries again where a statement is thought slow for a while, as it may be on a machine that is busy.
func (s *setup) shareUntil(stmt *postgres.Stmt, n int, want Want, deadline time.Time, by postgres.Contexter) (got read, err error) {
	s.t.Helper()
	until(s.t, "the statement is on a line", func() bool {
		got, err = s.shareOnce(stmt, n, want, deadline, by)
		return err != errTurned
	})
	return got, err
}

// errTurned is that of a read which should run on a connection of its own.
var errTurned = errors.New("no line took it")

func (s *setup) shareOnce(stmt *postgres.Stmt, n int, want Want, deadline time.Time, by postgres.Contexter) (got read, err error) {
	e := s.NewErrand()
	x := sluice.NewExchange(nil)
	x.SetInput(0, sluice.IntValue(int64(n)))
	if fits, err := s.Bind(e, stmt, &postgres.Input{Refs: numbered, X: x}); err != nil || !fits {
		s.Done(e)
		return got, cmp.Or(err, errTurned)
	}
	kept, err := s.Run(e, deadline, want, by)
	if !kept {
		return got, err
	}
	defer s.Done(e)
	if err != nil {
		return got, err
	}
	got = read{server: e.Server(), reason: e.reason, lost: e.Lost()}
	got.at, got.known = e.Version()
	switch d := e.Detour(); d {
	case postgres.Straight:
	case postgres.Busy:
		return got, errTurned
	default:
		return got, fmt.Errorf("a detour: %v", d)
	}
	for e.Step() {
		got.value += string(e.AppendRow(nil))
	}
	return got, e.Err()
}

// numbered is the reference to an input.
var numbered = func() []sluice.Reference {
	r, err := sluice.ParseReference("n")
	if err == nil {
		err = r.Bind(sluice.Scope{Endpoint: &sluice.Endpoint{Inputs: []sluice.Input{{Name: "n"}}}})
	}
	if err != nil {
		panic(err)
	}
	return []sluice.Reference{r}
}()

func withLines(n int) func(*Options) {
	return func(o *Options) { o.Pool.Max, o.Pool.Lines, o.ProbeTimeout = 8, n, patience }
}

// TestLines holds that reads on lines go where other reads go, with the same reasons and versions.
func TestLines(t *testing.T) {
	t.Parallel()
	pg := servers.StartCluster(t, servers.Options{}, 1)
	p, r := pg.Primary, pg.Replicas[0]
	p.Exec("CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)")
	pg.Sync()
	s := open(t, func(o *Options) { o.Pool.Max, o.Pool.Lines = 8, 2 }, pg.URL("postgres"))
	s.states(map[*servers.Postgres]State{p: Leading, r: Following})
	stmt := s.statement("SELECT n FROM t WHERE n > $1")
	both := func(want Want, server *servers.Postgres, reason Reason) {
		t.Helper()
		plain := s.read("SELECT n FROM t", want)
		got, err := s.share(stmt, 0, want)
		if err != nil {
			t.Fatal(err)
		}
		if got.server != server.Address() || got.reason != reason || plain.server != got.server || plain.reason != got.reason {
			t.Errorf("%+v on a line, %+v elsewhere; want %v for %v", got, plain, server.Address(), reason)
		}
		if got.value != `{"n":`+plain.value+`}` || !got.known || !got.at.Covers(plain.at) {
			t.Errorf("%+v on a line, %+v elsewhere", got, plain)
		}
	}
	both(Want{}, r, NoToken)
	both(Want{Consistency: Strong}, p, StrongRead)
	before, _ := s.write("UPDATE t SET n = 2")
	until(t, "the replica is known to have it", func() bool {
		got, err := s.share(stmt, 0, floor(before))
		return err == nil && got.reason == CachedLSN && got.value == `{"n":2}`
	})
	both(floor(before), r, CachedLSN)
	r.Pause()
	after, _ := s.write("UPDATE t SET n = 3")
	both(floor(after), p, NotReplayed)
	both(floor(before), r, CachedLSN)
	r.Resume()
	both(Want{Except: r.Address()}, p, PrimaryFallback)
	if st := s.status(p); st.Lines.Reads == 0 || st.Lines.Batches == 0 || st.Pool.Max != 8 {
		t.Errorf("the primary's lines are %+v, of %+v", st.Lines, st.Pool)
	}
}

// TestLinesShare has many callers read at once: each gets its own answer, over two connections.
func TestLinesShare(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{})
	s := open(t, withLines(2), p.URL("postgres"))
	stmt := s.statement("SELECT $1::int AS n, 10 / ($1::int % 7) AS q, pg_backend_pid() AS pid")
	var all sync.WaitGroup
	var pids sync.Map
	for caller := range 64 {
		all.Go(func() {
			for i := range 50 {
				n := caller*1000 + i
				got, err := s.share(stmt, n, Want{})
				if n%7 == 0 {
					if e, ok := errors.AsType[*postgres.Error](err); !ok || e.Code != "22012" {
						t.Errorf("%d: %v; want a division by zero", n, err)
					}
					continue
				}
				var gotN, q, pid int
				if _, scan := fmt.Sscanf(got.value, `{"n":%d,"q":%d,"pid":%d}`, &gotN, &q, &pid); err != nil || scan != nil || gotN != n || q != 10/(n%7) {
					t.Errorf("%d: got %s, %v, %v", n, got.value, err, scan)
				}
				pids.Store(pid, true)
			}
		})
	}
	all.Wait()
	used := 0
	pids.Range(func(any, any) bool { used++; return true })
	if used == 0 || used > 2 {
		t.Errorf("%d connections were used; want 2 at most", used)
	}
	if st := s.status(p).Lines; st.Reads != 64*50 || st.Batches > st.Reads || st.Queued != 0 {
		t.Errorf("%+v", st)
	}
}

// TestLinesLeft freezes a server with a read on each of its lines and others behind them: who leaves, whose time ends and
// who has waited for too long is told so, and whoever stays is answered when the server goes on, over the same connections.
func TestLinesLeft(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{})
	const acquire = 2 * maxPatience
	s := open(t, func(o *Options) {
		withLines(3)(o)
		o.Pool.MinIdle, o.Pool.AcquireTimeout = 8, acquire
	}, p.URL("postgres"))
	stmt := s.statement("SELECT $1::int AS n, pg_sleep(0)::text")
	var all sync.WaitGroup
	until(t, "all are open", func() bool { return s.status(p).Pool.Idle == 8 })
	p.Freeze()
	begun, sent := time.Now(), s.status(p).Lines.Reads
	onLine := func(read func()) {
		t.Helper()
		all.Go(read)
		sent++
		until(t, "a read is on a line", func() bool { return s.status(p).Lines.Reads == sent })
	}
	onLine(func() {
		if got, err := s.share(stmt, 2, Want{}); err != nil || got.value != `{"n":2,"pg_sleep":""}` {
			t.Errorf("who stayed got %+v, %v", got, err)
		}
	})
	ctx, leave := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	left := make(chan struct{})
	onLine(func() {
		_, err := s.shareUntil(stmt, 3, Want{}, time.Time{}, who{ctx})
		if !postgres.IsInterrupted(err) || !errors.Is(err, gone) {
			t.Errorf("who left was told %v", err)
		}
		close(left)
	})
	ended := make(chan struct{})
	onLine(func() {
		_, err := s.shareUntil(stmt, 4, Want{}, begun.Add(patience/10), nil)
		if !postgres.IsTimeout(err) && err != nil {
			t.Errorf("whose time had ended was told %v", err)
		}
		close(ended)
	})
	turned := s.status(p).Lines.Detours[postgres.Busy]
	start := time.Now()
	if _, err := s.shareOnce(stmt, 5, Want{}, time.Time{}, nil); err != errTurned || time.Since(start) < acquire/2 {
		t.Errorf("who was queued for too long was told %v after %v", err, time.Since(start))
	}
	if st := s.status(p).Lines; st.Detours[postgres.Busy] != turned+1 || st.Queued != 0 || st.Reads != sent {
		t.Errorf("%+v; want one that went elsewhere, and nobody in the queue", st)
	}
	over, stop := context.WithCancel(t.Context())
	stop()
	if _, err := s.shareUntil(stmt, 6, Want{}, time.Time{}, who{over}); !postgres.IsInterrupted(err) {
		t.Errorf("who left the queue was told %v", err)
	}
	if _, err := s.shareUntil(stmt, 7, Want{}, time.Now().Add(acquire/10), nil); !postgres.IsTimeout(err) {
		t.Errorf("whose time ended in the queue was told %v", err)
	}
	leave(gone)
	<-left
	dials := s.status(p).Pool.Dials
	p.Thaw()
	all.Wait()
	<-ended
	if got, err := s.share(stmt, 8, Want{}); err != nil || got.value != `{"n":8,"pg_sleep":""}` || s.status(p).Pool.Dials != dials {
		t.Errorf("%+v, %v after %d dials, before %d; want the lines as they were", got, err, s.status(p).Pool.Dials, dials)
	}
}

// TestLinesKilled ends the sessions of lines while reads are on them: those that were not answered can be run again.
func TestLinesKilled(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{})
	s := open(t, withLines(2), p.URL("postgres"))
	stmt := s.statement("SELECT $1::int AS n /* killed */")
	var all sync.WaitGroup
	var stop atomic.Bool
	var broken, answered atomic.Int64
	for caller := range 16 {
		all.Go(func() {
			for !stop.Load() {
				got, err := s.share(stmt, caller, Want{})
				switch {
				case err == nil && got.value == fmt.Sprintf(`{"n":%d}`, caller):
					answered.Add(1)
				case Retryable(err):
					broken.Add(1)
				default:
					t.Errorf("%s, %v", got.value, err)
					return
				}
			}
		})
	}
	for range 3 {
		before := answered.Load()
		until(t, "reads are answered", func() bool { return answered.Load() > before+100 })
		had := broken.Load()
		until(t, "a line breaks", func() bool {
			p.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluice' AND query LIKE 'SELECT%killed%'")
			return broken.Load() > had
		})
	}
	stop.Store(true)
	all.Wait()
}

// TestLinesClose closes a cluster whose server has frozen under a batch.
func TestLinesClose(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{})
	s := open(t, withLines(1), p.URL("postgres"))
	stmt := s.statement("SELECT $1::int AS n")
	if _, err := s.share(stmt, 1, Want{}); err != nil {
		t.Fatal(err)
	}
	p.Freeze()
	defer p.Thaw()
	var all sync.WaitGroup
	all.Go(func() {
		if got, err := s.share(stmt, 2, Want{}); err == nil {
			t.Errorf("a read was answered: %+v", got)
		}
	})
	until(t, "a read is on the line", func() bool { return s.status(p).Lines.Reads == 2 })
	all.Go(func() {
		_, err := s.share(stmt, 3, Want{})
		if e, ok := errors.AsType[*sluice.Error](err); !ok || e.Code != sluice.Unavailable {
			t.Errorf("who was queued was told %v", err)
		}
	})
	until(t, "another is queued", func() bool { return s.status(p).Lines.Queued == 1 })
	s.Close()
	all.Wait()
	if _, err := s.share(stmt, 4, Want{}); err == nil {
		t.Error("a read was answered on what is closed")
	}
}

// TestLinesDown tells at once that there is no line, and has them again when the server is back.
func TestLinesDown(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{})
	s := open(t, func(o *Options) {
		withLines(2)(o)
		o.ProbeTimeout = 0
	}, p.URL("postgres"))
	stmt := s.statement("SELECT $1::int AS n")
	p.Kill()
	until(t, "reads are refused", func() bool {
		_, err := s.shareOnce(stmt, 1, Want{}, time.Time{}, nil)
		e, ok := errors.AsType[*sluice.Error](err)
		if err == nil || !ok && err != errTurned && !Retryable(err) {
			t.Fatalf("got %v", err)
		}
		return ok && e.Code == sluice.Unavailable
	})
	p.Restart()
	until(t, "reads are answered", func() bool {
		got, err := s.shareOnce(stmt, 2, Want{}, time.Time{}, nil)
		return err == nil && got.value == `{"n":2}`
	})
}

// TestLinesRefused sends reads elsewhere at once where the server takes no more connections for lines.
func TestLinesRefused(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{})
	s := open(t, withLines(2), p.Database("shop"))
	stmt := s.statement("SELECT $1::int AS n")
	p.Exec("ALTER DATABASE shop ALLOW_CONNECTIONS false")
	before := s.status(p).Pool.Dials
	for range 5 {
		if _, err := s.shareOnce(stmt, 1, Want{}, time.Time{}, nil); err != errTurned {
			t.Errorf("got %v; want it sent elsewhere", err)
		}
	}
	if got := s.read("SELECT 1", Want{}); got.value != "1" {
		t.Errorf("got %+v elsewhere", got)
	}
	if st := s.status(p); st.Pool.Dials == before || st.Lines.Reads != 0 || st.State != Leading {
		t.Errorf("%+v; want that lines were tried", st)
	}
	p.Exec("ALTER DATABASE shop ALLOW_CONNECTIONS true")
	until(t, "there are lines", func() bool {
		got, err := s.shareOnce(stmt, 2, Want{}, time.Time{}, nil)
		return err == nil && got.value == `{"n":2}`
	})
}

// TestPoolLines has no lines where there would be too few connections for the rest.
func TestPoolLines(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ max, lines, idle, want, wantIdle int }{
		{1, 2, 1, 0, 0}, {2, 2, 2, 0, 0}, {3, 2, 1, 1, 0}, {4, 2, 4, 1, 1}, {5, 2, 5, 2, 2}, {16, 2, 2, 2, 1}, {16, 0, 2, 0, 0}, {16, 7, 16, 7, 7},
	} {
		p := Pool{Max: tt.max, Lines: tt.lines, MinIdle: tt.idle}
		if p.lines() != tt.want || p.idleLines() != tt.wantIdle || p.MinIdle-p.idleLines() > p.Max-p.lines() {
			t.Errorf("of %+v %d are lines, and %d are kept open", p, p.lines(), p.idleLines())
		}
	}
}

// TestLinesGeneration holds that what was queued for a server as it was before is not answered by it as it is now.
func TestLinesGeneration(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{})
	s := open(t, withLines(1), p.URL("postgres"))
	stmt := s.statement("SELECT $1::int AS n")
	if _, err := s.share(stmt, 1, Want{}); err != nil {
		t.Fatal(err)
	}
	n, e, x := s.servers[0].lines, s.NewErrand(), sluice.NewExchange(nil)
	x.SetInput(0, sluice.IntValue(2))
	until(t, "the statement is on lines", func() bool {
		fits, err := e.Bind(stmt, &postgres.Input{Refs: numbered, X: x})
		return err == nil && fits
	})
	before := s.status(p).Lines.Reads
	n.mu.Lock()
	e.generation = n.server.generation.Load() - 1
	e.state.Store(queued)
	n.push(e)
	n.rouse()
	n.mu.Unlock()
	<-e.signal
	if st := s.status(p).Lines; e.refused != errAgain || st.Reads != before || st.Queued != 0 {
		t.Errorf("it was told %v; %+v, before %d reads", e.refused, st, before)
	}
	s.Done(e)
}
