package sql

import (
	"context"
	"errors"
	"path/filepath"
	"sync"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/sqlite"
)

// backend is an open database.
type backend struct {
	name string
	file string
	db   *sqlite.DB
	// blank is set when a config is only checked and there are no tables to check statements against.
	blank bool
	// long lends readers to long answers: a token for each that may be lent at once.
	long chan struct{}
	ping func() (*sqlite.Stmt, error)
}

// open opens the database and makes its tables; with env.Dry a database for the moment, with the same tables.
func open(env *sluice.Env, w *Where) (*backend, error) {
	db, err := openFile(env, w)
	if err != nil {
		return nil, err
	}
	env.Cleanup(func() {
		if err := db.Close(); err != nil {
			env.Log.Error("closing a database", "file", db.Path(), "error", err)
		}
	})
	b := &backend{name: env.Name, file: filepath.Base(w.URL.Path), db: db}
	if err := b.make(env, w); err != nil {
		return nil, err
	}
	readers := db.Stats().Readers
	b.long = make(chan struct{}, max(1, readers/2))
	b.ping = sync.OnceValues(func() (*sqlite.Stmt, error) { return db.Prepare("SELECT count(*) FROM sqlite_schema") })
	b.measure(env)
	return b, nil
}

func openFile(env *sluice.Env, w *Where) (*sqlite.DB, error) {
	if env.Dry {
		return sqlite.OpenTemp(sqlite.Options{Readers: 1})
	}
	db, err := sqlite.Open(w.URL.Path, w.options())
	return db, sluice.At("url", err)
}

func (w *Where) options() sqlite.Options {
	return sqlite.Options{Readers: w.Readers, Synchronous: w.Synchronous, BusyTimeout: w.BusyTimeout}
}

// make makes the tables and fills them.
func (b *backend) make(env *sluice.Env, w *Where) error {
	ctx := context.Background()
	if w.MigrationFiles == "" && w.Schema == "" && env.Dry {
		if err := b.db.CopySchema(ctx, w.URL.Path); err != nil {
			return sluice.At("url", err)
		}
		return b.seeBlank(ctx)
	}
	if w.MigrationFiles != "" {
		if err := b.migrate(ctx, env, w); err != nil {
			return err
		}
	}
	if w.Seed == "" {
		return b.runSchema(ctx, w)
	}
	// A seed may write for longer than others wait for the file, so it has a lock of its own.
	return b.db.Alone(ctx, func() error {
		if err := b.runSchema(ctx, w); err != nil {
			return err
		}
		return b.seed(ctx, env, string(w.Seed))
	})
}

// seeBlank notes whether there is no table at all.
func (b *backend) seeBlank(ctx context.Context) error {
	return b.db.Write(ctx, func(c *sqlite.Conn) error {
		tables, err := userTables(c)
		b.blank = len(tables) == 0
		return err
	})
}

func (b *backend) runSchema(ctx context.Context, w *Where) error {
	if w.Schema == "" {
		return nil
	}
	err := b.db.Write(ctx, func(c *sqlite.Conn) error { return c.Script(w.Schema, nil) })
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Offset >= 0 {
		return &sluice.FieldError{Field: "schema", Offset: e.Offset + 1, Err: errors.New(e.Message)}
	}
	return sluice.At("schema", err)
}

// Ping reads from the file.
func (b *backend) Ping(ctx context.Context) error {
	s, err := b.ping()
	if err != nil {
		return err
	}
	c, err := b.db.Acquire(ctx)
	if err != nil {
		return err
	}
	defer b.db.Release(c)
	r, err := c.Rows(s)
	if err != nil {
		return err
	}
	r.Step()
	return r.Err()
}
