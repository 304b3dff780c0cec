package sql

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/sluiceapi/sluice/backend/sql/postgres"
	"github.com/sluiceapi/sluice/backend/sql/postgres/cluster"
	slots "github.com/sluiceapi/sluice/shard"
)

func (p *pg) tables(ctx context.Context) (names []string, err error) {
	err = p.lead(ctx, func(c *postgres.Conn) error {
		names, err = c.UserTables(ctx)
		return err
	})
	return slices.DeleteFunc(names, ownTable), err
}

func (p *pg) holds(ctx context.Context, table string) (bool, error) {
	found, err := p.query(ctx, "SELECT 1 WHERE to_regclass('"+quoteName(table)+"') IS NOT NULL")
	return len(found) > 0, err
}

func (p *pg) query(ctx context.Context, sql string) (all [][]string, err error) {
	err = p.lead(ctx, func(c *postgres.Conn) error {
		return c.Ask(ctx, sql, func(values [][]byte) {
			var row []string
			for _, v := range values {
				row = append(row, string(v))
			}
			all = append(all, row)
		})
	})
	return all, err
}

// scriptLock is the key of the advisory lock under which scripts run, "sluice.s" in ASCII: CREATE TABLE IF NOT EXISTS of
// two sessions at once would fail in one of them.
const scriptLock = "8317151707346054771"

func (p *pg) transact(ctx context.Context, scripts []script, undo bool) error {
	return p.lead(ctx, func(c *postgres.Conn) error {
		if err := c.Begin(false); err != nil {
			return err
		}
		if !undo {
			if err := c.Ask(ctx, "SELECT pg_catalog.pg_advisory_xact_lock("+scriptLock+")", nil); err != nil {
				c.Rollback()
				return err
			}
		}
		for _, s := range scripts {
			run := func() error { return c.Script(ctx, s.text, func(int) { s.tell() }) }
			if undo {
				run = func() error { return c.Check(ctx, s.text) }
			}
			if err := run(); err != nil {
				c.Rollback()
				return s.place(err, pgMistake)
			}
		}
		if undo {
			c.Rollback()
			return nil
		}
		_, err := c.Commit(false)
		return err
	})
}

// alone holds the lock on a connection of its own: f may need all of the pool's.
func (p *pg) alone(ctx context.Context, f func() error) error {
	config, err := p.cluster.PrimaryConfig()
	if err != nil {
		return err
	}
	c, err := postgres.Dial(ctx, config, postgres.Options{Canceller: &p.canceller})
	if err != nil {
		return err
	}
	err = c.Alone(ctx, f)
	return errors.Join(err, c.Close())
}

// withHere makes the function sluice_here in the transaction of the scripts, and takes it away again.
func (p *pg) withHere(h *here, scripts []script) []script {
	argument, body := "anyelement", "true"
	switch {
	case h == nil:
	case h.by.Hash != "":
		argument = map[string]string{"int8": "bigint", "text": "text", "uuid": "uuid"}[h.by.Hash]
		body = fmt.Sprintf("('{%s}'::boolean[])[1 + (%s)]", h.owned(), slots.Type(h.by.Hash).Expression("$1"))
	default:
		argument, body = "text", h.listCondition()
	}
	create := fmt.Sprintf("CREATE FUNCTION sluice_here(%s) RETURNS boolean LANGUAGE sql IMMUTABLE AS $sluice$ SELECT %s $sluice$", argument, body)
	drop := "DROP FUNCTION sluice_here(" + argument + ")"
	return append(append([]script{{text: create}}, scripts...), script{text: drop})
}

// owned tells of each slot whether it is on the shard, as t or f with commas between.
func (h *here) owned() string {
	places := h.slots.Load()
	flags := make([]string, len(places))
	for i, place := range places {
		flags[i] = "f"
		if int(place) == h.at {
			flags[i] = "t"
		}
	}
	return strings.Join(flags, ",")
}

// listCondition is true for the listed values of the shard and, if it is that of the others, for those that none has.
func (h *here) listCondition() string {
	var own, others []string
	for value, at := range h.list {
		text := "'" + strings.ReplaceAll(value, "'", "''") + "'"
		if at == h.at {
			own = append(own, text)
		} else {
			others = append(others, text)
		}
	}
	condition := "false"
	if len(own) > 0 {
		condition = "$1 IN (" + strings.Join(own, ", ") + ")"
	}
	if h.other == h.at {
		condition = "true"
		if len(others) > 0 {
			condition = "$1 NOT IN (" + strings.Join(others, ", ") + ")"
		}
	}
	return condition
}

func (p *pg) migrations(files fs.FS) migrations { return pgMigrations{p, files} }

// pgMigrations finds the primary each time.
type pgMigrations struct {
	of    *pg
	files fs.FS
}

func (m pgMigrations) with(f func(*postgres.Migrations) ([]postgres.Migration, error)) ([]migration, error) {
	config, err := m.of.cluster.PrimaryConfig()
	if err != nil {
		return nil, err
	}
	done, err := f(postgres.NewMigrations(config, m.files))
	var all []migration
	for _, d := range done {
		all = append(all, migration(d))
	}
	return all, err
}

func (m pgMigrations) Up(ctx context.Context) ([]migration, error) {
	return m.with(func(p *postgres.Migrations) ([]postgres.Migration, error) { return p.Up(ctx) })
}

func (m pgMigrations) Down(ctx context.Context) ([]migration, error) {
	return m.with(func(p *postgres.Migrations) ([]postgres.Migration, error) { return p.Down(ctx) })
}

func (m pgMigrations) Status(ctx context.Context) ([]migration, error) {
	return m.with(func(p *postgres.Migrations) ([]postgres.Migration, error) { return p.Status(ctx) })
}

// migrateWait is how long servers are waited for outside of a node.
const migrateWait = 10 * time.Second

// openServersToMigrate opens the servers of a database outside of a node.
func (w *Where) openServersToMigrate(ctx context.Context, d named) (keeper, error) {
	servers, err := d.servers.servers()
	if err != nil {
		return nil, err
	}
	p := &pg{}
	o := w.clusterOptions(servers)
	o.Pool.Max, o.Pool.MinIdle = 2, 0
	if p.cluster, err = cluster.Open(o); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, migrateWait)
	defer cancel()
	if err := p.lead(ctx, func(*postgres.Conn) error { return nil }); err != nil {
		return nil, errors.Join(err, p.cluster.Err(), p.close())
	}
	return p, nil
}
