package postgres

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// quickly runs statements on a line that are all known to be quick, as tryBatch does.
func (c *Conn) quickly(t testing.TB, asked ...any) string {
	t.Helper()
	for i := 0; i < len(asked); i += 2 {
		quick(asked[i].(*Stmt))
	}
	var err error
	got := c.tryBatch(t, &err, asked...)
	must(t, err)
	return strings.Join(got, " ")
}

// TestGroupKeepsSettings holds that a setting which is local to a caller's transaction is no other caller's: with it, row
// security would show them each other's rows.
func TestGroupKeepsSettings(t *testing.T) {
	t.Parallel()
	config := setup(t, "CREATE TABLE notes (id int, tenant text)", "INSERT INTO notes VALUES (1, 'a'), (2, 'b')",
		"ALTER TABLE notes ENABLE ROW LEVEL SECURITY", "CREATE POLICY own ON notes USING (tenant = current_setting('app.tenant', true))")
	c := dial(t, config)
	role := "reader_" + config.RuntimeParams["search_path"]
	must(t, c.Script(t.Context(), "CREATE ROLE "+role+"; GRANT USAGE ON SCHEMA "+config.RuntimeParams["search_path"]+" TO "+role+"; GRANT SELECT ON notes TO "+role, nil))
	config.RuntimeParams["role"] = role
	l := dial(t, config)
	must(t, l.AsLine(t.Context(), lineTime))
	as := describe(t, l, "SELECT id FROM (SELECT set_config('app.tenant', $1::text, true)) AS s, notes")
	open := describe(t, l, "SELECT id FROM notes WHERE $1::int > 0")
	for range 2 {
		if got := l.quickly(t, as, `"a"`, open, "1"); got != `{"id":1} ` {
			t.Errorf("tenant a, and who is no tenant, see %s", got)
		}
	}
}

// TestGroupKeepsNotifications holds that a notification is not lost with what fails behind it.
func TestGroupKeepsNotifications(t *testing.T) {
	t.Parallel()
	config := setup(t)
	c := dial(t, config)
	must(t, c.AsLine(t.Context(), lineTime))
	channel := config.RuntimeParams["search_path"]
	heard := make(chan string, 10)
	listening := config.Copy()
	listening.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) { heard <- n.Payload }
	raw, err := pgconn.ConnectConfig(t.Context(), listening)
	must(t, err)
	t.Cleanup(func() { _ = raw.Close(context.Background()) })
	_, err = raw.Exec(t.Context(), "LISTEN "+channel).ReadAll()
	must(t, err)
	notify, divide := describe(t, c, "SELECT pg_notify('"+channel+"', $1::text)::text AS n"), describe(t, c, "SELECT 1 / $1::int AS q")
	for _, payload := range []string{"one", "two"} {
		divide.pace.erred.Store(0)
		if got := c.quickly(t, notify, `"`+payload+`"`, divide, "0"); got != `{"n":""} 22012` {
			t.Fatalf("got %s", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := raw.WaitForNotification(ctx)
		cancel()
		if err != nil {
			t.Fatalf("%s was told to nobody: %v", payload, err)
		}
		if got := <-heard; got != payload {
			t.Errorf("heard %s, want %s", got, payload)
		}
	}
}

// TestGroupKeepsLocks holds that a lock which is local to a caller's transaction does not stay for what comes behind.
func TestGroupKeepsLocks(t *testing.T) {
	t.Parallel()
	config := setup(t, "CREATE TABLE t (id int)", "INSERT INTO t VALUES (1)")
	c, blocker, other := dial(t, config), dial(t, config), dial(t, config)
	must(t, c.AsLine(t.Context(), silence/2))
	lock, row := describe(t, c, "SELECT pg_try_advisory_xact_lock($1::bigint) AS mine"), describe(t, c, "SELECT id FROM t WHERE id = $1")
	key := ask(t, other, "SELECT oid FROM pg_namespace WHERE nspname = current_schema") // no other test has it
	c.quickly(t, lock, key, row, "1")                                                   // both are prepared then
	must(t, blocker.Script(t.Context(), "BEGIN; LOCK TABLE t", nil))
	free := make(chan string, 1)
	go func() { free <- whileWaiting(other, "t", "SELECT pg_try_advisory_xact_lock("+key+")", blocker) }()
	if got := c.quickly(t, lock, key, row, "1"); got != `{"mine":true} {"id":1}` {
		t.Errorf("got %s", got)
	}
	if got := <-free; got != "t" {
		t.Errorf("while another statement runs the lock is free: %s", got)
	}
}

// whileWaiting is what a query says when a session waits for a table; then the blocker lets it have that.
func whileWaiting(c *Conn, table, query string, blocker *Conn) (said string) {
	ctx := context.Background()
	defer func() { _ = blocker.Script(ctx, "COMMIT", nil) }()
	waits := ""
	for end := time.Now().Add(silence / 2); waits != "t" && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		err := c.Ask(ctx, "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = '"+table+"'::regclass AND NOT granted)", func(v [][]byte) { waits = string(v[0]) })
		if err != nil {
			return err.Error()
		}
	}
	if err := c.Ask(ctx, query, func(v [][]byte) { said = string(v[0]) }); err != nil {
		return err.Error()
	}
	return said
}

