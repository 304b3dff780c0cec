package build_test

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/function"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/policy/cache"
	"github.com/sluiceapi/sluice/policy/jwt"
	"github.com/sluiceapi/sluice/policy/ratelimit"
	"github.com/sluiceapi/sluice/rpc"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/sluicetest/issuer"
)

// client calls methods of user.v1.UserService with messages as JSON.
type client struct {
	t    testing.TB
	conn *grpc.ClientConn
	*rpc.Schema
}

func dial(t testing.TB, address string, o ...grpc.DialOption) *client {
	t.Helper()
	conn, err := grpc.NewClient(address, append(o, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	s, err := rpc.Load([]sluice.Path{"testdata/user.proto"})
	if err != nil {
		t.Fatal(err)
	}
	return &client{t: t, conn: conn, Schema: s}
}

// messages are a message of the method's request, from JSON, and an empty one of its answer.
func (c *client) messages(method, request string) (in, out *dynamicpb.Message) {
	c.t.Helper()
	m, err := c.Method("user.v1.UserService/" + method)
	if err != nil {
		c.t.Fatal(err)
	}
	in, out = dynamicpb.NewMessage(m.In.Descriptor), dynamicpb.NewMessage(m.Out.Descriptor)
	if err := protojson.Unmarshal([]byte(request), in); err != nil {
		c.t.Fatal(err)
	}
	return in, out
}

func (c *client) call(method, request string, o ...grpc.CallOption) (string, error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	return c.callWith(ctx, method, request, o...)
}

func (c *client) callWith(ctx context.Context, method, request string, o ...grpc.CallOption) (string, error) {
	c.t.Helper()
	in, out := c.messages(method, request)
	if err := c.conn.Invoke(ctx, "/user.v1.UserService/"+method, in, out, o...); err != nil {
		return "", err
	}
	return c.text(out), nil
}

// text is a message as JSON in one form.
func (c *client) text(m *dynamicpb.Message) string {
	c.t.Helper()
	text, err := protojson.Marshal(m)
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), ", ", ",")
}

// mirror answers with what a handler sees of a request, in a message of UserResponse.
var mirror = sluice.HandlerFunc(func(x *sluice.Exchange) error {
	r := &x.Request
	seen := r.Method + " " + string(r.Path) + "?" + string(r.Query) + " " + string(r.Body.Bytes)
	b := sluice.AppendJSONString([]byte(`{"name":`), []byte(seen))
	b = append(b, `,"unknown_column":1,"email":null}`...)
	x.Response.Header.Set("Content-Type", "application/json")
	x.Response.Header.Set("X-Kept", "kept")
	x.Response.Header.Set("ETag", `"1"`)
	x.Response.Body.SetBytes(b)
	return nil
})

// handlers are a backend with mirror and more.
func handlers(more map[string]sluice.Handler) sluice.Kind {
	all := map[string]sluice.Handler{"mirror": mirror}
	for name, h := range more {
		all[name] = h
	}
	return sluicetest.HandlerKind(all)
}

// withProtos adds the test's services to a config.
func withProtos(t testing.TB, text string) string {
	t.Helper()
	file, err := filepath.Abs("testdata/user.proto")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(text, "sluice: 1\n", "sluice: 1\n\t\tprotos: [\""+file+"\"]\n", 1)
}

