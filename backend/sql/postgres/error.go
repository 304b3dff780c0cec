package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/sluiceapi/sluice"
)

// Error is what a server says of a failure, or what is said of one that it can say nothing of.
type Error struct {
	Server     string // its address, or the place in a migration
	Code       string // SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html
	Message    string // the server's words; those of class 22 quote the value at fault
	Detail     string // more of them, with values of rows: for the operator only
	Hint       string
	Schema     string
	Table      string
	Column     string
	Constraint string
	Param      int // the parameter at fault, from 1; zero if that is not known
	Offset     int // where in the SQL the fault lies, in bytes; -1 if the server does not say
	Outcome    Outcome
	cause      error
}

// Outcome is what is known of the changes of a statement, or of the transaction, that failed.
type Outcome uint8

// The outcomes. Undone is the zero one: the server has said so, or it will see to it.
const (
	// Undone: nothing was changed, or it was rolled back.
	Undone Outcome = iota
	// NotSent: the server never had it in whole. To send it again, to whichever server, is safe.
	NotSent
	// Unknown: it was sent and not answered, so it may have been committed. It must not be sent again.
	Unknown
)

// The codes of failures that servers have no part in.
const (
	codeLost    = "08006" // connection_failure
	codeDial    = "08001" // sqlclient_unable_to_establish_sqlconnection
	codeConfig  = "0A000" // feature_not_supported
	codeTimeout = "57014" // query_canceled, as the server calls it
	codeChanged = "0A000" // as for a cached plan
	codeValue   = "22023" // invalid_parameter_value
	codeTooBig  = "54000" // program_limit_exceeded
	codeMisuse  = "HV010" // function sequence error
)

