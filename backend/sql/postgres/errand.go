package postgres

import (
	"encoding/binary"
	"time"
)

// Errand is a statement that reads, on its way over a line: a connection that many share (Conn.Batch). Its caller binds
// it, has it sent, and reads the rows from the errand's own memory. It belongs to one goroutine at a time.
type Errand struct {
	row
	binder binder
	bind   []byte // what the message that binds it has for its parameters
	rows   []byte // bodies of rows, each behind its length
	at     int    // of the next row
	detour Detour
	trial  bool // its statement is tried again on a line
	err    error
}

// Detour is why an errand must be run on a connection of its caller's own.
type Detour uint8

// The detours.
const (
	// Straight: none. The errand has been answered.
	Straight Detour = iota
	// Slow: its statement ran into the time that lines give one.
	Slow
	// Large: it gives more rows, or longer ones, than a line carries.
	Large
	// Apart: its statement takes parameters on that server as it was not bound for.
	Apart
	// Stale: its statement has to be prepared anew, for the tables have changed.
	Stale
	// Behind: statements before it on the line took too long, or failed in a group with it.
	Behind
	// Busy: no line was free, and its statement is not one of the quick ones, or it has been queued for long.
	Busy

	// Detours is how many there are.
	Detours = iota
)

const (
	// MaxErrand is how many bytes an errand may have to be sent: a batch must fit what the systems buffer, for nobody
	// reads while it is written.
	MaxErrand = 4 << 10
	// maxRows and maxResult are how many rows, and bytes of them, an errand may bring home.
	maxRows   = 512
	maxResult = 64 << 10
	// keptRows is how much memory an errand keeps for rows.
	keptRows = 16 << 10
)

// Bind makes the errand one of s, with the values of its parameters. It is false where the statement does not go over a
// line now, or the values are too long for one. Errors are those of values that are unfit.
func (e *Errand) Bind(s *Stmt, in *Input) (fits bool, err error) {
	fits, trial := s.onLine(time.Now)
	if !fits {
		return false, nil
	}
	rows := e.rows[:0]
	if cap(rows) > keptRows {
		rows = nil
	}
	values := e.values[:0]
	*e = Errand{row: row{stmt: s, values: values}, binder: e.binder, bind: e.bind[:0], rows: rows, trial: trial}
	if e.bind, err = e.binder.appendValues(e.bind, s.params, in); err != nil {
		return false, err
	}
	if len(e.bind) > MaxErrand {
		e.bind, e.binder.scratch = nil, nil
		return false, nil
	}
	return true, nil
}

// Size is how many bytes it takes to send it, at most.
func (e *Errand) Size() int { return len(e.bind) + errandSpace + 2*len(e.stmt.Columns) }

// errandSpace is for what stands around the values: three messages, and the statement's name. The formats of the columns, two
// bytes each, come on top.
const errandSpace = 128

// Detour tells whether it must be run on a connection of its own instead.
func (e *Errand) Detour() Detour { return e.detour }

// Quick tells whether the statement is one that waits for a line.
func (e *Errand) Quick() bool { return time.Duration(e.stmt.pace.took.Load()) <= quickAverage }

// SetDetour gives it a detour, before it was sent.
func (e *Errand) SetDetour(d Detour) { e.detour = d }

// keep notes a row. It is false if there are too many.
func (e *Errand) keep(body []byte) bool {
	if len(e.rows)+len(body)+4 > maxResult {
		return false
	}
	e.rows = binary.BigEndian.AppendUint32(e.rows, uint32(len(body)))
	e.rows = append(e.rows, body...)
	return true
}

// Step moves to the next row. At the end, and on an error, it returns false: Err tells them apart.
func (e *Errand) Step() bool {
	if e.err != nil || e.at == len(e.rows) {
		return false
	}
	n := int(binary.BigEndian.Uint32(e.rows[e.at:]))
	body := e.rows[e.at+4 : e.at+4+n]
	e.at += 4 + n
	var ok bool
	if e.values, ok = splitRow(e.values[:0], body); !ok || len(e.values) != len(e.columns) {
		e.err = &Error{Code: codeLost, Message: "a row of the server has not the form of one", Offset: -1}
		return false
	}
	return true
}

// splitRow splits the body of a row into its values.
func splitRow(values [][]byte, body []byte) ([][]byte, bool) {
	if len(body) < 2 {
		return values, false
	}
	n := int(binary.BigEndian.Uint16(body))
	body = body[2:]
	for range n {
		if len(body) < 4 {
			return values, false
		}
		size := int(int32(binary.BigEndian.Uint32(body)))
		body = body[4:]
		if size < 0 {
			values = append(values, nil)
			continue
		}
		if size > len(body) {
			return values, false
		}
		values = append(values, body[:size:size])
		body = body[size:]
	}
	return values, len(body) == 0
}

// AppendRow appends the row as a JSON object.
func (e *Errand) AppendRow(dst []byte) []byte {
	dst = e.row.AppendRow(dst)
	e.judge()
	return dst
}

// AppendKey appends the value of a column of the row as a key; Column.Keys says of which columns there are keys.
func (e *Errand) AppendKey(dst []byte, i int) []byte {
	dst = e.row.AppendKey(dst, i)
	e.judge()
	return dst
}

// judge ends the rows at one with a bad value.
func (e *Errand) judge() {
	if e.bad > 0 && e.err == nil {
		e.err = e.malformed("")
	}
}

// Exec steps to the end. A statement that reads changes no rows.
func (e *Errand) Exec() (int64, error) {
	e.at = len(e.rows)
	return 0, e.err
}

// Err is the error of the statement, or nil. It is an *Error.
func (e *Errand) Err() error { return e.err }

// Close is there for whoever reads rows: the errand has all of them.
func (e *Errand) Close() {}

// Fail ends an errand whose line has broken, before it was answered.
func (e *Errand) Fail(err error) { e.err = err }

// Ended is the error of an errand that is not waited for any more, because of why.
func (e *Errand) Ended(server string, why error) error {
	return &Error{Server: server, Code: codeTimeout, Message: "the statement was not waited for", Offset: -1, cause: why}
}

// String is the detour as metrics have it.
func (d Detour) String() string {
	return [Detours]string{"straight", "slow", "large", "apart", "stale", "behind", "busy"}[d]
}
