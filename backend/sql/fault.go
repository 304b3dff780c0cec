package sql

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/sqlite"
)

// What an endpoint often answers is made once.
var (
	errNoRow   = &sluice.Error{Code: sluice.NotFound}
	errNumber  = errors.New("returns is count, and the read gave no number")
	errTooMany = &sluice.Error{Code: sluice.Internal,
		Err: errors.New("returns is one, and the statement gave more than one row; want a condition that finds one, LIMIT 1, or returns: many")}
	errLarge = &sluice.Error{Code: sluice.Internal,
		Err: errors.New("the rows take more memory than is kept for one answer; want fewer rows or columns, or a page")}
)

// retryAfter is what a client is told to wait when the database is busy.
const retryAfter = time.Second

// fault makes of a failure what the client may see of it.
func fault(err error) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*sluice.Error](err); ok {
		return known
	}
	busy := func(message string) error {
		return &sluice.Error{Code: sluice.Unavailable, Message: message, RetryAfter: retryAfter, Err: err}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &sluice.Error{Code: sluice.GatewayTimeout, Message: "the database did not answer in time", Err: err}
	case sqlite.IsInterrupted(err), errors.Is(err, context.Canceled):
		return &sluice.Error{Code: sluice.ClientLeft, Err: err}
	case sqlite.IsExhausted(err):
		return busy("all connections to the database are in use")
	case sqlite.IsBusy(err):
		return busy("the database is busy")
	case sqlite.IsClosed(err):
		return busy("the database is being closed")
	case sqlite.IsChanged(err):
		return busy("the tables of the database have just changed")
	case sqlite.IsTooBig(err):
		return &sluice.Error{Code: sluice.TooLarge, Message: "a value is larger than the database takes", Err: err}
	case sqlite.IsConstraint(err):
		return broken(err)
	case sqlite.IsUnfit(err):
		return unfit(err)
	}
	return &sluice.Error{Code: sluice.Internal, Err: err}
}

// broken is a constraint that the request's values break: it names columns, which clients know from answers, and the
// constraint, if the tables name it.
func broken(err error) error {
	e, _ := errors.AsType[*sqlite.Error](err)
	_, what, _ := strings.Cut(e.Message, "constraint failed: ")
	message := "a value breaks a rule of the data"
	switch {
	case sqlite.IsUnique(err):
		message = "it is there already"
		if names := columnNames(what); names != "" {
			message = "there is one with this " + names + " already"
		}
		return &sluice.Error{Code: sluice.Conflict, Message: message, Err: err}
	case sqlite.IsForeignKey(err):
		message = "it refers to something that is not there, or something that is there refers to it"
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

// unfit is a value of the request that the statement can not work with.
func unfit(err error) error {
	message := "a value is not one that can be worked with"
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
