package sql

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// write makes files in a folder of a test.
func files(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// made is a folder with migrations and a seed, and what makes a database of them.
func made(t testing.TB) (dir string, change func(*Where)) {
	dir = t.TempDir()
	files(t, dir, map[string]string{
		"migrations/001_a.sql": "-- +goose Up\nCREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n-- +goose Down\nDROP TABLE a;\n",
		"migrations/002_b.sql": "-- +goose Up\nCREATE TABLE b (id INTEGER PRIMARY KEY);\n-- +goose Down\nDROP TABLE b;\n",
		"seed/01.sql":          "-- names\nINSERT INTO a VALUES (1, 'x');\nINSERT INTO a VALUES (2, 'y;');\n",
		"seed/02.sql":          "INSERT INTO b SELECT id FROM a",
		"seed/readme.txt":      "not SQL",
	})
	return dir, func(w *Where) {
		w.Schema = ""
		w.MigrationFiles, w.Seed = sluice.Path(filepath.Join(dir, "migrations")), sluice.Path(filepath.Join(dir, "seed"))
	}
}

const countRows = "SELECT (SELECT count(*) FROM a) AS a, (SELECT count(*) FROM b) AS b"

func (n *node) rows(want string) {
	n.t.Helper()
	n.wants(n.must("GET /x", &Use{Query: query(n.t, countRows), Returns: "one"}), "", want)
}

// TestSeed fills once: not when the node starts again, and not where rows are.
func TestSeed(t *testing.T) {
	t.Parallel()
	dir, change := made(t)
	for range 2 {
		n, err := start(t, dir, change)
		if err != nil {
			t.Fatal(err)
		}
		n.rows(`{"a":2,"b":2}`)
	}
	n, _ := start(t, dir, change)
	n.wants(n.must("DELETE /x", &Use{Query: query(t, "DELETE FROM a")}), "", `{"count":2}`)
	n.wants(n.must("DELETE /x", &Use{Query: query(t, "DELETE FROM b")}), "", `{"count":2}`)
	again, err := start(t, dir, change)
	if err != nil {
		t.Fatal(err)
	}
	again.rows(`{"a":0,"b":0}`)
}

func TestSeedNotEmpty(t *testing.T) {
	t.Parallel()
	dir, change := made(t)
	n, err := start(t, dir, func(w *Where) { change(w); w.Seed = "" })
	if err != nil {
		t.Fatal(err)
	}
	n.wants(n.must("POST /x", &Use{Query: query(t, "INSERT INTO b VALUES (7)")}), "", `{"count":1}`)
	if n, err = start(t, dir, change); err != nil {
		t.Fatal(err)
	}
	n.rows(`{"a":0,"b":1}`)
}

// TestSeedBroken leaves nothing of a seed that fails, so that the next start begins afresh.
func TestSeedBroken(t *testing.T) {
	t.Parallel()
	dir, change := made(t)
	files(t, dir, map[string]string{"seed/03.sql": "-- ü\nINSERT INTO b VALUES (9);\n  INSERT INTO b VALUES (9);"})
	_, err := start(t, dir, change)
	if err == nil || err.Error() != "seed: 03.sql:3:3: UNIQUE constraint failed: b.id" {
		t.Errorf("%v; want the place of the second 9", err)
	}
	files(t, dir, map[string]string{"seed/03.sql": "INSERT INTO b VALUES (9)"})
	n, err := start(t, dir, change)
	if err != nil {
		t.Fatal(err)
	}
	n.rows(`{"a":2,"b":3}`)
}

func TestSeedProgress(t *testing.T) {
	t.Parallel()
	dir, change := made(t)
	w := Kind.NewWhere().(*Where)
	w.URL.URL.Path = filepath.Join(dir, "p.db")
	change(w)
	n := &node{t: t}
	env := n.newEnv("shop")
	var seen [][2]int64
	env.Progress = func(task string, done, total int64) {
		if task != "seed shop" {
			t.Errorf("the task is %q", task)
		}
		seen = append(seen, [2]int64{done, total})
	}
	if _, err := Kind.OpenBackend(env, w); err != nil {
		t.Fatal(err)
	}
	env.Close()
	if len(seen) < 4 || seen[0] != [2]int64{0, 3} || seen[len(seen)-1] != [2]int64{3, 3} {
		t.Errorf("progress was %v; want 0 to 3 of 3", seen)
	}
}

// TestOpenTogether starts several at once on one new file: it is migrated and filled once, and none fails.
func TestOpenTogether(t *testing.T) {
	t.Parallel()
	dir, change := made(t)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			n, err := start(t, dir, func(w *Where) { change(w); w.Readers = 1; w.Schema = "CREATE TABLE IF NOT EXISTS c (id INT)" })
			if err != nil {
				t.Error(err)
				return
			}
			n.rows(`{"a":2,"b":2}`)
		})
	}
	wait.Wait()
}

