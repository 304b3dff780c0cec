package sqlite

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

const tables = `
CREATE TABLE users(id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, age INT CHECK (age >= 0), note BLOB) STRICT;
CREATE TABLE orders(id INTEGER PRIMARY KEY, user INT NOT NULL REFERENCES users(id),
	payer INT REFERENCES users(id) DEFERRABLE INITIALLY DEFERRED) STRICT;
INSERT INTO users(id, email, age) VALUES (1, 'ada@x', 36), (2, 'bob@x', 40);`

// setup opens a database with tables in it, closed at the end of the test.
func setup(t testing.TB, o Options) *DB {
	t.Helper()
	db := open(t, filepath.Join(t.TempDir(), "test.db"), o)
	must(t, db.Write(t.Context(), func(c *Conn) error { return c.exec(tables) }))
	return db
}

func open(t testing.TB, path string, o Options) *DB {
	t.Helper()
	db, err := Open(path, o)
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func prepare(t testing.TB, db *DB, sql string) *Stmt {
	t.Helper()
	s, err := db.Prepare(sql)
	must(t, err)
	return s
}

func acquire(t testing.TB, db *DB) *Conn {
	t.Helper()
	c, err := db.Acquire(t.Context())
	must(t, err)
	return c
}

// count reads one integer.
func count(t testing.TB, db *DB, sql string) int64 {
	t.Helper()
	s := prepare(t, db, sql)
	c, err := db.Acquire(t.Context())
	must(t, err)
	defer db.Release(c)
	r, err := c.Rows(s)
	must(t, err)
	if !r.Step() {
		t.Fatalf("%s: no row: %v", sql, r.Err())
	}
	return r.Int(0)
}

// insert returns a write of one user.
func insert(db *DB, s *Stmt, email string) func(*Conn) error {
	return func(c *Conn) error {
		r, err := c.Rows(s)
		if err != nil {
			return err
		}
		r.BindText(1, []byte(email))
		_, err = r.Exec()
		return err
	}
}

const insertUser = "INSERT INTO users(email) VALUES (?1)"

// until waits for a state that another goroutine brings about.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("still not: " + what)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk.db")
	must(t, os.WriteFile(junk, []byte(strings.Repeat("this is no database ", 500)), 0o600))
	for name, tt := range map[string]struct {
		path string
		o    Options
		want string
	}{
		"no directory":   {filepath.Join(dir, "none", "a.db"), Options{}, "unable to open database file"},
		"not a database": {junk, Options{}, "file is not a database"},
		"a directory":    {dir, Options{}, "unable to open database file"},
		"missing":        {filepath.Join(dir, "none.db"), Options{ReadOnly: true}, "unable to open database file"},
		"synchronous":    {filepath.Join(dir, "a.db"), Options{Synchronous: "off"}, `synchronous is "off"; want normal or full`},
		"readers":        {filepath.Join(dir, "a.db"), Options{Readers: -1}, "readers is -1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Open(tt.path, tt.o)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.path) {
				t.Errorf("got %v; want %s and %q", err, tt.path, tt.want)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Synchronous: "full"})
	ask := func(c *Conn, pragma string) string {
		s, _, err := c.raw.Prepare("PRAGMA " + pragma)
		must(t, err)
		defer s.Close()
		s.Step()
		return s.ColumnText(0)
	}
	c := acquire(t, db)
	defer db.Release(c)
	for pragma, want := range map[string]string{"journal_mode": "wal", "foreign_keys": "1", "busy_timeout": "5000", "query_only": "1", "cache_size": "-8192"} {
		if got := ask(c, pragma); got != want {
			t.Errorf("reader: %s is %s; want %s", pragma, got, want)
		}
	}
	must(t, db.Write(t.Context(), func(c *Conn) error {
		for pragma, want := range map[string]string{"synchronous": "2", "foreign_keys": "1", "query_only": "0"} {
			if got := ask(c, pragma); got != want {
				t.Errorf("writer: %s is %s; want %s", pragma, got, want)
			}
		}
		return nil
	}))
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	path := setup(t, Options{}).Path()
	db := open(t, path, Options{ReadOnly: true})
	if n := count(t, db, "SELECT count(*) FROM users"); n != 2 {
		t.Errorf("%d users; want 2", n)
	}
	if err := db.Write(t.Context(), func(*Conn) error { return nil }); !IsReadOnly(err) {
		t.Errorf("write: got %v", err)
	}
	if _, err := db.Migrations(os.DirFS(t.TempDir())).Up(t.Context()); !IsReadOnly(err) {
		t.Errorf("migrate: got %v", err)
	}
}

