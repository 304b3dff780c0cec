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
	if names(done) != "001_create.sql" || err == nil || !strings.Contains(err.Error(), db.Path()+": 002_bad.sql: ") || !strings.Contains(err.Error(), "no such table: missing") {
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
