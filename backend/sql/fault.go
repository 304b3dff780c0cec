package sql

import (
	"errors"
	"time"

	"github.com/sluiceapi/sluice"
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

// errLater is the answer while a database has not been reached since the node started.
var errLater = &sluice.Error{Code: sluice.Unavailable, Message: "the database cannot be reached yet", RetryAfter: retryAfter, Err: errUnreached}

// retryAfter is what a client is told to wait when the database is busy.
const retryAfter = time.Second

// toClient makes of a failure what the client may see of it.
func (d *dialect) toClient(err error) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*sluice.Error](err); ok {
		return known
	}
	return d.fault(err)
}

// The words of clients' mistakes, the same for all databases.
const (
	msgBroken     = "a value breaks a rule of the data"
	msgForeignKey = "it refers to something that is not there, or something that is there refers to it"
	msgUnknown    = "the database did not answer, and it is not known whether the change was made"
	msgUnfit      = "a value is not one that can be worked with"
)

// taken is a row that is there already, with the columns of its key if they are known.
func taken(err error, columns string) error {
	message := "it is there already"
	if columns != "" {
		message = "there is one with this " + columns + " already"
	}
	return &sluice.Error{Code: sluice.Conflict, Message: message, Err: err}
}

// unavailable is a failure that passes.
func unavailable(err error, message string) error {
	return &sluice.Error{Code: sluice.Unavailable, Message: message, RetryAfter: retryAfter, Err: err}
}

func late(err error) error {
	return &sluice.Error{Code: sluice.GatewayTimeout, Message: "the database did not answer in time", Err: err}
}
