// Package postgres keeps the record of jobs in a PostgreSQL database, for any number of nodes.
package postgres

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sluiceapi/sluice/job"
)

//go:embed schema.sql
var schema string

// version is that of the schema; tables of another version are left alone.
const version = 1

// Record is a record of jobs in a PostgreSQL database. Times are those of the database. A commit is as durable as the
// server's settings make it, but never less than on the disk of the primary.
type Record struct {
	pool *pgxpool.Pool

	mu   sync.Mutex // guards made
	made bool       // whether the tables are known to be there
}

// maxConns is the number of connections that a process opens, unless the address says otherwise: calls are gathered, so
// few of them run at once.
const maxConns = 8

// Open opens the record in the database of an address (postgres://…, as libpq has it, and pool_max_conns). Of several hosts
// the one that takes writes is used. It does not connect: the tables are made with the first connection, if they are
// missing, and a database that is away is waited for by whoever asks.
func Open(url string) (*Record, error) {
	r := &Record{}
	c, err := r.parse(url)
	if err != nil {
		return nil, err
	}
	if r.pool, err = pgxpool.NewWithConfig(context.Background(), c); err != nil {
		return nil, parseError(err)
	}
	return r, nil
}

// Check finds what is wrong with an address, without connecting.
func Check(url string) error {
	_, err := (&Record{}).parse(url)
	return err
}

func (r *Record) parse(url string) (*pgxpool.Config, error) {
	c, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, parseError(err)
	}
	if !strings.Contains(url, "pool_max_conns") {
		c.MaxConns = maxConns
	}
	if c.ConnConfig.ValidateConnect == nil {
		c.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	if c.ConnConfig.ConnectTimeout == 0 {
		c.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	if c.ConnConfig.RuntimeParams["application_name"] == "" {
		c.ConnConfig.RuntimeParams["application_name"] = "sluice jobs"
	}
	c.AfterConnect = r.greet
	return c, nil
}

// parseError is the error of an address without the address, which may hold a password.
func parseError(err error) error {
	var parse *pgconn.ParseConfigError
	if errors.As(err, &parse) {
		if cause := errors.Unwrap(parse); cause != nil {
			return fmt.Errorf("the address of the database cannot be read: %w", cause)
		}
		return errors.New("the address of the database cannot be read; want postgres://USER:PASSWORD@HOST:PORT/NAME")
	}
	return err
}

// greet makes a new connection fit for jobs.
func (r *Record) greet(ctx context.Context, c *pgx.Conn) error {
	// What was accepted must be on the disk before it is said to be.
	_, err := c.Exec(ctx, `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'remote_write')`)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.made {
		return nil
	}
	if err := makeTables(ctx, c); err != nil {
		return err
	}
	r.made = true
	return nil
}

// tablesLock is the advisory lock under which tables are made.
const tablesLock = 0x736c75696365_0001

// makeTables makes the tables if they are missing; of several nodes at once one makes them.
func makeTables(ctx context.Context, c *pgx.Conn) error {
	// The catalog is asked itself, for what a name stands for may be remembered from before the lock was had.
	const find = `SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'sluice_job_schema' AND pg_table_is_visible(oid))`
	there := false
	if err := c.QueryRow(ctx, find).Scan(&there); err != nil {
		return err
	}
	if !there {
		err := pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(tablesLock)); err != nil {
				return err
			}
			if err := tx.QueryRow(ctx, find).Scan(&there); err != nil || there {
				return err
			}
			_, err := tx.Conn().PgConn().Exec(ctx, schema).ReadAll()
			return err
		})
		if err != nil {
			return fmt.Errorf("making the tables of jobs: %w", err)
		}
	}
	found := 0
	if err := c.QueryRow(ctx, `SELECT version FROM sluice_job_schema`).Scan(&found); err != nil {
		return err
	}
	if found != version {
		return fmt.Errorf("the tables of jobs are of version %d; this program knows version %d", found, version)
	}
	return nil
}

// Ping tells whether the database can be asked now.
func (r *Record) Ping(ctx context.Context) error { return r.pool.Ping(ctx) }

// Close closes the connections.
func (r *Record) Close() error {
	r.pool.Close()
	return nil
}

// tries bounds how often a transaction is begun again that the database broke off for another's sake.
const tries = 4

// again runs f until it is not broken off by the database for the sake of another transaction: a deadlock, or a failure to
// serialize where the database asks for that. Nothing is changed by what was broken off.
func again(f func() error) (err error) {
	for range tries {
		err = f()
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "40P01" && pg.Code != "40001" {
			return err
		}
	}
	return err
}

// exec runs one statement in its own transaction, and tells how many rows it changed.
func (r *Record) exec(ctx context.Context, text string, args ...any) (n int64, err error) {
	err = again(func() error {
		tag, err := r.pool.Exec(ctx, text, args...)
		n = tag.RowsAffected()
		return err
	})
	return n, err
}

// query is anything that statements run on.
type query interface {
	Query(ctx context.Context, text string, args ...any) (pgx.Rows, error)
}

// collect runs one statement, and reads its rows.
func collect[T any](ctx context.Context, q query, scan func(pgx.Rows) (T, error), text string, args ...any) (all []T, err error) {
	err = again(func() error {
		rows, err := q.Query(ctx, text, args...)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (T, error) { return scan(rows) })
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// scanJob reads the columns of a job, and what else stands behind them.
func scanJob(rows pgx.Rows, more ...any) (j job.Job, err error) {
	var finished, expires *time.Time
	err = rows.Scan(append([]any{&j.ID, &j.Endpoint, &j.Caller, &j.State, &j.Attempt, &j.MaxAttempts, &j.Claims, &j.Crashes, &j.Version,
		&j.CancelRequested, &j.Trace, &j.Reason, &j.Created, &j.RunAt, &finished, &expires, &j.Keep}, more...)...)
	j.Created, j.RunAt = j.Created.UTC(), j.RunAt.UTC()
	if finished != nil {
		j.Finished = finished.UTC()
	}
	if expires != nil {
		j.Expires = expires.UTC()
	}
	return j, err
}

func onlyJob(rows pgx.Rows) (job.Job, error) { return scanJob(rows) }
