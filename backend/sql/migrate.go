package sql

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/sqlite"
)

// migrate applies what is pending.
func (b *backend) migrate(ctx context.Context, env *sluice.Env, w *Where) error {
	files, err := w.files()
	if err != nil {
		return err
	}
	done, err := b.db.Migrations(files).Up(ctx)
	if err != nil {
		return sluice.At("migrations", err)
	}
	for _, m := range done {
		if !env.Dry {
			env.Log.Info("migration applied", "name", m.Name, "took", m.Duration.String())
		}
	}
	return nil
}

// files is the folder of the migrations.
func (w *Where) files() (fs.FS, error) {
	path := string(w.MigrationFiles)
	if err := checkFolder(path); err != nil {
		return nil, sluice.At("migrations", err)
	}
	return os.DirFS(path), nil
}

func checkFolder(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no folder %s", path)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is no folder; want one of .sql files", path)
	}
	return nil
}

// Migrations lists all migrations. It does not make the file.
func (w *Where) Migrations(ctx context.Context) ([]sluice.Migration, error) {
	db, err := w.openToAsk()
	if err != nil {
		return nil, err
	}
	return w.withMigrations(db, func(m *sqlite.Migrations) ([]sqlite.Migration, error) { return m.Status(ctx) })
}

// MigrateUp applies all that are pending, and makes the file when it is not there.
func (w *Where) MigrateUp(ctx context.Context) ([]sluice.Migration, error) {
	db, err := w.openAlone()
	if err != nil {
		return nil, err
	}
	return w.withMigrations(db, func(m *sqlite.Migrations) ([]sqlite.Migration, error) { return m.Up(ctx) })
}

// MigrateDown takes back the last one that was applied. A file that is not there has none.
func (w *Where) MigrateDown(ctx context.Context) ([]sluice.Migration, error) {
	db, err := w.openToAsk()
	if err != nil {
		return nil, err
	}
	return w.withMigrations(db, func(m *sqlite.Migrations) ([]sqlite.Migration, error) { return m.Down(ctx) })
}

// openToAsk opens the file, or an empty database for the moment where there is no file.
func (w *Where) openToAsk() (*sqlite.DB, error) {
	if _, err := os.Stat(w.URL.Path); errors.Is(err, fs.ErrNotExist) {
		return sqlite.OpenTemp(sqlite.Options{Readers: 1})
	}
	return w.openAlone()
}

func (w *Where) openAlone() (*sqlite.DB, error) {
	o := w.options()
	o.Readers = 1
	db, err := sqlite.Open(w.URL.Path, o)
	return db, sluice.At("url", err)
}

func (w *Where) withMigrations(db *sqlite.DB, f func(*sqlite.Migrations) ([]sqlite.Migration, error)) ([]sluice.Migration, error) {
	if w.MigrationFiles == "" {
		return nil, db.Close()
	}
	files, err := w.files()
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	found, err := f(db.Migrations(files))
	var all []sluice.Migration
	for _, m := range found {
		all = append(all, sluice.Migration{Version: m.Version, Name: m.Name, Applied: m.Applied})
	}
	return all, errors.Join(sluice.At("migrations", err), db.Close())
}