// TestCallIsServedAsARequest holds what a backend sees of a call.
func TestCallIsServedAsARequest(t *testing.T) {
	t.Parallel()
	node := sluicetest.Node(t, withProtos(t, `
		sluice: 1
		endpoints:
			get_user:
				routes: ["GET /user/{user_id}", "grpc user.v1.UserService/GetUser"]
				test_handler: {name: mirror}
			find_users:
				routes: ["GET /users", "grpc user.v1.UserService/FindUsers"]
				input:
					limit: {in: query, type: integer, default: 10}
				test_handler: {name: find}
			create_user:
				routes: ["POST /users", "grpc user.v1.UserService/CreateUser"]
				input:
					body: {type: object, properties: {age: {type: integer}}}
				test_handler: {name: mirror}
			moved:
				routes: ["GET /moved/{name}", "grpc user.v1.UserService/MoveUser"]
				test_handler: {name: mirror}
			alone:
				route: grpc user.v1.UserService/Fail
				test_handler: {name: mirror, uses: [user_id]}
		`), handlers(map[string]sluice.Handler{"find": sluice.HandlerFunc(func(x *sluice.Exchange) error {
		if err := mirror.Serve(x); err != nil {
			return err
		}
		x.Response.Body.SetBytes([]byte("[" + string(x.Response.Body.Bytes) + "]"))
		return nil
	})}))
	c := dial(t, sluicetest.ServeNode(t, node))
	for _, tt := range []struct{ method, request, want string }{
		{"GetUser", `{"userId":"7"}`, `{"name":"GET /user/7? "}`},
		{"GetUser", `{}`, `{"name":"GET /user/0? "}`},
		{"FindUsers", `{"name":"a&b=c d","ids":["1","2"],"limit":3}`, `{"users":[{"name":"GET /users?name=a%26b%3Dc+d&limit=3&ids=1&ids=2 "}]}`},
		{"FindUsers", `{}`, `{"users":[{"name":"GET /users? "}]}`},
		{"CreateUser", `{"name":"Ada","age":"36","labels":{"a":"b"},"born":"1815-12-10T00:00:00Z"}`,
			`{"name":"POST /users? {\"name\":\"Ada\",\"age\":36,\"born\":\"1815-12-10T00:00:00Z\",\"labels\":{\"a\":\"b\"}}"}`},
		{"MoveUser", `{"name":"a","parent":{"name":"b c"},"labels":{"x":"y"}}`, `{"name":"GET /moved/a?labels=%7B%22x%22%3A%22y%22%7D&parent.name=b+c "}`},
		{"Fail", `{"userId":"9"}`, `{"name":"POST /user.v1.UserService/Fail? {\"user_id\":9}"}`},
	} {
		var header, trailer metadata.MD
		got, err := c.call(tt.method, tt.request, grpc.Header(&header), grpc.Trailer(&trailer))
		if err != nil || got != tt.want {
			t.Errorf("%s %s\ngot  %s, %v\nwant %s", tt.method, tt.request, got, err, tt.want)
		}
		if header["x-kept"] == nil || header["etag"] != nil || header["content-type"][0] != "application/grpc" {
			t.Errorf("%s: header %v", tt.method, header)
		}
	}
}

// detail finds a detail of a status.
func detail[T any](t testing.TB, err error) (found T) {
	t.Helper()
	for _, d := range status.Convert(err).Details() {
		if is, ok := d.(T); ok {
			return is
		}
	}
	t.Errorf("%v has no %T among %v", err, found, status.Convert(err).Details())
	return found
}

