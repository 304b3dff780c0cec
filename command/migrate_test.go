package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

func TestMigrate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "migrations"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "migrations", "00001_a.sql"), "-- +goose Up\nCREATE TABLE a (id INTEGER);\n-- +goose Down\nDROP TABLE a;\n")
	write(t, filepath.Join(dir, "migrations", "00002_b.sql"), "-- +goose Up\nCREATE TABLE b (id INTEGER);\n-- +goose Down\nDROP TABLE b;\n")
	file := write(t, filepath.Join(dir, "sluice.yaml"), `sluice: 1
backends:
  db:
    sql:
      url: "sqlite:x.db"
      migrations: migrations/
endpoints:
  all:
    route: GET /
    sql:
      query: SELECT id FROM a
      returns: many
`)
	for _, step := range []struct {
		what string
		want []string
	}{
		{"status", []string{"00001_a.sql  pending", "00002_b.sql  pending"}},
		{"up", []string{"00001_a.sql  applied", "00002_b.sql  applied"}},
		{"up", []string{"nothing to do"}},
		{"down", []string{"00002_b.sql  taken back"}},
		{"status", []string{"00001_a.sql  applied", "00002_b.sql  pending"}},
	} {
		code, out, err := runTool(t, "migrate", step.what, file)
		if code != exitOK {
			t.Fatalf("%s: %d %s", step.what, code, err)
		}
		for _, want := range step.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: want %q in\n%s", step.what, want, out)
			}
		}
	}
	if code, _, err := runTool(t, "migrate", "up", "--backend", "nope", file); code != exitMistakes || !strings.Contains(err, `there is no backend "nope"`) {
		t.Errorf("got %d %s", code, err)
	}
}

// TestMigrateShards migrates the shards of a PostgreSQL database, with the files that are for it.
func TestMigrateShards(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{})
	urls := map[string]string{"a": p.Database("a"), "b": p.Database("b")}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "migrations"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "migrations", "00001_a.postgres.sql"), "-- +goose Up\nCREATE TABLE a (id INT GENERATED ALWAYS AS IDENTITY);\n-- +goose Down\nDROP TABLE a;\n")
	write(t, filepath.Join(dir, "migrations", "00001_a.sqlite.sql"), "-- +goose Up\nCREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT);\n-- +goose Down\nDROP TABLE a;\n")
	second := filepath.Join(dir, "migrations", "00002_b.sql")
	write(t, second, "-- +goose Up\nCREATE TABLE b (id INT);\n-- +goose Down\nDROP TABLE b;\n")
	file := write(t, filepath.Join(dir, "sluice.yaml"), fmt.Sprintf(`sluice: 1
backends:
  db:
    sql:
      shards:
        a: %s
        b: %s
      shard_by:
        hash: int8
      migrations: migrations/
      migrate: never
endpoints:
  all:
    route: GET /{id}
    sql:
      query: SELECT id FROM a WHERE id = $id
      shard: id
`, urls["a"], urls["b"]))
	migrate := func(what string, wants ...string) {
		t.Helper()
		code, out, err := runTool(t, "migrate", what, file)
		if code != exitOK {
			t.Fatalf("%s: %d %s", what, code, err)
		}
		for _, want := range wants {
			if !strings.Contains(out, want) {
				t.Errorf("%s: want %q in\n%s", what, want, out)
			}
		}
	}
	migrate("status", "00001_a.postgres.sql  pending", "00002_b.sql           pending")
	migrate("up", "00001_a.postgres.sql  applied", "00002_b.sql           applied")
	migrate("up", "nothing to do")
	migrate("down", "00002_b.sql  taken back")
	for name := range urls {
		if rows := p.Rows(name, "SELECT to_regclass('a') IS NOT NULL, to_regclass('b') IS NOT NULL"); fmt.Sprint(rows) != "[[t f]]" {
			t.Errorf("the database %s has %v; want the first table only", name, rows)
		}
	}
	// What fails on one shard is pending, whatever the first one has.
	if _, err := p.Run(t.Context(), "b", "CREATE TABLE b (id INT)"); err != nil {
		t.Fatal(err)
	}
	if code, _, err := runTool(t, "migrate", "up", file); code == exitOK || !strings.Contains(err, "backends.db: migrations: shard b: ") || !strings.Contains(err, "00002_b.sql") {
		t.Errorf("got %d %s; want the shard and the file", code, err)
	}
	migrate("status", "00001_a.postgres.sql  applied", "00002_b.sql           pending")
	if code, _, err := runTool(t, "migrate", "down", file); code == exitOK || !strings.Contains(err, "00002_b.sql is applied on some shards only") {
		t.Errorf("got %d %s; want nothing taken back", code, err)
	}
	if _, err := p.Run(t.Context(), "b", "DROP TABLE b"); err != nil {
		t.Fatal(err)
	}
	migrate("up", "00002_b.sql  applied")
	migrate("down", "00002_b.sql  taken back")
}