// TestGroupSerializable holds that serializable transactions, which may fail when they end, are not shared.
func TestGroupSerializable(t *testing.T) {
	t.Parallel()
	config := setup(t, "CREATE TABLE t (id int PRIMARY KEY, n int)", "INSERT INTO t VALUES (1, 1)")
	for isolation, want := range map[string]bool{"read committed": true, "repeatable read": true, "serializable": false} {
		config := config.Copy()
		config.RuntimeParams["default_transaction_isolation"] = isolation
		c := dial(t, config)
		must(t, c.AsLine(t.Context(), lineTime))
		row := describe(t, c, "SELECT n FROM t WHERE id = $1")
		if got := c.quickly(t, row, "1", row, "1"); got != `{"n":1} {"n":1}` || c.batch.group > 0 != want {
			t.Errorf("%s: got %s, %d in a group", isolation, got, c.batch.group)
		}
	}
}

// TestSteady holds of which statements it is shown that they call no volatile function.
func TestSteady(t *testing.T) {
	t.Parallel()
	config := setup(t, `CREATE TABLE a (id int PRIMARY KEY, name text, tags text[], doc jsonb, at timestamptz, n numeric(10,2));
		CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a, schedule text);
		CREATE TABLE guarded (id int); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
		CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
		CREATE FUNCTION wild(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
		CREATE FUNCTION "Wild one"() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
		CREATE FUNCTION "a""b"() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
		CREATE FUNCTION wild$er() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
		CREATE FUNCTION schedule(text, text) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
		CREATE FUNCTION name() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		CREATE FUNCTION of_row(a) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
		CREATE FUNCTION calm(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT max(id) + $1 FROM a';
		CREATE FUNCTION calmer(n int, m int DEFAULT 2) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 + m; END';
		CREATE FUNCTION defaulted(n int, m int DEFAULT wild(1)) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN $1; END';
		CREATE FUNCTION liar(text) RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN set_config('app.tenant', $1, true); END $$;
		CREATE FUNCTION atomic_liar(n int) RETURNS int LANGUAGE sql STABLE BEGIN ATOMIC SELECT wild(n); END;
		CREATE FUNCTION far_liar(text) RETURNS text LANGUAGE sql STABLE AS 'SELECT liar($1)';
		CREATE POLICY calm ON guarded USING (id > calm(1));
		CREATE TABLE guarded2 (id int); ALTER TABLE guarded2 ENABLE ROW LEVEL SECURITY; CREATE POLICY wild ON guarded2 USING (wild(id) NOT IN (SELECT id FROM b));
		CREATE VIEW calm_view AS SELECT a.id, count(*) FROM a JOIN b ON b.a = a.id GROUP BY a.id ORDER BY 1 LIMIT 3;
		CREATE VIEW wild_view AS SELECT wild(id) AS id FROM a;
		CREATE VIEW wild_limit AS SELECT id FROM a LIMIT wild(3);
		CREATE VIEW wild_values AS SELECT * FROM (VALUES (wild(1)), (2)) AS v;
		CREATE VIEW wild_not_in AS SELECT id FROM a WHERE wild(id) NOT IN (SELECT id FROM b);
		CREATE VIEW wild_frame AS SELECT id, count(*) OVER (ORDER BY id ROWS wild(1) PRECEDING) FROM a;
		CREATE VIEW "Of it" AS SELECT id FROM wild_limit`)
	c := dial(t, config)
	must(t, c.AsLine(t.Context(), time.Minute))
	for want, list := range map[bool][]string{
		true: {
			"SELECT id, name FROM a WHERE id = $1",
			"SELECT * FROM a",
			"SELECT a.name, b.schedule FROM a JOIN b ON b.a = a.id WHERE a.id = ANY ($1::int[]) ORDER BY a.name DESC LIMIT 10 OFFSET $2",
			"SELECT a.id FROM a LEFT JOIN b ON b.a = a.id WHERE b.id IS NULL AND a.name ILIKE $1 || '%'",
			"SELECT count(*), max(at), sum(n), avg(n)::float8, array_agg(DISTINCT name ORDER BY name) FILTER (WHERE id > 1) FROM a",
			"SELECT coalesce(name, '-') AS name, nullif(id, 0) AS id, greatest(id, 2) AS g, CASE WHEN id IN (1, 2) THEN 'x' ELSE upper(name) END AS c FROM a",
			"SELECT json_build_object('id', id, 'b', (SELECT json_agg(b) FROM b WHERE b.a = a.id)) AS doc FROM a WHERE id = $1",
			"SELECT jsonb_agg(to_jsonb(a)) AS all, row_number() OVER (ORDER BY id) AS n FROM a GROUP BY id",
			"SELECT doc ->> 'x' AS x, doc @> $1::jsonb AS y FROM a WHERE doc @? '$.a[*] ? (@ > 2)'",
			"SELECT id FROM a WHERE at > now() - interval '1 day' AND at::date = current_date AND extract(year FROM at) = 2026",
			"SELECT id FROM a WHERE name = current_setting('app.tenant', true) AND position('x' IN name) > 0",
			"SELECT name FROM a WHERE id NOT IN (SELECT a FROM b)",
			"SELECT id FROM a UNION ALL SELECT id FROM b ORDER BY 1",
			"WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < $1) SELECT n FROM r",
			"SELECT t.n, $1::int AS v FROM generate_series(1, 3) AS t(n), unnest(ARRAY[1, 2]) AS u",
			"SELECT column1 FROM (VALUES (1), ($1::int)) AS v",
			"SELECT id FROM p WHERE id = $1",
			"SELECT calm(id) AS c, calmer(id) AS d FROM a",
			"SELECT * FROM calm_view",
			"SELECT id FROM guarded",
			"SELECT $1::int AS n",
		},
		false: {
			"SELECT wild($1) AS n",
			"SELECT WILD ($1) AS n",
			`SELECT "wild" /* ( */ ($1) AS n`,
			"SELECT wild -- x\n ($1) AS n",
			`SELECT "Wild one"() AS n`,
			`SELECT "a""b"() AS n`,
			`SELECT U&"w\0069ld"($1) AS n`,
			"SELECT wild$er() AS n",
			"SELECT (a.id).wild AS n FROM a",
			"SELECT a.of_row AS n FROM a",
			"SELECT id FROM a WHERE a.of_row NOT IN (SELECT id FROM b)",
			"SELECT id FROM a LIMIT wild($1)",
			"SELECT id FROM a WHERE wild(id) NOT IN (SELECT id FROM b)",
			"SELECT id FROM a ORDER BY random() LIMIT 1",
			"SELECT id, clock_timestamp() AS at FROM a",
			"SELECT defaulted(1) AS n",
			"SELECT liar('x') AS n",
			"SELECT far_liar('x') AS n",
			"SELECT atomic_liar(1) AS n",
			"SELECT * FROM wild_view",
			"SELECT * FROM wild_limit",
			"SELECT * FROM wild_values",
			"SELECT * FROM wild_not_in",
			"SELECT id FROM wild_frame",
			`SELECT id FROM "Of it"`,
			"SELECT id FROM guarded2",
			"SELECT id FROM a TABLESAMPLE system (100)",
			"SELECT pg_try_advisory_xact_lock(1) AS mine",
		},
	} {
		for _, sql := range list {
			p, err := c.preparedSteady(describe(t, c, sql), later())
			if err != nil || p.steady != want {
				t.Errorf("%s: steady is %t, %v; want %t", sql, p != nil && p.steady, err, want)
			}
		}
	}
}

