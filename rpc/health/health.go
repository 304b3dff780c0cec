// Package health tells whether a node takes calls, as grpc.health has it.
package health

import (
	"slices"
	"time"

	v1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/rpc"
)

// Service is the name of the protocol's own service.
const Service = "grpc.health.v1.Health"

// Paths are those of the calls that the handler answers.
var Paths = []string{v1.Health_Check_FullMethodName, v1.Health_List_FullMethodName, v1.Health_Watch_FullMethodName}

// Readiness is whether a process takes calls, at one moment.
type Readiness struct {
	Ready bool
	// Stops tells that it is not ready because it is about to end, so that nobody should wait for it.
	Stops bool
	// Changed is closed when any of this changes; nil when nothing ever does.
	Changed <-chan struct{}
}

// Options say what there is to tell.
type Options struct {
	// Services are what can be asked for, beside "" for all of the node.
	Services []string
	// Readiness tells of the process; it is called by many at once.
	Readiness func() Readiness
	// Watching is told of a call that waits for changes from now on, and needs nothing of the node meanwhile.
	Watching func(x *sluice.Exchange)
}

// New makes the handler of calls for health.
func New(o Options) sluice.Handler {
	return &health{Options: o}
}

type health struct{ Options }

// maxRequest is how much a request may take: it holds one name.
const maxRequest = 4 << 10

// Serve answers a call.
func (h *health) Serve(x *sluice.Exchange) error {
	raw, err := x.Request.Body.Load(maxRequest)
	if err != nil {
		return err
	}
	request := &v1.HealthCheckRequest{}
	wire, err := rpc.One(raw, string(x.Request.Header.Value("Grpc-Encoding")), maxRequest)
	if err != nil {
		return err
	}
	if err := proto.Unmarshal(wire, request); err != nil {
		return &sluice.Error{Code: sluice.BadRequest, Message: "the message is no request for health"}
	}
	known := request.GetService() == "" || slices.Contains(h.Services, request.GetService())
	switch string(x.Request.Path) {
	case v1.Health_Check_FullMethodName:
		if !known {
			return &sluice.Error{Code: sluice.NotFound, Message: "there is no such service here"}
		}
		return one(x, &v1.HealthCheckResponse{Status: h.status()})
	case v1.Health_List_FullMethodName:
		list := &v1.HealthListResponse{Statuses: map[string]*v1.HealthCheckResponse{}}
		for _, name := range append([]string{""}, h.Services...) {
			list.Statuses[name] = &v1.HealthCheckResponse{Status: h.status()}
		}
		return one(x, list)
	}
	h.watch(x, known)
	return nil
}

func (h *health) status() v1.HealthCheckResponse_ServingStatus {
	return statusOf(h.Readiness())
}

func statusOf(r Readiness) v1.HealthCheckResponse_ServingStatus {
	if r.Ready {
		return v1.HealthCheckResponse_SERVING
	}
	return v1.HealthCheckResponse_NOT_SERVING
}

// one answers with one message.
func one(x *sluice.Exchange, m proto.Message) error {
	wire, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	rpc.SetHead(&x.Response, false)
	x.Response.Body.SetBytes(rpc.AppendFrame(nil, wire))
	rpc.SetOK(&x.Response.Trailer)
	return nil
}

// watch answers with the status, and with each that is another, until the client leaves or the process is about to end.
// It is bound by no time: a client that loses it takes the node for one that does not serve.
func (h *health) watch(x *sluice.Exchange, known bool) {
	x.Deadline = time.Time{}
	var told *v1.HealthCheckResponse
	var wait <-chan struct{}
	stops := false
	rpc.Answer(x, rpc.Source{Next: func() ([]byte, error) {
		if told == nil && h.Watching != nil {
			h.Watching(x)
		}
		for {
			if stops {
				return nil, &sluice.Error{Code: sluice.Unavailable, Message: "the node is about to stop"}
			}
			if told != nil {
				select {
				case <-wait:
				case <-x.Context().Done():
					return nil, x.Context().Err()
				}
			}
			r := h.Readiness()
			wait, stops = r.Changed, r.Stops
			now := &v1.HealthCheckResponse{Status: statusOf(r)}
			if !known {
				now.Status = v1.HealthCheckResponse_SERVICE_UNKNOWN
			}
			if told == nil || told.Status != now.Status {
				told = now
				return proto.Marshal(now)
			}
		}
	}})
}
