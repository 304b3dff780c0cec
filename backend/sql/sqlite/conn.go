package sqlite

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// Conn is a connection that its holder has to itself: a reader between DB.Acquire and Release, or the writer while
// a write runs. It is not safe for concurrent use, and neither is what it hands out.
type Conn struct {
	raw   *sqlite3.Conn
	db    *DB
	busy  atomic.Bool // taken from the readers
	kept  kept
	limit limit
	rows  []*Rows // by statement id; nil until first used on this connection
	used  []*Rows // open ones, closed when the holder is done
	verbs [verbCount]*sqlite3.Stmt
}

// verb is a statement of our own about transactions, compiled once per connection.
type verb int

const (
	begin verb = iota
	beginImmediate
	commit
	rollback
	savepoint
	release
	rollbackTo
	verbCount
)

func (v verb) sql() string {
	return [...]string{"BEGIN", "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK", "SAVEPOINT w", "RELEASE w", "ROLLBACK TO w"}[v]
}

// SetDeadline interrupts what runs on c after t, until c is released or the write ends. The zero time is no deadline.
// It is looked at as statements run, at least each 16 rows: a holder that does not step is not interrupted.
func (c *Conn) SetDeadline(t time.Time) { c.limit.set(t, c.db.opened) }

// Contexter makes a context when it is asked for one, as an exchange does.
type Contexter interface{ Context() context.Context }

// SetContexter interrupts what runs on c, until it is released or the write ends, when the context of x ends. x is asked
// for it once a statement has run for long, so that a short one does not pay for it: after about 256 rows, or as many
// thousand steps of SQLite's machine. x is asked on the goroutine that runs the statement.
func (c *Conn) SetContexter(x Contexter) { c.limit.source = x }

// Rows returns the cursor of s on this connection, ready for its parameters. The holder closes it; the end of
// the hold does so too. One statement has one cursor per connection: it is an error to ask for an open one.
func (c *Conn) Rows(s *Stmt) (*Rows, error) {
	if s.db != c.db {
		return nil, &Error{File: c.db.name, Code: int(sqlite3.MISUSE), Message: "the statement belongs to another database", Offset: -1}
	}
	if s.id < len(c.rows) {
		if r := c.rows[s.id]; r != nil {
			return c.start(r)
		}
	}
	r, err := c.prepare(s)
	if err != nil {
		return nil, err
	}
	return c.start(r)
}

func (c *Conn) start(r *Rows) (*Rows, error) {
	if r.open {
		return nil, &Error{File: c.db.name, Code: int(sqlite3.MISUSE), Message: "the statement is already running", Offset: -1}
	}
	r.open, r.begun, r.ended, r.err = true, false, false, nil
	c.used = append(c.used, r)
	return r, nil
}

// prepare compiles s on this connection, for good.
func (c *Conn) prepare(s *Stmt) (*Rows, error) {
	raw, _, err := c.raw.PrepareFlags(s.SQL, sqlite3.PREPARE_PERSISTENT)
	if err != nil {
		return nil, wrap(c.db.name, s.SQL, err, &c.limit)
	}
	for len(c.rows) <= s.id {
		c.rows = append(c.rows, nil)
	}
	r := &Rows{raw: raw, stmt: s, conn: c, changed: !s.fits(raw)}
	c.rows[s.id] = r
	return r, nil
}

// Snapshot makes all that is read from here until the reader is released see one state of the database, fixed by the
// next read. A write always has one.
func (c *Conn) Snapshot() error {
	if !c.raw.GetAutocommit() {
		return nil
	}
	return c.do(begin)
}

// do runs a verb.
func (c *Conn) do(v verb) error {
	s := c.verbs[v]
	if s == nil {
		raw, _, err := c.raw.PrepareFlags(v.sql(), sqlite3.PREPARE_PERSISTENT)
		if err != nil {
			return wrap(c.db.name, "", err, &c.limit)
		}
		s, c.verbs[v] = raw, raw
	}
	return wrap(c.db.name, "", s.Exec(), &c.limit)
}

// exec runs statements of our own.
func (c *Conn) exec(sql string) error {
	if err := c.raw.Exec(sql); err != nil {
		return wrap(c.db.name, sql, err, &c.limit)
	}
	return nil
}

// finish closes the cursors that are still open, and lifts the limit.
func (c *Conn) finish() {
	for len(c.used) > 0 {
		c.used[len(c.used)-1].Close()
	}
	c.limit = limit{}
}

func (c *Conn) close() error {
	for _, s := range slices.Collect(c.raw.Stmts()) {
		s.Close()
	}
	if err := c.raw.Close(); err != nil {
		return wrap(c.db.name, "", err, nil)
	}
	return nil
}

// limit ends what runs on a connection. SQLite's progress handler and Step ask its Err, so it is a context; one lives
// in each connection, that a read with a deadline makes nothing.
type limit struct {
	ctx    context.Context // nil if it can not end
	source Contexter       // nil if there is none, or it has been asked
	timed  bool            // there is a deadline
	asked  uint32
	opened time.Time     // some time past; to ask what has passed since costs a third of asking the time
	after  time.Duration // the deadline, since then
}

// clockEvery is how often the clock is read: it costs 50 ns, a row 500.
const clockEvery = 16

// contextAfter is how many calls a context is not asked for: some 10 ms of work within a statement.
const contextAfter = 256

func (l *limit) set(deadline, opened time.Time) {
	l.timed, l.asked = !deadline.IsZero(), 0
	l.opened, l.after = opened, deadline.Sub(opened)
}

func (l *limit) bind(ctx context.Context) {
	*l = limit{}
	if ctx.Done() != nil {
		l.ctx = ctx
	}
}

// Err says why to stop, or nil. It looks at the clock at the first call and each sixteenth after it.
func (l *limit) Err() error {
	if l.ctx != nil {
		if err := l.ctx.Err(); err != nil {
			return err
		}
	}
	l.asked++
	if l.source != nil && l.asked >= contextAfter {
		l.ctx, l.source = l.source.Context(), nil
	}
	if !l.timed || l.asked%clockEvery != 1 {
		return nil
	}
	return l.late()
}

func (l *limit) late() error {
	if l.timed && time.Since(l.opened) >= l.after {
		l.asked = 0 // so that the next call sees it too
		return context.DeadlineExceeded
	}
	return nil
}

// cause says why what ran was interrupted.
func (l *limit) cause() error {
	if l.ctx != nil && l.ctx.Err() != nil {
		return context.Cause(l.ctx)
	}
	return l.late()
}

func (l *limit) Deadline() (time.Time, bool) { return l.opened.Add(l.after), l.timed }
func (l *limit) Done() <-chan struct{}       { return nil }
func (l *limit) Value(any) any               { return nil }
