package grpc_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/server"
	"github.com/sluiceapi/sluice/sluicetest"
)

const passEndpoints = `
  all:
    route: grpc echo.v1.EchoService/*
    grpc: {}
`

// client is a grpc-go client of a node that passes calls to the service. The server's limits are far below what the
// tests take.
type client struct {
	*grpc.ClientConn
	t *testing.T
	e *echo
	// outcomes are the statuses that logs and metrics have.
	outcomes chan int
}

func dialNode(t *testing.T, e *echo, where string) *client {
	t.Helper()
	n := sluicetest.Node(t, `sluice: 1
backends:
  echo:
    grpc:
      target: `+e.address+where+`
endpoints:
`+passEndpoints, kind())
	var nodes build.Switch
	nodes.Swap(n)
	outcomes := make(chan int, 100)
	noted := noting{&nodes, outcomes}
	address := sluicetest.ServeWith(t, server.Config{HTTP: "127.0.0.1:0",
		Limits: server.Limits{BodyTimeout: 200 * time.Millisecond, WholeTimeout: 300 * time.Millisecond, MaxBody: 200}}, noted).HTTP.String()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{ClientConn: conn, t: t, e: e, outcomes: outcomes}
}

// noting notes the outcomes of exchanges.
type noting struct {
	*build.Switch
	outcomes chan int
}

func (n noting) Serve(x *sluice.Exchange) error {
	x.OnEnd(sluice.EnderFunc(func(_ *sluice.Exchange, o sluice.Outcome) { n.outcomes <- o.Status }))
	return n.Switch.Serve(x)
}

func (c *client) context() context.Context {
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	c.t.Cleanup(cancel)
	return ctx
}

func (c *client) all(fields ...any) *dynamicpb.Message {
	m := dynamicpb.NewMessage(c.e.message("All"))
	for i := 0; i+1 < len(fields); i += 2 {
		set(m, fields[i].(string), fields[i+1])
	}
	return m
}

