package sql

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

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

	mu        sync.Mutex // guards followers
	followers map[*fresh]struct{}
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
	// settled is closed when the tables are there, or err says why they cannot be.
	settled chan struct{}
	err     error
	usable  atomic.Bool
}

// isReached tells whether statements can be checked on the database.
func (s *shard) isReached() bool { return s.usable.Load() }

// patience is how long a start, or a reload, waits for servers that do not answer.
const patience = 1500 * time.Millisecond

// open opens the databases and makes their tables; with env.Dry a SQLite database for the moment, with the same tables,
// and no servers at all.
func open(env *sluice.Env, w *Where) (*backend, error) {
	b := &backend{name: env.Name, where: w, ballot: newBallot(), followers: map[*fresh]struct{}{}}
	for _, d := range w.databases() {
		b.dialect = d.servers.dialect()
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
	ctx, cancel := context.WithCancel(context.Background())
	var settling sync.WaitGroup
	env.Cleanup(func() {
		cancel()
		settling.Wait()
	})
	for i := range b.shards {
		settling.Go(func() { b.settle(ctx, env, i) })
	}
	return b, b.await(env, &settling)
}

func (b *backend) openShard(env *sluice.Env, w *Where, d named) (*shard, error) {
	s := &shard{name: d.name, settled: make(chan struct{})}
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

// await waits for the shards to be made. Those that cannot be reached are left to be waited for, and hold the node from
// being ready.
func (b *backend) await(env *sluice.Env, settling *sync.WaitGroup) error {
	late := time.NewTimer(patience)
	defer late.Stop()
	for _, s := range b.shards {
		select {
		case <-s.settled:
			continue
		case <-late.C:
			late.Reset(0)
		}
		if b.allReached() { // they are at work
			<-s.settled
		}
	}
	var errs []error
	for _, s := range b.shards {
		select {
		case <-s.settled:
			errs = append(errs, s.err)
		default:
			what := "backend " + b.name
			if s.name != "" {
				what += ", shard " + s.name
			}
			env.Log.Warn("a database is not ready; the node goes on trying", "shard", s.name, "error", s.whyNot())
			ready := env.Hold(what)
			env.Cleanup(ready) // what is closed is not waited for
			settling.Go(func() { b.reach(env, s, ready) })
		}
	}
	return errors.Join(errs...)
}

func (b *backend) allReached() bool {
	for _, s := range b.shards {
		select {
		case <-s.reached:
		default:
			return false
		}
	}
	return true
}

// reach waits for a shard and makes the endpoints anew that could not be made without it.
func (b *backend) reach(env *sluice.Env, s *shard, ready func()) {
	<-s.settled
	switch {
	case errors.Is(s.err, context.Canceled):
		return
	case s.err != nil:
		env.Log.Error("a database was reached, and its tables cannot be made", "shard", s.name, "error", s.err)
		return
	}
	env.Log.Info("a database is reached", "shard", s.name)
	b.mu.Lock()
	var all []*fresh
	for f := range b.followers {
		all = append(all, f)
	}
	b.mu.Unlock()
	for _, f := range all {
		f.remake(f.current.Load())
	}
	ready()
}

// follow has a handler made anew when a shard is reached that was not yet.
func (b *backend) follow(env *sluice.Env, f *fresh) {
	for _, s := range b.shards {
		if !s.isReached() {
			b.mu.Lock()
			b.followers[f] = struct{}{}
			b.mu.Unlock()
			env.Cleanup(func() {
				b.mu.Lock()
				defer b.mu.Unlock()
				delete(b.followers, f)
			})
			if s.isReached() { // meanwhile
				f.remake(f.current.Load())
			}
			return
		}
	}
}

// Ping asks every database.
func (b *backend) Ping(ctx context.Context) error {
	var errs []error
	for _, s := range b.shards {
		if err := s.ping(ctx); err != nil {
			errs = append(errs, s.at(err))
		}
	}
	return errors.Join(errs...)
}
