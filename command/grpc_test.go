package command

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/sluiceapi/sluice/rpc"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// dataNode is a data node of examples/tiers.
func dataNode(t *testing.T, a *servers.Authority) *serving {
	t.Helper()
	own := a.Issue(servers.Leaf{CommonName: "data", Server: true})
	return serveFile(t, map[string]string{
		"DATA_HTTPS": "127.0.0.1:0", "DATA_ADMIN": "127.0.0.1:0", "DATA_CERT": own.CertFile, "DATA_KEY": own.KeyFile,
		"TIERS_CA": a.CertFile, "USERS_URL": "sqlite:" + filepath.Join(t.TempDir(), "users.db"),
	}, "../examples/tiers/data.yaml")
}

// dial makes a client with that certificate, or none.
func dial(t *testing.T, address string, a *servers.Authority, c *servers.Certificate) *grpc.ClientConn {
	t.Helper()
	config := &tls.Config{RootCAs: a.Pool(), ServerName: "localhost"}
	if c != nil {
		config.Certificates = []tls.Certificate{c.TLS()}
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// reflected is the schema that a node tells of a service.
func reflected(ctx context.Context, t *testing.T, conn *grpc.ClientConn, service string) *rpc.Schema {
	t.Helper()
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service}}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	var files []*descriptorpb.FileDescriptorProto
	for _, wire := range answer.GetFileDescriptorResponse().GetFileDescriptorProto() {
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
	return s
}

// call calls a method with a message as JSON, and returns the answer's as JSON.
func call(ctx context.Context, t *testing.T, conn *grpc.ClientConn, s *rpc.Schema, method, message string) (string, error) {
	t.Helper()
	m, err := s.Method(method)
	if err != nil {
		t.Fatal(err)
	}
	in, out := dynamicpb.NewMessage(m.In.Descriptor), dynamicpb.NewMessage(m.Out.Descriptor)
	if err := protojson.Unmarshal([]byte(message), in); err != nil {
		t.Fatal(err)
	}
	if err := conn.Invoke(ctx, "/"+method, in, out); err != nil {
		return "", err
	}
	text, err := protojson.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), ", ", ","), nil
}

const getUser = "user.v1.UserService/GetUser"

func TestCallsOfGRPCOverTLS(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t, "tiers")
	s := dataNode(t, a)
	conn := dial(t, s.at.HTTPS, a, a.Issue(servers.Leaf{CommonName: "edge", Client: true}))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	schema := reflected(ctx, t, conn, "user.v1.UserService")
	for range 2 { // the second is out of the cache
		if got, err := call(ctx, t, conn, schema, getUser, `{"userId":"42"}`); err != nil || got != `{"name":"Chi Abel","email":"user42@example.org"}` {
			t.Errorf("got %s, %v", got, err)
		}
	}
	if _, err := call(ctx, t, conn, schema, getUser, `{"userId":"5000"}`); status.Code(err) != codes.NotFound {
		t.Errorf("nobody: %v", err)
	}
	if _, err := call(ctx, t, conn, schema, getUser, `{}`); status.Code(err) != codes.InvalidArgument {
		t.Errorf("no number: %v", err)
	}
	stranger := dial(t, s.at.HTTPS, a, nil)
	if _, err := call(ctx, t, stranger, schema, getUser, `{"userId":"42"}`); status.Code(err) != codes.Unavailable {
		t.Errorf("without a certificate: %v", err)
	}
	if _, body := get(t, "http://"+s.at.Admin+"/metrics"); !strings.Contains(body, `api_requests_total{endpoint="get_user",method="POST",status="404"} 1`) {
		t.Errorf("what a call fails with is not counted:\n%s", body)
	}
}

// Clients that watch the health of a node hear of its end before it comes, and do not hold it up.
func TestHealthOfANodeThatStops(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t, "tiers")
	s := dataNode(t, a)
	conn := dial(t, s.at.HTTPS, a, a.Issue(servers.Leaf{CommonName: "edge", Client: true}))
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	watch, err := healthv1.NewHealthClient(conn).Watch(ctx, &healthv1.HealthCheckRequest{Service: "user.v1.UserService"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []healthv1.HealthCheckResponse_ServingStatus{healthv1.HealthCheckResponse_SERVING, healthv1.HealthCheckResponse_NOT_SERVING} {
		if got, err := watch.Recv(); err != nil || got.GetStatus() != want {
			t.Fatalf("%v, %v; want %v", got, err, want)
		}
		if want == healthv1.HealthCheckResponse_SERVING {
			s.signals <- syscall.SIGINT
		}
	}
	if _, err := watch.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("at the end: %v", err)
	}
	select {
	case code := <-s.code:
		if s.code <- code; code != exitOK {
			t.Errorf("exit code %d:\n%s", code, s.err)
		}
	case <-ctx.Done():
		t.Fatalf("it does not stop:\n%s", s.err)
	}
}

// A .proto file that changes is read again.
func TestProtosAreReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text, err := os.ReadFile("../examples/tiers/user.proto")
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, filepath.Join(dir, "user.proto"), string(text))
	s := serveFile(t, nil, write(t, filepath.Join(dir, "sluice.yaml"), `sluice: 1
protos: [user.proto]
listen: {http: "127.0.0.1:0"}
endpoints:
  get_user:
    route: grpc user.v1.UserService/GetUser
    static: {json: {name: Ada}}
`))
	replace(t, file, strings.ReplaceAll(string(text), "GetUser", "FindUser"))
	s.err.Await(t, `has no method \"GetUser\"`, 1)
	replace(t, file, string(text)+"message Another {}\n")
	s.err.Await(t, "reloaded", 1)
}

// A backend that knows nothing of gRPC answers calls.
func TestCallsOfAnHTTPBackend(t *testing.T) {
	t.Parallel()
	upstream := serve(t, `sluice: 1
listen: {http: "127.0.0.1:0"}
endpoints:
  user:
    route: GET /user/{id}
    static: {json: {}}
    respond: {json: {name: "{id} of {header.x-tenant}", email: "{query.name}", more: 1}}
`)
	dir := t.TempDir()
	text, err := os.ReadFile("../examples/tiers/user.proto")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "user.proto"), strings.Replace(string(text), "int64 user_id = 1;", "int64 user_id = 1; string name = 2;", 1))
	s := serveFile(t, nil, write(t, filepath.Join(dir, "sluice.yaml"), `sluice: 1
protos: [user.proto]
listen: {http: "127.0.0.1:0"}
backends:
  users:
    http: {urls: ["http://`+upstream.at.HTTP+`"]}
endpoints:
  get_user:
    routes: ["GET /user/{user_id}", "grpc user.v1.UserService/GetUser"]
    http: {backend: users}
`))
	conn, err := grpc.NewClient(s.at.HTTP, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), "x-tenant", "acme"), 30*time.Second)
	defer cancel()
	schema := reflected(ctx, t, conn, "user.v1.UserService")
	got, err := call(ctx, t, conn, schema, getUser, `{"userId":"7","name":"a b"}`)
	if want := `{"name":"7 of acme","email":"a b"}`; err != nil || got != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}
