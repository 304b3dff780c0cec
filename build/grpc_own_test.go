package build_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/rpc"
	"github.com/sluiceapi/sluice/sluicetest"
)

const ownConfig = `
		sluice: 1
		endpoints:
			get_user:
				routes: ["GET /user/{user_id}", "grpc user.v1.UserService/GetUser"]
				test_handler: {name: mirror}
		`

// ask asks for reflection once, in either version of the protocol.
type asking func(t *testing.T, q *reflectionv1.ServerReflectionRequest) *reflectionv1.ServerReflectionResponse

// askings are ways to ask, by the version of the protocol. The messages of both are the same on the wire.
func askings(t *testing.T, conn *grpc.ClientConn) map[string]asking {
	t.Helper()
	all := map[string]asking{}
	for _, version := range []string{"v1", "v1alpha"} {
		desc := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
		stream, err := conn.NewStream(t.Context(), desc, "/grpc.reflection."+version+".ServerReflection/ServerReflectionInfo")
		if err != nil {
			t.Fatal(err)
		}
		all[version] = func(t *testing.T, q *reflectionv1.ServerReflectionRequest) *reflectionv1.ServerReflectionResponse {
			t.Helper()
			if err := stream.SendMsg(q); err != nil {
				t.Fatal(err)
			}
			a := &reflectionv1.ServerReflectionResponse{}
			if err := stream.RecvMsg(a); err != nil {
				t.Fatal(err)
			}
			return a
		}
	}
	return all
}

func TestReflection(t *testing.T) {
	t.Parallel()
	c := dial(t, sluicetest.ServeNode(t, sluicetest.Node(t, withProtos(t, ownConfig), handlers(nil))))
	for version, ask := range askings(t, c.conn) {
		a := ask(t, &reflectionv1.ServerReflectionRequest{Host: "h", MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}})
		var names []string
		for _, s := range a.GetListServicesResponse().GetService() {
			names = append(names, s.GetName())
		}
		want := []string{"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection", "user.v1.UserService"}
		if !slices.Equal(names, want) || a.GetValidHost() != "h" {
			t.Errorf("%s: services %q", version, names)
		}
		for _, name := range names {
			files := fileNames(t, ask(t, &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: name}}))
			if len(files) == 0 {
				t.Errorf("%s: no file of %s", version, name)
			}
			again := fileNames(t, ask(t, &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: name}}))
			if len(again) == 0 {
				t.Errorf("%s: no file of %s when it is asked for again", version, name)
			}
		}
		files := fileNames(t, ask(t, &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_FileByFilename{FileByFilename: "google/protobuf/timestamp.proto"}}))
		if !slices.Contains(files, "google/protobuf/timestamp.proto") {
			t.Errorf("%s: %q", version, files)
		}
		for _, q := range []*reflectionv1.ServerReflectionRequest{
			{},
			{MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "no.Such"}},
			{MessageRequest: &reflectionv1.ServerReflectionRequest_FileByFilename{FileByFilename: "google/protobuf/api.proto"}},
			{MessageRequest: &reflectionv1.ServerReflectionRequest_AllExtensionNumbersOfType{AllExtensionNumbersOfType: "google.protobuf.Api"}},
		} {
			if e := ask(t, q).GetErrorResponse(); e.GetErrorCode() != int32(codes.NotFound) {
				t.Errorf("%s: %v: %v", version, q, e)
			}
		}
		a = ask(t, &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_AllExtensionNumbersOfType{AllExtensionNumbersOfType: "user.v1.UserRequest"}})
		if a.GetAllExtensionNumbersResponse() == nil {
			t.Errorf("%s: %v", version, a)
		}
	}
}

func fileNames(t *testing.T, a *reflectionv1.ServerReflectionResponse) (names []string) {
	t.Helper()
	for _, wire := range a.GetFileDescriptorResponse().GetFileDescriptorProto() {
		f := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(wire, f); err != nil {
			t.Fatal(err)
		}
		names = append(names, f.GetName())
	}
	return names
}

