package postgres

import (
	"encoding/binary"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Rows is a statement at work: step through its rows, close it.
//
//	r, err := c.Query(stmt, in, deadline, x)
//	…
//	defer r.Close()
//	for r.Step() {
//		buf = r.AppendRow(buf)
//	}
//	return r.Err()
//
// Columns count from 0. Rows hold one row at a time, however many there are.
type Rows struct {
	row
	conn     *Conn
	err      error
	affected int64
	lsn      uint64
	wantLSN  bool
	open     bool
	ended    bool
}

func (r *Rows) begin(s *Stmt, p *prepared, lsn bool) {
	*r = Rows{conn: r.conn, row: row{stmt: s, columns: p.columns}, wantLSN: lsn, open: true}
}

// Step moves to the next row. At the end, and on an error, it returns false: Err tells them apart. The end of a statement
// that commits by itself is behind its commit.
func (r *Rows) Step() bool {
	if r.ended {
		return false
	}
	for {
		m, err := r.conn.receive()
		if err != nil {
			return r.end(err)
		}
		switch m := m.(type) {
		case *pgproto3.DataRow:
			if len(m.Values) != len(r.columns) {
				return r.end(r.conn.confused(m))
			}
			r.values = m.Values
			return true
		case *pgproto3.CommandComplete:
			r.conn.wire.completed = true
			r.affected = affected(m.CommandTag)
		case *pgproto3.EmptyQueryResponse:
		case *pgproto3.ReadyForQuery:
			r.conn.answered(m)
			if r.wantLSN {
				r.lsn = r.conn.readLSN()
			}
			return r.end(nil)
		case *pgproto3.ErrorResponse:
			return r.end(r.conn.failed(m, r.stmt.SQL))
		default:
			return r.end(r.conn.confused(m))
		}
	}
}

func (r *Rows) end(err error) bool {
	r.ended, r.err, r.values = true, err, nil
	return false
}

// Exec steps to the end and returns how many rows the statement inserted, updated or deleted; of one that only reads,
// none. It does not close r.
func (r *Rows) Exec() (int64, error) {
	for r.Step() {
	}
	if r.err != nil {
		return 0, r.err
	}
	return r.affected, nil
}

// Err is the error that ended the rows, or nil at their end. It is an *Error.
func (r *Rows) Err() error { return r.err }

// LSN is the place in the server's log of QueryLSN, once the rows are at their end; zero if the server did not say.
func (r *Rows) LSN() uint64 { return r.lsn }

const (
	// drainBytes and drainTime are what it may take to read rows that nobody wants, rather than to lose the connection.
	drainBytes = 256 << 10
	drainTime  = 20 * time.Millisecond
)

// Close ends the statement. Rows that are left are passed over if they are few; else the statement is ended, and the
// connection with it: Err says so. What a statement that writes has done is known only at the end of its rows.
func (r *Rows) Close() {
	if !r.open {
		return
	}
	if !r.ended {
		r.drain()
	}
	r.open, r.values = false, nil
}

func (r *Rows) drain() {
	c := r.conn
	c.limit.hurry(c, drainTime)
	for size := 0; r.Step(); {
		for _, v := range r.values {
			size += len(v) + 4
		}
		if size > drainBytes {
			r.end(c.interrupt(errGivenUp))
		}
	}
}

// AppendRow appends the row as a JSON object.
func (r *Rows) AppendRow(dst []byte) []byte {
	dst = r.row.AppendRow(dst)
	r.judge()
	return dst
}

// AppendValue appends the value in column i as JSON.
func (r *Rows) AppendValue(dst []byte, i int) []byte {
	dst = r.appendValue(dst, i, r.values[i])
	r.judge()
	return dst
}

// AppendKey appends the value of a column of the row as a key; Column.Keys says of which columns there are keys.
func (r *Rows) AppendKey(dst []byte, i int) []byte {
	dst = r.row.AppendKey(dst, i)
	r.judge()
	return dst
}

// judge gives the connection up if a value was not in the format of its type: no row of this may look whole.
func (r *Rows) judge() {
	if r.bad == 0 {
		return
	}
	e := r.malformed(r.conn.name)
	e.Outcome = r.conn.outcome()
	r.conn.kill(e)
	r.ended, r.err = true, e
}

// affected is the number that a command tag ends with, such as 3 in "INSERT 0 3"; zero of a read.
func affected(tag []byte) int64 {
	if len(tag) == 0 || tag[0] == 'S' { // SELECT n
		return 0
	}
	n, scale := int64(0), int64(1)
	for i := len(tag) - 1; i >= 0 && '0' <= tag[i] && tag[i] <= '9'; i-- {
		n += int64(tag[i]-'0') * scale
		scale *= 10
	}
	return n
}

// readLSN reads the answer to the verb flushed. An error of it says nothing of what came before.
func (c *Conn) readLSN() (lsn uint64) {
	for c.wire.syncs > 0 {
		m, err := c.receive()
		if err != nil {
			return 0 // the connection has failed, and the next to use it is told
		}
		switch m := m.(type) {
		case *pgproto3.DataRow:
			if len(m.Values) == 1 && len(m.Values[0]) == 8 {
				lsn = binary.BigEndian.Uint64(m.Values[0])
			}
		case *pgproto3.ErrorResponse:
			if err := c.refused(m, ""); IsChanged(err) {
				c.kill(err)
			}
		case *pgproto3.ReadyForQuery:
			c.answered(m)
		}
		if c.err != nil {
			return 0
		}
	}
	return lsn
}