// TestDry checks against the tables that the migrations would make, and touches nothing.
func TestDry(t *testing.T) {
	t.Parallel()
	dir, change := made(t)
	n := dry(t, dir, change)
	n.must("GET /x", &Use{Query: query(t, countRows)})
	if _, err := n.handle("GET /x", &Use{Query: query(t, "SELECT nope FROM a")}); err == nil {
		t.Error("a column that is not there was taken")
	}
	if _, err := os.Stat(filepath.Join(dir, "shop.db")); !errors.Is(err, os.ErrNotExist) {
		t.Error("the file was made")
	}
	files(t, dir, map[string]string{"seed/03.sql": "CREATE TABLE d (id INT); INSERT INTO d VALUES (1);\nINSERT INTO e VALUES (1)"})
	_, err := startDry(t, dir, change)
	if err == nil || err.Error() != "seed: 03.sql:2:1: no such table: e" {
		t.Errorf("%v; want the seed's mistake", err)
	}
}

func dry(t testing.TB, dir string, change func(*Where)) *node {
	t.Helper()
	n, err := startDry(t, dir, change)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func startDry(t testing.TB, dir string, change func(*Where)) (*node, error) {
	n := &node{t: t, dir: dir}
	n.env = n.newEnv("shop")
	n.env.Dry = true
	w := Kind.NewWhere().(*Where)
	w.URL.URL.Path = filepath.Join(dir, "shop.db")
	change(w)
	var err error
	n.opened, err = Kind.OpenBackend(n.env, w)
	t.Cleanup(n.env.Close)
	return n, err
}

// TestDryFile checks against the tables of the file where the config makes none, and leaves the file as it is.
func TestDryFile(t *testing.T) {
	t.Parallel()
	n := setup(t, nil)
	check := dry(t, n.dir, func(*Where) {})
	check.must("GET /x", &Use{Query: query(t, "SELECT email FROM users")})
	if _, err := check.handle("GET /x", &Use{Query: query(t, "SELECT mail FROM users")}); err == nil {
		t.Error("a column that is not there was taken")
	}
}

// TestDryBlank checks what can be checked without a table.
func TestDryBlank(t *testing.T) {
	t.Parallel()
	n := dry(t, t.TempDir(), func(*Where) {})
	n.must("GET /x", &Use{Query: query(t, "SELECT email FROM users")})
	if _, err := n.handle("GET /x", &Use{Query: query(t, "SELECT email FORM users WHERE x")}); err == nil {
		t.Error("a mistake in the grammar was taken")
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	dir, change := made(t)
	files(t, dir, map[string]string{"broken/001_a.sql": "-- +goose Up\nCREATE TABLE a (id INT);\nCREATE TALBE b (id INT);\n", "noseed/x.txt": "", "text.db": strings.Repeat("not a database ", 100)})
	for _, tt := range []struct {
		change func(*Where)
		want   []string
	}{
		{func(w *Where) { w.MigrationFiles = "/nowhere" }, []string{"migrations: there is no folder /nowhere"}},
		{func(w *Where) { w.MigrationFiles = sluice.Path(filepath.Join(dir, "text.db")) }, []string{"migrations: ", "is no folder; want one of .sql files"}},
		{func(w *Where) { w.MigrationFiles = sluice.Path(filepath.Join(dir, "broken")) }, []string{"migrations: ", "001_a.sql", `near "TALBE": syntax error`}},
		{func(w *Where) { w.Seed = sluice.Path(filepath.Join(dir, "noseed")) }, []string{"seed: ", "holds no .sql file"}},
		{func(w *Where) { w.Schema = "CREATE TABLE x (id INT);\nCREATE TALBE y" }, []string{`schema: near "TALBE": syntax error`}},
		{func(w *Where) { w.URL.URL.Path = filepath.Join(dir, "text.db") }, []string{"url: ", "file is not a database"}},
		{func(w *Where) { w.URL.URL.Path = "/nowhere/at/all.db" }, []string{"url: ", "unable to open database file"}},
	} {
		_, err := start(t, t.TempDir(), func(w *Where) { change(w); tt.change(w) })
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v\nwant %s", err, want)
			}
		}
	}
	var at *sluice.FieldError
	_, err := start(t, t.TempDir(), func(w *Where) { w.Schema = "CREATE TABLE x (id INT);\nCREATE TALBE y" })
	if !errors.As(err, &at) || at.Offset != 33 {
		t.Errorf("%v stands at %+v; want 33", err, at)
	}
}

