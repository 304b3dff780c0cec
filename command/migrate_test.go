package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
