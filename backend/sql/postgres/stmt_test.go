package postgres

import (
	"fmt"
	"strings"
	"testing"
)

// TestDescribe holds what is known of a statement.
func TestDescribe(t *testing.T) {
	t.Parallel()
	c := open(t, `CREATE TABLE a (id int PRIMARY KEY, name text NOT NULL, note text); CREATE INDEX ON a (name, id);
		CREATE TABLE b (id int NOT NULL, a int NOT NULL REFERENCES a);
		CREATE VIEW v AS SELECT id, name FROM a; CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
		CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20)`)
	for _, tt := range []struct {
		sql, want string // the columns, those NOT NULL with a star, and whether it writes and sorts
		params    int
	}{
		{"SELECT id, name, note FROM a WHERE id = $1", "id* name* note", 1},
		{"SELECT * FROM v", "id name", 0},
		{"(SELECT id FROM a)", "id*", 0},
		{"SELECT id + 1 AS n FROM a", "n", 0},
		{"SELECT a.id, b.a FROM a JOIN b ON b.a = a.id", "id* a*", 0},
		{"SELECT a.id, b.a FROM a LEFT JOIN b ON b.a = a.id", "id a", 0},
		{"SELECT a.id, b.a FROM a LEFT JOIN b ON b.a = a.id WHERE b.id IS NULL", "id a", 0},
		{"SELECT (SELECT id FROM a LIMIT 1) AS id", "id", 0},
		{"SELECT id FROM a UNION ALL SELECT NULL", "id", 0},
		{"SELECT id, name FROM a GROUP BY GROUPING SETS ((id), (name))", "id name", 0},
		{"SELECT id FROM a WHERE id IN (SELECT a FROM b)", "id*", 0},
		{"SELECT id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.a = a.id AND b.id = $1)", "id*", 1},
		{"SELECT id FROM p", "id", 0},
		{"SELECT id FROM p WHERE id = 1", "id*", 0},
		{"SELECT * FROM (SELECT * FROM a) x ORDER BY name, id LIMIT 5", "id* name* note", 0},
		{"SELECT * FROM (SELECT * FROM a) x WHERE (name, id) > ($1, $2) ORDER BY name, id LIMIT 5", "id* name* note", 2},
		{"SELECT * FROM (SELECT * FROM a) x ORDER BY note, id LIMIT 5", "id* name* note sorts", 0},
		{"SELECT note, count(*) AS n FROM a GROUP BY note", "note n", 0},
		{"INSERT INTO a VALUES ($1, $2)", "writes", 2},
		{"INSERT INTO a VALUES (1, 'x') RETURNING id", "id writes", 0},
		{"WITH x AS (DELETE FROM a RETURNING id) SELECT id FROM x", "id writes", 0},
		{"SELECT id FROM a WHERE id = $1 FOR UPDATE", "id writes", 1},
		{"SELECT id INTO c FROM a", "writes", 0},
		{"CREATE TABLE c (n int)", "writes", 0},
		{"TRUNCATE a", "writes", 0},
		{"CREATE TABLE c AS SELECT 1 AS n", "writes", 0},
		{"-- a comment\n/* another /* one */ */ VALUES (1)", "column1", 0},
		{"SELECT f($1)", "f", 1},
		{"SELECT", "", 0},
		{"SELECT ARRAY[$1]::int[] AS v", "v", 1},
	} {
		s, err := c.Describe(t.Context(), tt.sql)
		if err != nil {
			t.Errorf("%s: %v", tt.sql, err)
			continue
		}
		var got []string
		for _, column := range s.Columns {
			name := column.Name
			if column.NotNull {
				name += "*"
			}
			got = append(got, name)
		}
		if s.Writes {
			got = append(got, "writes")
		}
		if s.Sorts {
			got = append(got, "sorts")
		}
		if text := strings.Join(got, " "); text != tt.want || len(s.Params) != tt.params {
			t.Errorf("%s: got %q, %d parameters; want %q, %d", tt.sql, text, len(s.Params), tt.want, tt.params)
		}
	}
	if got := ask(t, c, "SELECT count(*) FROM pg_class WHERE relname = 'c' AND pg_table_is_visible(oid)"); got != "0" {
		t.Error("a statement that was described has run")
	}
	if !c.Usable() {
		t.Error("the connection is not usable")
	}
}

