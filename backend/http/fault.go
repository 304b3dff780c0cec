package http

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/sluiceapi/sluice"
)

// errLate is a limit of the call's own that passed.
var errLate = errors.New("no answer in time")

func (c *call) late() error {
	if !c.headBy.IsZero() && (c.limit.IsZero() || c.headBy.Before(c.limit)) {
		return sluice.Errorf(sluice.GatewayTimeout, errLate, "the backend did not begin to answer in time")
	}
	return sluice.Errorf(sluice.GatewayTimeout, errLate, "the answer was not there in time")
}

// fault makes of what went wrong on a connection what the client may know.
func (c *call) fault(err error) error {
	if p := c.bodyErr.Load(); p != nil {
		return *p
	}
	if c.ctx != nil && c.ctx.Err() != nil {
		return c.left()
	}
	if _, ok := errors.AsType[*sluice.Error](err); ok {
		return err
	}
	if isTimeout(err) {
		return sluice.Errorf(sluice.GatewayTimeout, err, "the backend did not take the request in time")
	}
	return sluice.Errorf(sluice.BadGateway, c.at(err), "the backend gave no usable answer")
}

// at adds the host's address, for the operator.
func (c *call) at(err error) error { return &addressError{address: c.conn.up.host, err: err} }

type addressError struct {
	address string
	err     error
}

func (e *addressError) Error() string { return e.address + ": " + e.err.Error() }

func (e *addressError) Unwrap() error { return e.err }

// left is the end of the exchange's context: its deadline, or the client's leaving.
func (c *call) left() error {
	err := c.ctx.Err()
	if errors.Is(err, context.DeadlineExceeded) {
		return sluice.Errorf(sluice.GatewayTimeout, err, "the answer was not there in time")
	}
	return &sluice.Error{Code: sluice.ClientLeft, Err: err}
}

func dialFault(err error) error {
	switch {
	case errors.Is(err, errFull):
		return &sluice.Error{Code: sluice.Unavailable, Message: "too many requests are on their way to the backend",
			RetryAfter: time.Second, Err: err}
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		return sluice.Errorf(sluice.GatewayTimeout, err, "the backend took no connection in time")
	}
	return sluice.Errorf(sluice.BadGateway, err, "the backend takes no connection")
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}

// requestFault is why the request's own body could not be read: the client's fault, or its leaving, never the
// backend's.
func requestFault(err error) error {
	if _, ok := errors.AsType[*sluice.Error](err); ok {
		return err
	}
	if isTimeout(err) {
		return sluice.Errorf(sluice.RequestTimeout, err, "the request's body did not arrive in time")
	}
	if errors.Is(err, context.Canceled) {
		return &sluice.Error{Code: sluice.ClientLeft, Err: err}
	}
	return sluice.Errorf(sluice.BadRequest, err, "the request's body did not arrive whole")
}
