package sqlite

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// endless never gives a row.
const endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n WHERE i < 0"

// numbers gives ever more rows.
const numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n"

func TestAcquire(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 2, Wait: time.Millisecond})
	a, b := acquire(t, db), acquire(t, db)
	if _, err := db.Acquire(t.Context()); !IsExhausted(err) {
		t.Errorf("a third: got %v", err)
	}
	if s := db.Stats(); s.Readers != 2 || s.InUse != 2 || s.Waits != 1 {
		t.Errorf("got %+v", s)
	}
	db.Release(b)
	db.Release(a)
	db.Release(acquire(t, db))
	if s := db.Stats(); s.InUse != 0 {
		t.Errorf("got %+v", s)
	}
}

func TestAcquireWaits(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 1, Wait: time.Minute})
	c := acquire(t, db)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("gone")
	got := make(chan error, 1)
	go func() { _, err := db.Acquire(ctx); got <- err }()
	until(t, "waiting", func() bool { return db.Stats().Waits == 1 })
	cancel(why)
	if err := <-got; !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	go func() {
		c, err := db.Acquire(t.Context())
		if err == nil {
			db.Release(c)
		}
		got <- err
	}()
	until(t, "waiting", func() bool { return db.Stats().Waits == 2 })
	db.Release(c)
	must(t, <-got)
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 1})
	why := errors.New("the client left")
	for name, tt := range map[string]struct {
		sql  string
		rows int // after which it ends
		end  func(*Conn, func())
		want error
	}{
		"context, no row yet":  {endless, 0, func(_ *Conn, cancel func()) { time.AfterFunc(time.Millisecond, cancel) }, why},
		"context, before":      {numbers, 0, func(_ *Conn, cancel func()) { cancel() }, why},
		"context, in a stream": {numbers, 100, func(_ *Conn, cancel func()) { cancel() }, why},
		"deadline, no row yet": {endless, 0, func(c *Conn, _ func()) { c.SetDeadline(time.Now().Add(time.Millisecond)) }, context.DeadlineExceeded},
		"deadline, before":     {numbers, 0, func(c *Conn, _ func()) { c.SetDeadline(time.Now()) }, context.DeadlineExceeded},
		"deadline, in a stream": {numbers, 100, func(c *Conn, _ func()) { c.SetDeadline(time.Now()) },
			context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			c, err := db.Acquire(ctx)
			must(t, err)
			r, err := c.Rows(prepare(t, db, tt.sql))
			must(t, err)
			for range tt.rows {
				if !r.Step() {
					t.Fatal(r.Err())
				}
			}
			tt.end(c, func() { cancel(why) })
			if r.Step() || !IsInterrupted(r.Err()) || !errors.Is(r.Err(), tt.want) {
				t.Errorf("got %v; want %v", r.Err(), tt.want)
			}
			db.Release(c)
			if n := count(t, db, "SELECT count(*) FROM users"); n != 2 { // the connection is as good as new
				t.Errorf("%d users", n)
			}
			cancel(nil)
		})
	}
}

func TestReadersDoNotWrite(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 1})
	c := acquire(t, db)
	defer db.Release(c)
	r, err := c.Rows(prepare(t, db, "DELETE FROM users"))
	must(t, err)
	if _, err := r.Exec(); !IsReadOnly(err) {
		t.Errorf("got %v", err)
	}
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 2})
	users := prepare(t, db, "SELECT count(*) FROM users")
	add := prepare(t, db, insertUser)
	c := acquire(t, db)
	read := func() int64 {
		r, err := c.Rows(users)
		must(t, err)
		defer r.Close()
		r.Step()
		must(t, r.Err())
		return r.Int(0)
	}
	must(t, c.Snapshot())
	must(t, c.Snapshot())
	first := read()
	must(t, db.Write(t.Context(), insert(db, add, "new")))
	if second := read(); second != first {
		t.Errorf("%d users, then %d", first, second)
	}
	db.Release(c)
	if n := count(t, db, "SELECT count(*) FROM users"); n != first+1 {
		t.Errorf("after: %d users; want %d", n, first+1)
	}
	if !c.raw.GetAutocommit() {
		t.Error("the snapshot was kept")
	}
}

// TestReleaseEndsRows: what a holder leaves open must not keep the log from being shortened.
func TestReleaseEndsRows(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 1})
	c := acquire(t, db)
	for i := range 3 {
		r, err := c.Rows(prepare(t, db, fmt.Sprintf("SELECT id+%d FROM users", i)))
		must(t, err)
		r.Step()
	}
	db.Release(c)
	if len(c.used) != 0 {
		t.Errorf("%d rows open", len(c.used))
	}
	must(t, db.Write(t.Context(), func(c *Conn) error { return c.exec("UPDATE users SET age = 1") }))
	var log, done int
	var err error
	log, done, err = db.writer.conn.raw.WALCheckpoint("main", 3) // truncate: needs that nobody reads
	if err != nil || log != 0 || done != 0 {
		t.Errorf("%d of %d pages: %v", done, log, err)
	}
}