func TestOpenTemp(t *testing.T) {
	t.Parallel()
	db, err := OpenTemp(Options{Readers: 1})
	must(t, err)
	must(t, db.Write(t.Context(), func(c *Conn) error { return c.exec("CREATE TABLE a(b)") }))
	prepare(t, db, "SELECT b FROM a")
	must(t, db.Close())
	if _, err := os.Stat(filepath.Dir(db.Path())); !os.IsNotExist(err) {
		t.Errorf("the directory is still there: %v", err)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	db, err := OpenTemp(Options{Readers: 2})
	must(t, err)
	c, err := db.Acquire(t.Context())
	must(t, err)
	closed := make(chan error, 1)
	go func() { closed <- db.Close() }()
	<-db.readers.closing
	if _, err := db.Acquire(t.Context()); !IsClosed(err) {
		t.Errorf("acquire: got %v", err)
	}
	select {
	case <-closed:
		t.Fatal("closed while a reader was in use")
	default:
	}
	db.Release(c)
	must(t, <-closed)
	must(t, db.Close())
	select {
	case <-db.writer.done:
	default:
		t.Error("the writer's goroutine still runs")
	}
	if err := db.Write(t.Context(), func(*Conn) error { return nil }); !IsClosed(err) {
		t.Errorf("write: got %v", err)
	}
	if _, err := db.Prepare("SELECT 1"); !IsClosed(err) {
		t.Errorf("prepare: got %v", err)
	}
}

// TestCloseDrains closes while writes are queued: each is committed or refused, and says which.
func TestCloseDrains(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	db, err := Open(path, Options{})
	must(t, err)
	must(t, db.Write(t.Context(), func(c *Conn) error { return c.exec(tables) }))
	s := prepare(t, db, insertUser)
	free, running := hold(t, db)
	<-running
	const n = 20
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- db.Write(context.Background(), insert(db, s, string(rune('a'+i)))) }()
	}
	until(t, "queued", func() bool { return len(db.writer.queue) == n })
	closed := make(chan error, 1)
	go func() { closed <- db.Close() }()
	<-db.readers.closing
	close(free)
	must(t, <-closed)
	for range n {
		must(t, <-errs)
	}
	if got := count(t, open(t, path, Options{}), "SELECT count(*) FROM users"); got != 2+n {
		t.Errorf("%d users; want %d", got, 2+n)
	}
}

// hold keeps the writer busy until free is closed.
func hold(t testing.TB, db *DB) (free, running chan struct{}) {
	free, running = make(chan struct{}), make(chan struct{})
	go func() {
		err := db.Write(context.Background(), func(*Conn) error {
			close(running)
			<-free
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}()
	return free, running
}

func TestWithDefaults(t *testing.T) {
	t.Parallel()
	o := Options{}.WithDefaults()
	if o.Readers != max(8, 4*runtime.GOMAXPROCS(0)) || o.Wait != 2*time.Second {
		t.Errorf("%d readers and a wait of %s; want four a processor, at least 8, and 2s", o.Readers, o.Wait)
	}
	if o = (Options{Readers: 3, Wait: time.Millisecond}).WithDefaults(); o.Readers != 3 || o.Wait != time.Millisecond {
		t.Errorf("%d readers and a wait of %s; want what was said", o.Readers, o.Wait)
	}
}
