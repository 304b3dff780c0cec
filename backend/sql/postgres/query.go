package postgres

import (
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Query sends a statement with the values of its parameters, in one write, and returns its rows once the server has
// taken them. The rows are the connection's own: the caller closes them before it asks for more. Deadline, if not zero,
// ends the statement and the connection with it; so does the context of who, if not nil, which is asked for it once the
// statement has run for long. Errors are *Error.
//
// A statement that is not prepared here is prepared first, and once more if the tables have changed since: unless its
// columns are others now (IsChanged), or a transaction is open.
func (c *Conn) Query(s *Stmt, in Input, deadline time.Time, who Contexter) (*Rows, error) {
	return c.query(s, &in, deadline, who, false)
}

// QueryLSN is Query for a statement that commits by itself, on a primary: when its rows are read to the end, LSN of them
// is how far the server's log was flushed to disk once it had committed or, with synchronous_commit off, how far it was
// written at all. That takes no round trip more.
func (c *Conn) QueryLSN(s *Stmt, in Input, deadline time.Time, who Contexter) (*Rows, error) {
	return c.query(s, &in, deadline, who, true)
}

func (c *Conn) query(s *Stmt, in *Input, deadline time.Time, who Contexter, lsn bool) (*Rows, error) {
	if err := c.idle(); err != nil {
		return nil, err
	}
	c.until = deadline
	for again := false; ; again = true {
		p, err := c.prepared(s, deadline, who)
		if err == nil {
			err = c.start(s, p, in, deadline, who, lsn)
		}
		if err == nil {
			return &c.rows, nil
		}
		if c.err != nil || c.status != 'I' || again || !stale(err) {
			return nil, err
		}
	}
}

// stale tells whether a prepared statement is of no more use, and the server says so before it does anything.
func stale(err error) bool { return IsChanged(err) && !IsNotSent(err) }

// idle says why no statement can be sent now, if so.
func (c *Conn) idle() error {
	switch {
	case c.err == errClosed:
		return &Error{Server: c.name, Code: codeLost, Message: errClosed.Error(), Offset: -1, Outcome: NotSent}
	case c.err != nil:
		return &Error{Server: c.name, Code: codeLost, Message: "the connection was given up", Offset: -1, Outcome: NotSent, cause: c.err}
	case c.rows.open || c.wire.syncs > 0:
		return c.misuse("rows are still open")
	}
	return nil
}

func (c *Conn) misuse(what string) error {
	return &Error{Server: c.name, Code: codeMisuse, Message: what, Offset: -1, Outcome: NotSent}
}

// start sends a prepared statement, with what must come before it, and reads until the server has taken it.
func (c *Conn) start(s *Stmt, p *prepared, in *Input, deadline time.Time, who Contexter, lsn bool) error {
	var err error
	if c.out, err = c.binder.appendBind(c.out[:0], p, in); err != nil {
		c.out = c.out[:0]
		return err
	}
	c.out = appendExecute(c.out)
	if err := c.limit.start(c, deadline, who); err != nil {
		c.out = c.out[:0]
		return err
	}
	binds := 1
	if c.begun != notBegun {
		binds++
	}
	c.wire.commits = c.begun == notBegun && c.status == 'I' && !c.wantReadOnly
	if c.lead(); len(c.first) > 0 {
		c.out = slices.Insert(c.out, 0, c.first...)
	}
	c.sync()
	c.askLSN(lsn)
	own := 1 + c.wire.after // the Syncs that are the statement's
	if err := c.flush(); err != nil {
		return err
	}
	return c.taken(s, p, binds, own, lsn)
}

// lead puts in first what must come before a statement: the mode of the session, statements to drop, and BEGIN.
func (c *Conn) lead() {
	c.first = c.first[:0]
	if c.readOnly != c.wantReadOnly && c.status == 'I' {
		mode := "RESET default_transaction_read_only" // the server may be made to take no writes
		if c.wantReadOnly {
			mode = "SET default_transaction_read_only = on"
		}
		c.first = appendSimple(c.first, mode)
		c.wire.syncs++ // a simple query is answered as if a Sync followed
		c.readOnly = c.wantReadOnly
	}
	c.first = c.appendDrops(c.first)
	switch c.begun {
	case toWrite:
		c.first = appendVerb(c.first, begin)
		c.reads = c.readOnly
	case toRead:
		c.first = appendVerb(c.first, beginRead)
		c.reads = true
	}
	c.begun = notBegun
}

// taken reads until the statement is bound.
func (c *Conn) taken(s *Stmt, p *prepared, binds, own int, lsn bool) error {
	for binds > 0 {
		m, err := c.receive()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *pgproto3.BindComplete:
			binds--
		case *pgproto3.CommandComplete, *pgproto3.CloseComplete: // of what leads
		case *pgproto3.ReadyForQuery:
			c.answered(m)
		case *pgproto3.ErrorResponse:
			// Of the mode: then the statement must not run. Or of BEGIN: what prepared it has been dropped.
			if c.wire.syncs > own || binds > 1 {
				e := response(c.name, "", m)
				e.Outcome = c.outcome()
				c.kill(e)
				return e
			}
			err := c.failed(m, s.SQL)
			if stale(err) {
				c.forget(s)
			}
			return err
		default:
			return c.confused(m)
		}
	}
	c.rows.begin(s, p, lsn)
	return nil
}
