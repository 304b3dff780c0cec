package grpc_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// echo is a grpc-go server of echo.v1.EchoService, with health and reflection.
type echo struct {
	address string
	health  *health.Server
	stop    func()
	leave   func() // stop, after the calls that are under way
	// cancelled is told of every Chat that its client has left.
	cancelled chan struct{}
	// conns is how many connections there are.
	conns atomic.Int64

	file protoreflect.FileDescriptor
}

// serveOptions say how the server is.
type serveOptions struct {
	address string // "" is a free port
	tls     credentials.TransportCredentials
	name    string // what it answers in the header "served-by"
}

func compileEcho(t testing.TB) protoreflect.FileDescriptor {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
		Accessor: func(path string) (io.ReadCloser, error) { return os.Open("testdata/" + path) }})}
	files, err := compiler.Compile(context.Background(), "echo/v1/echo.proto")
	if err != nil {
		t.Fatal(err)
	}
	return files[0]
}

// serveEcho serves until the test ends.
func serveEcho(t testing.TB, o serveOptions) *echo {
	t.Helper()
	if o.address == "" {
		o.address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", o.address)
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{address: l.Addr().String(), health: health.NewServer(), cancelled: make(chan struct{}, 100), file: compileEcho(t)}
	options := []grpc.ServerOption{grpc.StatsHandler(&counting{&e.conns})}
	if o.tls != nil {
		options = append(options, grpc.Creds(o.tls))
	}
	s := grpc.NewServer(options...)
	s.RegisterService(e.describe(o), e)
	grpc_health_v1.RegisterHealthServer(s, e.health)
	files := &protoregistry.Files{}
	for _, f := range []protoreflect.FileDescriptor{e.file} {
		register(t, files, f)
	}
	grpc_reflection_v1.RegisterServerReflectionServer(s, reflection.NewServerV1(reflection.ServerOptions{Services: s, DescriptorResolver: files}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(l)
	}()
	e.leave = s.GracefulStop
	e.stop = func() {
		s.Stop()
		<-done
	}
	t.Cleanup(e.stop)
	return e
}

// counting counts connections.
type counting struct{ conns *atomic.Int64 }

func (c *counting) HandleConn(_ context.Context, s stats.ConnStats) {
	switch s.(type) {
	case *stats.ConnBegin:
		c.conns.Add(1)
	case *stats.ConnEnd:
		c.conns.Add(-1)
	}
}

func (*counting) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*counting) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (*counting) HandleRPC(context.Context, stats.RPCStats)                         {}

func register(t testing.TB, files *protoregistry.Files, f protoreflect.FileDescriptor) {
	if _, err := files.FindFileByPath(f.Path()); err == nil {
		return
	}
	for i := range f.Imports().Len() {
		register(t, files, f.Imports().Get(i).FileDescriptor)
	}
	if err := files.RegisterFile(f); err != nil {
		t.Fatal(err)
	}
}

func (e *echo) message(name string) protoreflect.MessageDescriptor {
	return e.file.Messages().ByName(protoreflect.Name(name))
}

// describe is the service as generated code would describe it.
func (e *echo) describe(o serveOptions) *grpc.ServiceDesc {
	d := &grpc.ServiceDesc{ServiceName: "echo.v1.EchoService", HandlerType: (*any)(nil), Metadata: e.file.Path()}
	unary := func(name, in string, f func(ctx context.Context, in *dynamicpb.Message) (proto.Message, error)) {
		d.Methods = append(d.Methods, grpc.MethodDesc{MethodName: name, Handler: func(_ any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			m := dynamicpb.NewMessage(e.message(in))
			if err := dec(m); err != nil {
				return nil, err
			}
			grpc.SetHeader(ctx, metadata.Pairs("served-by", o.name))
			return f(ctx, m)
		}})
	}
	unary("Echo", "All", func(_ context.Context, in *dynamicpb.Message) (proto.Message, error) { return in, nil })
	unary("Fail", "FailRequest", e.fail)
	unary("Headers", "All", e.headers)
	stream := func(name string, client, server bool, f func(s grpc.ServerStream) error) {
		d.Streams = append(d.Streams, grpc.StreamDesc{StreamName: name, ClientStreams: client, ServerStreams: server,
			Handler: func(_ any, s grpc.ServerStream) error { return f(s) }})
	}
	stream("Count", false, true, e.count)
	stream("Sum", true, false, e.sum)
	stream("Chat", true, true, e.chat)
	return d
}

func get(m *dynamicpb.Message, field string) protoreflect.Value {
	return m.Get(m.Descriptor().Fields().ByName(protoreflect.Name(field)))
}

func set(m *dynamicpb.Message, field string, v any) {
	m.Set(m.Descriptor().Fields().ByName(protoreflect.Name(field)), protoreflect.ValueOf(v))
}

func (e *echo) fail(ctx context.Context, in *dynamicpb.Message) (proto.Message, error) {
	if get(in, "late").Bool() {
		grpc.SendHeader(ctx, metadata.Pairs("early", "yes"))
	}
	s := status.New(codes.Code(get(in, "code").Int()), get(in, "message").String())
	for i := range get(in, "details").List().Len() {
		var d protoadapt.MessageV1
		switch get(in, "details").List().Get(i).String() {
		case "bad_request":
			d = &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "name", Description: "too long"}}}
		case "retry_info":
			d = &errdetails.RetryInfo{RetryDelay: durationpb.New(7 * time.Second)}
		case "error_info":
			d = &errdetails.ErrorInfo{Reason: "NO_STOCK", Domain: "shop.example.org", Metadata: map[string]string{"sku": "a1"}}
		case "own_info":
			d = &errdetails.ErrorInfo{Reason: "GONE", Domain: "github.com/sluiceapi/sluice"}
		case "debug_info":
			d = &errdetails.DebugInfo{Detail: "secret"}
		case "quota":
			d = &errdetails.QuotaFailure{Violations: []*errdetails.QuotaFailure_Violation{{Subject: "you", Description: "enough"}}}
		case "inner":
			m := dynamicpb.NewMessage(e.message("Inner"))
			set(m, "name", "x")
			d = protoadapt.MessageV1Of(m)
		}
		s, _ = s.WithDetails(d)
	}
	return nil, s.Err()
}

