package postgres

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

func pid(t *testing.T, c *Conn) string { return ask(t, c, "SELECT pg_backend_pid()") }

// TestKilled holds what is known when a server ends a session: while it is idle, and in each sort of statement.
func TestKilled(t *testing.T) {
	t.Parallel()
	config := setup(t, "CREATE TABLE a (id int)")
	killer := dial(t, config)
	kill := func(c *Conn) { ask(t, killer, "SELECT pg_terminate_backend("+pid(t, c)+")") }

	c := dial(t, config)
	if !c.Alive() {
		t.Fatal("it is not alive")
	}
	kill(c)
	until(t, "it is seen to be dead", func() bool { return !c.Alive() })
	if _, err := try(c, describe(t, killer, "SELECT 1 AS n"), Input{}); !IsGone(err) || !IsNotSent(err) {
		t.Errorf("on a dead connection: %v", err)
	}

	c = dial(t, config)
	insert := describe(t, c, "INSERT INTO a VALUES (1)")
	must(t, c.Prepare(t.Context(), insert))
	kill(c)
	if _, err := try(c, insert, Input{}); !IsGone(err) || c.Usable() {
		t.Errorf("on a connection that has just died: %v", err)
	}

	for _, tt := range []struct {
		name    string
		begin   bool
		reads   bool
		unknown bool
	}{{name: "statement"}, {name: "transaction", begin: true}, {name: "read", reads: true}} {
		c := dial(t, config)
		s := describe(t, c, "INSERT INTO a SELECT 1 FROM pg_sleep(60) -- "+tt.name)
		if tt.reads {
			s = describe(t, c, "SELECT pg_sleep(60) AS v -- "+tt.name)
			c.SetReadOnly(true)
		}
		if tt.begin {
			must(t, c.Begin(false))
		}
		done := make(chan error)
		go func() {
			_, err := try(c, s, Input{})
			done <- err
		}()
		until(t, "it runs and is ended", func() bool {
			return ask(t, killer, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(60)%-- "+tt.name+"' AND pid <> pg_backend_pid()") == "t"
		})
		if err := <-done; !IsGone(err) || IsUnknown(err) || codeOf(err) != "57P01" {
			t.Errorf("%s: %v", tt.name, err)
		}
		if c.Rollback(); c.Usable() {
			t.Errorf("%s: the connection is still used", tt.name)
		}
	}
}

// TestSevered holds what is known when the network ends a connection: whether a commit has been sent is what counts.
func TestSevered(t *testing.T) {
	t.Parallel()
	config := setup(t, "CREATE TABLE a (id int)")
	watch := dial(t, config)
	for _, tt := range []struct {
		name    string
		sql     string
		begin   bool
		reads   bool
		unknown bool
	}{
		{name: "write", sql: "INSERT INTO a SELECT 1 FROM pg_sleep(60)", unknown: true},
		{name: "function", sql: "SELECT pg_sleep(60) AS v", unknown: true},
		{name: "read", sql: "SELECT pg_sleep(60) AS v", reads: true},
		{name: "transaction", sql: "INSERT INTO a SELECT 1 FROM pg_sleep(60)", begin: true},
	} {
		c := dial(t, config)
		s := describe(t, c, tt.sql+" -- severed "+tt.name)
		must(t, c.Prepare(t.Context(), s)) // else it may be seen to run while it is only prepared
		c.SetReadOnly(tt.reads)
		if tt.begin {
			must(t, c.Begin(false))
		}
		done := make(chan error)
		go func() {
			_, err := try(c, s, Input{})
			done <- err
		}()
		until(t, "it runs", func() bool {
			return ask(t, watch, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%-- severed "+tt.name+"' AND pid <> pg_backend_pid()") == "1"
		})
		must(t, c.net.(*net.TCPConn).CloseRead())
		if err := <-done; !IsGone(err) || IsUnknown(err) != tt.unknown || IsNotSent(err) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	c := dial(t, config)
	insert := describe(t, c, "INSERT INTO a VALUES (1)")
	must(t, c.Prepare(t.Context(), insert))
	must(t, c.net.(*net.TCPConn).CloseWrite())
	if _, err := try(c, insert, Input{}); !IsGone(err) || !IsNotSent(err) {
		t.Errorf("not written: %v", err)
	}
}

// TestHears holds that what a server says to an idle connection is taken in.
func TestHears(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{})
	config, err := pgconn.ParseConfig(p.URL("postgres"))
	must(t, err)
	c := dial(t, config)
	other := dial(t, config)
	ask(t, c, "LISTEN news")
	for range 3 {
		ask(t, other, "NOTIFY news")
	}
	for range 100 { // some of it is heard, whenever it comes
		if !c.Alive() {
			t.Fatal("a server that says something is taken for dead")
		}
	}
	if got := c.Setting("default_transaction_read_only"); got != "off" {
		t.Errorf("got %q", got)
	}
	p.Set("default_transaction_read_only", "on")
	until(t, "the setting is heard", func() bool {
		run(t, c, describe(t, c, "SELECT 1 AS n"), Input{})
		return c.Alive() && c.Setting("default_transaction_read_only") == "on"
	})
	p.Stop(servers.Fast)
	until(t, "the end is heard", func() bool { return !c.Alive() })
	if _, err := Dial(t.Context(), config, Options{}); !IsGone(err) || !IsNotSent(err) {
		t.Errorf("no server: %v", err)
	}
}

func TestRefusedToDial(t *testing.T) {
	t.Parallel()
	config := setup(t)
	c := dial(t, config)
	must(t, c.Script(t.Context(), "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0", nil))
	config.Database = "ascii"
	if _, err := Dial(t.Context(), config, Options{}); err == nil || !strings.Contains(err.Error(), "SQL_ASCII") {
		t.Errorf("got %v", err)
	}
	config.Database = "missing"
	if _, err := Dial(t.Context(), config, Options{}); codeOf(err) != "3D000" {
		t.Errorf("got %v", err)
	}
}

// TestTLS holds that all of it works over TLS.
func TestTLS(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t, "test")
	p := servers.StartPostgres(t, servers.Options{TLS: a.Issue(servers.Leaf{})})
	config, err := pgconn.ParseConfig(strings.Replace(p.URL("postgres"), "sslmode=disable", "sslmode=require", 1))
	must(t, err)
	c := dial(t, config)
	if got := ask(t, c, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"); got != "t" {
		t.Fatalf("it is not encrypted: %s", got)
	}
	if !c.Alive() {
		t.Error("it is not alive")
	}
	s := describe(t, c, "SELECT pg_sleep($1) AS tls")
	run(t, c, s, values(t, "0.25")) // reads are resumed after their deadline
	if got := run(t, c, describe(t, c, "SELECT sum(length(v)) AS n FROM (SELECT repeat('x', 1000) AS v FROM generate_series(1, 10000)) x"), Input{}); got != `{"n":10000000}` {
		t.Errorf("got %s", got)
	}
	must(t, c.AsLine(t.Context(), lineTime))
	nap, text := describe(t, c, "SELECT 1 AS nap FROM pg_sleep($1)"), describe(t, c, "SELECT length(repeat('x', $1::int)) AS n, repeat('x', $1::int) AS x")
	c.wantBatch(t, `{"nap":1} {"n":1,"x":"x"} large {"n":2,"x":"xx"}`, nap, "0.25", text, "1", text, "200000", text, "2")
	other := dial(t, config)
	ask(t, other, "SELECT pg_terminate_backend("+pid(t, c)+")")
	until(t, "it is seen to be dead", func() bool { return !c.Alive() })
}

// TestGivenUp holds what becomes of rows that nobody reads to the end.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	config := setup(t)
	watch, c := dial(t, config), dial(t, config)
	s := describe(t, c, "SELECT generate_series(1, $1::int) AS n")
	r, err := c.Query(s, values(t, "1000"), later(), nil)
	must(t, err)
	r.Step()
	if _, err := c.Query(s, values(t, "1"), later(), nil); codeOf(err) != codeMisuse {
		t.Errorf("two at once: %v", err)
	}
	if c.Usable() {
		t.Error("usable with rows open")
	}
	r.Close()
	r.Close()
	if !c.Usable() || r.Step() {
		t.Error("a few rows were not passed over")
	}
	long := describe(t, c, "SELECT generate_series(1, $1::int) AS n -- given up")
	r, err = c.Query(long, values(t, "100000000"), later(), nil)
	must(t, err)
	r.Step()
	r.Close()
	if c.Usable() || r.Err() == nil {
		t.Error("the connection is still used")
	}
	until(t, "the server ends the statement", func() bool {
		return ask(t, watch, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%given up' AND pid <> pg_backend_pid()") == "0"
	})
}

// TestStream holds that a million rows take no more memory than one.
func TestStream(t *testing.T) {
	t.Parallel()
	c := open(t)
	s := describe(t, c, "SELECT generate_series(1, 1000000) AS n, repeat('x', 100) AS v")
	var before, after runtime.MemStats
	r, err := c.Query(s, Input{}, later(), nil)
	must(t, err)
	defer r.Close()
	runtime.ReadMemStats(&before)
	var buf []byte
	rows := 0
	for r.Step() {
		rows++
		buf = r.AppendRow(buf[:0])
	}
	must(t, r.Err())
	runtime.ReadMemStats(&after)
	if rows != 1e6 || string(buf) != fmt.Sprintf(`{"n":1000000,"v":"%s"}`, strings.Repeat("x", 100)) {
		t.Errorf("%d rows, the last %s", rows, buf)
	}
	t.Logf("%d kB allocated meanwhile, of other tests too", (after.TotalAlloc-before.TotalAlloc)>>10)
	if got := c.front.ReadBufferLen(); got != 0 {
		t.Errorf("%d bytes are left", got)
	}
}

func TestTooBig(t *testing.T) {
	t.Parallel()
	config := setup(t)
	c, err := Dial(t.Context(), config, Options{MaxMessage: 1 << 20})
	must(t, err)
	defer c.Close()
	s := describe(t, c, "SELECT repeat('x', $1) AS v")
	if got := run(t, c, s, values(t, "1000000")); len(got) != 1000000+len(`{"v":""}`) {
		t.Errorf("got %d bytes", len(got))
	}
	if _, err := try(c, s, values(t, "1100000")); !IsTooBig(err) || c.Usable() {
		t.Errorf("got %v", err)
	}
}

// TestLongValues holds that values longer than any buffer get through, both ways.
func TestLongValues(t *testing.T) {
	t.Parallel()
	c := open(t)
	s := describe(t, c, "SELECT $1::text AS v")
	want := `"` + strings.Repeat("ü", 4<<20) + `"`
	for range 2 {
		if got := run(t, c, s, values(t, want)); got != `{"v":`+want+`}` {
			t.Errorf("got %d bytes back, want %d", len(got), len(want))
		}
	}
}
