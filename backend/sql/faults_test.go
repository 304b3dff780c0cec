package sql

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// folders are migrations and a seed that both databases read.
func folders(t testing.TB) (dir string, change func(*Where)) {
	t.Helper()
	dir = t.TempDir()
	files(t, dir, map[string]string{
		"migrations/001_a.sql":          "-- +goose Up\nCREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n-- +goose Down\nDROP TABLE a;\n",
		"migrations/002_b.postgres.sql": "-- +goose Up\nCREATE TABLE b (id BIGINT PRIMARY KEY);\n-- +goose Down\nDROP TABLE b;\n",
		"migrations/002_b.sqlite.sql":   "-- +goose Up\nCREATE TABLE b (id INTEGER PRIMARY KEY);\n-- +goose Down\nDROP TABLE b;\n",
		"seed/01.sql":                   "INSERT INTO a VALUES (1, 'x');\nINSERT INTO a VALUES (2, 'y;');\n",
		"seed/02.postgres.sql":          "INSERT INTO b SELECT generate_series(1, 2);",
		"seed/02.sqlite.sql":            "INSERT INTO b SELECT id FROM a",
	})
	return dir, func(w *Where) {
		w.Schema = "CREATE TABLE IF NOT EXISTS c (id INT)"
		w.MigrationFiles, w.Seed = sluice.Path(filepath.Join(dir, "migrations")), sluice.Path(filepath.Join(dir, "seed"))
	}
}

// serverOf is a server of the test's own, which it may stop.
func serverOf(t testing.TB) *servers.Postgres {
	t.Helper()
	return servers.StartPostgres(t, servers.Options{})
}

func at(urls ...string) func(*Where) {
	return func(w *Where) {
		if len(urls) == 1 {
			w.URL = Servers{URL: URL{Server: sluice.Secret(urls[0])}}
			return
		}
		w.URL = Servers{}
		for i, url := range urls {
			w.Shards = append(w.Shards, sluice.Entry[Servers]{Name: string(rune('a' + i)), Value: Servers{URL: URL{Server: sluice.Secret(url)}}})
		}
		w.ShardBy = &ShardBy{Hash: "text"}
	}
}

// answers polls until an endpoint answers, and compares it.
func (n *node) answers(h sluice.Handler, body, want string) {
	n.t.Helper()
	eventually(n.t, "an answer", func() bool { _, err := run(h, exchange(body)); return err == nil })
	n.wants(h, body, want)
}

const msgLater = "the database cannot be reached yet"

// TestDownAtStart starts a node without its database: it is not ready and says so, and when the database comes it is
// migrated, filled and served.
func TestDownAtStart(t *testing.T) {
	t.Parallel()
	p := serverOf(t)
	p.Stop(servers.Fast)
	_, change := folders(t)
	begun := time.Now()
	n, err := stores[1].begin(t, at(p.URL("postgres")), change)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took > 3*patience {
		t.Errorf("the start took %v; want it bounded", took)
	}
	if what, open := n.held.state(); open != 1 || what[0] != "backend shop" {
		t.Errorf("held for %v, %d; want it held for the backend", what, open)
	}
	rows := n.must("GET /x", n.ask(countRows, "one"))
	page := n.must("GET /x", &Use{Query: query(t, "SELECT id FROM a"), Page: keyset(t, 1, "id")})
	write := n.must("POST /x", n.ask("DELETE FROM c", ""))
	broken := n.must("GET /broken", n.ask("SELECT nope FROM a", "many"))
	for _, h := range []sluice.Handler{rows, page, write, broken} {
		if e := n.fails(h, "", sluice.Unavailable, msgLater); e.RetryAfter == 0 {
			t.Error("the client is not told when to try again")
		}
	}
	if err := n.backend().Ping(t.Context()); err == nil {
		t.Error("the database is said to be there")
	}
	p.Restart()
	eventually(t, "ready", func() bool { _, open := n.held.state(); return open == 0 })
	n.wants(rows, "", `{"a":2,"b":2}`) // all endpoints are there when the node is ready
	n.wants(write, "", `{"count":0}`)
	if ids, next := turn(t, page, ""); len(ids) != 1 || next == "" {
		t.Errorf("the page gave %v and %q", ids, next)
	}
	if err := n.backend().Ping(t.Context()); err != nil {
		t.Error(err)
	}
	// A mistake that is found then is told, and leaks nothing.
	n.log.Await(t, "does not fit its tables", 1)
	if log := n.log.String(); !strings.Contains(log, `nope`) || !strings.Contains(log, `endpoint="GET /broken"`) {
		t.Errorf("the log does not name the mistake:\n%s", log)
	}
	n.fails(broken, "", sluice.Internal, "")
	// It is looked at again, for the tables may still be made.
	n.alter("ALTER TABLE a ADD COLUMN nope INT")
	n.answers(broken, "", `[{"nope":null},{"nope":null}]`)
}