func (e *Error) Error() string {
	var b strings.Builder
	if e.Server != "" {
		b.WriteString(e.Server + ": ")
	}
	b.WriteString(e.Message)
	if e.Code != "" {
		b.WriteString(" (" + e.Code + ")")
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	if e.Outcome == Unknown {
		b.WriteString("; it may have been committed")
	}
	if e.cause != nil {
		b.WriteString(": " + e.cause.Error())
	}
	return b.String()
}

// Unwrap is what the system said of a connection that broke, the cause of the context that ended a statement, or
// context.DeadlineExceeded.
func (e *Error) Unwrap() error { return e.cause }

// Columns are the columns that a broken constraint names: those of the key that is there already, or the one that must be
// given; none if the server does not say.
func (e *Error) Columns() []string {
	if e.Column != "" {
		return []string{e.Column}
	}
	// The words around it are in the server's language: Key (email, tenant)=(…) already exists.
	start, end := strings.IndexByte(e.Detail, '('), strings.Index(e.Detail, ")=(")
	if start < 0 || end < start {
		return nil
	}
	names := strings.Split(e.Detail[start+1:end], ", ")
	for i, name := range names {
		if names[i] = strings.ReplaceAll(strings.Trim(name, `"`), `""`, `"`); !sluice.ValidName(names[i]) {
			return nil // an expression
		}
	}
	return names
}

var errGivenUp = errors.New("nobody wanted the rest of its rows")

var errClosed = errors.New("the connection is closed")

// response makes an Error of what a server says. Sql is the statement that it is about, if positions are in it.
func response(server, sql string, m *pgproto3.ErrorResponse) *Error {
	e := &Error{Server: server, Code: m.Code, Message: m.Message, Detail: m.Detail, Hint: m.Hint, Schema: m.SchemaName,
		Table: m.TableName, Column: m.ColumnName, Constraint: m.ConstraintName, Offset: offset(sql, int(m.Position))}
	// "cached plan must not change result type", in the server's language; the code alone says other things too.
	if e.Code == codeChanged && m.Routine == "RevalidateCachedQuery" {
		e.cause = errChanged
	}
	return e
}

// offset is the byte of a position, which counts characters from 1; -1 of zero.
func offset(sql string, position int) int {
	if position <= 0 {
		return -1
	}
	for i := range sql {
		if position--; position == 0 {
			return i
		}
	}
	return len(sql)
}

// lost is the error of a connection that broke.
func lost(server string, cause error) *Error {
	var long *pgproto3.ExceededMaxBodyLenErr
	if errors.As(cause, &long) {
		return &Error{Server: server, Code: codeTooBig, Message: "a row is longer than is read", Offset: -1, cause: cause}
	}
	return &Error{Server: server, Code: codeLost, Message: "the connection broke", Offset: -1, cause: cause}
}

func dialError(config *pgconn.Config, err error) error {
	e := &Error{Server: net.JoinHostPort(config.Host, fmt.Sprint(config.Port)), Code: codeDial, Message: "there is no connection", Offset: -1, Outcome: NotSent, cause: err}
	var said *pgconn.PgError
	if errors.As(err, &said) {
		e.Code, e.Message, e.Detail, e.Hint, e.cause = said.Code, said.Message, said.Detail, said.Hint, nil
	}
	return e
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

func codeOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

func isCode(err error, codes ...string) bool {
	code := codeOf(err)
	for _, c := range codes {
		if code != "" && strings.HasPrefix(code, c) { // a code, or a class
			return true
		}
	}
	return false
}

// IsConstraint tells whether a row breaks a rule of its table, whichever.
func IsConstraint(err error) bool { return isCode(err, "23") }

// IsUnique tells whether a row is there already: a unique constraint, a primary key, or one that excludes others.
func IsUnique(err error) bool { return isCode(err, "23505", "23P01") }

// IsForeignKey tells whether a row refers to one that is not there, or is still referred to.
func IsForeignKey(err error) bool { return isCode(err, "23503", "23001") }

// IsNotNull tells whether a value that must be given is NULL.
func IsNotNull(err error) bool { return isCode(err, "23502") }

// IsCheck tells whether a value breaks a CHECK constraint, whose name is in Constraint.
func IsCheck(err error) bool { return isCode(err, "23514") }

// IsRaised tells whether a function refused with RAISE EXCEPTION; the message is its own.
func IsRaised(err error) bool { return isCode(err, "P0001") }

// IsUnfit tells whether a value is not one that the statement can work with: not of its type, out of its range, too long
// for its column, or what a function can not read. The server does not tell values of requests from those in tables.
func IsUnfit(err error) bool { return isCode(err, "22") }

// IsTooBig tells whether a value, a row or a statement is longer than is worked with.
func IsTooBig(err error) bool { return isCode(err, "54") }

// IsBusy tells whether others were in the way: a lock that was not to be had in time, a deadlock, a transaction that
// could not be put in a row with others, or the time that the server gives a statement. To try again is safe, unless the
// outcome is unknown.
func IsBusy(err error) bool {
	return isCode(err, "55P03", "40P01", "40001", "53") || isCode(err, "57014") && !IsInterrupted(err)
}

// IsConflict tells whether a transaction must be tried again, as a whole: also what a replica gave up because it had to
// go on with what its primary did. Another server may answer that.
func IsConflict(err error) bool { return isCode(err, "40") }

// IsReadOnly tells whether a write was tried in a transaction that reads only, or on a replica.
func IsReadOnly(err error) bool { return isCode(err, "25006") }

// IsGone tells whether there is no connection to the server, or the server ended it or does not take any.
func IsGone(err error) bool { return isCode(err, "08", "57P01", "57P02", "57P03", "57P05") }

// IsChanged tells whether the tables have changed since the statement was described: describe it again.
func IsChanged(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.cause == errChanged || e.Code == "26000")
}

var errChanged = errors.New("the columns of the statement have changed")

// IsInterrupted tells whether the deadline, or the end of the caller's context, ended a statement.
func IsInterrupted(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == codeTimeout && e.cause != nil
}

// IsTimeout tells whether the deadline ended a statement.
func IsTimeout(err error) bool { return IsInterrupted(err) && errors.Is(err, context.DeadlineExceeded) }

// IsUnknownTable tells whether a statement names a table that is not there.
func IsUnknownTable(err error) bool { return isCode(err, "42P01") }

// IsUnknown tells whether what a statement or a transaction changed may have been committed: it must not be sent again.
func IsUnknown(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Outcome == Unknown
}

// IsNotSent tells whether the server never had the statement: it can be sent again, to whichever server.
func IsNotSent(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Outcome == NotSent
}