func TestErrorsOfCalls(t *testing.T) {
	t.Parallel()
	fails := map[string]sluice.Handler{
		"problem": sluice.HandlerFunc(func(x *sluice.Exchange) error {
			x.Response.Status = 404
			x.Response.Header.Set("Content-Type", "application/problem+json")
			x.Response.Body.SetBytes([]byte(`{"title":"t","detail":"no such user","errors":[{"name":"user_id","message":"unknown"}]}`))
			return nil
		}),
		"crash": sluice.HandlerFunc(func(*sluice.Exchange) error { panic("secret") }),
		"text": sluice.HandlerFunc(func(x *sluice.Exchange) error {
			x.Response.Header.Set("Content-Type", "text/plain")
			x.Response.Body.SetBytes([]byte("secret"))
			return nil
		}),
		"odd": sluice.HandlerFunc(func(x *sluice.Exchange) error {
			x.Response.Header.Set("Content-Type", "application/json")
			x.Response.Body.SetBytes([]byte(`{"name":{"secret":1}}`))
			return nil
		}),
		"slow": sluice.HandlerFunc(func(x *sluice.Exchange) error {
			<-x.Context().Done()
			return x.Context().Err()
		}),
		"empty": sluice.HandlerFunc(func(x *sluice.Exchange) error {
			x.Response.Status = 204
			return nil
		}),
	}
	for _, tt := range []struct {
		name, config, request string
		want                  codes.Code
		message               string
	}{
		{"problem", `test_handler: {name: problem}`, `{}`, codes.NotFound, "no such user"},
		{"crash", `test_handler: {name: crash}`, `{}`, codes.Internal, "The server failed"},
		{"text", `test_handler: {name: text}`, `{}`, codes.Unavailable, "no JSON"},
		{"odd", `test_handler: {name: odd}`, `{}`, codes.Internal, "The server failed"},
		{"empty", `test_handler: {name: empty}`, `{}`, codes.OK, ""},
		{"input", "input:\n\t\t\t\t\tuser_id: {type: integer, min: 1}\n\t\t\t\ttest_handler: {name: mirror}", `{}`, codes.InvalidArgument, "does not fit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			node := sluicetest.Node(t, withProtos(t, `
		sluice: 1
		endpoints:
			e:
				route: grpc user.v1.UserService/GetUser
				`+tt.config+`
		`), handlers(fails))
			c := dial(t, sluicetest.ServeNode(t, node))
			_, err := c.call("GetUser", tt.request)
			if s := status.Convert(err); s.Code() != tt.want || !strings.Contains(s.Message(), tt.message) || strings.Contains(s.Message(), "secret") {
				t.Errorf("got %v; want %s: %s", err, tt.want, tt.message)
			}
			if tt.want == codes.OK {
				return
			}
			if d := detail[*errdetails.ErrorInfo](t, err); d.GetReason() == "" || d.GetDomain() == "" {
				t.Errorf("ErrorInfo %v", d)
			}
			if d := detail[*errdetails.RequestInfo](t, err); d.GetRequestId() == "" {
				t.Errorf("RequestInfo %v", d)
			}
			if tt.want == codes.InvalidArgument || tt.want == codes.NotFound {
				if d := detail[*errdetails.BadRequest](t, err); len(d.GetFieldViolations()) != 1 || d.GetFieldViolations()[0].GetField() != "user_id" {
					t.Errorf("BadRequest %v", d)
				}
			}
		})
	}
}

func TestRefusedCalls(t *testing.T) {
	t.Parallel()
	node := sluicetest.Node(t, withProtos(t, `
		sluice: 1
		endpoints:
			limited:
				route: grpc user.v1.UserService/GetUser
				policies:
					- rate_limit: {rate: 1/h, by: client_ip}
				test_handler: {name: mirror}
			slow:
				route: grpc user.v1.UserService/Fail
				test_handler: {name: slow}
		`), ratelimit.Kind, handlers(map[string]sluice.Handler{"slow": sluice.HandlerFunc(func(x *sluice.Exchange) error {
		<-x.Context().Done()
		return x.Context().Err()
	})}))
	address := sluicetest.ServeNode(t, node)
	c := dial(t, address)
	if _, err := c.call("GetUser", `{}`); err != nil {
		t.Error(err)
	}
	_, err := c.call("GetUser", `{}`)
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("over the limit: %v", err)
	}
	if d := detail[*errdetails.RetryInfo](t, err); d.GetRetryDelay().AsDuration() <= 0 {
		t.Errorf("RetryInfo %v", d)
	}
	if _, err := c.call("CreateUser", `{}`); status.Code(err) != codes.Unimplemented {
		t.Errorf("a method without a route: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := c.callWith(ctx, "Fail", `{}`); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("past the deadline: %v", err)
	}
	for _, tt := range []struct {
		method, contentType string
		want                int
	}{
		{"POST", "application/json", 415}, {"POST", "", 415}, {"GET", "", 405}, {"HEAD", "", 405}, {"OPTIONS", "", 204},
	} {
		r, err := http.NewRequestWithContext(t.Context(), tt.method, "http://"+address+"/user.v1.UserService/GetUser", nil)
		if err != nil {
			t.Fatal(err)
		}
		if tt.contentType != "" {
			r.Header.Set("Content-Type", tt.contentType)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != tt.want || tt.want != 415 && answer.Header.Get("Allow") != "POST, OPTIONS" {
			t.Errorf("%s %s: %d, Allow %q; want %d", tt.method, tt.contentType, answer.StatusCode, answer.Header.Get("Allow"), tt.want)
		}
	}
}

// What is wrong with a message is told to those only who may call at all.
func TestStrangersComeBeforeMistakes(t *testing.T) {
	t.Parallel()
	guard := sluice.NewPolicy("test_guard", struct{}{}, func(*sluice.Env, *sluice.Endpoint, *struct{}) (sluice.Policy, error) {
		return func(next sluice.Handler) sluice.Handler {
			return sluice.HandlerFunc(func(x *sluice.Exchange) error {
				if !x.Request.Header.Has("Authorization") {
					return &sluice.Error{Code: sluice.Unauthenticated}
				}
				return next.Serve(x)
			})
		}, nil
	})
	var reached atomic.Bool
	node := sluicetest.Node(t, withProtos(t, `
		sluice: 1
		endpoints:
			create_user:
				routes: ["PUT /users/{name}", "grpc user.v1.UserService/CreateUser"]
				policies: [test_guard]
				test_handler: {name: reach}
		`), guard, handlers(map[string]sluice.Handler{"reach": sluice.HandlerFunc(func(*sluice.Exchange) error {
		reached.Store(true)
		return nil
	})}))
	c := dial(t, sluicetest.ServeNode(t, node))
	if _, err := c.call("CreateUser", `{}`); status.Code(err) != codes.Unauthenticated {
		t.Errorf("a stranger without a name: %v", err)
	}
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), "authorization", "x"), 20*time.Second)
	defer cancel()
	for name, want := range map[string]string{"": "missing", "..": "cannot stand in a path", "a/b": "cannot stand in a path"} {
		_, err := c.callWith(ctx, "CreateUser", `{"name":"`+name+`"}`)
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("%q: %v", name, err)
		} else if v := detail[*errdetails.BadRequest](t, err).GetFieldViolations(); len(v) != 1 || v[0].GetField() != "name" || !strings.Contains(v[0].GetDescription(), want) {
			t.Errorf("%q: %v", name, v)
		}
	}
	// A message that is none: of another type, its field 5 is no map.
	in, _ := c.messages("GetUser", `{}`)
	in.SetUnknown([]byte{0x2a, 0x01, 0xff})
	_, out := c.messages("CreateUser", `{}`)
	if err := c.conn.Invoke(t.Context(), "/user.v1.UserService/CreateUser", in, out); status.Code(err) != codes.Unauthenticated {
		t.Errorf("a stranger with rubbish: %v", err)
	}
	if err := c.conn.Invoke(ctx, "/user.v1.UserService/CreateUser", in, out); status.Code(err) != codes.InvalidArgument {
		t.Errorf("rubbish: %v", err)
	}
	if reached.Load() {
		t.Error("the backend was asked")
	}
}

// What is kept for clients of HTTP is given to those of gRPC, and the other way about, each to each.
func TestCacheIsShared(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	node := sluicetest.Node(t, withProtos(t, `
		sluice: 1
		endpoints:
			get_user:
				routes: ["GET /user/{user_id}", "grpc user.v1.UserService/GetUser"]
				policies:
					- cache: {ttl: 1h}
				test_handler: {name: count}
		`), cache.Kind, handlers(map[string]sluice.Handler{"count": sluice.HandlerFunc(func(x *sluice.Exchange) error {
		asked.Add(1)
		return mirror.Serve(x)
	})}))
	address := sluicetest.ServeNode(t, node)
	c := dial(t, address)
	for range 3 {
		for _, id := range []string{"1", "2"} {
			if got, err := c.call("GetUser", `{"userId":"`+id+`"}`); err != nil || got != `{"name":"GET /user/`+id+`? "}` {
				t.Errorf("%s: %s, %v", id, got, err)
			}
			// The host is part of the key, and that of the calls is the address.
			answer, err := http.Get("http://" + address + "/user/" + id)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if want := `{"name":"GET /user/` + id + `? ","unknown_column":1,"email":null}`; err != nil || string(text) != want {
				t.Errorf("%s: %s, %v", id, text, err)
			}
		}
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("the backend was asked %d times; want 2", n)
	}
}

// wireSizes counts what came of messages as it was on the wire.
type wireSizes struct{ received atomic.Int64 }

func (s *wireSizes) HandleRPC(_ context.Context, r stats.RPCStats) {
	if in, ok := r.(*stats.InPayload); ok {
		s.received.Add(int64(in.CompressedLength))
	}
}
func (*wireSizes) HandleConn(context.Context, stats.ConnStats)                       {}
func (*wireSizes) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (*wireSizes) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func TestCompressedCalls(t *testing.T) {
	t.Parallel()
	node := sluicetest.Node(t, withProtos(t, `
		sluice: 1
		endpoints:
			create_user:
				routes: ["POST /users", "grpc user.v1.UserService/CreateUser"]
				test_handler: {name: mirror}
		`), handlers(nil))
	var sizes wireSizes
	c := dial(t, sluicetest.ServeNode(t, node), grpc.WithStatsHandler(&sizes))
	name := strings.Repeat("long ", 1000)
	got, err := c.call("CreateUser", `{"name":"`+name+`"}`, grpc.UseCompressor(gzip.Name))
	if n := sizes.received.Load(); err != nil || !strings.Contains(got, name) || n == 0 || n > 1000 {
		t.Errorf("got %.100s in %d bytes, %v", got, n, err)
	}
	_, err = c.call("CreateUser", `{"name":"`+strings.Repeat("x", 2<<20)+`"}`, grpc.UseCompressor(gzip.Name))
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a message that is too large: %v", err)
	}
}

func TestStreamsOfAnswers(t *testing.T) {
	t.Parallel()
	answer := func(contentType, text string) sluice.Handler {
		return sluice.HandlerFunc(func(x *sluice.Exchange) error {
			x.Response.Header.Set("Content-Type", contentType)
			x.Response.Body.SetBytes([]byte(text))
			return nil
		})
	}
	for _, tt := range []struct {
		name, contentType, text string
		want                    int
		code                    codes.Code
	}{
		{"array", "application/json", ` [{"name":"a"}, {"name":"b"},{}] `, 3, codes.OK},
		{"empty array", "application/json", `[]`, 0, codes.OK},
		{"lines", "application/x-ndjson", "{\"name\":\"a\"}\n{\"name\":\"b\"}\n", 2, codes.OK},
		{"one", "application/json", `{"name":"a"}`, 1, codes.OK},
		{"nothing", "application/json", ``, 0, codes.OK},
		{"long", "application/json", "[" + strings.Repeat(`{"name":"`+strings.Repeat("x", 1000)+`"},`, 10_000) + "{}]", 10_001, codes.OK},
		{"cut off", "application/json", `[{"name":"a"},{"na`, 1, codes.Internal},
		{"odd", "application/json", `[{"name":"a"},{"name":1}]`, 1, codes.Internal},
		{"too long", "application/json", `[{"name":"` + strings.Repeat("x", 5<<20) + `"}]`, 0, codes.ResourceExhausted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			node := sluicetest.Node(t, withProtos(t, `
		sluice: 1
		endpoints:
			watch:
				route: grpc user.v1.UserService/WatchUsers
				test_handler: {name: answer}
		`), handlers(map[string]sluice.Handler{"answer": answer(tt.contentType, tt.text)}))
			c := dial(t, sluicetest.ServeNode(t, node))
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			stream, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/user.v1.UserService/WatchUsers")
			if err != nil {
				t.Fatal(err)
			}
			in, out := c.messages("WatchUsers", `{}`)
			if err := stream.SendMsg(in); err != nil {
				t.Fatal(err)
			}
			if err := stream.CloseSend(); err != nil {
				t.Fatal(err)
			}
			n := 0
			for err = stream.RecvMsg(out); err == nil; err = stream.RecvMsg(out) {
				n++
			}
			if err == io.EOF {
				err = nil
			}
			if n != tt.want || status.Code(err) != tt.code {
				t.Errorf("%d messages, then %v; want %d, then %s", n, err, tt.want, tt.code)
			}
		})
	}
}

func TestMistakesInRoutesOfGRPC(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, endpoint, want string }{
		{"method", `
				route: grpc user.v1.UserService/GetUsr
				test_handler: {name: mirror}`, `unknown method "user.v1.UserService/GetUsr"; did you mean user.v1.UserService/GetUser?`},
		{"service", `
				route: grpc user.v1.UserServise/GetUser
				test_handler: {name: mirror}`, "did you mean user.v1.UserService?"},
		{"client stream", `
				route: grpc user.v1.UserService/Upload
				test_handler: {name: mirror}`, "takes a stream of messages"},
		{"pass through", `
				route: grpc user.v1.UserService/*
				test_handler: {name: mirror}`, "test_handler takes no calls of a whole service"},
		{"pass through with others", `
				routes: ["GET /x", "grpc user.v1.UserService/*"]
				test_handler: {name: mirror}`, "want an endpoint without other routes for it"},
		{"a name that the call lacks", `
				routes: ["GET /user/{id}", "grpc user.v1.UserService/GetUser"]
				test_handler: {name: mirror, uses: [id]}`, `endpoints.e.routes[1]: the endpoint uses id: user.v1.UserRequest has no field "id"; want user_id`},
		{"a name that the path needs", `
				routes: ["GET /user/{id}", "grpc user.v1.UserService/GetUser"]
				test_handler: {name: mirror}`, `a call is served as GET /user/{id}: user.v1.UserRequest has no field "id"`},
		{"a name that another route lacks", `
				routes: ["GET /user/{user_id}", "GET /me"]
				test_handler: {name: mirror, uses: [user_id]}`, "endpoints.e.routes[1]: the endpoint uses user_id, and this route does not bring it"},
		{"a name of the call that a route lacks", `
				routes: ["grpc user.v1.UserService/GetUser", "GET /me"]
				test_handler: {name: mirror, uses: [user_id]}`, `unknown name "user_id"`},
		{"a list", `
				route: grpc user.v1.UserService/FindUsers
				test_handler: {name: mirror, uses: [ids]}`, `unknown name "ids"`},
		{"a list in a query", `
				routes: ["GET /users", "grpc user.v1.UserService/FindUsers"]
				input:
					ids: {in: query}
				test_handler: {name: mirror, uses: [ids]}`, "ids of user.v1.FindRequest is a repeated int64, which is no single value; want it as body.ids"},
		{"a type", `
				route: grpc user.v1.UserService/CreateUser
				input:
					born: {type: integer}
				test_handler: {name: mirror}`, "born of user.v1.CreateRequest is a google.protobuf.Timestamp, which is not read as integer"},
		{"twice", `
				routes: ["grpc user.v1.UserService/GetUser", "POST /user.v1.UserService/GetUser"]
				test_handler: {name: mirror}`, "takes the same requests as grpc user.v1.UserService/GetUser"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			doc := sluicetest.Document(t, withProtos(t, `
		sluice: 1
		endpoints:
			e:`+tt.endpoint+"\n"))
			_, err := build.Make(doc, build.Options{Kinds: []sluice.Kind{handlers(nil)}}, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestProtosThatAreWrong(t *testing.T) {
	t.Parallel()
	for protos, want := range map[string]string{
		"":                        "want the .proto file or the descriptor set that declares it under protos",
		"protos: [nowhere.proto]": "protos[0]: read the file",
	} {
		doc := sluicetest.Document(t, `
		sluice: 1
		`+protos+`
		endpoints:
			e:
				route: grpc user.v1.UserService/GetUser
				test_handler: {name: mirror, uses: [user_id]}
		`)
		_, err := build.Make(doc, build.Options{Kinds: []sluice.Kind{handlers(nil)}}, nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("%s: %v; want %s", protos, err, want)
		}
	}
}

// A function of Go gets the fields of a call as it gets what requests bring.
func TestCallsOfFunctions(t *testing.T) {
	t.Parallel()
	type in struct {
		Name string `in:"path"`
		Body struct {
			Name   *string           `json:"name"` // where it is not in the path
			Age    int64             `json:"age"`
			Labels map[string]string `json:"labels"`
		} `in:"body"`
	}
	type out struct {
		Name string `json:"name"`
		ID   int64  `json:"id"`
	}
	f := function.New("older", func(_ context.Context, i in) (out, error) { return out{i.Name, i.Body.Age + 1}, nil })
	node := sluicetest.Node(t, withProtos(t, `
		sluice: 1
		endpoints:
			both:
				routes: ["PUT /users/{name}", "grpc user.v1.UserService/CreateUser"]
				function: older
			alone:
				route: grpc user.v1.UserService/MoveUser
				function: older
		`), function.Kind(f))
	c := dial(t, sluicetest.ServeNode(t, node))
	for _, method := range []string{"CreateUser", "MoveUser"} {
		if got, err := c.call(method, `{"name":"Ada","age":"36"}`); err != nil || got != `{"name":"Ada","id":"37"}` {
			t.Errorf("%s: %s, %v", method, got, err)
		}
	}
}

// FuzzCall holds that no body of a call does harm.
func FuzzCall(f *testing.F) {
	node := sluicetest.Node(f, withProtos(f, `
		sluice: 1
		endpoints:
			moved:
				routes: ["GET /moved/{name}", "grpc user.v1.UserService/MoveUser"]
				test_handler: {name: mirror}
		`), handlers(nil))
	f.Add([]byte("\x00\x00\x00\x00\x03\x0a\x01a"), "")
	f.Add(rpc.AppendGzip(nil, []byte("\x0a\x01a")), "gzip")
	f.Fuzz(func(t *testing.T, body []byte, encoding string) {
		x := sluicetest.Exchange(t, "POST /user.v1.UserService/MoveUser", "", "Content-Type: application/grpc", "Grpc-Encoding: "+encoding)
		x.Request.Body.SetBytes(body)
		switch a := sluicetest.Do(node, x); a.Code {
		case sluice.BadRequest, sluice.TooLarge, sluice.NotSupported:
		default:
			if a.Err != nil {
				t.Fatalf("%q: %v", body, a.Err)
			}
		}
	})
}

func BenchmarkCall(b *testing.B) {
	node := sluicetest.Node(b, withProtos(b, ownConfig), handlers(nil))
	frame := rpc.AppendFrame(nil, []byte("\x08\x07"))
	b.ReportAllocs()
	for b.Loop() {
		x := sluicetest.Exchange(b, "POST /user.v1.UserService/GetUser", "", "Content-Type: application/grpc")
		x.Request.Body.SetBytes(frame)
		if err := node.Serve(x); err != nil {
			b.Fatal(err)
		}
		x.End(sluice.Outcome{})
	}
}

// The token of a call stands in its metadata, and what it says can be used as that of any request.
func TestTokensOfCalls(t *testing.T) {
	t.Parallel()
	id, err := issuer.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(id.Close)
	key, err := issuer.NewKey("ES256", "k")
	if err != nil {
		t.Fatal(err)
	}
	id.Publish(key)
	node := sluicetest.Node(t, withProtos(t, `
		sluice: 1
		every_endpoint:
			- jwt: {issuer: "`+id.Name()+`", audience: shop, keys: "`+id.KeysURL()+`"}
		endpoints:
			get_user:
				routes: ["GET /user/{user_id}", "grpc user.v1.UserService/GetUser"]
				policies:
					- rate_limit: {rate: 1/h, by: caller.subject}
				test_handler: {name: mirror}
				respond:
					json: {name: "{caller.subject} asks for {user_id}"}
		`), jwt.Kind, ratelimit.Kind, handlers(nil))
	c := dial(t, sluicetest.ServeNode(t, node))
	call := func(token string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if token != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
		}
		return c.callWith(ctx, "GetUser", `{"userId":"7"}`)
	}
	if _, err := call(""); status.Code(err) != codes.Unauthenticated {
		t.Errorf("without a token: %v", err)
	}
	if _, err := call("rubbish"); status.Code(err) != codes.Unauthenticated {
		t.Errorf("with rubbish: %v", err)
	}
	token := id.Token(id.Claims("shop", "ada"))
	if got, err := call(token); err != nil || got != `{"name":"ada asks for 7"}` {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := call(token); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("over the limit: %v", err)
	}
}

// mirrored is a body that is what came, and a status after it.
type mirrored struct {
	x    *sluice.Exchange
	from sluice.Stream
}

func (m mirrored) Read(p []byte) (int, error) {
	n, err := m.from.Read(p)
	if err == io.EOF {
		rpc.SetOK(&m.x.Response.Trailer)
	}
	return n, err
}

func (mirrored) Close(error) {}

// Calls of a whole service reach a backend as they come, message by message, but for those that have a route.
func TestCallsArePassedThrough(t *testing.T) {
	t.Parallel()
	kind := handlers(map[string]sluice.Handler{"pass": sluice.HandlerFunc(func(x *sluice.Exchange) error {
		x.Response.Header.Set("Content-Type", rpc.ContentType)
		x.Response.Header.Set("X-Path", string(x.Request.Path)+" "+x.Route)
		x.Response.Body.SetStream(mirrored{x, x.Request.Body.Stream}, -1)
		return nil
	})})
	kind.PassesCalls = true
	node := sluicetest.Node(t, withProtos(t, `
		sluice: 1
		endpoints:
			all:
				route: grpc user.v1.UserService/*
				test_handler: {name: pass}
			unknown:
				route: grpc nobody.Knows/*
				test_handler: {name: pass}
			get_user:
				routes: ["GET /user/{user_id}", "grpc user.v1.UserService/GetUser"]
				test_handler: {name: mirror}
		`), kind)
	address := sluicetest.ServeNode(t, node)
	c := dial(t, address)
	if got, err := c.call("GetUser", `{"userId":"5"}`); err != nil || got != `{"name":"GET /user/5? "}` {
		t.Errorf("a method with a route: %s, %v", got, err)
	}
	for path, route := range map[string]string{"/user.v1.UserService/Upload": "grpc user.v1.UserService/*", "/nobody.Knows/It": "grpc nobody.Knows/*"} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		stream, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, path)
		if err != nil {
			t.Fatal(err)
		}
		in, _ := c.messages("GetUser", `{"userId":"7"}`)
		for range 3 {
			if err := stream.SendMsg(in); err != nil {
				t.Fatal(err)
			}
			back := dynamicpb.NewMessage(in.Descriptor())
			if err := stream.RecvMsg(back); err != nil || c.text(back) != c.text(in) {
				t.Fatalf("%s: %s, %v", path, c.text(back), err)
			}
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if err := stream.RecvMsg(dynamicpb.NewMessage(in.Descriptor())); err != io.EOF {
			t.Errorf("%s: at the end %v", path, err)
		}
		if header, err := stream.Header(); err != nil || header["x-path"][0] != path+" "+route {
			t.Errorf("%s: %v, %v", path, header, err)
		}
	}
	answer, err := http.Post("http://"+address+"/user.v1.UserService/Upload", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != 415 {
		t.Errorf("JSON for a call: %d", answer.StatusCode)
	}
}
