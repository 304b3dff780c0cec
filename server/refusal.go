package server

import (
	"errors"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/h1"
)

// Requests that no handler gets to see. Each is made once and never changed.
var (
	errHost      = &sluice.Error{Code: sluice.BadRequest, Message: "the Host field must name one host, with or without a port"}
	errConnect   = &sluice.Error{Code: sluice.BadRequest, Message: "CONNECT is not for this server"}
	errAsterisk  = &sluice.Error{Code: sluice.BadRequest, Message: "the target * is for OPTIONS only"}
	errForm      = &sluice.Error{Code: sluice.BadRequest, Message: "the target must be a path, or a URL of this server"}
	errScheme    = &sluice.Error{Code: sluice.BadRequest, Message: "the target's scheme is not that of the connection"}
	errAuthority = &sluice.Error{Code: sluice.BadRequest, Message: "Host and :authority differ"}
	errLength    = &sluice.Error{Code: sluice.BadRequest, Message: "Content-Length is no number, comes twice, or is not that of the body"}
	errNamed     = &sluice.Error{Code: sluice.BadRequest, Message: "the Connection field names a field that is not the connection's"}
	errTarget    = &sluice.Error{Code: sluice.TargetTooLong}
	errHeader    = &sluice.Error{Code: sluice.HeaderTooLarge}
	errLate      = &sluice.Error{Code: sluice.RequestTimeout, Message: "the header stopped coming"}
)

// malformed is what the client is told of a header that is not as RFC 9112 has it.
func malformed(err error) error {
	if errors.Is(err, h1.ErrTooLarge) {
		return errHeader
	}
	return sluice.Errorf(sluice.BadRequest, nil, "the request is malformed: %s", reason(err))
}

func reason(err error) string {
	if e, ok := errors.AsType[h1.Error](err); ok {
		return string(e)
	}
	return err.Error()
}