// TestDescribeErrors holds where the fault is, in bytes.
func TestDescribeErrors(t *testing.T) {
	t.Parallel()
	c := open(t, "CREATE TABLE a (id int)")
	for sql, want := range map[string]string{
		"SELECT 'ü', nme FROM a":           "13 column \"nme\" does not exist (42703)",
		"SELECT 'ü日'\n FROM missing":       "21 relation \"missing\" does not exist (42P01)",
		"SELEC 1":                          "0 syntax error at or near \"SELEC\" (42601)",
		"SELECT 1 FROM a WHERE":            "21 syntax error at end of input (42601)",
		"SELECT 1; SELECT 2":               "-1 cannot insert multiple commands into a prepared statement (42601)",
		"":                                 "-1 there is no statement (42601)",
		" -- nothing":                      "-1 there is no statement (42601)",
		"\n begin":                         "2 BEGIN is not allowed in a statement (42601)",
		"SET search_path = x":              "0 SET is not allowed in a statement (42601)",
		"COPY a TO STDOUT":                 "0 COPY is not allowed in a statement (42601)",
		"SELECT 1\x00":                     "8 a zero byte in the statement (42601)",
		"SELECT id, id FROM a":             "-1 two columns are called \"id\"; want AS to give one of them another name (42701)",
		"SELECT $1":                        "",
		"SELECT $2::int":                   "-1 could not determine data type of parameter $1 (42P18)",
		"UPDATE a SET id = $1 RETURNING x": "31 column \"x\" does not exist (42703)",
	} {
		_, err := c.Describe(t.Context(), sql)
		got := ""
		if e, ok := err.(*Error); ok {
			got = fmt.Sprintf("%d %s (%s)", e.Offset, e.Message, e.Code)
		}
		if got != want {
			t.Errorf("%q: got %s (%v), want %s", sql, got, err, want)
		}
		if !c.Usable() {
			t.Fatalf("%q: the connection is not usable", sql)
		}
	}
	if _, err := c.Describe(t.Context(), "SELECT 1 FROM missing"); !IsUnknownTable(err) {
		t.Errorf("got %v", err)
	}
	names, err := c.UserTables(t.Context())
	if must(t, err); strings.Join(names, " ") != "a" {
		t.Errorf("tables are %q, want a", names)
	}
}

// TestPreparedLimit holds that a connection keeps so many statements, those used last.
func TestPreparedLimit(t *testing.T) {
	t.Parallel()
	config := setup(t)
	c, err := Dial(t.Context(), config, Options{Statements: 3})
	must(t, err)
	defer c.Close()
	var all []*Stmt
	for i := range 5 {
		all = append(all, describe(t, c, fmt.Sprintf("SELECT %d AS n", i)))
	}
	for range 3 {
		for i, s := range all {
			run(t, c, all[0], Input{})
			if got, want := run(t, c, s, Input{}), fmt.Sprintf(`{"n":%d}`, i); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	}
	names := ask(t, c, "SELECT statement FROM pg_prepared_statements WHERE name ~ '^s[0-9]' ORDER BY 1")
	if want := "SELECT 0 AS n SELECT 3 AS n SELECT 4 AS n"; names != want {
		t.Errorf("prepared are %q, want %q", names, want)
	}
}

// TestChanged holds what becomes of a prepared statement whose tables change under it.
func TestChanged(t *testing.T) {
	t.Parallel()
	config := setup(t, "CREATE TABLE a (id int, name text); INSERT INTO a VALUES (1, 'x')")
	c, other := dial(t, config), dial(t, config)
	all := describe(t, c, "SELECT * FROM a")
	one := describe(t, c, "SELECT id FROM a")
	run(t, c, all, Input{})
	run(t, c, one, Input{})

	must(t, other.Script(t.Context(), "ALTER TABLE a ALTER id TYPE int", nil)) // the columns are the same
	if got := run(t, c, all, Input{}); got != `{"id":1,"name":"x"}` {
		t.Errorf("got %s", got)
	}
	must(t, other.Script(t.Context(), "DEALLOCATE ALL", nil))
	must(t, c.Script(t.Context(), "DEALLOCATE s1; DEALLOCATE s2", nil)) // as a pooler or a failover may
	if got := run(t, c, all, Input{}); got != `{"id":1,"name":"x"}` {
		t.Errorf("got %s", got)
	}
	must(t, other.Script(t.Context(), "ALTER TABLE a ADD extra int", nil))
	if _, err := try(c, all, Input{}); !IsChanged(err) || !IsNotSent(err) {
		t.Errorf("got %v, want that it has changed", err)
	}
	if got := run(t, c, one, Input{}); got != `{"id":1}` {
		t.Errorf("got %s", got)
	}
	must(t, other.Script(t.Context(), "ALTER TABLE a ALTER id TYPE bigint", nil))
	if _, err := try(c, one, Input{}); !IsChanged(err) {
		t.Errorf("got %v, want that it has changed", err)
	}
	if got := run(t, c, describe(t, c, one.SQL), Input{}); got != `{"id":1}` {
		t.Errorf("got %s", got)
	}

	// In a transaction nothing is tried again.
	late := describe(t, c, "SELECT * FROM a")
	run(t, c, late, Input{})
	run(t, c, describeFirst(t, c, "SELECT 1 AS n"), Input{})
	must(t, other.Script(t.Context(), "ALTER TABLE a ADD more int", nil))
	if _, err := try(c, late, Input{}); !IsChanged(err) {
		t.Errorf("in a transaction: got %v", err)
	}
	c.Rollback()
	if !c.Usable() {
		t.Error("the connection is not usable")
	}
}

// TestTypesDiffer holds that a statement runs where the database's own types have other numbers.
func TestTypesDiffer(t *testing.T) {
	t.Parallel()
	mood := "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE a (m mood, l mood[])"
	c, other := open(t, mood), open(t, mood)
	s := describe(t, c, "INSERT INTO a VALUES ($1, $2) RETURNING m, l")
	for _, conn := range []*Conn{c, other} {
		if got := run(t, conn, s, values(t, `"ok"`, `["sad"]`)); got != `{"m":"ok","l":["sad"]}` {
			t.Errorf("got %s", got)
		}
	}
}