func TestMigrator(t *testing.T) {
	t.Parallel()
	dir, change := made(t)
	w := Kind.NewWhere().(*Where)
	w.URL.URL.Path = filepath.Join(dir, "m.db")
	change(w)
	var m sluice.Migrator = w
	all, err := m.Migrations(t.Context())
	if err != nil || len(all) != 2 || !all[0].Applied.IsZero() || all[1].Name != "002_b.sql" {
		t.Errorf("%v, %v; want two that are pending", all, err)
	}
	if _, err := os.Stat(w.URL.URL.Path); err == nil {
		t.Error("to list them made the file")
	}
	if done, err := m.MigrateUp(t.Context()); err != nil || len(done) != 2 {
		t.Errorf("%v, %v; want both applied", done, err)
	}
	if done, err := m.MigrateDown(t.Context()); err != nil || len(done) != 1 || done[0].Version != 2 {
		t.Errorf("%v, %v; want the second taken back", done, err)
	}
	all, err = m.Migrations(t.Context())
	if err != nil || all[0].Applied.IsZero() || time.Since(all[0].Applied) > time.Hour*24 || !all[1].Applied.IsZero() {
		t.Errorf("%v, %v; want the first applied", all, err)
	}
}

func TestURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"sqlite:shop.db": "/etc/shop.db", "sqlite:/var/shop.db": "/var/shop.db", "sqlite:///var/shop.db": "/var/shop.db", "sqlite:../a.db": "/a.db"} {
		var u URL
		if err := u.UnmarshalText([]byte(text)); err != nil {
			t.Error(err)
		}
		if u.Resolve("/etc"); u.Path != want {
			t.Errorf("%s is %s; want %s", text, u.Path, want)
		}
	}
	for _, text := range []string{"shop.db", "sqlite:", "sqlite://shop.db", "sqlite::memory:", "sqlite:a.db?mode=ro", "mysql://u:hunter2@h/db"} {
		var u URL
		err := u.UnmarshalText([]byte(text))
		if err == nil || !strings.Contains(err.Error(), "want") && !strings.Contains(err.Error(), "keys of their own") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v; want an error that says what is wanted", text, err)
		}
	}
}

func TestPing(t *testing.T) {
	t.Parallel()
	n := setup(t, nil)
	if err := n.opened.Backend.(sluice.Pinger).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestShownURL holds that no part of a password is shown, also where the address is wrong.
func TestShownURL(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"postgres://u:hunter2@h1,h2:5433/shop?sslmode=require":   "postgres://h1,h2:5433/shop",
		"postgres://u:hun?ter2@h/shop":                           "postgres://",
		"postgres://u:hun/ter@2@h/shop?sslpassword=x":            "postgres://h/shop",
		"postgres://u:hunter2@h/shop?application_name=a@sslpw=x": "postgres://h/shop",
	} {
		var u URL
		if err := u.UnmarshalText([]byte(address)); err != nil || u.String() != want || u.GoString() != want {
			t.Errorf("%s: %v, shown as %s; want %s", address, err, &u, want)
		}
	}
}
