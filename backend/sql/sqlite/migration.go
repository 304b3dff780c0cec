package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	"github.com/pressly/goose/v3"

	"github.com/sluiceapi/sluice/backend/sql/goosefile"
)

// Migrations are the numbered .sql files of a directory, in goose's format, and what the database knows of them.
// Its methods may be called at once, by several processes too: one works, the others wait for it,
// by a lock on the file "<database>-migrate", which the system drops with its holder and which is left in place, empty.
// Foreign keys are enforced; a migration that rebuilds a table says "-- +goose NO TRANSACTION" and turns them off.
type Migrations struct {
	db    *DB
	files fs.FS
}

// Migration is one file and its state.
type Migration struct {
	Version  int64
	Name     string        // of the file
	Applied  time.Time     // zero if it is not; known from Status
	Duration time.Duration // what it took; known from Up and Down
}

// Migrations returns the migrations of a directory. Nothing is read until they are used.
func (db *DB) Migrations(files fs.FS) *Migrations { return &Migrations{db: db, files: files} }

// Up applies what is pending, in order, and returns what it applied: some, too, when one fails. The error names the
// place in the file.
func (m *Migrations) Up(ctx context.Context) ([]Migration, error) {
	return m.run(ctx, func(p *goose.Provider, said *goosefile.Heard) ([]Migration, error) {
		done, err := p.Up(ctx)
		var part *goose.PartialError
		if errors.As(err, &part) {
			done, err = part.Applied, m.fault(part, said)
		}
		return results(done), err
	})
}

// Down takes back the last one applied, and returns it; nothing if there is none. One that does not say how is an error.
func (m *Migrations) Down(ctx context.Context) ([]Migration, error) {
	return m.run(ctx, func(p *goose.Provider, said *goosefile.Heard) ([]Migration, error) {
		version, err := p.GetDBVersion(ctx)
		if err != nil || version == 0 {
			return nil, err
		}
		if err := m.checkDown(p, version); err != nil {
			return nil, err
		}
		done, err := p.ApplyVersion(ctx, version, false)
		var part *goose.PartialError
		switch {
		case errors.As(err, &part):
			return nil, m.fault(part, said)
		case err != nil:
			return nil, err
		}
		return results([]*goose.MigrationResult{done}), nil
	})
}

// checkDown refuses to take back a migration whose file is not there, or does not say how.
func (m *Migrations) checkDown(p *goose.Provider, version int64) error {
	for _, s := range p.ListSources() {
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
	return m.run(ctx, func(p *goose.Provider, _ *goosefile.Heard) ([]Migration, error) {
		all, err := p.Status(ctx)
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

func results(in []*goose.MigrationResult) []Migration {
	var out []Migration
	for _, r := range in {
		out = append(out, Migration{Version: r.Source.Version, Name: path.Base(r.Source.Path), Duration: r.Duration})
	}
	return out
}

// run opens goose on a connection of its own, under the lock, and calls f.
func (m *Migrations) run(ctx context.Context, f func(*goose.Provider, *goosefile.Heard) ([]Migration, error)) (_ []Migration, err error) {
	file := m.db.path
	if m.db.options.ReadOnly {
		return nil, &Error{File: m.db.name, Code: int(sqlite3.READONLY), Message: "the database was opened read only", Offset: -1}
	}
	defer func() {
		if err != nil && m.db.name != "" {
			err = fmt.Errorf("migrate %s: %w", file, err)
		}
	}()
	guard, err := lock(ctx, file+"-migrate")
	if err != nil {
		return nil, err
	}
	defer guard.Close()
	pool, err := driver.Open(file, m.db.configure)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	said := &goosefile.Heard{}
	p, err := goose.NewProvider(goose.DialectSQLite3, pool, m.files, goose.WithDisableGlobalRegistry(true),
		goose.WithSlog(slog.New(said)), goose.WithVerbose(true))
	if errors.Is(err, goose.ErrNoMigrations) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return f(p, said)
}

// configure sets up the connection that migrates.
func (db *DB) configure(c *sqlite3.Conn) error {
	if err := c.BusyTimeout(db.options.BusyTimeout); err != nil {
		return err
	}
	return c.Exec("PRAGMA foreign_keys=ON")
}

// lockEvery is how often a process that waits to migrate asks again.
const lockEvery = 20 * time.Millisecond

// lock waits until this process alone holds the file at path, until ctx ends. To close the connection frees it.
func lock(ctx context.Context, path string) (*sqlite3.Conn, error) {
	c, err := sqlite3.OpenFlags(path, sqlite3.OPEN_READWRITE|sqlite3.OPEN_CREATE)
	if err != nil {
		return nil, wrap(path, "", err, nil)
	}
	c.SetInterrupt(ctx)
	err = c.BusyHandler(func(ctx context.Context, _ int) bool {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(lockEvery):
			return true
		}
	})
	if err == nil {
		err = c.Exec("BEGIN EXCLUSIVE")
	}
	if err == nil {
		return c, nil
	}
	c.Close()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return nil, fmt.Errorf("wait for another migration: %w", err)
}

// fault is the error of a migration, with its place in the file.
func (m *Migrations) fault(part *goose.PartialError, said *goosefile.Heard) error {
	err := wrap(path.Base(part.Failed.Source.Path), "", part.Err, nil)
	if e, ok := errors.AsType[*Error](err); ok {
		e.File = said.Place(m.files, part.Failed, func(statement string) int { return m.offset(statement, e) })
	}
	return err
}

// offset is where in a statement the fault lies, if SQLite says the same of it alone; else its start.
func (m *Migrations) offset(statement string, e *Error) int {
	_, err := m.db.Prepare(statement)
	if alone, ok := errors.AsType[*Error](err); ok && alone.Message == e.Message {
		return max(0, alone.Offset)
	}
	return 0
}