// A client that knows nothing makes its schema of what reflection tells, and calls.
func TestSchemaOfReflection(t *testing.T) {
	t.Parallel()
	c := dial(t, sluicetest.ServeNode(t, sluicetest.Node(t, withProtos(t, ownConfig), handlers(nil))))
	a := askings(t, c.conn)["v1"](t, &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "user.v1.UserService"}})
	var files []*descriptorpb.FileDescriptorProto
	for _, wire := range a.GetFileDescriptorResponse().GetFileDescriptorProto() {
		f := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(wire, f); err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	s, err := rpc.NewSchema(files)
	if err != nil {
		t.Fatal(err)
	}
	c.Schema = s
	if got, err := c.call("GetUser", `{"userId":"5"}`); err != nil || got != `{"name":"GET /user/5? "}` {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestReflectionIsOff(t *testing.T) {
	t.Parallel()
	config := strings.Replace(ownConfig, "\t\tendpoints:", "\t\tgrpc: {reflection: false, health: false}\n\t\tendpoints:", 1)
	c := dial(t, sluicetest.ServeNode(t, sluicetest.Node(t, withProtos(t, config), handlers(nil))))
	stream, err := reflectionv1.NewServerReflectionClient(c.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err = stream.Recv(); status.Code(err) != codes.Unimplemented {
		t.Errorf("reflection: %v", err)
	}
	if _, err := healthv1.NewHealthClient(c.conn).Check(t.Context(), &healthv1.HealthCheckRequest{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("health: %v", err)
	}
}

// process is a process whose readiness changes.
type process struct {
	mu      sync.Mutex
	state   build.Readiness
	changed chan struct{}
}

func newProcess(ready bool) *process {
	return &process{state: build.Readiness{Ready: ready}, changed: make(chan struct{})}
}

func (p *process) readiness() build.Readiness {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.Changed = p.changed
	return p.state
}

func (p *process) become(ready, stops bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.Ready, p.state.Stops = ready, stops
	close(p.changed)
	p.changed = make(chan struct{})
}

func TestHealth(t *testing.T) {
	t.Parallel()
	p := newProcess(false)
	node := sluicetest.NodeWith(t, build.Options{Kinds: []sluice.Kind{handlers(nil)}, Readiness: p.readiness}, withProtos(t, ownConfig))
	client := healthv1.NewHealthClient(dial(t, sluicetest.ServeNode(t, node)).conn)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	check := func(service string, want healthv1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		a, err := client.Check(ctx, &healthv1.HealthCheckRequest{Service: service})
		if err != nil || a.GetStatus() != want {
			t.Errorf("%q: %v, %v; want %v", service, a, err, want)
		}
	}
	check("", healthv1.HealthCheckResponse_NOT_SERVING)
	p.become(true, false)
	check("", healthv1.HealthCheckResponse_SERVING)
	check("user.v1.UserService", healthv1.HealthCheckResponse_SERVING)
	if _, err := client.Check(ctx, &healthv1.HealthCheckRequest{Service: "no.Such"}); status.Code(err) != codes.NotFound {
		t.Errorf("an unknown service: %v", err)
	}
	list, err := client.List(ctx, &healthv1.HealthListRequest{})
	if err != nil || len(list.GetStatuses()) != 2 || list.GetStatuses()["user.v1.UserService"].GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("list: %v, %v", list, err)
	}
	watch, err := client.Watch(ctx, &healthv1.HealthCheckRequest{Service: "user.v1.UserService"})
	if err != nil {
		t.Fatal(err)
	}
	next := func(want healthv1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		if a, err := watch.Recv(); err != nil || a.GetStatus() != want {
			t.Errorf("watch: %v, %v; want %v", a, err, want)
		}
	}
	next(healthv1.HealthCheckResponse_SERVING)
	p.become(false, false)
	next(healthv1.HealthCheckResponse_NOT_SERVING)
	p.become(true, false)
	next(healthv1.HealthCheckResponse_SERVING)
	p.become(false, true)
	next(healthv1.HealthCheckResponse_NOT_SERVING)
	if _, err := watch.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("when the process is about to stop: %v", err)
	}
	unknown, err := client.Watch(ctx, &healthv1.HealthCheckRequest{Service: "no.Such"})
	if err != nil {
		t.Fatal(err)
	}
	watch = unknown
	next(healthv1.HealthCheckResponse_SERVICE_UNKNOWN)
	if _, err := watch.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("an unknown service of a process that is about to stop: %v", err)
	}
}

// A client that watches the health goes on when the config is read again, and keeps no node open.
func TestWatchOutlivesItsNode(t *testing.T) {
	t.Parallel()
	p := newProcess(true)
	node := func() *build.Node {
		n, err := build.Make(sluicetest.Document(t, withProtos(t, ownConfig)), build.Options{Kinds: []sluice.Kind{handlers(nil)}, Readiness: p.readiness}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	var nodes build.Switch
	closed := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	first := node()
	first.OnClose(func() { close(closed[0]) })
	nodes.Swap(first)
	client := healthv1.NewHealthClient(dial(t, sluicetest.Serve(t, &nodes)).conn)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	watch, err := client.Watch(ctx, &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if a, err := watch.Recv(); err != nil || a.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Fatalf("%v, %v", a, err)
	}
	second := node()
	second.OnClose(func() { close(closed[1]) })
	nodes.Swap(second)
	await(t, closed[0])
	p.become(false, true)
	if a, err := watch.Recv(); err != nil || a.GetStatus() != healthv1.HealthCheckResponse_NOT_SERVING {
		t.Fatalf("%v, %v", a, err)
	}
	if _, err := watch.Recv(); err == nil || err == io.EOF {
		t.Errorf("at the end: %v", err)
	}
	nodes.Swap(nil)
	await(t, closed[1])
}

func await(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(30 * time.Second):
		t.Fatal("the node is not closed")
	}
}
