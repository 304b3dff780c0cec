package sql

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/sqlite"
)

// backend is an open backend: one database, or the shards of one.
type backend struct {
	name    string
	dialect *dialect
	where   *Where
	shards  []*shard
	// split finds the shard of a key; nil with one database.
	split *split

	ballot *ballot
	waiting
}

// shard is one database of a backend: the only one, without a name, or one of several.
type shard struct {
	name string
	database
	// namespace is the database's own name, in traces.
	namespace string
	// blank is set when a config is only checked and there are no tables to check statements against.
	blank bool
	// long lends connections to long answers: a token for each that may be lent at once.
	long chan struct{}
	// reached is closed when the database has answered.
	reached <-chan struct{}
	progress
}

// open opens the databases and makes their tables; with env.Dry a SQLite database for the moment, with the same tables,
// and no servers at all.
func open(env *sluice.Env, w *Where) (*backend, error) {
	b := &backend{name: env.Name, where: w, ballot: newBallot()}
	b.dialect = w.databases()[0].servers.dialect()
	if err := b.checkFolders(); err != nil {
		return nil, err
	}
	for _, d := range w.databases() {
		s, err := b.openShard(env, w, d)
		if err != nil {
			return nil, err
		}
		b.shards = append(b.shards, s)
	}
	if w.ShardBy != nil {
		b.split = newSplit(w)
	}
	if env.Dry && b.dialect != sqliteDialect {
		return b, nil
	}
	b.wait(env)
	for i := range b.shards {
		b.running.Go(func() { b.settle(env, i) })
	}
	return b, b.await(env)
}

// checkFolders finds what is wrong with the folders that the config names before a database is asked.
func (b *backend) checkFolders() error {
	var errs []error
	if at := string(b.where.MigrationFiles); at != "" {
		_, err := b.folder(at)
		errs = append(errs, sluice.At("migrations", err))
	}
	if at := string(b.where.Seed); at != "" {
		_, err := b.readSeed(at)
		errs = append(errs, sluice.At("seed", err))
	}
	return errors.Join(errs...)
}

func (b *backend) openShard(env *sluice.Env, w *Where, d named) (*shard, error) {
	s := &shard{name: d.name, progress: newProgress()}
	if b.dialect == sqliteDialect {
		return s, s.openFile(env, w, d.servers.URL.Path)
	}
	return s, s.openServers(env, w, d)
}

// openFile opens a SQLite file.
func (s *shard) openFile(env *sluice.Env, w *Where, path string) error {
	open := func() (*sqlite.DB, error) { return sqlite.Open(path, w.options()) }
	if env.Dry {
		open = func() (*sqlite.DB, error) { return sqlite.OpenTemp(sqlite.Options{Readers: 1}) }
	}
	db, err := open()
	if err != nil {
		return s.at(err)
	}
	env.Cleanup(func() {
		if err := db.Close(); err != nil {
			env.Log.Error("closing a database", "file", db.Path(), "error", err)
		}
	})
	s.database, s.namespace = newLite(db), filepath.Base(path)
	s.long = make(chan struct{}, max(1, db.Stats().Readers/2))
	now := make(chan struct{})
	close(now)
	s.reached = now
	s.measureFile(env, db)
	if w.MigrationFiles == "" && w.Schema == "" && env.Dry {
		return s.at(s.copySchema(db, path))
	}
	return nil
}

// at says which database an error is about.
func (s *shard) at(err error) error {
	if s.name == "" {
		return sluice.At("url", err)
	}
	return sluice.At("shards."+s.name, err)
}

func (w *Where) options() sqlite.Options {
	return sqlite.Options{Readers: w.Readers, Synchronous: w.Synchronous, BusyTimeout: w.BusyTimeout}
}

// copySchema takes the tables from the file, and notes whether there are none at all.
func (s *shard) copySchema(db *sqlite.DB, path string) error {
	if err := db.CopySchema(context.Background(), path); err != nil {
		return err
	}
	tables, err := s.tables(context.Background())
	s.blank = len(tables) == 0
	return err
}

// Ping asks every database.
func (b *backend) Ping(ctx context.Context) error {
	var errs []error
	for i, s := range b.shards {
		if s.database == nil { // the config is only checked
			errs = append(errs, s.at(b.where.knock(ctx, b.where.databases()[i])))
			continue
		}
		errs = append(errs, s.at(s.ping(ctx)))
	}
	return errors.Join(errs...)
}
