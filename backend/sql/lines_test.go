package sql

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/postgres"
	"github.com/sluiceapi/sluice/backend/sql/postgres/cluster"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// lined is a node on PostgreSQL whose reads go over lines.
func lined(t *testing.T, schema string, lines int) *node {
	t.Helper()
	n := stores[1].setup(t, schema, func(w *Where) { w.Pool.Max, w.Pool.Lines = 8, lines })
	n.openLine()
	return n
}

// openLine reads until a line has taken a read.
func (n *node) openLine() {
	n.t.Helper()
	h := n.must("GET /open", n.ask("SELECT 1 AS one", "one"))
	eventually(n.t, "a line is open", func() bool {
		_, err := run(h, exchange(""))
		return err == nil && n.lines().Reads > 0
	})
}

func (n *node) lines() cluster.LineStats {
	return n.backend().shards[0].database.(*pg).cluster.Status()[0].Lines
}

// TestLines answers what lines do not carry, and each statement in time, whatever others do.
func TestLines(t *testing.T) {
	t.Parallel()
	n := lined(t, "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 3000)", 1)
	for _, tt := range []struct {
		use          *Use
		body, answer string
		detour       postgres.Detour
	}{
		{n.ask("SELECT id FROM t WHERE id = $body.n", "one"), `{"n": 7}`, `{"id":7}`, postgres.Straight},
		{n.ask("SELECT id FROM t WHERE id < $body.n ORDER BY id", "many"), `{"n": 3}`, `[{"id":1},{"id":2}]`, postgres.Straight},
		{n.ask("SELECT count(*) FROM t WHERE id < $body.n", "count"), `{"n": 300}`, `{"count":299}`, postgres.Straight},
		{n.ask("SELECT id FROM t WHERE id < $body.n", "none"), `{"n": 300}`, ``, postgres.Straight},
		// 60 KB and more as JSON: it is streamed, from memory.
		{n.ask("SELECT 1 AS number, repeat('x', 100) AS t FROM t WHERE id <= $body.n", "many"), `{"n": 500}`,
			`[` + strings.Repeat(`{"number":1,"t":"`+strings.Repeat("x", 100)+`"},`, 499) + `{"number":1,"t":"` + strings.Repeat("x", 100) + `"}]`, postgres.Straight},
		{n.ask("SELECT $body.n::int AS n FROM pg_sleep(0.3)", "one"), `{"n": 3}`, `{"n":3}`, postgres.Slow},
		{n.ask("SELECT length(repeat('x', $body.n)) AS n, repeat('x', $body.n) AS x", "one"), `{"n": 100000}`,
			`{"n":100000,"x":"` + strings.Repeat("x", 100000) + `"}`, postgres.Large},
		{n.ask("SELECT 1 AS a FROM t WHERE id <= $body.n", "many"), `{"n": 3000}`, `[` + strings.Repeat(`{"a":1},`, 2999) + `{"a":1}]`, postgres.Large},
	} {
		h := n.must("GET /x", tt.use)
		before := n.lines()
		n.wants(h, tt.body, tt.answer)
		n.wants(h, tt.body, tt.answer)
		after := n.lines()
		// A machine that stands still for a moment makes what is quick slow.
		if after.Reads == before.Reads && after.Detours[postgres.Busy] == before.Detours[postgres.Busy] ||
			after.Reads > before.Reads && tt.detour != postgres.Straight && after.Detours[tt.detour] == before.Detours[tt.detour] {
			t.Errorf("%s: after %+v the lines have %+v; want %v", &tt.use.Query.SQL, before, after, tt.detour)
		}
	}
	h := n.must("POST /x", &Use{Query: query(t, "SELECT id FROM t WHERE id = $body.n"), Returns: "one"})
	before := n.lines().Reads
	n.fails(h, `{"n": "seven"}`, sluice.Unprocessable, msgUnfit)
	n.fails(h, `{"n": 7000}`, sluice.NotFound, "")
	long := n.must("POST /x", n.ask("SELECT length($body.n::text) AS n", "one"))
	n.wants(long, `{"n": "`+strings.Repeat("é", postgres.MaxErrand)+`"}`, fmt.Sprintf(`{"n":%d}`, postgres.MaxErrand))
	if got := n.lines().Reads; got > before+1 {
		t.Errorf("%d reads went over a line; want that of no row only", got-before)
	}
	write := n.must("POST /x", &Use{Query: query(t, "DELETE FROM t WHERE id = $body.n")})
	tx := n.must("GET /x", &Use{TX: []Step{{Query: query(t, "SELECT count(*) AS n FROM t"), As: "c"}}})
	before = n.lines().Reads
	n.wants(write, `{"n": 9}`, `{"count":1}`)
	n.wants(tx, ``, `{"n":2999}`)
	if got := n.lines().Reads; got != before {
		t.Error("a write or a transaction went over a line")
	}
}

// TestLinesComeBack tries a statement again that was slow.
func TestLinesComeBack(t *testing.T) {
	t.Parallel()
	n := lined(t, "", 1)
	h := n.must("GET /x", n.ask("SELECT $body.n::int AS n FROM pg_sleep($body.s)", "one"))
	eventually(t, "it was slow", func() bool {
		n.wants(h, `{"n": 1, "s": 0.3}`, `{"n":1}`)
		return n.lines().Detours[postgres.Slow] > 0
	})
	st := n.lines()
	eventually(t, "it goes over lines again", func() bool {
		n.wants(h, `{"n": 2, "s": 0}`, `{"n":2}`)
		return n.lines().Reads > st.Reads+5
	})
}

