// Package sqlite keeps the record of jobs in a SQLite file, for the processes of one machine.
package sqlite

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluiceapi/sluice/backend/sql/sqlite"
	"github.com/sluiceapi/sluice/job"
)

//go:embed schema.sql
var schema string

// Record is a record of jobs in a SQLite file. Every commit is synced to the disk before its method returns; those that
// wait at the same time share one.
type Record struct {
	db    *sqlite.DB
	now   func() time.Time
	stmts map[string]*sqlite.Stmt
}

// Open opens the record in the file at path, which it makes if it is missing. now is the record's clock.
func Open(ctx context.Context, path string, now func() time.Time) (*Record, error) {
	db, err := sqlite.Open(path, sqlite.Options{Synchronous: "full", Readers: 4})
	if err != nil {
		return nil, err
	}
	r := &Record{db: db, now: now, stmts: map[string]*sqlite.Stmt{}}
	made, err := r.made(ctx)
	if err == nil && !made {
		err = db.Write(ctx, func(c *sqlite.Conn) error { return c.Script(schema, func(int) {}) })
	}
	for _, text := range statements {
		if err != nil {
			break
		}
		r.stmts[text], err = db.Prepare(text)
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("the record of jobs: %w", err)
	}
	return r, nil
}

// made tells whether the tables are there. A process that starts must not wait for the writer's lock, which another one, that
// stands still, may hold.
func (r *Record) made(ctx context.Context) (found bool, err error) {
	if r.stmts[selectTables], err = r.db.Prepare(selectTables); err != nil {
		return false, err
	}
	err = r.read(ctx, func(t tx) error {
		return t.run(selectTables, nil, func(rows *sqlite.Rows) error {
			found = rows.Int(0) > 0
			return nil
		})
	})
	return found, err
}

// Ping tells whether the file can be read.
func (r *Record) Ping(ctx context.Context) error {
	return r.read(ctx, func(t tx) error { return t.run(selectCounts, nil, func(*sqlite.Rows) error { return nil }) })
}

// Close closes the file.
func (r *Record) Close() error { return r.db.Close() }

// tx is a transaction, or a read, at one time.
type tx struct {
	*Record
	conn *sqlite.Conn
	now  int64
}

func (r *Record) write(ctx context.Context, f func(tx) error) error {
	return r.db.Write(ctx, func(c *sqlite.Conn) error { return f(tx{r, c, r.now().UnixMicro()}) })
}

func (r *Record) read(ctx context.Context, f func(tx) error) error {
	c, err := r.db.Acquire(ctx)
	if err != nil {
		return err
	}
	defer r.db.Release(c)
	if err := c.Snapshot(); err != nil {
		return err
	}
	return f(tx{r, c, r.now().UnixMicro()})
}

// run runs one of the statements: bind binds its parameters, each is called for its rows; both may be nil.
func (t tx) run(text string, args []any, each func(*sqlite.Rows) error) error {
	rows, err := t.conn.Rows(t.stmts[text])
	if err != nil {
		return err
	}
	defer rows.Close()
	bind(rows, args)
	for rows.Step() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// exec runs one of the statements and tells how many rows it changed.
func (t tx) exec(text string, args ...any) (int64, error) {
	rows, err := t.conn.Rows(t.stmts[text])
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	bind(rows, args)
	return rows.Exec()
}

// bind binds texts, numbers and bytes in their order; nil stays null.
func bind(rows *sqlite.Rows, args []any) {
	for i, a := range args {
		switch a := a.(type) {
		case string:
			rows.BindText(i+1, []byte(a))
		case int:
			rows.BindInt(i+1, int64(a))
		case int64:
			rows.BindInt(i+1, a)
		case bool:
			if a {
				rows.BindInt(i+1, 1)
			} else {
				rows.BindInt(i+1, 0)
			}
		case []byte:
			rows.BindBlob(i+1, a)
		}
	}
}

// orNull is a time, or null where there is none.
func orNull(set bool, at int64) any {
	if !set {
		return nil
	}
	return at
}

// jobOf reads the columns of a job.
func jobOf(r *sqlite.Rows) job.Job {
	at := func(i int) time.Time {
		if r.Type(i) == sqlite.Null {
			return time.Time{}
		}
		return time.UnixMicro(r.Int(i)).UTC()
	}
	return job.Job{
		ID: string(r.Text(0)), Endpoint: string(r.Text(1)), Caller: string(r.Text(2)), State: job.State(r.Text(3)),
		Attempt: int(r.Int(4)), MaxAttempts: int(r.Int(5)), Claims: int(r.Int(6)), Crashes: int(r.Int(7)), Version: r.Int(8),
		CancelRequested: r.Int(9) != 0, Trace: string(r.Text(10)), Reason: string(r.Text(11)),
		Created: at(12), RunAt: at(13), Finished: at(14), Expires: at(15), Keep: time.Duration(r.Int(16)) * time.Microsecond,
	}
}

// one reads one job, or is job.ErrNoJob.
func (t tx) one(text string, args ...any) (*job.Job, error) {
	var found *job.Job
	err := t.run(text, args, func(rows *sqlite.Rows) error {
		j := jobOf(rows)
		found = &j
		return nil
	})
	if err == nil && found == nil {
		err = job.ErrNoJob
	}
	return found, err
}

func asJSON(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}
