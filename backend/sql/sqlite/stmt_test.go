package sqlite

import (
	"slices"
	"strings"
	"testing"
)

func TestPrepare(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 1})
	for sql, want := range map[string]Stmt{
		"SELECT id, email AS mail, age+1 FROM users WHERE id = ?1": {
			Params: []string{"?1"}, Columns: []Column{{"id", "INTEGER", true}, {"mail", "TEXT", true}, {"age+1", "", false}}, ReadOnly: true,
		},
		"INSERT INTO users(email) VALUES (?2) RETURNING id": {Params: []string{"", "?2"}, Columns: []Column{{"id", "INTEGER", true}}},
		"SELECT $id, :n, ?":              {Params: []string{"$id", ":n", ""}, Columns: []Column{{Name: "$id"}, {Name: ":n"}, {Name: "?"}}, ReadOnly: true},
		"DELETE FROM users; -- all":      {},
		"SELECT 1 ; ; /* and */ -- done": {Columns: []Column{{Name: "1"}}, ReadOnly: true},
	} {
		got := prepare(t, db, sql)
		if got.SQL != sql || !got.equal(&want) {
			t.Errorf("%s:\n got %+v\nwant %+v", sql, *got, want)
		}
	}
}

func TestPrepareErrors(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 1})
	for _, tt := range []struct {
		sql, message string
		offset       int
	}{
		{"SELECT id FORM users", `near "users": syntax error`, 15},
		{"SELECT nmae FROM users", "no such column: nmae", 7},
		{`SELECT "nmae" FROM users`, "no such column: \"nmae\" - should this be a string literal in single-quotes?", 7},
		{"SELECT id FROM usres", "no such table: usres", -1},
		{"SELECT now()", "no such function: now", 7},
		{"SELECT id::text FROM users", `unrecognized token: ":"`, 9},
		{"SELECT (", "incomplete input", -1},
		{"", "there is no statement", -1},
		{" -- nothing", "there is no statement", -1},
		{"SELECT 1; SELECT 2", "there is more than one statement", 9},
		{"SELECT 1; rubbish", "there is more than one statement", 9},
		{"SELECT 1\x00", "a zero byte in the statement", 8},
		{"COMMIT", "COMMIT is not allowed in a statement", -1},
		{"SAVEPOINT a", "SAVEPOINT is not allowed in a statement", -1},
		{"PRAGMA query_only=OFF", "PRAGMA query_only is not allowed in a statement", -1},
		{"ATTACH 'a.db' AS a", "ATTACH is not allowed in a statement", -1},
	} {
		_, err := db.Prepare(tt.sql)
		e, ok := err.(*Error)
		if !ok {
			t.Errorf("%q: got %v", tt.sql, err)
			continue
		}
		if e.Message != tt.message || e.Offset != tt.offset || e.File != db.Path() {
			t.Errorf("%q: got %q at %d; want %q at %d", tt.sql, e.Message, e.Offset, tt.message, tt.offset)
		}
		if _, err := db.Explain(tt.sql); err == nil {
			t.Errorf("explain %q: no error", tt.sql)
		}
	}
}

func TestPrepareAgain(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 1})
	const sql = "SELECT * FROM users"
	first := prepare(t, db, sql)
	if prepare(t, db, sql) != first {
		t.Error("the same text gave another statement")
	}
	if n := count(t, db, sql); n != 1 {
		t.Errorf("got id %d", n)
	}
	must(t, db.Write(t.Context(), func(c *Conn) error { return c.exec("ALTER TABLE users ADD COLUMN phone TEXT") }))
	c := acquire(t, db)
	defer db.Release(c)
	r, err := c.Rows(first)
	must(t, err)
	if r.Step() || !IsChanged(r.Err()) {
		t.Errorf("a column more: got %v", r.Err())
	}
	second := prepare(t, db, sql)
	if second == first || len(second.Columns) != 5 {
		t.Errorf("got %+v", second)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 1})
	for sql, want := range map[string]string{
		"SELECT * FROM users WHERE id = ?1":     "SEARCH users USING INTEGER PRIMARY KEY (rowid=?)",
		"SELECT * FROM users WHERE email = ?1":  "SEARCH users USING INDEX sqlite_autoindex_users_1 (email=?)",
		"SELECT * FROM users ORDER BY age":      "USE TEMP B-TREE FOR ORDER BY",
		"DELETE FROM orders WHERE user = $user": "SCAN orders",
	} {
		plan, err := db.Explain(sql)
		must(t, err)
		if !slices.ContainsFunc(plan, func(p Plan) bool { return p.Detail == want }) {
			t.Errorf("%s: got %+v; want %s", sql, plan, want)
		}
	}
	_, err := db.Explain("SELECT id FORM users")
	if e, ok := err.(*Error); !ok || e.Offset != 15 || !strings.Contains(e.Error(), "syntax error") {
		t.Errorf("got %v", err)
	}
}
