package sql

import (
	"context"
	"errors"
	"strings"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/sqlite"
)

// liteFault makes of a failure of SQLite what the client may see of it.
func liteFault(err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return late(err)
	case sqlite.IsInterrupted(err), errors.Is(err, context.Canceled):
		return &sluice.Error{Code: sluice.ClientLeft, Err: err}
	case sqlite.IsExhausted(err):
		return unavailable(err, "all connections to the database are in use")
	case sqlite.IsBusy(err):
		return unavailable(err, "the database is busy")
	case sqlite.IsClosed(err):
		return unavailable(err, "the database is being closed")
	case sqlite.IsChanged(err):
		return unavailable(err, "the tables of the database have just changed")
	case sqlite.IsTooBig(err):
		return &sluice.Error{Code: sluice.TooLarge, Message: "a value is larger than the database takes", Err: err}
	case sqlite.IsConstraint(err):
		return liteBroken(err)
	case sqlite.IsUnfit(err):
		return liteUnfit(err)
	}
	return &sluice.Error{Code: sluice.Internal, Err: err}
}

// liteBroken is a constraint that the request's values break: it names columns, which clients know from answers, and the
// constraint, if the tables name it.
func liteBroken(err error) error {
	e, _ := errors.AsType[*sqlite.Error](err)
	_, what, _ := strings.Cut(e.Message, "constraint failed: ")
	message := msgBroken
	switch {
	case sqlite.IsUnique(err):
		return taken(err, columnNames(what))
	case sqlite.IsForeignKey(err):
		message = msgForeignKey
	case sqlite.IsNotNull(err):
		if names := columnNames(what); names != "" {
			message = names + " must be given"
		}
	case sqlite.IsCheck(err):
		if sluice.ValidName(what) {
			message = "a value breaks the rule " + what
		}
	case sqlite.IsRaised(err):
		message = e.Message
	}
	return &sluice.Error{Code: sluice.Unprocessable, Message: message, Err: err}
}

// liteUnfit is a value of the request that the statement can not work with.
func liteUnfit(err error) error {
	message := msgUnfit
	if sqlite.IsMismatch(err) {
		message = "a value is missing, or is not the whole number that is wanted"
	}
	return &sluice.Error{Code: sluice.Unprocessable, Message: message, Err: err}
}

// columnNames makes "email and tenant" of "users.email, users.tenant", or "" of what is no list of columns.
func columnNames(list string) string {
	var names []string
	for _, c := range strings.Split(list, ", ") {
		table, name, found := strings.Cut(c, ".")
		if !found || !sluice.ValidName(table) || !sluice.ValidName(name) {
			return ""
		}
		names = append(names, name)
	}
	return strings.Join(names, " and ")
}
