package rpc

import (
	"encoding/base64"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sluiceapi/sluice"
)

// ContentType is that of every request and answer of gRPC; behind it may stand how messages are written, such as +proto.
const ContentType = "application/grpc"

// IsContentType tells a content type of gRPC, as its requests have it. gRPC-Web has another.
func IsContentType(value []byte) bool {
	if len(value) < len(ContentType) || !strings.EqualFold(string(value[:len(ContentType)]), ContentType) {
		return false
	}
	return len(value) == len(ContentType) || value[len(ContentType)] == '+' || value[len(ContentType)] == ';'
}

// IsCall tells a request that came as a call of gRPC, so that its answer has to be one too.
func IsCall(r *sluice.Request) bool { return IsContentType(r.Header.Value("Content-Type")) }

// CodeOf is the gRPC status of a code.
func CodeOf(c sluice.Code) codes.Code {
	switch c {
	case sluice.BadRequest, sluice.TargetTooLong, sluice.Unprocessable:
		return codes.InvalidArgument
	case sluice.Unauthenticated:
		return codes.Unauthenticated
	case sluice.Forbidden:
		return codes.PermissionDenied
	case sluice.NotFound, sluice.Gone:
		return codes.NotFound
	case sluice.MethodNotAllowed, sluice.NotSupported, sluice.UnsupportedMediaType:
		return codes.Unimplemented
	case sluice.RequestTimeout, sluice.GatewayTimeout:
		return codes.DeadlineExceeded
	case sluice.Conflict:
		return codes.Aborted
	case sluice.PreconditionFailed, sluice.PreconditionRequired:
		return codes.FailedPrecondition
	case sluice.TooLarge, sluice.HeaderTooLarge, sluice.RateLimited:
		return codes.ResourceExhausted
	case sluice.RangeNotSatisfiable:
		return codes.OutOfRange
	case sluice.ClientLeft:
		return codes.Canceled
	case sluice.BadGateway, sluice.Unavailable:
		return codes.Unavailable
	}
	return codes.Internal
}

// SetStatus puts a status into a trailer: Grpc-Status, Grpc-Message and, where details is not empty,
// Grpc-Status-Details-Bin, which holds a google.rpc.Status on the wire.
func SetStatus(trailer *sluice.Header, code codes.Code, message string, details []byte) {
	trailer.SetInt("Grpc-Status", int64(code))
	trailer.Del("Grpc-Message")
	trailer.Del("Grpc-Status-Details-Bin")
	if message != "" {
		trailer.SetCopy("Grpc-Message", AppendText(nil, message))
	}
	if len(details) > 0 {
		trailer.SetCopy("Grpc-Status-Details-Bin", base64.RawStdEncoding.AppendEncode(nil, details))
	}
}

// SetOK puts the status of a call that went well into a trailer.
func SetOK(trailer *sluice.Header) { SetStatus(trailer, codes.OK, "", nil) }

// Fail makes the answer to a call that failed, in the place of a response whose body is closed and whose header holds
// only what may stay: one without a message, and a trailer that tells the error.
func Fail(x *sluice.Exchange, e *sluice.Error) {
	x.Response.Status = 200
	x.Response.Header.Set("Content-Type", ContentType)
	x.Response.Body.SetBytes(nil)
	SetError(x, e)
}

// SetError puts the status of an error into the trailer of a response. Its details tell what a problem tells: the code's
// name as ErrorInfo, the inputs at fault as BadRequest, when to try again as RetryInfo, the request's id as RequestInfo.
func SetError(x *sluice.Exchange, e *sluice.Error) {
	code := CodeOf(e.Code)
	if e.Code == sluice.NotFound && x.Endpoint == nil {
		code = codes.Unimplemented // it is the method that there is none of
	}
	message := e.Message
	if message == "" {
		message = e.Code.Title()
	}
	if plainly(x, code) {
		SetStatus(&x.Response.Trailer, code, message, nil)
		return
	}
	SetStatus(&x.Response.Trailer, code, message, details(x, e, code, message))
}

// plainly tells the errors that clients of gRPC make out by themselves: there is no such method, and the time is over that
// they have given. They have no details, whoever is first to tell.
func plainly(x *sluice.Exchange, code codes.Code) bool {
	return code == codes.Unimplemented && x.Endpoint == nil || code == codes.DeadlineExceeded && x.Request.Header.Has("Grpc-Timeout")
}

// errorDomain says whose names the reasons of ErrorInfo are.
const errorDomain = "github.com/sluiceapi/sluice"

func details(x *sluice.Exchange, e *sluice.Error, code codes.Code, message string) []byte {
	s := &status.Status{Code: int32(code), Message: message}
	add := func(m proto.Message) {
		if packed, err := anypb.New(m); err == nil {
			s.Details = append(s.Details, packed)
		}
	}
	add(&errdetails.ErrorInfo{Reason: strings.ToUpper(e.Code.String()), Domain: errorDomain})
	if len(e.Fields) > 0 {
		bad := &errdetails.BadRequest{}
		for _, f := range e.Fields {
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{Field: f.Name, Description: f.Message})
		}
		add(bad)
	}
	if e.RetryAfter > 0 {
		add(&errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)})
	}
	add(&errdetails.RequestInfo{RequestId: string(x.RequestID())})
	wire, err := proto.Marshal(s)
	if err != nil {
		return nil
	}
	return wire
}

// AppendText appends text as Grpc-Message has it (gRPC over HTTP/2, Percent-Encoded).
func AppendText(dst []byte, text string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '%' {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// ParseText reads what AppendText writes. A bad escape stays as it is written, as the protocol wants it.
func ParseText(value []byte) string {
	text := make([]byte, 0, len(value))
	for i := 0; i < len(value); i++ {
		if value[i] == '%' && i+2 < len(value) {
			if n, err := strconv.ParseUint(string(value[i+1:i+3]), 16, 8); err == nil {
				text = append(text, byte(n))
				i += 2
				continue
			}
		}
		text = append(text, value[i])
	}
	return strings.ToValidUTF8(string(text), "\uFFFD")
}
