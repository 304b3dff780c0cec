package sqlite

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// Error is what SQLite says of a failure.
type Error struct {
	File    string // the database, or the place in a migration; "" if the database is there for the moment only
	Code    int    // the extended result code, https://sqlite.org/rescode.html
	Message string // in SQLite's words, like "UNIQUE constraint failed: users.email"
	Offset  int    // where in the SQL the fault lies, in bytes; -1 if SQLite does not say
	bound   bool   // the statement ran with values bound to it, which may be at fault
	cause   error
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%s (%d)", e.Message, e.Code)
	if e.cause != nil {
		text = fmt.Sprintf("%s: %v", e.Message, e.cause)
	}
	if e.File == "" {
		return text
	}
	return e.File + ": " + text
}

// Unwrap is why a statement was interrupted, the cause of its context or context.DeadlineExceeded; or what the
// operating system said.
func (e *Error) Unwrap() error { return e.cause }

var (
	errClosed    = errors.New("the database is closed")
	errExhausted = errors.New("all connections are busy")
)

// wrap makes an *Error of what the library returned, or nil of nil. Sql is the text it is about, if it is at fault;
// l the limit that may have caused it, if there is one.
func wrap(file, sql string, err error, l *limit) error {
	if err == nil {
		return nil
	}
	e := &Error{File: file, Code: int(sqlite3.ERROR), Offset: -1}
	var code sqlite3.ExtendedErrorCode
	if errors.As(err, &code) {
		e.Code = int(code)
	}
	e.Message = strings.TrimPrefix(err.Error(), "sqlite3: ")
	var full *sqlite3.Error
	if errors.As(err, &full) {
		e.cause = full.Unwrap()
		e.Message = message(e.Message, e.cause)
		if rest := full.SQL(); rest != "" && strings.HasSuffix(sql, rest) {
			e.Offset = len(sql) - len(rest)
		}
	}
	if e.primary() == int(sqlite3.INTERRUPT) && l != nil {
		e.cause = l.cause()
	}
	return e
}

// message is the part of the library's text that is SQLite's own: it stands between the name of the code and the cause.
func message(text string, cause error) string {
	if cause != nil {
		text = strings.TrimSuffix(text, ": "+cause.Error())
	}
	for _, name := range []string{"SQL logic error: ", "constraint failed: "} {
		text = strings.TrimPrefix(text, name)
	}
	return text
}

func (e *Error) primary() int { return e.Code & 0xff }

func is(err error, codes ...sqlite3.ErrorCode) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	for _, c := range codes {
		if e.primary() == int(c) {
			return true
		}
	}
	return false
}

func isExtended(err error, codes ...sqlite3.ExtendedErrorCode) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	for _, c := range codes {
		if e.Code == int(c) {
			return true
		}
	}
	return false
}

// IsConstraint says whether a row breaks a rule of its table, whichever.
func IsConstraint(err error) bool { return is(err, sqlite3.CONSTRAINT) }

// IsUnique says whether a row is there already: a UNIQUE or PRIMARY KEY constraint.
func IsUnique(err error) bool {
	return isExtended(err, sqlite3.CONSTRAINT_UNIQUE, sqlite3.CONSTRAINT_PRIMARYKEY, sqlite3.CONSTRAINT_ROWID)
}

// IsForeignKey says whether a row refers to one that is not there, or is still referred to.
func IsForeignKey(err error) bool { return isExtended(err, sqlite3.CONSTRAINT_FOREIGNKEY) }

// IsCheck says whether a value breaks a CHECK constraint, or the declared type of a STRICT table's column.
func IsCheck(err error) bool {
	return isExtended(err, sqlite3.CONSTRAINT_CHECK, sqlite3.CONSTRAINT_DATATYPE)
}

// IsNotNull says whether a value that must be given is NULL.
func IsNotNull(err error) bool { return isExtended(err, sqlite3.CONSTRAINT_NOTNULL) }

// IsBusy says whether another process held the file for longer than Options.BusyTimeout. To try again is safe.
func IsBusy(err error) bool { return is(err, sqlite3.BUSY, sqlite3.LOCKED) }

// IsReadOnly says whether a write was tried on a reader, or on a file that can not be written.
func IsReadOnly(err error) bool { return is(err, sqlite3.READONLY) }

// IsInterrupted says whether the context or the deadline ended a statement.
func IsInterrupted(err error) bool { return is(err, sqlite3.INTERRUPT) }

// IsTooBig says whether a value or a row is longer than 64 MiB.
func IsTooBig(err error) bool { return is(err, sqlite3.TOOBIG) }

// IsUnfit says whether a value that was bound is not one that the statement can work with: not the integer that LIMIT or
// a rowid wants, or what a function cannot read, or a sum past 64 bits. What is stored may be at fault too, which SQLite
// does not tell apart.
func IsUnfit(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.bound && (IsMismatch(err) || e.Code == int(sqlite3.ERROR) && isOfValue(e.Message))
}

// IsMismatch says whether a value is not an integer, and nothing else can stand there.
func IsMismatch(err error) bool { return is(err, sqlite3.MISMATCH) }

// isOfValue knows what SQLite says of values when a right statement runs: there is no code for it.
func isOfValue(message string) bool {
	for _, start := range []string{
		"integer overflow", "malformed JSON", "bad JSON path", "JSON path error", "JSON cannot hold BLOB values", "json_object() labels must be TEXT",
		"LIKE or GLOB pattern too complex", "ESCAPE expression must be", "invalid Unicode escape",
		"frame starting offset must be", "frame ending offset must be", "argument of ntile must be", "second argument to nth_value must be",
	} {
		if strings.HasPrefix(message, start) {
			return true
		}
	}
	return false
}

// IsChanged says whether the tables have changed since the statement was prepared: prepare it again.
func IsChanged(err error) bool { return is(err, sqlite3.SCHEMA) }

// IsClosed says whether the DB was closed before it could serve.
func IsClosed(err error) bool { return errors.Is(err, errClosed) }

// IsExhausted says whether no reader was free, or no room in the writer's queue, within Options.Wait.
func IsExhausted(err error) bool { return errors.Is(err, errExhausted) }

// IsRaised says whether a trigger refused with RAISE; the message is the trigger's own.
func IsRaised(err error) bool { return isExtended(err, sqlite3.CONSTRAINT_TRIGGER) }