func (c *client) stream(ctx context.Context, method string, o ...grpc.CallOption) grpc.ClientStream {
	c.t.Helper()
	s, err := c.NewStream(ctx, &grpc.StreamDesc{StreamName: method, ClientStreams: true, ServerStreams: true}, "/echo.v1.EchoService/"+method, o...)
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

func (c *client) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func TestPassUnary(t *testing.T) {
	t.Parallel()
	c := dialNode(t, serveEcho(t, serveOptions{name: "one"}), "")
	for _, o := range [][]grpc.CallOption{nil, {grpc.UseCompressor(gzip.Name)}} {
		var head, trail metadata.MD
		in, out := c.all("text", strings.Repeat("long ", 10_000), "i64", int64(7)), c.all()
		c.must(c.Invoke(c.context(), "/echo.v1.EchoService/Echo", in, out, append(o, grpc.Header(&head), grpc.Trailer(&trail))...))
		if get(out, "text").String() != get(in, "text").String() || strings.Join(head.Get("served-by"), ",") != "one" {
			t.Errorf("got %d bytes, %v", len(get(out, "text").String()), head)
		}
	}
	in := dynamicpb.NewMessage(c.e.message("FailRequest"))
	set(in, "code", int32(codes.FailedPrecondition))
	set(in, "message", "größer")
	list := in.Mutable(in.Descriptor().Fields().ByName("details")).List()
	list.Append(reflectString("quota"))
	for _, late := range []bool{false, true} {
		set(in, "late", late)
		err := c.Invoke(c.context(), "/echo.v1.EchoService/Fail", in, c.all())
		if s := status.Convert(err); s.Code() != codes.FailedPrecondition || s.Message() != "größer" || len(s.Details()) != 1 {
			t.Errorf("late %v: %v %v", late, err, status.Convert(err).Details())
		}
	}
	for _, want := range []int{200, 200, 400, 400} {
		if got := <-c.outcomes; got != want {
			t.Errorf("the outcome is %d, want %d", got, want)
		}
	}
	if err := c.Invoke(c.context(), "/echo.v1.EchoService/None", c.all(), c.all()); status.Code(err) != codes.Unimplemented {
		t.Errorf("no method: %v", err)
	}
	if err := c.Invoke(c.context(), "/echo.v1.None/None", c.all(), c.all()); status.Code(err) != codes.Unimplemented {
		t.Errorf("no service: %v", err)
	}
}

// A conversation outlasts every limit that a request has, both ways, and its metadata and trailer arrive.
func TestPassChat(t *testing.T) {
	t.Parallel()
	c := dialNode(t, serveEcho(t, serveOptions{}), "")
	s := c.stream(metadata.AppendToOutgoingContext(c.context(), "asks", "much", "bin-bin", "\x00\xff"), "Chat")
	begun := time.Now()
	for n := int64(0); time.Since(begun) < 700*time.Millisecond || n < 20; n++ {
		c.must(s.SendMsg(c.all("i64", n, "text", strings.Repeat("x", 100))))
		out := c.all()
		c.must(s.RecvMsg(out))
		if get(out, "i64").Int() != n {
			t.Fatalf("got %v, want %d", out, n)
		}
		if n == 10 {
			<-time.After(500 * time.Millisecond) // longer than body_timeout, and whole_timeout
		}
	}
	head, err := s.Header()
	c.must(err)
	if got := strings.Join(head.Get("asked"), ","); got != "much" {
		t.Errorf("header %v", head)
	}
	c.must(s.CloseSend())
	if err := s.RecvMsg(c.all()); status.Code(err) != codes.AlreadyExists || status.Convert(err).Message() != "all was said" {
		t.Errorf("ended with %v", err)
	}
	if trail := s.Trailer(); !reflect.DeepEqual(trail.Get("ended"), []string{"yes"}) || !reflect.DeepEqual(trail.Get("bits-bin"), []string{"\x00\xff"}) {
		t.Errorf("trailer %q", trail)
	}
}

func TestPassStreams(t *testing.T) {
	t.Parallel()
	c := dialNode(t, serveEcho(t, serveOptions{}), "")
	s := c.stream(c.context(), "Sum")
	for n := range int64(1000) {
		c.must(s.SendMsg(c.all("i64", n)))
	}
	c.must(s.CloseSend())
	out := c.all()
	c.must(s.RecvMsg(out))
	if err := s.RecvMsg(c.all()); !errors.Is(err, io.EOF) || get(out, "i64").Int() != 499500 || len(s.Trailer().Get("summed")) != 1 {
		t.Errorf("sum %v, then %v, trailer %v", out, err, s.Trailer())
	}
	s = c.stream(c.context(), "Count")
	in := dynamicpb.NewMessage(c.e.message("CountRequest"))
	set(in, "to", int64(1000))
	set(in, "fail_with", int32(codes.DataLoss))
	c.must(s.SendMsg(in))
	c.must(s.CloseSend())
	for n := range int64(1000) {
		c.must(s.RecvMsg(out))
		if get(out, "i64").Int() != n+1 {
			t.Fatalf("got %v", out)
		}
	}
	if err := s.RecvMsg(out); status.Code(err) != codes.DataLoss {
		t.Errorf("ended with %v", err)
	}
}

// A host that takes no connection costs a stream nothing.
func TestPassElsewhere(t *testing.T) {
	t.Parallel()
	gone, e := serveEcho(t, serveOptions{}), serveEcho(t, serveOptions{})
	gone.stop()
	alone := e.address
	e.address = gone.address + "," + alone
	c := dialNode(t, e, "\n      balance: round_robin")
	for range 4 {
		s := c.stream(c.context(), "Chat")
		c.must(s.SendMsg(c.all("i64", int64(1))))
		c.must(s.RecvMsg(c.all()))
		c.must(s.CloseSend())
	}
}

func TestPassCancels(t *testing.T) {
	t.Parallel()
	e := serveEcho(t, serveOptions{})
	c := dialNode(t, e, "")
	ctx, cancel := context.WithCancel(c.context())
	s := c.stream(ctx, "Chat")
	c.must(s.SendMsg(c.all("i64", int64(1))))
	c.must(s.RecvMsg(c.all()))
	cancel()
	select {
	case <-e.cancelled:
	case <-time.After(30 * time.Second):
		t.Fatal("the service does not hear that the client has left")
	}
	ctx, cancel = context.WithTimeout(c.t.Context(), 400*time.Millisecond)
	defer cancel()
	s = c.stream(ctx, "Chat")
	c.must(s.SendMsg(c.all()))
	c.must(s.RecvMsg(c.all()))
	if err := s.RecvMsg(c.all()); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("past the deadline: %v", err)
	}
	select {
	case <-e.cancelled:
	case <-time.After(30 * time.Second):
		t.Fatal("the service does not hear of the deadline")
	}
	// A service that goes away in the middle.
	s = c.stream(c.context(), "Chat")
	c.must(s.SendMsg(c.all()))
	c.must(s.RecvMsg(c.all()))
	e.stop()
	if err := s.RecvMsg(c.all()); status.Code(err) != codes.Unavailable {
		t.Errorf("the service is gone: %v", err)
	}
}

