package postgres

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
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
	config := database(t)
	ctx := t.Context()
	m := NewMigrations(config, migrations("001_create.sql", create, "002_raise.sql", raise, "README.md", "x"))
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
	if n := ask(t, dial(t, config), "SELECT n FROM m"); n != "1" {
		t.Errorf("n is %s; want 1", n)
	}
}

// database makes a database of its own: the lock of migrations is one for all schemas.
func database(t *testing.T) *pgconn.Config {
	t.Helper()
	config := setup(t)
	name := "d" + config.RuntimeParams["search_path"]
	must(t, dial(t, config).Script(t.Context(), "CREATE DATABASE "+name, nil))
	config.Database = name
	delete(config.RuntimeParams, "search_path")
	return config
}

// TestMigrationsAtOnce holds that of several at once one works, also where an index is made CONCURRENTLY, which waits for
// all others' statements.
func TestMigrationsAtOnce(t *testing.T) {
	t.Parallel()
	config := database(t)
	const index = "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE INDEX CONCURRENTLY i ON m(n);\n"
	files := migrations("001_create.sql", create, "002_raise.sql", raise, "003_index.sql", index)
	var all sync.WaitGroup
	var mu sync.Mutex
	applied := 0
	for range 4 {
		all.Go(func() {
			done, err := NewMigrations(config, files).Up(t.Context())
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			applied += len(done)
		})
	}
	all.Wait()
	if n := ask(t, dial(t, config), "SELECT n FROM m"); n != "1" || applied != 3 {
		t.Errorf("n is %s, and %d were applied; want 1 and 3", n, applied)
	}
}

// TestMigrationWaits holds that a migration does not hold up the statements behind it for long, and is tried again.
func TestMigrationWaits(t *testing.T) {
	t.Parallel()
	config := database(t)
	files := migrations("001_create.sql", create)
	_, err := NewMigrations(config, files).Up(t.Context())
	must(t, err)
	reader, watch := dial(t, config), dial(t, config)
	must(t, reader.Begin(true))
	ask(t, reader, "SELECT n FROM m")
	files["002_more.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\nINSERT INTO m VALUES (7);\nALTER TABLE m ADD more int;\n")}
	ended := make(chan error, 1)
	go func() {
		m := NewMigrations(config, files)
		m.wait = 200 * time.Millisecond
		_, err := m.Up(t.Context())
		ended <- err
	}()
	waiting := func() string {
		return ask(t, watch, "SELECT xact_start FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'ALTER TABLE m%'")
	}
	first := ""
	until(t, "it waits", func() bool { first = waiting(); return first != "" })
	until(t, "it gives up, and waits again", func() bool { next := waiting(); return next != "" && next != first })
	reader.Rollback()
	must(t, <-ended)
	if n := ask(t, watch, "SELECT count(*) FROM m WHERE more IS NULL"); n != "2" {
		t.Errorf("%s rows, want 2", n)
	}
}

func TestMigrationErrors(t *testing.T) {
	t.Parallel()
	config := database(t)
	none, err := NewMigrations(config, migrations("README.md", "x")).Up(t.Context())
	if err != nil || none != nil {
		t.Errorf("no files: got %v, %v", none, err)
	}
	bad := NewMigrations(config, migrations("001_create.sql", create, "002_bad.sql", "-- +goose Up\nUPDATE m SET n = 7;\nUPDATE missing SET n = 1;\n"))
	done, err := bad.Up(t.Context())
	if names(done) != "001_create.sql" || err == nil || !strings.Contains(err.Error(), config.Database+": 002_bad.sql:3:8: ") || !IsUnknownTable(err) {
		t.Errorf("got %v, %v", done, err)
	}
	c := dial(t, config)
	if n := ask(t, c, "SELECT n FROM m"); n != "0" {
		t.Errorf("n is %s: half of the migration was kept", n)
	}
	why := errors.New("gone")
	must(t, c.Alone(t.Context(), func() error {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(100*time.Millisecond, func() { cancel(why) })
		if _, err := bad.Up(ctx); !errors.Is(err, why) {
			t.Errorf("waiting: got %v", err)
		}
		return nil
	}))
}

// TestMigrationPlace names the place in the file.
func TestMigrationPlace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"-- +goose Up\n-- first\nCREATE TABLE a (id INT);\n\nCREATE  TALBE b (id INT);\n", `001_a.sql:5:9: syntax error at or near "TALBE" (42601)`},
		{"-- +goose Up\r\nCREATE TABLE a (id INT);\r\n\r\n  INSERT INTO\r\n  x VALUES (1);\r\n", `001_a.sql:5:3: relation "x" does not exist (42P01)`},
		{"-- +goose Up\nCREATE TABLE a (id INT UNIQUE);\nINSERT INTO a VALUES (1);\nINSERT INTO a VALUES (1);\n", `001_a.sql:4:1: duplicate key value violates unique constraint "a_id_key" (23505): Key (id)=(1) already exists.`},
		{"-- +goose NO TRANSACTION\n-- +goose Up\n-- +goose StatementBegin\nSELECT 1; SELECT 2;\nSELECT nope;\n-- +goose StatementEnd\n", `001_a.sql:5:8: column "nope" does not exist (42703)`},
		{"CREATE TABLE a (id INT);\n", "001_a.sql"},
		{"-- +goose Up\nCREATE TABLE a (id INT)\n", "missing semicolon?"},
	} {
		_, err := NewMigrations(database(t), migrations("001_a.sql", tt.text)).Up(t.Context())
		if err == nil || !strings.HasSuffix(err.Error(), tt.want) && !strings.Contains(tt.want, "(") && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v\nwant %s", tt.text, err, tt.want)
		}
	}
}

// TestMigrationDownMissing refuses to take back what does not say how, and leaves it applied.
func TestMigrationDownMissing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"-- +goose Up\nCREATE TABLE a (id INT);\n-- Down\n", `001_a.sql: there is no section "-- +goose Down"`},
		{"-- +goose Up\nCREATE TABLE a (id INT);\n-- +goose down\nINSERT INTO a VALUES (1);\nDROP TABLE b;\n", `001_a.sql:5:1: table "b" does not exist`},
		{"-- +goose Up\nCREATE TABLE a (id INT);\n-- +goose DOWN\n-- nothing to undo\n", ""},
	} {
		m := NewMigrations(database(t), migrations("001_a.sql", tt.text))
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
	config := database(t)
	_, err := NewMigrations(config, migrations("001_create.sql", create, "002_raise.sql", raise)).Up(t.Context())
	must(t, err)
	_, err = NewMigrations(config, migrations("001_create.sql", create)).Down(t.Context())
	if err == nil || !strings.Contains(err.Error(), "there is no file of version 2, which was applied last") {
		t.Errorf("%v; want the file that is missing", err)
	}
}
