package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Ask runs statements of our own, without parameters, and calls f, which may be nil, with each row: its values are in text
// format and borrowed, nil where they are NULL. It is not for what a request brings. Several are one transaction where
// none is open.
func (c *Conn) Ask(ctx context.Context, sql string, f func(values [][]byte)) error {
	if err := c.idle(); err != nil {
		return err
	}
	if err := c.openNow(ctx); err != nil {
		return err
	}
	return c.ask(ctx, sql, f)
}

// openNow sends what waits for the next statement.
func (c *Conn) openNow(ctx context.Context) error {
	if err := c.limit.under(c, ctx); err != nil {
		return err
	}
	if c.lead(); len(c.first) == 0 {
		c.limit.end()
		return nil
	}
	c.wire.after, c.wire.commits = 0, false
	c.out = append(c.out[:0], c.first...)
	c.sync()
	if err := c.flush(); err != nil {
		return err
	}
	return c.expectNoRows()
}

// Script runs statements one after the other and tells each, which may be nil, how many bytes of the text are done. Their
// rows are passed over. It does not look at what they are: a script is trusted, as a migration is. It is one transaction
// where none is open. Errors are *Error, with the offset of the statement, or of the fault in it where the server knows
// that.
func (c *Conn) Script(ctx context.Context, sql string, each func(done int)) error {
	if err := c.idle(); err != nil {
		return err
	}
	if err := c.openNow(ctx); err != nil {
		return err
	}
	if err := c.limit.under(c, ctx); err != nil {
		return err
	}
	c.wire.after, c.wire.commits = 0, c.status == 'I'
	c.out = appendSimple(c.out, sql)
	c.wire.syncs++
	if err := c.flush(); err != nil {
		return err
	}
	all := split(sql)
	for done := 0; ; {
		m, err := c.receive()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *pgproto3.CommandComplete, *pgproto3.EmptyQueryResponse:
			if done < len(all) {
				if done++; each != nil {
					each(all[done-1].end)
				}
			}
		case *pgproto3.ErrorResponse:
			return inScript(c.failed(m, sql), all, done)
		case *pgproto3.CopyInResponse, *pgproto3.CopyOutResponse, *pgproto3.CopyBothResponse:
			return inScript(c.confused(m), all, done)
		case *pgproto3.ReadyForQuery:
			c.answered(m)
			return nil
		}
	}
}

// inScript gives an error without a place that of the statement.
func inScript(err error, all []statement, done int) error {
	if e, ok := err.(*Error); ok && e.Offset < 0 && done < len(all) {
		e.Offset = all[done].start
	}
	return err
}

// Check has the server read the statements of a script, and runs those only that make, change or drop tables and the like:
// so that what stands below can be read too. A transaction must be open, which the caller rolls back.
func (c *Conn) Check(ctx context.Context, sql string) error {
	if c.status != 'T' && c.begun != toWrite {
		return c.misuse("no transaction is open")
	}
	for _, s := range split(sql) {
		text := sql[s.start:s.end]
		err := c.check(ctx, text)
		if e, ok := err.(*Error); ok {
			e.Offset = max(0, e.Offset) + s.start
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) check(ctx context.Context, sql string) error {
	switch firstWord(sql) {
	case "CREATE", "ALTER", "DROP":
		return c.Ask(ctx, sql, nil)
	}
	if err := c.openNow(ctx); err != nil {
		return err
	}
	if err := c.limit.under(c, ctx); err != nil {
		return err
	}
	_, _, err := c.describe("", sql, nil)
	return err
}

// UserTables are the names of the tables that statements find without naming a schema, but for our own, goose's and
// those of extensions.
func (c *Conn) UserTables(ctx context.Context) ([]string, error) {
	var names []string
	err := c.Ask(ctx, `SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition AND pg_catalog.pg_table_is_visible(c.oid)
		AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
		AND c.relname NOT IN ('goose_db_version', 'sluice_seed')
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
		ORDER BY 1`, func(v [][]byte) { names = append(names, string(v[0])) })
	return names, err
}

const (
	// aloneLock is the key of the advisory lock under which a database is migrated and filled: "sluice" in ASCII.
	aloneLock = "126909663503205"
	// aloneEvery is how often it is asked for. Whoever waits within a statement would hold up CREATE INDEX CONCURRENTLY,
	// which waits for all statements that began before it.
	aloneEvery = 50 * time.Millisecond
)

// Alone runs f while no other session migrates the database or is in its Alone, until ctx ends; c holds the lock, and may
// be used in f. f must not migrate. It needs a session: no pooler must stand between that gives transactions only.
func (c *Conn) Alone(ctx context.Context, f func() error) (err error) {
	for got := false; !got; {
		err := c.Ask(ctx, "SELECT pg_catalog.pg_try_advisory_lock("+aloneLock+")", func(v [][]byte) { got = string(v[0]) == "t" })
		if err != nil {
			return err
		}
		if got {
			break
		}
		select {
		case <-ctx.Done():
			return c.interrupted(context.Cause(ctx), NotSent)
		case <-time.After(aloneEvery):
		}
	}
	defer func() {
		if c.err != nil {
			return // the lock is gone with the session
		}
		unlock := c.Ask(context.WithoutCancel(ctx), "SELECT pg_catalog.pg_advisory_unlock("+aloneLock+")", nil)
		if unlock != nil {
			c.kill(unlock) // so that it is
		}
	}()
	return f()
}
