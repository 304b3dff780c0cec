package sql

import (
	"context"
	"errors"
	"strings"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/postgres"
)

// pgFault makes of a failure of PostgreSQL what the client may see of it.
func pgFault(err error) error {
	switch {
	case postgres.IsUnfit(err):
		return &sluice.Error{Code: sluice.Unprocessable, Message: msgUnfit, Err: err}
	case errors.Is(err, context.DeadlineExceeded), postgres.IsTimeout(err):
		if postgres.IsUnknown(err) {
			return &sluice.Error{Code: sluice.GatewayTimeout, Message: msgUnknown, Err: err}
		}
		return late(err)
	case postgres.IsInterrupted(err), errors.Is(err, context.Canceled):
		return &sluice.Error{Code: sluice.ClientLeft, Err: err}
	case postgres.IsUnknown(err): // and nobody is told to try again
		return &sluice.Error{Code: sluice.Unavailable, Message: msgUnknown, Err: err}
	case postgres.IsGone(err), postgres.IsNotSent(err):
		return unavailable(err, "the database cannot be reached now")
	case postgres.IsConflict(err), postgres.IsBusy(err):
		return unavailable(err, "the database is busy")
	case postgres.IsChanged(err):
		return unavailable(err, "the tables of the database have just changed")
	case postgres.IsTooBig(err):
		return &sluice.Error{Code: sluice.TooLarge, Message: "a value is larger than the database takes", Err: err}
	case postgres.IsConstraint(err):
		return pgBroken(err)
	case postgres.IsRaised(err):
		e, _ := errors.AsType[*postgres.Error](err)
		return &sluice.Error{Code: sluice.Unprocessable, Message: e.Message, Err: err}
	}
	return &sluice.Error{Code: sluice.Internal, Err: err}
}

// pgBroken is a constraint that the request's values break: it names columns, which clients know from answers, and the
// constraint, if the tables name it.
func pgBroken(err error) error {
	e, _ := errors.AsType[*postgres.Error](err)
	columns := strings.Join(e.Columns(), " and ")
	switch {
	case postgres.IsUnique(err):
		return taken(err, columns)
	case postgres.IsForeignKey(err):
		return &sluice.Error{Code: sluice.Unprocessable, Message: msgForeignKey, Err: err}
	case postgres.IsNotNull(err) && columns != "":
		return &sluice.Error{Code: sluice.Unprocessable, Message: columns + " must be given", Err: err}
	case postgres.IsCheck(err) && sluice.ValidName(e.Constraint):
		return &sluice.Error{Code: sluice.Unprocessable, Message: "a value breaks the rule " + e.Constraint, Err: err}
	}
	return &sluice.Error{Code: sluice.Unprocessable, Message: msgBroken, Err: err}
}

// tableOf is the table in `relation "shop.users" does not exist`, without its schema.
func tableOf(message string) string {
	_, rest, _ := strings.Cut(message, `"`)
	name, _, _ := strings.Cut(rest, `"`)
	return name[strings.LastIndexByte(name, '.')+1:]
}