func (e *echo) headers(ctx context.Context, _ *dynamicpb.Message) (proto.Message, error) {
	out := dynamicpb.NewMessage(e.message("HeadersResponse"))
	field := out.Descriptor().Fields().ByName("headers")
	m := out.Mutable(field).Map()
	md, _ := metadata.FromIncomingContext(ctx)
	for name, values := range md {
		m.Set(protoreflect.ValueOfString(name).MapKey(), protoreflect.ValueOfString(strings.Join(values, "|")))
	}
	left := "none"
	if until, bounded := ctx.Deadline(); bounded {
		left = time.Until(until).Round(time.Second).String()
	}
	m.Set(protoreflect.ValueOfString("deadline").MapKey(), protoreflect.ValueOfString(left))
	return out, nil
}

func (e *echo) count(s grpc.ServerStream) error {
	in := dynamicpb.NewMessage(e.message("CountRequest"))
	if err := s.RecvMsg(in); err != nil {
		return err
	}
	for i := range get(in, "to").Int() {
		out := dynamicpb.NewMessage(e.message("All"))
		set(out, "i64", i+1)
		if err := s.SendMsg(out); err != nil {
			return err
		}
	}
	if get(in, "hold").Bool() {
		<-s.Context().Done()
		return status.FromContextError(s.Context().Err()).Err()
	}
	if code := get(in, "fail_with").Int(); code != 0 {
		return status.Error(codes.Code(code), "counted out")
	}
	return nil
}

func (e *echo) sum(s grpc.ServerStream) error {
	sum := int64(0)
	for {
		in := dynamicpb.NewMessage(e.message("All"))
		err := s.RecvMsg(in)
		if errors.Is(err, io.EOF) {
			out := dynamicpb.NewMessage(e.message("All"))
			set(out, "i64", sum)
			s.SetTrailer(metadata.Pairs("summed", "yes"))
			return s.SendMsg(out)
		}
		if err != nil {
			return err
		}
		sum += get(in, "i64").Int()
	}
}

func (e *echo) chat(s grpc.ServerStream) error {
	md, _ := metadata.FromIncomingContext(s.Context())
	s.SendHeader(metadata.Pairs("asked", strings.Join(md.Get("asks"), ",")))
	s.SetTrailer(metadata.Pairs("ended", "yes", "bits-bin", string([]byte{0, 255})))
	for {
		in := dynamicpb.NewMessage(e.message("All"))
		err := s.RecvMsg(in)
		if errors.Is(err, io.EOF) {
			return status.Error(codes.AlreadyExists, "all was said")
		}
		if err != nil {
			if s.Context().Err() != nil {
				e.cancelled <- struct{}{}
			}
			return err
		}
		if err := s.SendMsg(in); err != nil {
			return err
		}
	}
}

var _ = gzip.Name

func reflectString(text string) protoreflect.Value { return protoreflect.ValueOfString(text) }