// TestSteadyHidden holds that nothing is steady where a function without a name in the text is volatile.
func TestSteadyHidden(t *testing.T) {
	t.Parallel()
	servers.Need(t, "postgres")
	for name, made := range map[string]string{
		"none":      "CREATE DOMAIN d AS int CHECK (VALUE > 0); CREATE FUNCTION f(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true'; CREATE OPERATOR <~> (LEFTARG = int, RIGHTARG = int, FUNCTION = f)",
		"operator":  "CREATE FUNCTION f(int, int) RETURNS bool LANGUAGE sql AS 'SELECT true'; CREATE OPERATOR <~> (LEFTARG = int, RIGHTARG = int, FUNCTION = f)",
		"cast":      "CREATE TYPE pair AS (a int, b int); CREATE FUNCTION f(pair) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE CAST (pair AS int) WITH FUNCTION f",
		"aggregate": "CREATE FUNCTION f(int, int) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE AGGREGATE all_of(int) (SFUNC = f, STYPE = int)",
		"domain":    "CREATE DOMAIN d AS int CHECK (set_config('app.tenant', VALUE::text, true) <> '')",
		"class":     "CREATE TYPE pair AS (a int, b int); CREATE FUNCTION f(pair) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE OPERATOR CLASS c FOR TYPE pair USING hash AS FUNCTION 1 f(pair)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, setup(t))
			database := "hidden_" + name
			must(t, c.Script(t.Context(), "CREATE DATABASE "+database, nil))
			config, err := pgconn.ParseConfig(shared().URL(database))
			must(t, err)
			l := dial(t, config)
			must(t, l.Script(t.Context(), made, nil))
			must(t, l.AsLine(t.Context(), time.Minute))
			p, err := l.preparedSteady(describe(t, l, "SELECT $1::int AS n"), later())
			if must(t, err); p.steady != (name == "none") {
				t.Errorf("steady is %t", p.steady)
			}
		})
	}
}