func TestPassIsBounded(t *testing.T) {
	t.Parallel()
	c := dialNode(t, serveEcho(t, serveOptions{}), "\n      max_message: 1KiB\n      timeouts: {stream: 1s}")
	s := c.stream(c.context(), "Chat")
	c.must(s.SendMsg(c.all()))
	c.must(s.RecvMsg(c.all()))
	if err := s.RecvMsg(c.all()); status.Code(err) != codes.DeadlineExceeded || !strings.Contains(err.Error(), "for 1s") {
		t.Errorf("silence: %v", err)
	}
	s = c.stream(c.context(), "Chat")
	c.must(s.SendMsg(c.all("text", strings.Repeat("x", 900))))
	c.must(s.RecvMsg(c.all()))
	c.must(s.SendMsg(c.all("text", strings.Repeat("x", 1100))))
	if err := s.RecvMsg(c.all()); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a long message: %v", err)
	}
	if err := c.Invoke(c.context(), "/echo.v1.EchoService/Echo", c.all("text", strings.Repeat("x", 1100)), c.all()); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a long message: %v", err)
	}
}

// Lines come as the messages do, for as long as they come.
func TestLines(t *testing.T) {
	t.Parallel()
	e := serveEcho(t, serveOptions{})
	n := node(t, e.address, `
  count:
    route: GET /count/{to}
    grpc: {method: echo.v1.EchoService/Count}
`)
	url := "http://" + sluicetest.Serve(t, n)
	ask := func(path string) (*http.Response, []string, error) {
		answer, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var lines []string
		scan := bufio.NewScanner(answer.Body)
		for scan.Scan() {
			lines = append(lines, scan.Text())
		}
		return answer, lines, scan.Err()
	}
	answer, lines, err := ask("/count/3")
	if answer.Header.Get("Content-Type") != "application/x-ndjson" || strings.Join(lines, " ") != `{"i64":"1"} {"i64":"2"} {"i64":"3"}` || err != nil {
		t.Errorf("%v %q %v", answer.Header, lines, err)
	}
	if answer, lines, err := ask("/count/0"); answer.StatusCode != 200 || len(lines) != 0 || err != nil {
		t.Errorf("%v %q %v", answer.Header, lines, err)
	}
	if answer, lines, _ := ask("/count/0?fail_with=5"); answer.StatusCode != 404 || !strings.Contains(lines[0], "counted out") {
		t.Errorf("%v %q", answer.Status, lines)
	}
	if _, lines, err := ask("/count/2?fail_with=5"); len(lines) != 2 || err == nil {
		t.Errorf("%q %v, want it broken off after two lines", lines, err)
	}
}
