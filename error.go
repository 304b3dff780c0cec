package sluice

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// Code is what went wrong, from a closed list: it decides the HTTP status (RFC 9110, section 15), the problem type
// and, for gRPC, the status code.
type Code uint8

// The codes. Internal is the zero Code, so a failure that nobody named is never taken for the client's.
const (
	Internal Code = iota
	BadRequest
	Unauthenticated
	Forbidden
	NotFound
	MethodNotAllowed
	RequestTimeout
	Conflict
	Gone
	PreconditionFailed
	TooLarge
	TargetTooLong
	UnsupportedMediaType
	RangeNotSatisfiable
	Unprocessable
	PreconditionRequired
	RateLimited
	HeaderTooLarge
	ClientLeft
	NotSupported
	BadGateway
	Unavailable
	GatewayTimeout
	LoopDetected
)

// codes holds, for each Code, its name in problem types and logs, its HTTP status and its title.
var codes = [...]struct {
	name   string
	status int
	title  string
}{
	Internal:             {"internal", 500, "The server failed"},
	BadRequest:           {"bad_request", 400, "The request is not as it must be"},
	Unauthenticated:      {"unauthenticated", 401, "Who asks is not known"},
	Forbidden:            {"forbidden", 403, "The caller may not do this"},
	NotFound:             {"not_found", 404, "There is nothing here"},
	MethodNotAllowed:     {"method_not_allowed", 405, "The method is not allowed here"},
	RequestTimeout:       {"request_timeout", 408, "The request did not arrive in time"},
	Conflict:             {"conflict", 409, "The request conflicts with what is there"},
	Gone:                 {"gone", 410, "It is no longer here"},
	PreconditionFailed:   {"precondition_failed", 412, "A precondition does not hold"},
	TooLarge:             {"too_large", 413, "The body is too large"},
	TargetTooLong:        {"target_too_long", 414, "The address is too long"},
	UnsupportedMediaType: {"unsupported_media_type", 415, "The body is of a type that is not read here"},
	RangeNotSatisfiable:  {"range_not_satisfiable", 416, "The range cannot be given"},
	Unprocessable:        {"unprocessable", 422, "The request is well formed and cannot be carried out"},
	PreconditionRequired: {"precondition_required", 428, "The request must be conditional"},
	RateLimited:          {"rate_limited", 429, "Too many requests"},
	HeaderTooLarge:       {"header_too_large", 431, "The header is too large"},
	ClientLeft:           {"client_left", 499, "The client left before the answer"},
	NotSupported:         {"not_supported", 501, "The server does not do this"},
	BadGateway:           {"bad_gateway", 502, "The backend gave no usable answer"},
	Unavailable:          {"unavailable", 503, "The backend cannot be reached now"},
	GatewayTimeout:       {"gateway_timeout", 504, "The backend did not answer in time"},
	LoopDetected:         {"loop_detected", 508, "The request has been here before"},
}

// ProblemType, followed by a code's name, is the "type" of a problem (RFC 9457, section 3.1.1): a URI that stays.
const ProblemType = "https://github.com/sluiceapi/sluice/blob/main/docs/problems.md#"

// String is the code's name, as it stands in problem types and logs.
func (c Code) String() string { return codes[c].name }

// Status is the HTTP status of the code.
func (c Code) Status() int { return codes[c].status }

// Title is one short sentence for people, the same for every error of the code.
func (c Code) Title() string { return codes[c].title }

// CodeOf is the code of an HTTP status of 400 and above, and whether there is one.
func CodeOf(status int) (Code, bool) {
	for c := range codes {
		if codes[c].status == status {
			return Code(c), true
		}
	}
	return Internal, false
}

// Codes are all codes, for documentation: Internal first, the others in the order of their statuses.
func Codes() []Code {
	all := make([]Code, len(codes))
	for i := range all {
		all[i] = Code(i)
	}
	return all
}

