package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/sluiceapi/sluice/backend/sql/goosefile"
)

// Migrations are the numbered .sql files of a directory, in goose's format, and what the database knows of them. Its
// methods may be called at once, by several processes too: one works, the others wait for it, by an advisory lock that
// the server drops with its holder. It is the lock of Conn.Alone. They need two connections while they work.
//
// A migration waits for up to lockTimeout for a lock on a table, so that the statements that queue behind it do not wait
// for longer; then it is undone and tried again, up to lockTries times. One that says "-- +goose NO TRANSACTION", as CREATE
// INDEX CONCURRENTLY wants it, waits for as long as it takes.
type Migrations struct {
	config *pgconn.Config
	files  fs.FS
	wait   time.Duration // lockTimeout
}

const (
	lockTimeout = 5 * time.Second
	lockTries   = 6
)

// Migration is one file and its state.
type Migration struct {
	Version  int64
	Name     string        // of the file
	Applied  time.Time     // zero if it is not; known from Status
	Duration time.Duration // what it took; known from Up and Down
}

// goosed is goose at work, on one connection.
type goosed struct {
	*goose.Provider
	pool *sql.DB
	said goosefile.Heard
}

// NewMigrations returns the migrations of a directory for the database that config leads to, whose server must be the
// primary. Nothing is read, and no connection made, until they are used.
func NewMigrations(config *pgconn.Config, files fs.FS) *Migrations {
	return &Migrations{config: config, files: files, wait: lockTimeout}
}

// Up applies what is pending, in order, and returns what it applied: some, too, when one fails. The error names the
// place in the file.
func (m *Migrations) Up(ctx context.Context) ([]Migration, error) {
	return m.run(ctx, func(g *goosed) (done []Migration, err error) {
		for tries := 1; ; {
			if err := m.setLockTimeout(ctx, g); err != nil {
				return done, err
			}
			one, err := g.UpByOne(ctx)
			var part *goose.PartialError
			switch {
			case err == nil:
				done, tries = append(done, results(one)...), 1
			case errors.Is(err, goose.ErrNoNextVersion):
				return done, nil
			case !errors.As(err, &part):
				return done, err
			case tries == lockTries || !waitedInVain(part.Err) || ctx.Err() != nil:
				return done, m.fault(part, &g.said)
			default:
				tries++
			}
		}
	})
}

// setLockTimeout bounds the waiting of the migration that comes next, if it can be tried again.
func (m *Migrations) setLockTimeout(ctx context.Context, g *goosed) error {
	all, err := g.Status(ctx)
	if err != nil {
		return err
	}
	wait := m.wait
	for _, s := range all {
		if s.State != goose.StatePending {
			continue
		}
		text, err := fs.ReadFile(m.files, s.Source.Path)
		if err != nil {
			return err
		}
		if goosefile.Says(string(text), "NO", "TRANSACTION") {
			wait = 0
		}
		break
	}
	_, err = g.pool.ExecContext(ctx, fmt.Sprintf("SET lock_timeout = %d", wait.Milliseconds()))
	return err
}

// waitedInVain tells whether a lock was not to be had in time.
func waitedInVain(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && server.Code == "55P03"
}

// Down takes back the last one applied, and returns it; nothing if there is none. One that does not say how is an error.
func (m *Migrations) Down(ctx context.Context) ([]Migration, error) {
	return m.run(ctx, func(g *goosed) ([]Migration, error) {
		version, err := g.GetDBVersion(ctx)
		if err != nil || version == 0 {
			return nil, err
		}
		if err := m.checkDown(g, version); err != nil {
			return nil, err
		}
		done, err := g.ApplyVersion(ctx, version, false)
		var part *goose.PartialError
		switch {
		case errors.As(err, &part):
			return nil, m.fault(part, &g.said)
		case err != nil:
			return nil, err
		}
		return results(done), nil
	})
}

// checkDown refuses to take back a migration whose file is not there, or does not say how.
func (m *Migrations) checkDown(g *goosed, version int64) error {
	for _, s := range g.ListSources() {
		if s.Version != version {
			continue
		}
		text, err := fs.ReadFile(m.files, s.Path)
		if err == nil && !goosefile.Says(string(text), "Down") {
			err = fmt.Errorf("%s: there is no section \"-- +goose Down\" to take it back with; want one, and an empty one where there is nothing to undo", path.Base(s.Path))
		}
		return err
	}
	return fmt.Errorf("there is no file of version %d, which was applied last; want it back in its folder", version)
}

// Status returns all files in order, each with the time it was applied.
func (m *Migrations) Status(ctx context.Context) ([]Migration, error) {
	return m.run(ctx, func(g *goosed) ([]Migration, error) {
		all, err := g.Status(ctx)
		if err != nil {
			return nil, err
		}
		var out []Migration
		for _, s := range all {
			out = append(out, Migration{Version: s.Source.Version, Name: path.Base(s.Source.Path), Applied: s.AppliedAt})
		}
		return out, nil
	})
}

func results(in ...*goose.MigrationResult) []Migration {
	var out []Migration
	for _, r := range in {
		out = append(out, Migration{Version: r.Source.Version, Name: path.Base(r.Source.Path), Duration: r.Duration})
	}
	return out
}

// run opens goose on a connection of its own, under the lock, and calls f.
func (m *Migrations) run(ctx context.Context, f func(*goosed) ([]Migration, error)) (done []Migration, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("migrate %s: %w", m.config.Database, err)
		}
	}()
	guard, err := Dial(ctx, m.config, Options{})
	if err != nil {
		return nil, err
	}
	defer guard.Close()
	err = guard.Alone(ctx, func() error {
		done, err = m.open(ctx, f)
		return err
	})
	return done, err
}

func (m *Migrations) open(ctx context.Context, f func(*goosed) ([]Migration, error)) ([]Migration, error) {
	config, err := pgx.ParseConfig("")
	if err != nil {
		return nil, err
	}
	config.Config = *session(m.config)
	pool := stdlib.OpenDB(*config)
	defer pool.Close()
	pool.SetMaxOpenConns(1)
	g := &goosed{pool: pool}
	g.Provider, err = goose.NewProvider(goose.DialectPostgres, pool, m.files, goose.WithDisableGlobalRegistry(true),
		goose.WithSlog(slog.New(&g.said)), goose.WithVerbose(true))
	if errors.Is(err, goose.ErrNoMigrations) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return f(g)
}

// fault is the error of a migration, with its place in the file.
func (m *Migrations) fault(part *goose.PartialError, heard *goosefile.Heard) error {
	var server *pgconn.PgError
	if !errors.As(part.Err, &server) {
		return fmt.Errorf("%s: %w", path.Base(part.Failed.Source.Path), part.Err)
	}
	place := heard.Place(m.files, part.Failed, func(statement string) int { return max(0, offset(statement, int(server.Position))) })
	return &Error{Server: place, Code: server.Code, Message: server.Message, Detail: server.Detail, Hint: server.Hint, Schema: server.SchemaName,
		Table: server.TableName, Column: server.ColumnName, Constraint: server.ConstraintName, Offset: -1}
}
