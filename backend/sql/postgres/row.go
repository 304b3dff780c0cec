package postgres

import (
	"fmt"
	"strconv"
)

// row is one row of a result, whose values are in borrowed memory.
type row struct {
	stmt    *Stmt
	columns []form
	values  [][]byte
	bad     int // the column, from 1, whose value is not in the format of its type; zero if none is known to be
}

// AppendRow appends the row as a JSON object.
func (r *row) AppendRow(dst []byte) []byte {
	if len(r.columns) == 0 {
		return append(dst, '{', '}')
	}
	heads := r.stmt.heads
	for i, v := range r.values {
		dst = append(dst, heads[i]...)
		dst = r.appendValue(dst, i, v)
	}
	return append(dst, '}')
}

func (r *row) appendValue(dst []byte, i int, v []byte) []byte {
	if v == nil {
		return append(dst, "null"...)
	}
	at := len(dst)
	dst, ok := encoder{r.stmt.Int64Text}.appendValue(dst, r.columns[i], v)
	if !ok {
		r.bad = i + 1
		return append(dst[:at], "null"...)
	}
	return dst
}

// malformed is the error of a row in which a value is bad.
func (r *row) malformed(server string) *Error {
	return &Error{Server: server, Code: codeLost, Offset: -1,
		Message: fmt.Sprintf("the value of column %s is not in the format of its type", strconv.Quote(r.stmt.Columns[r.bad-1].Name))}
}

// IsNull tells whether the value in column i is NULL.
func (r *row) IsNull(i int) bool { return r.values[i] == nil }

// Int is the value in column i, if it is an integer that 64 bits hold, of whichever type of numbers but floats.
func (r *row) Int(i int) (n int64, ok bool) { return intOf(r.columns[i].kind, r.values[i]) }