// Error is what a client may see of a failure: a code, a message and, for bad input, the fields at fault. Err is the
// cause, for the operator only. An Error that is returned for many requests is made once and never changed.
type Error struct {
	Code    Code
	Message string
	// Fields are the inputs at fault, when that is what is wrong.
	Fields []InputError
	// Details is what else there is to know, as the elements of a JSON array without its brackets: objects that say in "@type"
	// what they are, as google.rpc.Status has them.
	Details []byte
	// RetryAfter, when not zero, tells the client when it may try again. It is sent in whole seconds, rounded up.
	RetryAfter time.Duration
	// Header holds further fields of the answer, such as Allow and WWW-Authenticate.
	Header []Field
	// Err is the cause. It goes to the log and never to the client.
	Err error
}

// ErrRefused is in the tree of an error by which a policy answers for a while in the place of what stands below it, which
// was not asked: so whoever would ask again, or has another answer, knows that asking again is of no use now.
var ErrRefused = errors.New("refused without being asked")

// InputError is one input that does not fit: its name as a reference would give it, and what is wrong with it.
type InputError struct {
	Name    string `json:"name"`
	Message string `json:"message"`
}

func (e *Error) Error() string {
	text := e.Code.String()
	if e.Message != "" {
		text += ": " + e.Message
	}
	for _, f := range e.Fields {
		text += "; " + f.Name + ": " + f.Message
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// AppendProblem appends the error as a problem (RFC 9457): what a client may see of it.
func (e *Error) AppendProblem(p, requestID []byte) []byte {
	text := func(p []byte, text string) []byte { return AppendJSONString(p, aliasBytes(text)) }
	p = append(p, `{"type":"`+ProblemType...)
	p = append(p, e.Code.String()...)
	p = text(append(p, `","title":`...), e.Code.Title())
	p = append(p, `,"status":`...)
	p = strconv.AppendInt(p, int64(e.Code.Status()), 10)
	if e.Message != "" {
		p = text(append(p, `,"detail":`...), e.Message)
	}
	p = AppendJSONString(append(p, `,"request_id":`...), requestID)
	for i, f := range e.Fields {
		if i == 0 {
			p = append(p, `,"errors":[`...)
		} else {
			p = append(p, ',')
		}
		p = text(append(p, `{"name":`...), f.Name)
		p = text(append(p, `,"message":`...), f.Message)
		p = append(p, '}')
	}
	if len(e.Fields) > 0 {
		p = append(p, ']')
	}
	if len(e.Details) > 0 {
		p = append(append(append(p, `,"details":[`...), e.Details...), ']')
	}
	return append(p, '}')
}

// ErrorOf is the Error in err's tree. Of other errors, a deadline that has passed is GatewayTimeout, a cancelled
// context ClientLeft, and any other is Internal; err is the cause.
func ErrorOf(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return &Error{Code: GatewayTimeout, Message: "the answer was not there in time", Err: err}
	}
	if errors.Is(err, context.Canceled) {
		return &Error{Code: ClientLeft, Err: err}
	}
	return &Error{Code: Internal, Err: err}
}

// Errorf makes an Error with a formatted message for the client and a cause, which may be nil, for the operator.
func Errorf(code Code, cause error, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Err: cause}
}

// At names the field of a block that an error is about, so that a config error can say where it stands: a path
// relative to the block, such as "query" or "tx[1].expect.rows".
func At(field string, err error) error {
	if err == nil {
		return nil
	}
	return &FieldError{Field: field, Err: err}
}

// FieldError is a mistake in one field of a block, or in the text at hand where Field is empty. Offset, when above
// zero, is the byte of the text at which it stands, counted from one.
type FieldError struct {
	Field  string
	Offset int
	Err    error
}

func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Err.Error()
	}
	return e.Field + ": " + e.Err.Error()
}

func (e *FieldError) Unwrap() error { return e.Err }
