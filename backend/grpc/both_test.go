package grpc_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/sluiceapi/sluice/backend/compose"
	"github.com/sluiceapi/sluice/sluicetest"
)

// A client of gRPC calls an endpoint with a method: message, JSON, message, and back.
func TestBothWays(t *testing.T) {
	t.Parallel()
	e := serveEcho(t, serveOptions{})
	n := sluicetest.Node(t, `sluice: 1
protos: [`+protos(t)+`]
backends:
  echo:
    grpc:
      target: `+e.address+`
      protos: `+protos(t)+`
endpoints:
  echo:
    routes: [POST /echo, grpc echo.v1.EchoService/Echo]
    grpc: {method: echo.v1.EchoService/Echo}
  fail:
    routes: [POST /fail, grpc echo.v1.EchoService/Fail]
    grpc: {method: echo.v1.EchoService/Fail}
  count:
    routes: ["GET /count/{to}", grpc echo.v1.EchoService/Count]
    grpc: {method: echo.v1.EchoService/Count}
`, kind())
	conn, err := grpc.NewClient(sluicetest.ServeNode(t, n), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &client{ClientConn: conn, t: t, e: e}
	in, out := c.all("i64", int64(1<<60), "text", "x", "raw", []byte{0, 255}), c.all()
	list := in.Mutable(in.Descriptor().Fields().ByName("tags")).List()
	list.Append(reflectString("a"))
	c.must(c.Invoke(c.context(), "/echo.v1.EchoService/Echo", in, out))
	if in.String() != out.String() {
		t.Errorf("got %v, want %v", out, in)
	}
	fail := dynamicpb.NewMessage(e.message("FailRequest"))
	set(fail, "code", int32(codes.InvalidArgument))
	set(fail, "message", "größer")
	fail.Mutable(fail.Descriptor().Fields().ByName("details")).List().Append(reflectString("bad_request"))
	s := status.Convert(c.Invoke(c.context(), "/echo.v1.EchoService/Fail", fail, c.all()))
	fields := 0
	for _, d := range s.Details() {
		if bad, is := d.(*errdetails.BadRequest); is {
			fields = len(bad.GetFieldViolations())
		}
	}
	if s.Code() != codes.InvalidArgument || s.Message() != "größer" || fields != 1 {
		t.Errorf("got %v with %v", s, s.Details())
	}
	count := dynamicpb.NewMessage(e.message("CountRequest"))
	set(count, "to", int64(2))
	for _, code := range []codes.Code{codes.OK, codes.ResourceExhausted} {
		set(count, "fail_with", int32(code))
		stream := c.stream(c.context(), "Count")
		c.must(stream.SendMsg(count))
		c.must(stream.CloseSend())
		for n := range int64(2) {
			c.must(stream.RecvMsg(out))
			if get(out, "i64").Int() != n+1 {
				t.Errorf("got %v", out)
			}
		}
		if err := stream.RecvMsg(out); code == codes.OK && !errors.Is(err, io.EOF) || code != codes.OK && status.Code(err) != code {
			t.Errorf("ended with %v, want %v", err, code)
		}
	}
}

// When the time is over that a client gave, it hears so, whoever is first to see it.
func TestDeadline(t *testing.T) {
	t.Parallel()
	e := serveEcho(t, serveOptions{})
	n := sluicetest.Node(t, `sluice: 1
protos: [`+protos(t)+`]
backends:
  echo:
    grpc:
      target: `+e.address+`
      protos: `+protos(t)+`
endpoints:
  count:
    route: grpc echo.v1.EchoService/Count
    grpc: {method: echo.v1.EchoService/Count}
`, kind())
	conn, err := grpc.NewClient(sluicetest.ServeNode(t, n), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &client{ClientConn: conn, t: t, e: e}
	count := dynamicpb.NewMessage(e.message("CountRequest"))
	set(count, "to", int64(1))
	set(count, "hold", true)
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		stream, err := c.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/echo.v1.EchoService/Count")
		if err == nil {
			err = stream.SendMsg(count)
		}
		if err == nil {
			err = stream.CloseSend()
		}
		for err == nil {
			err = stream.RecvMsg(c.all())
		}
		if status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("got %v", err)
		}
	}
}

// A part of a composed answer comes from a call, with what another part has answered in its message.
func TestCompose(t *testing.T) {
	t.Parallel()
	e := serveEcho(t, serveOptions{})
	n := sluicetest.Node(t, `sluice: 1
backends:
  echo:
    grpc:
      target: `+e.address+`
      protos: `+protos(t)+`
endpoints:
  page:
    route: GET /page/{id}
    compose:
      parts:
        - as: first
          grpc: {method: echo.v1.EchoService/Echo, message: {i64: "{id}", tags: [a, b]}}
        - as: second
          grpc: {method: echo.v1.EchoService/Echo, message: {text: "of {first.i64}", tags: "{first.tags}"}}
        - as: third
          optional: true
          grpc: {method: echo.v1.EchoService/Echo, message: {i64: "{first.tags}"}}
`, kind(), compose.Kind)
	const want = `{"first":{"i64":"7","tags":["a","b"]},"second":{"text":"of 7","tags":["a","b"]},"third":null}`
	if a := ask(t, n, "GET /page/7"); a.Status != 200 || a.Body != want {
		t.Errorf("%d %s %v, want %s", a.Status, a.Body, a.Err, want)
	}
}