// TestShardDownAtStart serves what is on the shards that are there.
func TestShardDownAtStart(t *testing.T) {
	t.Parallel()
	p := serverOf(t)
	one, _ := newDatabase(t)
	two, _ := newDatabase(t)
	where := at(one, two, p.URL("postgres"))
	schema := func(w *Where) { w.Schema = "CREATE TABLE IF NOT EXISTS kv (k TEXT PRIMARY KEY, v TEXT)" }
	p.Stop(servers.Fast)
	get := func() *Use {
		return &Use{Query: query(t, "SELECT count(*) AS n FROM kv WHERE k = $body.k"), Shard: reference(t, "body.k"), Returns: "one"}
	}
	// At the very first start nobody knows where the slots are, so all shards are waited for.
	n, err := stores[3].begin(t, where, schema)
	if err != nil {
		t.Fatal(err)
	}
	h := n.must("GET /x", get())
	n.fails(h, `{"k": "a"}`, sluice.Unavailable, msgLater)
	p.Restart()
	n.answers(h, `{"k": "a"}`, `{"n":0}`)
	// From then on only those are missed that are not there.
	p.Stop(servers.Fast)
	if n, err = stores[3].begin(t, where, schema); err != nil {
		t.Fatal(err)
	}
	if what, open := n.held.state(); open != 1 || what[0] != "backend shop, shard c" {
		t.Errorf("held for %v, %d; want it held for the shard", what, open)
	}
	h = n.must("GET /x", get())
	keys := map[string]string{} // one of each shard
	for i := 0; len(keys) < 3; i++ {
		k := "k" + strings.Repeat("x", i)
		at, _, _ := n.backend().split.find(sluice.TextValue([]byte(k)))
		keys[n.backend().shards[at].name] = `{"k": "` + k + `"}`
	}
	n.wants(h, keys["a"], `{"n":0}`)
	n.wants(h, keys["b"], `{"n":0}`)
	if e := n.fails(h, keys["c"], sluice.Unavailable, msgLater); e.RetryAfter == 0 {
		t.Error("the client is not told when to try again")
	}
	p.Restart()
	n.answers(h, keys["c"], `{"n":0}`)
	eventually(t, "ready", func() bool { _, open := n.held.state(); return open == 0 })
}

// TestCanary applies migrations to the first shard, and touches no other when that fails.
func TestCanary(t *testing.T) {
	t.Parallel()
	for _, s := range shardStores {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			dir, change := folders(t)
			where := s.where(t)
			files(t, dir, map[string]string{"migrations/003_c.sql": "-- +goose Up\nCREATE TALBE x (id INT);\n"})
			_, err := s.start(t, where, change)
			if err == nil || !strings.Contains(err.Error(), "migrations: shard a: ") || !strings.Contains(err.Error(), "003_c.sql") || strings.Contains(err.Error(), "shard b") {
				t.Errorf("%v; want the mistake, once, and the shard", err)
			}
			w := Kind.NewWhere().(*Where)
			where(w)
			for i, d := range w.databases() {
				db, err := w.openToMigrate(t.Context(), d, false)
				if err != nil {
					t.Fatal(err)
				}
				there, err := db.holds(t.Context(), "a")
				if err != nil || there != (i == 0) {
					t.Errorf("shard %d has the table: %v, %v; want it on the first only", i, there, err)
				}
				if err := db.close(); err != nil {
					t.Error(err)
				}
			}
			// What goes wrong on another shard is told too, and nobody waits for it.
			files(t, dir, map[string]string{"migrations/003_c.sql": "-- +goose Up\nCREATE TABLE x (id INT);\n"})
			onB := func(sql string) {
				t.Helper()
				db, err := w.openToMigrate(t.Context(), w.databases()[1], false)
				if err != nil {
					t.Fatal(err)
				}
				if err := errors.Join(db.transact(t.Context(), []script{{text: sql}}, false), db.close()); err != nil {
					t.Fatal(err)
				}
			}
			onB("CREATE TABLE x (id INT)")
			_, err = s.start(t, where, change)
			if err == nil || !strings.Contains(err.Error(), "migrations: shard b: ") || strings.Contains(err.Error(), "another shard") {
				t.Errorf("%v; want the mistake of shard b", err)
			}
			onB("DROP TABLE x")
			n, err := s.start(t, where, change)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range n.backend().shards {
				if there, err := s.holds(t.Context(), "x"); err != nil || !there {
					t.Errorf("shard %s has no table, %v", s.name, err)
				}
			}
		})
	}
}