// TestSteadyForeign holds that foreign tables are not steady.
func TestSteadyForeign(t *testing.T) {
	t.Parallel()
	c := open(t, "CREATE FOREIGN DATA WRAPPER nothing", "CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing", "CREATE FOREIGN TABLE away (id int) SERVER nowhere",
		"CREATE FUNCTION reads_away() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM away'")
	must(t, c.AsLine(t.Context(), time.Minute))
	p, err := c.preparedSteady(describe(t, c, "SELECT reads_away() AS n"), later())
	if must(t, err); p.steady {
		t.Error("what reads a foreign table is steady")
	}
}

// FuzzWords holds that every name that stands in a text is found, whatever stands around it.
func FuzzWords(f *testing.F) {
	f.Add("SELECT ", "f", "(1)")
	f.Add("SELECT '\"", "F1$", "\"'")
	f.Add("$$", "ä_1", " /* x */ (")
	f.Fuzz(func(t *testing.T, before, name, after string) {
		if name == "" || len(name) > 63 || wordSize(name) < len(name) || name[0] < 'A' || wordSize(after) > 0 {
			return
		}
		if n := len(before); n > 0 && wordSize(before[n-1:]) > 0 {
			before += " "
		}
		w := newWords()
		w.read(before + name + after)
		if !slices.Contains(append(w.called, w.named...), name) {
			t.Errorf("%q is not found in %q", name, before+name+after)
		}
		w = newWords()
		w.read(before + name + "(" + after)
		if !slices.Contains(w.called, name) {
			t.Errorf("%q is not called in %q", name, before+name+"("+after)
		}
	})
}
