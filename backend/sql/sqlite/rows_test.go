package sqlite

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

func TestValues(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 1})
	s := prepare(t, db, "SELECT ?1")
	c := acquire(t, db)
	defer db.Release(c)
	long := bytes.Repeat([]byte("ü"), 1<<20)
	for name, tt := range map[string]struct {
		bind func(*Rows)
		typ  Type
		ok   func(*Rows) bool
	}{
		"int":         {func(r *Rows) { r.BindInt(1, math.MinInt64) }, Integer, func(r *Rows) bool { return r.Int(0) == math.MinInt64 }},
		"float":       {func(r *Rows) { r.BindFloat(1, 0.1) }, Float, func(r *Rows) bool { return r.Float(0) == 0.1 }},
		"nan":         {func(r *Rows) { r.BindFloat(1, math.NaN()) }, Null, func(r *Rows) bool { return r.Float(0) == 0 }},
		"text":        {func(r *Rows) { r.BindText(1, []byte("a\x00b")) }, Text, func(r *Rows) bool { return string(r.Text(0)) == "a\x00b" }},
		"long text":   {func(r *Rows) { r.BindText(1, long) }, Text, func(r *Rows) bool { return bytes.Equal(r.Text(0), long) }},
		"empty text":  {func(r *Rows) { r.BindText(1, nil) }, Text, func(r *Rows) bool { return len(r.Text(0)) == 0 }},
		"blob":        {func(r *Rows) { r.BindBlob(1, []byte{0, 255}) }, Blob, func(r *Rows) bool { return bytes.Equal(r.Blob(0), []byte{0, 255}) }},
		"empty blob":  {func(r *Rows) { r.BindBlob(1, nil) }, Blob, func(r *Rows) bool { return len(r.Blob(0)) == 0 }},
		"not bound":   {func(*Rows) {}, Null, func(r *Rows) bool { return r.Blob(0) == nil && r.Text(0) == nil && r.Int(0) == 0 }},
		"last counts": {func(r *Rows) { r.BindInt(1, 1); r.BindInt(1, 2) }, Integer, func(r *Rows) bool { return r.Int(0) == 2 }},
	} {
		r, err := c.Rows(s)
		must(t, err)
		tt.bind(r)
		if !r.Step() || r.Type(0) != tt.typ || !tt.ok(r) {
			t.Errorf("%s: got type %d, %.20q: %v", name, r.Type(0), r.Text(0), r.Err())
		}
		if r.Step() || r.Err() != nil {
			t.Errorf("%s: a second row, or %v", name, r.Err())
		}
		r.Close()
	}
}

func TestRowsMisuse(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 1})
	s := prepare(t, db, "SELECT ?1 FROM users")
	c := acquire(t, db)
	defer db.Release(c)
	r, err := c.Rows(s)
	must(t, err)
	if _, err := c.Rows(s); err == nil || !strings.Contains(err.Error(), "already running") {
		t.Errorf("twice: got %v", err)
	}
	if _, err := c.Rows(prepare(t, setup(t, Options{Readers: 1}), "SELECT 1")); err == nil || !strings.Contains(err.Error(), "another database") {
		t.Errorf("of another database: got %v", err)
	}
	r.BindInt(2, 1)
	if r.Step() || r.Err() == nil {
		t.Error("no error for a parameter that is not there")
	}
	r.Close()
	r.Close()
	if r.Step() {
		t.Error("a row after Close")
	}
	r, err = c.Rows(s)
	must(t, err)
	if !r.Step() || r.Type(0) != Null {
		t.Errorf("the next run: type %d, %v", r.Type(0), r.Err())
	}
}

func TestTooBig(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 1})
	s := prepare(t, db, "SELECT length(?1)")
	c := acquire(t, db)
	defer db.Release(c)
	v := make([]byte, maxLength+1)
	for _, bind := range []func(*Rows){func(r *Rows) { r.BindText(1, v) }, func(r *Rows) { r.BindBlob(1, v) }} {
		r, err := c.Rows(s)
		must(t, err)
		bind(r)
		if r.Step() || !IsTooBig(r.Err()) {
			t.Errorf("got %v", r.Err())
		}
		r.Close()
		r, err = c.Rows(s)
		must(t, err)
		r.BindBlob(1, v[1:])
		if !r.Step() || r.Int(0) != maxLength {
			t.Errorf("the longest: got %v", r.Err())
		}
		r.Close()
	}
}

// TestPointReadAllocates nothing once the statement is compiled.
func TestPointReadAllocates(t *testing.T) {
	db := setup(t, Options{Readers: 1})
	s := prepare(t, db, "SELECT id, email, age FROM users WHERE id = ?1 AND email <> ?2")
	long := bytes.Repeat([]byte("x"), 100)
	buf := make([]byte, 0, 64)
	read := func() {
		c, err := db.Acquire(t.Context()) // a context that can end
		must(t, err)
		defer db.Release(c)
		r, err := c.Rows(s)
		must(t, err)
		r.BindInt(1, 2)
		r.BindText(2, long)
		if !r.Step() {
			t.Fatal(r.Err())
		}
		buf = append(buf[:0], r.Text(1)...)
	}
	if n := testing.AllocsPerRun(100, read); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if string(buf) != "bob@x" {
		t.Errorf("got %s", buf)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 1})
	must(t, db.Write(t.Context(), func(c *Conn) error {
		return c.exec("CREATE TRIGGER no_bob BEFORE DELETE ON users BEGIN SELECT RAISE(ABORT, 'not bob'); END")
	}))
	questions := map[string]func(error) bool{
		"constraint": IsConstraint, "unique": IsUnique, "foreign key": IsForeignKey, "check": IsCheck, "not null": IsNotNull,
		"busy": IsBusy, "read only": IsReadOnly, "interrupted": IsInterrupted, "too big": IsTooBig, "changed": IsChanged,
	}
	for _, tt := range []struct{ sql, message, yes string }{
		{"INSERT INTO users(email) VALUES ('ada@x')", "UNIQUE constraint failed: users.email", "constraint, unique"},
		{"INSERT INTO users(id, email) VALUES (1, 'c')", "UNIQUE constraint failed: users.id", "constraint, unique"},
		{"INSERT INTO orders(user) VALUES (9)", "FOREIGN KEY constraint failed", "constraint, foreign key"},
		{"INSERT INTO users(email, age) VALUES ('c', -1)", "CHECK constraint failed: age >= 0", "constraint, check"},
		{"INSERT INTO users(email, age) VALUES ('c', 'x')", "cannot store TEXT value in INT column users.age", "constraint, check"},
		{"INSERT INTO users(age) VALUES (1)", "NOT NULL constraint failed: users.email", "constraint, not null"},
		{"DELETE FROM users WHERE id = 2", "not bob", "constraint"},
		{"UPDATE users SET note = zeroblob(70000000)", "string or blob too big", "too big"},
	} {
		s := prepare(t, db, tt.sql)
		err := db.Write(t.Context(), func(c *Conn) error {
			r, err := c.Rows(s)
			if err != nil {
				return err
			}
			_, err = r.Exec()
			return err
		})
		e, ok := err.(*Error)
		if !ok || e.Message != tt.message {
			t.Errorf("%s: got %v; want %s", tt.sql, err, tt.message)
		}
		for name, is := range questions {
			if want := strings.Contains(", "+tt.yes+", ", ", "+name+", "); is(err) != want {
				t.Errorf("%s: %s: %v; want %v", tt.sql, name, !want, want)
			}
		}
	}
}