// TestMigrateNever leaves migrations to sluice migrate: until then a statement has no table.
func TestMigrateNever(t *testing.T) {
	t.Parallel()
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			_, change := folders(t)
			where := s.where(t)
			never := func(w *Where) { change(w); w.Migrate, w.Seed = "never", "" }
			n, err := s.start(t, where, never)
			if err != nil {
				t.Fatal(err)
			}
			use := func() *Use {
				return &Use{Query: query(t, countRows), Returns: "one", Shard: reference(t, "body.tenant")}
			}
			if _, err := n.handle("GET /x", use()); err == nil || !strings.Contains(err.Error(), `a`) {
				t.Errorf("%v; want that there is no table", err)
			}
			w := Kind.NewWhere().(*Where)
			where(w)
			never(w)
			for i := range 2 {
				done, err := w.MigrateUp(t.Context())
				if err != nil || len(done) != 2-2*i {
					t.Errorf("%v, %v; want both applied, once", done, err)
				}
			}
			if all, err := w.Migrations(t.Context()); err != nil || len(all) != 2 || all[1].Applied.IsZero() || all[1].Name != "002_b."+s.dialect.key+".sql" {
				t.Errorf("%v, %v; want those of the dialect", all, err)
			}
			n.wants(n.must("GET /x", use()), tenant(""), `{"a":0,"b":0}`)
			if done, err := w.MigrateDown(t.Context()); err != nil || len(done) != 1 || done[0].Version != 2 {
				t.Errorf("%v, %v; want the second taken back", done, err)
			}
		})
	}
}

// TestStartTogether starts several nodes at once on new databases: they are migrated and filled once, and none fails.
func TestStartTogether(t *testing.T) {
	t.Parallel()
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			_, change := folders(t)
			where := s.where(t)
			var schema strings.Builder
			for i := range 20 {
				fmt.Fprintf(&schema, "CREATE TABLE IF NOT EXISTS s%d (id INT);", i)
			}
			for _, with := range []func(*Where){func(w *Where) { w.Schema = schema.String() }, func(w *Where) { change(w); w.Seed = "" }, change} {
				var wait sync.WaitGroup
				for range 4 {
					wait.Go(func() {
						n, err := s.start(t, where, with)
						if err != nil {
							t.Error(err)
							return
						}
						n.backend()
					})
				}
				wait.Wait()
			}
			n, err := s.start(t, where, change)
			if err != nil {
				t.Fatal(err)
			}
			n.wants(n.must("GET /x", &Use{Query: query(t, countRows), Returns: "one", Shard: reference(t, "body.tenant")}), tenant(""), `{"a":2,"b":2}`)
		})
	}
}

