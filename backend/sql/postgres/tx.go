package postgres

import (
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// begun is a transaction that is to begin with the next statement.
type begun uint8

const (
	notBegun begun = iota
	toWrite
	toRead
)

// verb is a statement of our own, prepared when a connection opens.
type verb int

const (
	begin verb = iota
	beginRead
	commit
	rollback
	flushed
	verbCount
)

// words are the verb's name on the wire, and its SQL.
func (v verb) words() (name, sql string) {
	switch v {
	case begin:
		return "sluice_begin", "BEGIN"
	case beginRead:
		return "sluice_read", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	case commit:
		return "sluice_commit", "COMMIT"
	case rollback:
		return "sluice_rollback", "ROLLBACK"
	}
	// Where commits do not wait to be on disk, the place on disk may be before them.
	return "sluice_flushed", "SELECT CASE pg_catalog.current_setting('synchronous_commit') WHEN 'off' " +
		"THEN pg_catalog.pg_current_wal_insert_lsn() ELSE pg_catalog.pg_current_wal_flush_lsn() END"
}

// appendVerb runs a verb, and asks for its result in binary format.
func appendVerb(dst []byte, v verb) []byte {
	name, _ := v.words()
	dst, at := openMessage(dst, 'B')
	dst = append(append(append(dst, 0), name...), 0)
	dst = append(dst, 0, 0, 0, 0, 0, 1, 0, 1)
	return appendExecute(closeMessage(dst, at))
}

// prepareVerbs prepares them all, in one round trip.
func (c *Conn) prepareVerbs() error {
	for v := range verbCount {
		name, sql := v.words()
		c.out = appendParse(c.out, name, sql, nil)
	}
	c.sync()
	if err := c.flush(); err != nil {
		return err
	}
	return c.expectNoRows()
}

// expectNoRows reads to the end of what was sent, and returns the first error in it.
func (c *Conn) expectNoRows() (err error) {
	for c.wire.syncs > 0 {
		m, failed := c.receive()
		if failed != nil {
			return failed
		}
		switch m := m.(type) {
		case *pgproto3.ReadyForQuery:
			c.answered(m)
		case *pgproto3.ErrorResponse:
			if e := c.refused(m, ""); err == nil {
				err = e
			}
			if c.err != nil {
				return err
			}
		}
	}
	return err
}

// Begin opens a transaction, with the next statement: that takes no round trip. One that reads only sees one state of the
// database, that of its first statement. It ends with Commit or Rollback.
func (c *Conn) Begin(readOnly bool) error {
	if err := c.idle(); err != nil {
		return err
	}
	if c.status != 'I' || c.begun != notBegun {
		return c.misuse("a transaction is open")
	}
	if c.begun = toWrite; readOnly {
		c.begun = toRead
	}
	c.until = time.Time{}
	return nil
}

// Commit commits the transaction, by the deadline of its last statement, and returns how far the server's log was then,
// if lsn asks for that, as QueryLSN does: zero if the server did not say, or nothing was done. After an error the
// transaction is undone, unless IsUnknown; one that had failed before can not be committed.
func (c *Conn) Commit(lsn bool) (uint64, error) {
	if c.begun != notBegun {
		c.begun = notBegun
		return 0, nil
	}
	if err := c.idle(); err != nil {
		return 0, err
	}
	if c.status == 'I' {
		return 0, c.misuse("no transaction is open")
	}
	// Whoever leaves now is no reason to leave the commit unanswered.
	if err := c.limit.start(c, c.until, nil); err != nil {
		return 0, err
	}
	c.out = appendVerb(c.out, commit)
	c.sync()
	c.askLSN(lsn)
	c.wire.commits = c.status == 'T' && !c.reads
	c.wire.completed = true // a farewell of the server may come from behind the commit
	if err := c.flush(); err != nil {
		return 0, err
	}
	if err := c.committed(); err != nil {
		return 0, err
	}
	return c.readLSN(), nil
}

// committed reads the answer to COMMIT.
func (c *Conn) committed() error {
	done := false
	for {
		m, err := c.receive()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *pgproto3.CommandComplete:
			done = string(m.CommandTag) == "COMMIT"
		case *pgproto3.ErrorResponse:
			err := c.failed(m, "")
			if IsChanged(err) { // our own statement has been dropped, by whomever
				c.kill(err)
			}
			return err
		case *pgproto3.ReadyForQuery:
			if c.answered(m); done {
				return nil
			}
			if err := c.settle(); err != nil {
				return err
			}
			return &Error{Server: c.name, Code: "25P02", Message: "the transaction had failed, and was rolled back", Offset: -1}
		}
	}
}

// rollbackTime is how long a server may take to undo a transaction, before the connection is closed instead.
const rollbackTime = 2 * time.Second

// Rollback undoes the transaction, with rows that are still open. It does nothing where none is open, and closes the
// connection if the server does not answer.
func (c *Conn) Rollback() {
	c.rows.Close()
	if c.begun != notBegun {
		c.begun = notBegun
		return
	}
	if c.err != nil || c.status == 'I' {
		return
	}
	if err := c.limit.start(c, time.Now().Add(rollbackTime), nil); err != nil {
		c.kill(err)
		return
	}
	c.out = appendVerb(c.out, rollback)
	c.sync()
	if c.flush() != nil {
		return
	}
	if err := c.expectNoRows(); err != nil || c.status != 'I' {
		c.kill(c.misuse("the transaction could not be rolled back"))
	}
}
