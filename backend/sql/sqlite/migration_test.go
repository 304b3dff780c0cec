package sqlite

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
)

func migrations(files ...string) fstest.MapFS {
	out := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		out[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return out
}

const (
	create = "-- +goose Up\nCREATE TABLE m(n INT);\nINSERT INTO m VALUES (0);\n-- +goose Down\nDROP TABLE m;\n"
	raise  = "-- +goose Up\nUPDATE m SET n = n + 1;\n-- +goose Down\nUPDATE m SET n = n - 1;\n"
)

func names(ms []Migration) string {
	var out []string
	for _, m := range ms {
		out = append(out, m.Name)
	}
	return strings.Join(out, " ")
}

func TestMigrations(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 1})
	ctx := t.Context()
	m := db.Migrations(migrations("001_create.sql", create, "002_raise.sql", raise, "README.md", "x"))
	status := func() (applied int) {
		t.Helper()
		all, err := m.Status(ctx)
		must(t, err)
		if names(all) != "001_create.sql 002_raise.sql" {
			t.Errorf("got %v", all)
		}
		for _, one := range all {
			if !one.Applied.IsZero() {
				applied++
			}
		}
		return applied
	}
	for _, tt := range []struct {
		run     func(context.Context) ([]Migration, error)
		want    string
		applied int
	}{
		{m.Down, "", 0},
		{m.Up, "001_create.sql 002_raise.sql", 2},
		{m.Up, "", 2},
		{m.Down, "002_raise.sql", 1},
		{m.Up, "002_raise.sql", 2},
		{m.Down, "002_raise.sql", 1},
		{m.Down, "001_create.sql", 0},
		{m.Up, "001_create.sql 002_raise.sql", 2},
	} {
		got, err := tt.run(ctx)
		must(t, err)
		if names(got) != tt.want {
			t.Errorf("got %v; want %s", got, tt.want)
		}
		if n := status(); n != tt.applied {
			t.Errorf("%d applied; want %d", n, tt.applied)
		}
	}
	if n := count(t, db, "SELECT n FROM m"); n != 1 {
		t.Errorf("n is %d; want 1", n)
	}
}

func TestMigrationErrors(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 1})
	none, err := db.Migrations(migrations("README.md", "x")).Up(t.Context())
	if err != nil || none != nil {
		t.Errorf("no files: got %v, %v", none, err)
	}
	bad := db.Migrations(migrations("001_create.sql", create, "002_bad.sql", "-- +goose Up\nUPDATE m SET n = 7;\nUPDATE missing SET n = 1;\n"))
	done, err := bad.Up(t.Context())
	if names(done) != "001_create.sql" || err == nil || !strings.Contains(err.Error(), db.Path()+": 002_bad.sql:3:1: ") || !strings.Contains(err.Error(), "no such table: missing") {
		t.Errorf("got %v, %v", done, err)
	}
	if n := count(t, db, "SELECT n FROM m"); n != 0 {
		t.Errorf("n is %d: half of the migration was kept", n)
	}
	guard, err := lock(t.Context(), db.Path()+"-migrate")
	must(t, err)
	defer guard.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("gone")
	cancel(why)
	if _, err := bad.Up(ctx); !errors.Is(err, why) {
		t.Errorf("waiting: got %v", err)
	}
}

// TestMigrationPlace names the place in the file, and never the database that is there for the moment only.
func TestMigrationPlace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"-- +goose Up\n-- first\nCREATE TABLE a (id INT);\n\nCREATE  TALBE b (id INT);\n", `001_a.sql:5:9: near "TALBE": syntax error (1)`},
		{"-- +goose Up\r\nCREATE TABLE a (id INT);\r\n\r\n  INSERT INTO\r\n  x VALUES (1);\r\n", "001_a.sql:4:3: no such table: x (1)"},
		{"-- +goose Up\nCREATE TABLE a (id INT UNIQUE);\nINSERT INTO a VALUES (1);\nINSERT INTO a VALUES (1);\n", "001_a.sql:4:1: UNIQUE constraint failed: a.id (2067)"},
		{"-- +goose NO TRANSACTION\n-- +goose Up\n-- +goose StatementBegin\nSELECT 1; SELECT 2;\nSELECT nope;\n-- +goose StatementEnd\n", "001_a.sql:4:1: no such column: nope (1)"},
		{"CREATE TABLE a (id INT);\n", "001_a.sql"},
		{"-- +goose Up\nCREATE TABLE a (id INT)\n", "missing semicolon?"},
	} {
		db, err := OpenTemp(Options{Readers: 1})
		must(t, err)
		defer db.Close()
		_, err = db.Migrations(migrations("001_a.sql", tt.text)).Up(t.Context())
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.HasPrefix(tt.want, "001_a.sql:") && err.Error() != tt.want || strings.Contains(err.Error(), "temp.db") {
			t.Errorf("%q: %v\nwant %s", tt.text, err, tt.want)
		}
	}
}

// TestMigrationDownMissing refuses to take back what does not say how, and leaves it applied.
func TestMigrationDownMissing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"-- +goose Up\nCREATE TABLE a (id INT);\n-- Down\n", `001_a.sql: there is no section "-- +goose Down"`},
		{"-- +goose Up\nCREATE TABLE a (id INT);\n-- +goose down\nINSERT INTO a VALUES (1);\nDROP TABLE b;\n", "001_a.sql:5:1: no such table: b"},
		{"-- +goose Up\nCREATE TABLE a (id INT);\n-- +goose DOWN\n-- nothing to undo\n", ""},
	} {
		db := setup(t, Options{Readers: 1})
		m := db.Migrations(migrations("001_a.sql", tt.text))
		_, err := m.Up(t.Context())
		must(t, err)
		done, err := m.Down(t.Context())
		if tt.want == "" {
			must(t, err)
		} else if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v; want %s", tt.text, err, tt.want)
		}
		all, err := m.Status(t.Context())
		must(t, err)
		if refused := tt.want != ""; len(done) == 0 != refused || all[0].Applied.IsZero() == refused {
			t.Errorf("%q: took back %v, then %v", tt.text, done, all)
		}
	}
	db := setup(t, Options{Readers: 1})
	_, err := db.Migrations(migrations("001_create.sql", create, "002_raise.sql", raise)).Up(t.Context())
	must(t, err)
	_, err = db.Migrations(migrations("001_create.sql", create)).Down(t.Context())
	if err == nil || !strings.Contains(err.Error(), "there is no file of version 2, which was applied last") {
		t.Errorf("%v; want the file that is missing", err)
	}
}
