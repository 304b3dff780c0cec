package sql

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/sqlite"
)

// seedFile is one file of a seed.
type seedFile struct {
	name string
	sql  string
}

// seed fills an empty database, once. It is one transaction, so that a node that dies in it leaves nothing.
func (b *backend) seed(ctx context.Context, env *sluice.Env, path string) error {
	files, err := readSeed(path)
	if err != nil {
		return sluice.At("seed", err)
	}
	if env.Dry {
		return sluice.At("seed", b.checkSeed(ctx, files))
	}
	err = b.db.Write(ctx, func(c *sqlite.Conn) error {
		if err := c.Script(seedTable, nil); err != nil {
			return err
		}
		if needed, err := b.needsSeed(c); err != nil || !needed {
			return err
		}
		started := env.Now()
		if err := runSeed(env, c, files); err != nil {
			return err
		}
		env.Log.Info("database filled", "files", len(files), "took", env.Now().Sub(started).Round(time.Millisecond).String())
		return c.Script("INSERT INTO sluice_seed (applied_at) VALUES (CURRENT_TIMESTAMP)", nil)
	})
	return sluice.At("seed", err)
}

const seedTable = "CREATE TABLE IF NOT EXISTS sluice_seed (applied_at TIMESTAMP NOT NULL)"

// readSeed reads the .sql files of a folder in the order of their names.
func readSeed(path string) ([]seedFile, error) {
	if err := checkFolder(path); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []seedFile
	for _, e := range entries {
		if e.IsDir() || !strings.EqualFold(filepath.Ext(e.Name()), ".sql") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(path, e.Name()))
		if err != nil {
			return nil, err
		}
		files = append(files, seedFile{e.Name(), string(text)})
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("the folder %s holds no .sql file", path)
	}
	return files, nil
}

// checkSeed compiles the statements of a seed, and leaves no trace.
func (b *backend) checkSeed(ctx context.Context, files []seedFile) error {
	undo := errors.New("only checked")
	err := b.db.Write(ctx, func(c *sqlite.Conn) error {
		for _, f := range files {
			if err := c.Check(f.sql); err != nil {
				return f.place(err)
			}
		}
		return undo
	})
	if errors.Is(err, undo) {
		return nil
	}
	return err
}

// needsSeed tells whether the seed has never run and no table holds a row.
func (b *backend) needsSeed(c *sqlite.Conn) (bool, error) {
	tables, err := userTables(c)
	if err != nil {
		return false, err
	}
	for _, table := range append(tables, "sluice_seed") {
		found, err := column(c, "SELECT 1 FROM "+quoteName(table)+" LIMIT 1")
		if err != nil || len(found) > 0 {
			return false, err
		}
	}
	return true, nil
}

// userTables are the tables of a database but for our own and goose's.
func userTables(c *sqlite.Conn) ([]string, error) {
	names, err := column(c, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`)
	return slices.DeleteFunc(names, func(name string) bool { return name == "sluice_seed" || name == "goose_db_version" }), err
}

// column reads the texts of a query of one column.
func column(c *sqlite.Conn, query string) ([]string, error) {
	var texts []string
	err := c.Query(query, func(r *sqlite.Rows) { texts = append(texts, string(r.Text(0))) })
	return texts, err
}

func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// runSeed runs the files and tells how many of their statements are done.
func runSeed(env *sluice.Env, c *sqlite.Conn, files []seedFile) error {
	task := "seed " + env.Name
	var done, total int64
	for _, f := range files {
		total += statements(f.sql)
	}
	env.Progress(task, 0, total)
	for _, f := range files {
		err := c.Script(f.sql, func(int) {
			if done++; done < total {
				env.Progress(task, done, total)
			}
		})
		if err != nil {
			return f.place(err)
		}
	}
	env.Progress(task, total, total)
	return nil
}

// statements is how many statements a script has, about: a trigger's count too.
func statements(script string) int64 {
	n, open := int64(0), false
	for l := (lexer{text: script}); l.at < len(script); {
		start := l.at
		l.skip()
		switch c := script[start]; {
		case c == ';':
			open = false
		case isWord(c) && !open:
			n, open = n+1, true
		}
	}
	return n
}

// place adds where an error of SQLite stands in the file.
func (f seedFile) place(err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok || e.Offset < 0 || e.Offset > len(f.sql) {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	before := f.sql[:e.Offset]
	line := strings.Count(before, "\n") + 1
	col := len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
	return fmt.Errorf("%s:%d:%d: %s", f.name, line, col, e.Message)
}
