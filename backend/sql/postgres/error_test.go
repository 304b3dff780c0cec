package postgres

import (
	"strings"
	"testing"
)

// TestConstraints holds what is known of a rule that a row breaks, and that its values stand in the detail alone.
func TestConstraints(t *testing.T) {
	t.Parallel()
	c := open(t, `CREATE TABLE a (id int PRIMARY KEY, email text UNIQUE, tenant int, name varchar(3) NOT NULL, n int CONSTRAINT positive CHECK (n > 0), "We""ird" int UNIQUE,
		UNIQUE (tenant, name)); CREATE UNIQUE INDEX ON a (lower(email)); CREATE TABLE b (a int REFERENCES a);
		INSERT INTO a VALUES (1, 'secret', 1, 'x', 1, 1); INSERT INTO b VALUES (1);
		CREATE FUNCTION no() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not on Sundays'; END $$`)
	is := map[string]func(error) bool{"unique": IsUnique, "foreign": IsForeignKey, "null": IsNotNull, "check": IsCheck, "raised": IsRaised, "unfit": IsUnfit}
	for _, tt := range []struct{ sql, is, columns, constraint string }{
		{"INSERT INTO a VALUES (1, 'y', 2, 'x')", "unique", "id", "a_pkey"},
		{"INSERT INTO a VALUES (2, 'y', 1, 'x')", "unique", "tenant and name", "a_tenant_name_key"},
		{"INSERT INTO a VALUES (2, 'secret', 2, 'x')", "unique", "email", "a_email_key"},
		{"INSERT INTO a VALUES (2, 'SECRET', 2, 'x')", "unique", "", "a_lower_idx"},
		{"INSERT INTO a VALUES (2, 'y', 2, 'x', 1, 1)", "unique", "", "a_We\"ird_key"},
		{"INSERT INTO b VALUES (2)", "foreign", "a", "b_a_fkey"},
		{"DELETE FROM a", "foreign", "id", "b_a_fkey"},
		{"INSERT INTO a (id) VALUES (2)", "null", "name", ""},
		{"UPDATE a SET n = 0", "check", "", "positive"},
		{"UPDATE a SET name = repeat('x', id + 3)", "unfit", "", ""},
		{"SELECT no()", "raised", "", ""},
		{"SELECT 1 / (id - 1) AS n FROM a", "unfit", "", ""},
	} {
		_, err := try(c, describe(t, c, tt.sql), Input{})
		e, ok := err.(*Error)
		if !ok || e.Constraint != tt.constraint || strings.Join(e.Columns(), " and ") != tt.columns {
			t.Errorf("%s: got %+v", tt.sql, err)
			continue
		}
		for name, f := range is {
			if f(err) != (name == tt.is) {
				t.Errorf("%s: %v is %s: %v", tt.sql, err, name, f(err))
			}
		}
		if strings.Contains(strings.ToLower(e.Message), "secret") || !c.Usable() || IsUnknown(err) || IsGone(err) {
			t.Errorf("%s: %+v, usable %v", tt.sql, *e, c.Usable())
		}
	}
}

// TestBusy holds what becomes of statements that others are in the way of.
func TestBusy(t *testing.T) {
	t.Parallel()
	config := setup(t, "CREATE TABLE a (id int PRIMARY KEY, n int); INSERT INTO a VALUES (1, 1), (2, 2)")
	config.RuntimeParams["lock_timeout"] = "50ms"
	c, other := dial(t, config), dial(t, config)
	update := describe(t, c, "UPDATE a SET n = n + 1 WHERE id = $1")
	must(t, other.Begin(false))
	run(t, other, update, values(t, "1"))
	if _, err := try(c, update, values(t, "1")); !IsBusy(err) || IsInterrupted(err) || !c.Usable() {
		t.Errorf("a lock: %v", err)
	}
	other.Rollback()

	config.RuntimeParams["lock_timeout"] = "0"
	config.RuntimeParams["default_transaction_isolation"] = "serializable"
	c, other = dial(t, config), dial(t, config)
	must(t, c.Script(t.Context(), "SET statement_timeout = '50ms'", nil))
	if _, err := try(c, describe(t, other, "SELECT pg_sleep(60) AS v"), Input{}); !IsBusy(err) || IsInterrupted(err) || !c.Usable() {
		t.Errorf("the server's time: %v", err)
	}
	must(t, c.Script(t.Context(), "SET statement_timeout = 0", nil))
	run(t, c, describeFirst(t, c, "SELECT n FROM a"), Input{})
	run(t, other, update, values(t, "1"))
	if _, err := try(c, update, values(t, "1")); !IsBusy(err) || !IsConflict(err) || IsUnknown(err) {
		t.Errorf("a conflict: %v", err)
	}
	c.Rollback()
}

// describeFirst describes a statement for a transaction that is about to begin.
func describeFirst(t *testing.T, c *Conn, sql string) *Stmt {
	t.Helper()
	c.Rollback()
	s := describe(t, c, sql)
	must(t, c.Begin(false))
	return s
}

// TestUnfitNames says which parameter is at fault.
func TestUnfitNames(t *testing.T) {
	t.Parallel()
	c := open(t)
	s := describe(t, c, "SELECT $1::text AS a, $2::int AS b")
	must(t, c.Begin(false))
	c.SetReadOnly(true)
	_, err := try(c, s, values(t, `"secret"`, `"secret"`))
	e, ok := err.(*Error)
	if !ok || e.Param != 2 || !IsUnfit(err) || !IsNotSent(err) || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %+v", err)
	}
	// Nothing was sent, and what waits for the next statement still does.
	if got := run(t, c, s, values(t, `"x"`, "1")); got != `{"a":"x","b":1}` {
		t.Errorf("got %s", got)
	}
	if c.Usable() {
		t.Error("the transaction did not begin")
	}
	_, err = c.Commit(false)
	must(t, err)
	if _, err := try(c, s, values(t, "1", "2", "3")); codeOf(err) != codeMisuse {
		t.Errorf("too many: %v", err)
	}
	if _, err := try(c, s, values(t, "1")); !IsUnfit(err) {
		t.Errorf("too few: %v", err)
	}
	long := `"` + strings.Repeat("x", maxValue+1) + `"`
	if _, err := try(c, s, values(t, long, "1")); !IsTooBig(err) || !c.Usable() {
		t.Errorf("too long: %v", err)
	}
}

func TestOffset(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sql            string
		position, want int
	}{{"abc", 0, -1}, {"abc", 1, 0}, {"äbc", 2, 2}, {"日本x", 3, 6}, {"abc", 4, 3}, {"abc", 99, 3}, {"", 1, 0}, {"\xff\xffx", 3, 2}} {
		if got := offset(tt.sql, tt.position); got != tt.want {
			t.Errorf("%q at %d: got %d, want %d", tt.sql, tt.position, got, tt.want)
		}
	}
}
