package sql

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/sqlite"
)

// migration is one file of a folder and its state.
type migration struct {
	Version  int64
	Name     string
	Applied  time.Time     // zero if it is not; known from Status
	Duration time.Duration // what it took; known from Up and Down
}

// migrate applies what is pending on a shard.
func (b *backend) migrate(ctx context.Context, env *sluice.Env, s *shard) error {
	files, err := b.folder(string(b.where.MigrationFiles))
	if err != nil {
		return sluice.At("migrations", err)
	}
	done, err := s.migrations(files).Up(ctx)
	if err != nil {
		return sluice.At("migrations", err)
	}
	for _, m := range done {
		if !env.Dry {
			s.log(env).Info("migration applied", "name", m.Name, "took", m.Duration.String())
		}
	}
	return nil
}

// folder is one of .sql files, without those that are for another sort of database.
type folder struct {
	fs.FS
	key string
}

// folder opens the folder at a path.
func (b *backend) folder(path string) (folder, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return folder{}, fmt.Errorf("there is no folder %s", path)
	case err != nil:
		return folder{}, err
	case !info.IsDir():
		return folder{}, fmt.Errorf("%s is no folder; want one of .sql files", path)
	}
	return folder{os.DirFS(path), b.dialect.key}, nil
}

// has tells whether a file is for this sort of database: one without the name of another before its ending.
func (f folder) has(name string) bool {
	stem := strings.TrimSuffix(strings.ToLower(name), ".sql")
	for _, d := range []*dialect{sqliteDialect, postgresDialect} {
		if d.key != f.key && path.Ext(stem) == "."+d.key {
			return false
		}
	}
	return true
}

// ReadDir lists the files that are for this sort of database.
func (f folder) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(f.FS, name)
	var own []fs.DirEntry
	for _, e := range all {
		if f.has(e.Name()) {
			own = append(own, e)
		}
	}
	return own, err
}

// Migrations lists all migrations; with shards one is applied that is applied on all of them. It does not make a file.
func (w *Where) Migrations(ctx context.Context) ([]sluice.Migration, error) {
	return w.each(ctx, false, func(m migrations) ([]migration, error) { return m.Status(ctx) })
}

// MigrateUp applies all that are pending on every shard, and makes a file when it is not there. It returns those that were
// pending on any.
func (w *Where) MigrateUp(ctx context.Context) ([]sluice.Migration, error) {
	return w.each(ctx, true, func(m migrations) ([]migration, error) { return m.Up(ctx) })
}

// MigrateDown takes back the last one that was applied, on every shard. A file that is not there has none.
func (w *Where) MigrateDown(ctx context.Context) ([]sluice.Migration, error) {
	if err := w.sameMigrations(ctx); err != nil {
		return nil, err
	}
	return w.each(ctx, false, func(m migrations) ([]migration, error) { return m.Down(ctx) })
}

// sameMigrations refuses shards of which one has migrations that another has not: the last one is not the same on all.
func (w *Where) sameMigrations(ctx context.Context) error {
	var first []migration
	_, err := w.each(ctx, false, func(m migrations) ([]migration, error) {
		all, err := m.Status(ctx)
		if first == nil {
			first = all
		}
		for i := range min(len(all), len(first)) {
			if err == nil && all[i].Applied.IsZero() != first[i].Applied.IsZero() {
				err = fmt.Errorf("%s is applied on some shards only; want all of them migrated up before one is taken back", all[i].Name)
			}
		}
		return all, err
	})
	return err
}

// each calls f with the migrations of each database, one after the other, and gives what it gives for any of them.
func (w *Where) each(ctx context.Context, create bool, f func(migrations) ([]migration, error)) ([]sluice.Migration, error) {
	if w.MigrationFiles == "" {
		return nil, nil
	}
	var all []sluice.Migration
	for _, d := range w.databases() {
		found, err := w.one(ctx, d, create, f)
		if err != nil {
			if len(w.Shards) > 0 {
				err = fmt.Errorf("shard %s: %w", d.name, err)
			}
			return all, sluice.At("migrations", err)
		}
		all = union(all, found)
	}
	return all, nil
}

// union adds migrations to those of other shards, in order. What is pending on one is pending.
func union(all []sluice.Migration, found []migration) []sluice.Migration {
	for _, m := range found {
		i, known := slices.BinarySearchFunc(all, m.Version, func(o sluice.Migration, version int64) int { return cmp.Compare(o.Version, version) })
		switch {
		case !known:
			all = slices.Insert(all, i, sluice.Migration{Version: m.Version, Name: m.Name, Applied: m.Applied})
		case m.Applied.IsZero():
			all[i].Applied = m.Applied
		}
	}
	return all
}

func (w *Where) one(ctx context.Context, d named, create bool, f func(migrations) ([]migration, error)) (_ []migration, err error) {
	b := &backend{dialect: d.servers.dialect()}
	files, err := b.folder(string(w.MigrationFiles))
	if err != nil {
		return nil, err
	}
	db, err := w.openToMigrate(ctx, d, create)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	return f(db.migrations(files))
}

// openToMigrate opens a database outside of a node. A SQLite file that is not there is made only to be migrated; else an
// empty one stands for it.
func (w *Where) openToMigrate(ctx context.Context, d named, create bool) (keeper, error) {
	path := d.servers.URL.Path
	if path == "" {
		return w.openServersToMigrate(ctx, d)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !create {
		db, err := sqlite.OpenTemp(sqlite.Options{Readers: 1})
		return newLite(db), err
	}
	o := w.options()
	o.Readers = 1
	db, err := sqlite.Open(path, o)
	if err != nil {
		return nil, err
	}
	return newLite(db), nil
}
