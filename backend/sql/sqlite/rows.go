package sqlite

import (
	"unsafe"

	"github.com/ncruces/go-sqlite3"
)

// Type is the type of a value, which in SQLite belongs to the value and not to the column.
type Type uint8

// The types, numbered as SQLite numbers them.
const (
	Integer Type = 1
	Float   Type = 2
	Text    Type = 3
	Blob    Type = 4
	Null    Type = 5
)

// Rows is a statement at work: bind its parameters, step through its rows, close it.
//
//	r, err := c.Rows(stmt)
//	…
//	defer r.Close()
//	r.BindInt(1, id)
//	for r.Step() {
//		name := r.Text(1)
//	}
//	return r.Err()
//
// Parameters count from 1, columns from 0, as in SQLite. A parameter that is not bound is NULL. Bound bytes are
// copied at once. Rows hold one row at a time, however many there are.
type Rows struct {
	raw   *sqlite3.Stmt
	stmt  *Stmt
	conn  *Conn
	err   error
	open  bool
	begun bool
	ended bool // SQLite would start afresh at the next step
	// changed is set when the columns are not those of stmt any more.
	changed bool
}

// BindInt binds an integer. An error in binding is kept for Step and Err.
func (r *Rows) BindInt(i int, v int64) { r.note(r.raw.BindInt64(i, v)) }

// BindFloat binds a float; NaN becomes NULL.
func (r *Rows) BindFloat(i int, v float64) { r.note(r.raw.BindFloat(i, v)) }

// BindText binds UTF-8 text, nil as the empty text. It does not check the encoding.
func (r *Rows) BindText(i int, v []byte) {
	if r.fits(v) {
		// The library takes a string, and copies it into SQLite's memory before it returns: so ours need not be a copy.
		r.note(r.raw.BindText(i, unsafe.String(unsafe.SliceData(v), len(v))))
	}
}

// BindBlob binds bytes, nil as the empty blob.
func (r *Rows) BindBlob(i int, v []byte) {
	switch {
	case !r.fits(v):
	case len(v) == 0:
		r.note(r.raw.BindZeroBlob(i, 0))
	default:
		r.note(r.raw.BindBlob(i, v))
	}
}

// fits notes an error if v is longer than a value may be.
func (r *Rows) fits(v []byte) bool {
	if len(v) <= maxLength {
		return true
	}
	r.note(sqlite3.TOOBIG)
	return false
}

func (r *Rows) note(err error) {
	if err != nil && r.err == nil {
		r.err = wrap(r.conn.db.name, "", err, &r.conn.limit)
		r.err.(*Error).bound = r.raw.BindCount() > 0
	}
}

// Step moves to the next row. At the end, and on an error, it returns false: Err tells them apart.
func (r *Rows) Step() bool {
	if !r.open || r.ended || r.err != nil {
		return false
	}
	ok := r.raw.Step()
	if !ok {
		r.ended = true
		r.note(r.raw.Err())
		return false
	}
	if !r.begun {
		r.begun = true
		return r.same()
	}
	return true
}

// same checks that the statement still gives the columns it was checked with: another process may have changed the
// tables, and SELECT * with them. SQLite counts how often it compiled the statement anew for that.
func (r *Rows) same() bool {
	if r.raw.Status(sqlite3.STMTSTATUS_REPREPARE, true) > 0 || r.changed {
		r.changed = !r.stmt.fits(r.raw)
	}
	if r.changed {
		r.err = &Error{File: r.conn.db.name, Code: int(sqlite3.SCHEMA), Message: "the columns of the statement have changed", Offset: -1}
	}
	return !r.changed
}

// Exec steps to the end and returns how many rows the statement inserted, updated or deleted: those of
// triggers and cascades do not count. It does not close r.
func (r *Rows) Exec() (int64, error) {
	for r.Step() {
	}
	if r.err != nil || r.stmt.ReadOnly {
		return 0, r.err
	}
	return r.conn.raw.Changes(), nil
}

// Err is the error that ended the rows, or nil at their end. It is an *Error.
func (r *Rows) Err() error { return r.err }

// Close ends the statement, so that its bytes are gone and it can run again. A read lasts until its rows are closed.
func (r *Rows) Close() {
	if !r.open {
		return
	}
	r.open = false
	r.raw.Reset()
	r.raw.ClearBindings() // the next run must not see this one's values
	used := r.conn.used
	for i := len(used) - 1; i >= 0; i-- {
		if used[i] == r {
			used[i] = used[len(used)-1]
			r.conn.used = used[:len(used)-1]
			return
		}
	}
}

// Stmt is the statement the rows are of.
func (r *Rows) Stmt() *Stmt { return r.stmt }

// Columns is how many columns a row has.
func (r *Rows) Columns() int { return r.raw.ColumnCount() }

// Type is the type of the value in column i. Ask before reading the value: reading it as another type converts it.
func (r *Rows) Type(i int) Type { return Type(r.raw.ColumnType(i)) }

// Int is the integer in column i.
func (r *Rows) Int(i int) int64 { return r.raw.ColumnInt64(i) }

// Float is the float in column i.
func (r *Rows) Float(i int) float64 { return r.raw.ColumnFloat(i) }

// Text is the text in column i, SQLite's own memory: it is valid until the next Step, Close, or reading of the
// same column as another type. It is UTF-8 only if what was stored is.
func (r *Rows) Text(i int) []byte { return r.raw.ColumnRawText(i) }

// Blob is the bytes in column i, valid as long as Text; an empty blob may be nil.
func (r *Rows) Blob(i int) []byte { return r.raw.ColumnRawBlob(i) }
