package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestScript(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 1})
	const script = "-- two rows\nINSERT INTO users(email) VALUES ('c'); /* ; */\nINSERT INTO users(email) VALUES ('d;')\n"
	var done []int
	must(t, db.Write(t.Context(), func(c *Conn) error {
		return c.Script(script, func(n int) { done = append(done, n) })
	}))
	if n := count(t, db, "SELECT count(*) FROM users"); n != 4 {
		t.Errorf("%d users; want 4", n)
	}
	if len(done) == 0 || done[0] != 50 || len(done) > 2 {
		t.Errorf("done %v; want 50 bytes first", done)
	}
}

func TestScriptErrors(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 1})
	for script, offset := range map[string]int{
		"SELECT 1; SELECT nope FROM users":                    17,
		"SELECT 1;\n-- x\n INSERT INTO users(id) VALUES (3)":  16,
		"SELECT 1; INSERT INTO nowhere VALUES (1); SELECT 2;": 10,
	} {
		err := db.Write(t.Context(), func(c *Conn) error { return c.Script(script, nil) })
		var e *Error
		if !errors.As(err, &e) || e.Offset != offset {
			t.Errorf("%q: %v at %+v; want offset %d", script, err, e, offset)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 1})
	must(t, db.Write(t.Context(), func(c *Conn) error {
		return c.Check("CREATE TABLE extra(id INT); INSERT INTO extra VALUES (1); DELETE FROM users")
	}))
	if n := count(t, db, "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM extra)"); n != 2 {
		t.Errorf("%d rows; want the 2 users", n)
	}
}

// TestCopySchema makes the tables of a file elsewhere and leaves the file, and its folder, as they are.
func TestCopySchema(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a ?#%.db")
	from, err := Open(path, Options{Readers: 1})
	must(t, err)
	must(t, from.Write(t.Context(), func(c *Conn) error { return c.exec(tables) }))
	must(t, from.Close())
	db, err := OpenTemp(Options{Readers: 1})
	must(t, err)
	defer db.Close()
	must(t, db.CopySchema(t.Context(), path))
	if n := count(t, db, "SELECT count(*) FROM users"); n != 0 {
		t.Errorf("%d users; want none", n)
	}
	prepare(t, db, "SELECT payer FROM orders")
	files, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	if len(files) != 1 {
		t.Errorf("the folder holds %v; want the file alone", files)
	}
}
