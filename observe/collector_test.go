package observe_test

import (
	"context"
	"net"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

// receiver is an OTLP collector over gRPC that keeps what it gets.
type receiver struct {
	collector.UnimplementedTraceServiceServer
	mu    sync.Mutex
	spans []*otlp.Span
	// service is the name of the resource that sent them.
	service string
}

func (r *receiver) Export(_ context.Context, req *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.take(req)
	return &collector.ExportTraceServiceResponse{}, nil
}

func (r *receiver) take(req *collector.ExportTraceServiceRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, resource := range req.GetResourceSpans() {
		for _, a := range resource.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				r.service = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			r.spans = append(r.spans, scope.GetSpans()...)
		}
	}
}

// newReceiver starts a receiver and tells its endpoint.
func newReceiver(t *testing.T) (r *receiver, endpoint string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r = &receiver{}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, r)
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return r, "http://" + listener.Addr().String()
}

// span is the received span of that name.
func (r *receiver) span(t *testing.T, name string) *otlp.Span {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.spans {
		if s.GetName() == name {
			return s
		}
	}
	t.Fatalf("no span %q among %v", name, r.spans)
	return nil
}

// attributes are a span's, numbers as int64.
func attributes(s *otlp.Span) map[string]any {
	set := map[string]any{}
	for _, a := range s.GetAttributes() {
		set[a.GetKey()] = a.GetValue().GetStringValue()
		if _, text := set[a.GetKey()].(string); text && a.GetValue().GetStringValue() == "" {
			set[a.GetKey()] = a.GetValue().GetIntValue()
		}
	}
	return set
}
