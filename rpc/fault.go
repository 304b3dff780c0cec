package rpc

import (
	"encoding/base64"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/sluiceapi/sluice"
)

// Status is how a call ended, as the trailer of its answer says it.
type Status struct {
	Code    codes.Code
	Message string
	details []*anypb.Any
}

// ParseStatus reads the values of Grpc-Status, Grpc-Message and Grpc-Status-Details-Bin; the last two may be empty. It is
// not ok where the first is no code. Details that cannot be read are passed over.
func ParseStatus(code, message, details string) (s Status, ok bool) {
	n := 0
	for _, c := range []byte(code) {
		if c < '0' || c > '9' || n > 1<<16 {
			return Status{}, false
		}
		n = n*10 + int(c-'0')
	}
	if code == "" {
		return Status{}, false
	}
	s = Status{Code: codes.Code(n), Message: ParseText([]byte(message))}
	if wire, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(details, "=")); err == nil && len(wire) > 0 {
		full := &status.Status{}
		if proto.Unmarshal(wire, full) == nil && full.GetCode() == int32(n) {
			s.details = full.GetDetails()
		}
	}
	return s, true
}

// Fault is what a client may know of a status that is not OK. What went wrong within the service is for the operator: of
// UNKNOWN, INTERNAL and DATA_LOSS the message is only in the cause. Of the details, the fields of BadRequest become
// Fields, RetryInfo RetryAfter, and those whose types are known to the schema, which may be nil, or built in, become
// Details, but for DebugInfo and RequestInfo.
func (s Status) Fault(schema *Schema) *sluice.Error {
	e := &sluice.Error{Code: codeOf(s.Code), Message: s.Message, Err: &statusError{s}}
	resolver := types{}
	if schema != nil {
		resolver = schema.types
	} else if len(s.details) > 0 {
		resolver = newTypes(&protoregistry.Files{})
	}
	for _, d := range s.details {
		m, err := d.UnmarshalNew()
		if err != nil {
			m = nil
		}
		switch m := m.(type) {
		case *errdetails.BadRequest:
			for _, v := range m.GetFieldViolations() {
				e.Fields = append(e.Fields, sluice.InputError{Name: v.GetField(), Message: v.GetDescription()})
			}
		case *errdetails.RetryInfo:
			e.RetryAfter = max(0, m.GetRetryDelay().AsDuration())
		case *errdetails.DebugInfo, *errdetails.RequestInfo:
		case *errdetails.ErrorInfo:
			if code, own := ownCode(m); own {
				e.Code = code
				continue
			}
			addDetail(e, d, resolver)
		default:
			addDetail(e, d, resolver)
		}
	}
	if e.Code == sluice.Internal {
		e.Message, e.Fields, e.Details = "", nil, nil
	}
	return e
}

// addDetail adds a detail as JSON, unless its type is not known.
func addDetail(e *sluice.Error, d *anypb.Any, t types) {
	w := encoder{types: t}
	w.foreign(d.ProtoReflect())
	if w.err != nil {
		return
	}
	if len(e.Details) > 0 {
		e.Details = append(e.Details, ',')
	}
	e.Details = append(e.Details, w.dst...)
}

// ownCode is the code of an error that another node has told, of which the status says less.
func ownCode(m *errdetails.ErrorInfo) (sluice.Code, bool) {
	if m.GetDomain() != errorDomain {
		return 0, false
	}
	for _, c := range sluice.Codes() {
		if c != sluice.ClientLeft && strings.EqualFold(c.String(), m.GetReason()) {
			return c, true
		}
	}
	return 0, false
}

// codeOf is the code of a status, by the HTTP statuses that google.rpc.Code names. A call that its server has cancelled is
// no usable answer; that this node's own client has left is known here without it.
func codeOf(c codes.Code) sluice.Code {
	switch c {
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange:
		return sluice.BadRequest
	case codes.Unauthenticated:
		return sluice.Unauthenticated
	case codes.PermissionDenied:
		return sluice.Forbidden
	case codes.NotFound:
		return sluice.NotFound
	case codes.AlreadyExists, codes.Aborted:
		return sluice.Conflict
	case codes.ResourceExhausted:
		return sluice.RateLimited
	case codes.Unimplemented:
		return sluice.NotSupported
	case codes.Unavailable:
		return sluice.Unavailable
	case codes.DeadlineExceeded:
		return sluice.GatewayTimeout
	case codes.Canceled:
		return sluice.BadGateway
	}
	return sluice.Internal
}

// statusError is a status as the cause of an error.
type statusError struct{ Status }

func (e *statusError) Error() string {
	text := "the service answered with " + e.Code.String()
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}