// TestKilled ends sessions on the server while they work: a read is answered by another one, and a write is never run
// twice.
func TestKilled(t *testing.T) {
	t.Parallel()
	s := stores[1]
	url, name := newDatabase(t)
	n, err := s.start(t, at(url), func(w *Where) { w.Schema = s.sql(people) })
	if err != nil {
		t.Fatal(err)
	}
	const nap = "pg_sleep(0.3)"
	read := n.must("GET /x", n.ask("SELECT id, "+nap+" IS NULL AS x FROM users WHERE id = 101", "one"))
	list := n.must("GET /x", n.ask("SELECT id, "+nap+" IS NULL AS x FROM users WHERE id = 101", "many"))
	reads := n.must("GET /x", &Use{TX: []Step{{Query: query(t, "SELECT id, "+nap+" IS NULL AS x FROM users WHERE id = 101"), As: "u"}}})
	page := n.must("GET /x", &Use{Query: query(t, "SELECT id, "+nap+" IS NULL AS x FROM users WHERE id = 101"), Page: keyset(t, 2, "id")})
	insert := "INSERT INTO orders (id, user_id, total) SELECT 'o' || random(), 101, CASE WHEN " + nap + " IS NULL THEN 1 END"
	single := n.must("POST /x", n.ask(insert, ""))
	one := n.must("POST /x", n.ask(insert+" RETURNING user_id", "one"))
	tx := n.must("POST /x", &Use{TX: []Step{{Query: query(t, insert)}, {Query: query(t, insert)}}})
	kill := func() {
		t.Helper()
		eventually(t, "a statement at work", func() bool {
			rows := shared.server.Rows("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+name+"' AND wait_event = 'PgSleep'")
			return len(rows) > 0
		})
	}
	served := func(h sluice.Handler) (string, error) {
		t.Helper()
		var got string
		var err error
		done := make(chan struct{})
		go func() {
			defer close(done)
			got, err = run(h, exchange(""))
		}()
		kill()
		<-done
		return got, err
	}
	const row = `{"id":101,"x":false}`
	for h, want := range map[sluice.Handler]string{read: row, list: "[" + row + "]", reads: row, page: `{"items":[` + row + `],"next":null}`} {
		if got, err := served(h); err != nil || got != want {
			t.Errorf("answered %s, %v; want %s", got, err, want)
		}
	}
	for _, h := range []sluice.Handler{single, one, tx} {
		_, err := served(h)
		if e := sluice.ErrorOf(err); err == nil || e.Code != sluice.Unavailable {
			t.Errorf("%v; want unavailable", err)
		}
	}
	n.answers(n.must("GET /x", n.ask("SELECT count(*) FROM orders", "count")), "", `{"count":0}`)
	n.idle()
}

// TestPrimaryRestarts serves again when the server is back, without a restart of the node.
func TestPrimaryRestarts(t *testing.T) {
	t.Parallel()
	p := serverOf(t)
	n, err := stores[1].start(t, at(p.URL("postgres")), func(w *Where) { w.Schema = stores[1].sql(people) })
	if err != nil {
		t.Fatal(err)
	}
	read := n.must("GET /x", n.ask("SELECT count(*) FROM users", "count"))
	write := n.must("POST /x", n.ask("UPDATE users SET age = 20 WHERE id = 101", ""))
	for _, stop := range []func(){func() { p.Stop(servers.Fast) }, func() { p.Stop(servers.Immediate) }, p.Kill} {
		n.answers(read, "", `{"count":3}`)
		n.answers(write, "", `{"count":1}`)
		stop()
		for _, h := range []sluice.Handler{read, write} {
			x := exchange("")
			x.Deadline = time.Now().Add(300 * time.Millisecond)
			_, err := run(h, x)
			if e := sluice.ErrorOf(err); err == nil || e.Code != sluice.Unavailable || e.RetryAfter == 0 && !strings.Contains(e.Message, "not known") {
				t.Errorf("%v, Retry-After %v; want unavailable", err, e.RetryAfter)
			}
		}
		p.Restart()
	}
	n.answers(read, "", `{"count":3}`)
	n.answers(write, "", `{"count":1}`)
	if _, open := n.held.state(); open != 0 {
		t.Error("a node that has been ready is held")
	}
}

// TestReloadWhileDown makes new endpoints while the database is away: it takes a moment, and they come to life with it.
func TestReloadWhileDown(t *testing.T) {
	t.Parallel()
	p := serverOf(t)
	n, err := stores[1].start(t, at(p.URL("postgres")), func(w *Where) { w.Schema = stores[1].sql(people) })
	if err != nil {
		t.Fatal(err)
	}
	p.Stop(servers.Fast)
	begun := time.Now()
	var all []sluice.Handler
	for range 10 {
		all = append(all, n.must("GET /x", n.ask("SELECT count(*) FROM users", "count")))
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("ten endpoints took %v", took)
	}
	for _, h := range all {
		n.fails(h, "", sluice.Unavailable, msgLater)
	}
	p.Restart()
	for _, h := range all {
		n.answers(h, "", `{"count":3}`)
	}
}
