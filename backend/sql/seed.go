package sql

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluiceapi/sluice"
)

const (
	seedTable  = "CREATE TABLE IF NOT EXISTS sluice_seed (applied_at TIMESTAMP NOT NULL)"
	seedRecord = "INSERT INTO sluice_seed (applied_at) VALUES (CURRENT_TIMESTAMP)"
)

// ownTable tells whether a table is ours, or goose's, and not the user's.
func ownTable(name string) bool {
	return name == "sluice_seed" || name == "sluice_slot" || name == "goose_db_version"
}

// seed fills an empty database, once. It is one transaction, so that a node that dies in it leaves nothing.
func (b *backend) seed(ctx context.Context, env *sluice.Env, s *shard) error {
	files, err := b.readSeed(string(b.where.Seed))
	if err != nil {
		return sluice.At("seed", err)
	}
	started := env.Now()
	if !env.Dry {
		if needed, err := s.needsSeed(ctx); err != nil || !needed {
			return sluice.At("seed", err)
		}
		b.tellSeed(env, s, files)
	}
	scripts := slices.Concat([]script{{text: seedTable}}, files, []script{{text: seedRecord}})
	if mentions(files, "sluice_here") {
		scripts = s.withHere(b.here(s), scripts)
	}
	if env.Dry {
		return sluice.At("seed", s.transact(ctx, scripts, true))
	}
	if err := s.transact(ctx, scripts, false); err != nil {
		return sluice.At("seed", err)
	}
	s.log(env).Info("database filled", "files", len(files), "took", env.Now().Sub(started).Round(time.Millisecond).String())
	return nil
}

// readSeed reads the .sql files of a folder in the order of their names.
func (b *backend) readSeed(path string) ([]script, error) {
	folder, err := b.folder(path)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []script
	for _, e := range entries {
		if e.IsDir() || !strings.EqualFold(filepath.Ext(e.Name()), ".sql") || !folder.has(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(path, e.Name()))
		if err != nil {
			return nil, err
		}
		files = append(files, script{name: e.Name(), text: string(text)})
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("the folder %s holds no .sql file", path)
	}
	return files, nil
}

// mentions tells whether a word of SQL stands in any of the files.
func mentions(files []script, word string) bool {
	for _, f := range files {
		if (&SQL{text: f.text}).find(word) >= 0 {
			return true
		}
	}
	return false
}

// here tells which keys belong on a shard; nil is all.
func (b *backend) here(s *shard) *here {
	if b.split == nil {
		return nil
	}
	return &here{split: b.split, at: slices.Index(b.shards, s)}
}

// here is the rows that belong on one of the shards.
type here struct {
	*split
	at int
}

// has tells whether a key belongs there.
func (h *here) has(key sluice.Value) bool {
	at, ok, err := h.find(key)
	return ok && err == nil && at == h.at
}

// needsSeed tells whether the seed has never run and no table holds a row.
func (s *shard) needsSeed(ctx context.Context) (bool, error) {
	if err := s.transact(ctx, []script{{text: seedTable}}, false); err != nil {
		return false, err
	}
	tables, err := s.tables(ctx)
	if err != nil {
		return false, err
	}
	for _, table := range append(tables, "sluice_seed") {
		found, err := s.query(ctx, "SELECT 1 FROM "+quoteName(table)+" LIMIT 1")
		if err != nil || len(found) > 0 {
			return false, err
		}
	}
	return true, nil
}

// tellSeed has the files tell how many of their statements are done.
func (b *backend) tellSeed(env *sluice.Env, s *shard, files []script) {
	task := "seed " + b.name
	if s.name != "" {
		task += " " + s.name
	}
	var done, total int64
	for _, f := range files {
		total += statements(f.text)
	}
	env.Progress(task, 0, total)
	for i := range files {
		files[i].done = func() {
			if done++; done <= total {
				env.Progress(task, done, total)
			}
		}
	}
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