// TestLinesLocked holds that what waits for a lock does not hold up what does not.
func TestLinesLocked(t *testing.T) {
	t.Parallel()
	n := lined(t, "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)", 1)
	locked, free := n.must("GET /x", n.ask("SELECT id FROM t", "one")), n.must("GET /x", n.ask("SELECT $body.n::int AS n", "one"))
	n.wants(locked, "", `{"id":1}`)
	n.wants(free, `{"n": 1}`, `{"n":1}`)
	shard := n.backend().shards[0]
	other, err := shard.database.(*pg).cluster.Write(time.Time{})
	if err == nil {
		err = other.Conn.Ask(context.Background(), "BEGIN; LOCK TABLE t", nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 3 { // more than may run into the limit in one batch
		all.Go(func() { n.wants(locked, "", `{"id":1}`) })
	}
	for i := range 200 {
		n.wants(free, fmt.Sprintf(`{"n": %d}`, i), fmt.Sprintf(`{"n":%d}`, i))
	}
	eventually(t, "the reads wait for the lock on connections of their own", func() bool {
		rows, err := shard.query(context.Background(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
		return err == nil && rows[0][0] == "3"
	})
	left := exchange("")
	left.Deadline = time.Now().Add(50 * time.Millisecond)
	if _, err := run(locked, left); sluice.ErrorOf(err).Code != sluice.GatewayTimeout {
		t.Errorf("a read whose time ended while it waited for the lock: %v", err)
	}
	err = other.Conn.Ask(context.Background(), "COMMIT", nil)
	other.Release(err)
	all.Wait()
}

// TestLinesKilled holds that no read fails when the sessions of lines are ended, for they are sent once more.
func TestLinesKilled(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{})
	n, err := stores[1].start(t, at(p.URL("postgres")), func(w *Where) { w.Pool.Max, w.Pool.Lines = 8, 2 })
	if err != nil {
		t.Fatal(err)
	}
	h := n.must("GET /x", n.ask("SELECT $body.n::int AS n FROM pg_sleep(0.001)", "one"))
	var all sync.WaitGroup
	var stop atomic.Bool
	var answered atomic.Int64
	for i := range 16 {
		all.Go(func() {
			for !stop.Load() {
				n.wants(h, fmt.Sprintf(`{"n": %d}`, i), fmt.Sprintf(`{"n":%d}`, i))
				answered.Add(1)
			}
		})
	}
	for range 3 {
		before := answered.Load()
		eventually(t, "reads are answered", func() bool { return answered.Load() > before+200 })
		// One at a time, for a read that is killed twice fails.
		p.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluice' AND query LIKE '%pg_sleep(0.001)%' ORDER BY backend_start LIMIT 1")
	}
	stop.Store(true)
	all.Wait()
}

// TestLinesBusy holds that statements that are not quick do not queue for few lines while there are other connections.
func TestLinesBusy(t *testing.T) {
	t.Parallel()
	n := lined(t, "", 1)
	h := n.must("GET /x", n.ask("SELECT $body.n::int AS n FROM pg_sleep(0.003)", "one"))
	var all sync.WaitGroup
	var stop atomic.Bool
	for i := range 7 {
		all.Go(func() {
			for !stop.Load() {
				n.wants(h, fmt.Sprintf(`{"n": %d}`, i), fmt.Sprintf(`{"n":%d}`, i))
			}
		})
	}
	eventually(t, "some go elsewhere, while the line is at work", func() bool { return n.lines().Detours[postgres.Busy] > 20 })
	stop.Store(true)
	all.Wait()
}

// TestLinesExhausted bounds the wait for a line, and for a connection where there is none: then the client is told to come
// back.
func TestLinesExhausted(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{})
	const wait = 100 * time.Millisecond
	n, err := stores[1].start(t, at(p.URL("postgres")), func(w *Where) { w.Pool.Max, w.Pool.Lines, w.Pool.AcquireTimeout = 3, 1, wait })
	if err != nil {
		t.Fatal(err)
	}
	h := n.must("GET /x", n.ask("SELECT $body.n::int AS n", "one"))
	n.openLine()
	var held []*cluster.Lease
	for range 2 { // all that are no lines
		var l *cluster.Lease
		eventually(t, "there is a connection", func() bool {
			var err error
			l, err = n.backend().shards[0].database.(*pg).cluster.Write(time.Now().Add(time.Minute))
			return err == nil
		})
		held = append(held, l)
	}
	p.Freeze()
	var all sync.WaitGroup
	sent := n.lines().Reads
	all.Go(func() {
		eventually(t, "a read is answered", func() bool { // it is refused if a machine that is busy does not get to it in time
			got, err := run(h, exchange(`{"n": 2}`))
			return err == nil && got == `{"n":2}`
		})
	})
	eventually(t, "it is on the line", func() bool { return n.lines().Reads > sent })
	start := time.Now()
	e := n.fails(h, `{"n": 3}`, sluice.Unavailable, "all connections to the database are in use")
	if took := time.Since(start); e.RetryAfter == 0 || took < wait {
		t.Errorf("refused after %v, with Retry-After %v", took, e.RetryAfter)
	}
	p.Thaw()
	all.Wait()
	for _, l := range held {
		l.Release(nil)
	}
	n.wants(h, `{"n": 4}`, `{"n":4}`)
}
