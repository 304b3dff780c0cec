package build_test

import (
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/rpc"
	"github.com/sluiceapi/sluice/sluicetest"
)

// callOf makes an exchange of a call with a message on the wire.
func callOf(t *testing.T, method string, wire []byte, fields ...string) *sluice.Exchange {
	t.Helper()
	x := sluicetest.Exchange(t, "POST /"+method, "", append(fields, "Content-Type: application/grpc")...)
	x.Start = time.Now()
	x.Request.Body.SetBytes(rpc.AppendFrame(nil, wire))
	return x
}

// userNode is a node whose GetUser is served by f.
func userNode(t *testing.T, f func(x *sluice.Exchange)) *build.Node {
	t.Helper()
	return sluicetest.Node(t, withProtos(t, `
		sluice: 1
		endpoints:
			get_user:
				routes: ["GET /user/{user_id}", "grpc user.v1.UserService/GetUser"]
				test_handler: {name: note}
		`), handlers(map[string]sluice.Handler{"note": sluice.HandlerFunc(func(x *sluice.Exchange) error {
		f(x)
		return nil
	})}))
}

// What serves a call goes by the time at which its message was there.
func TestTimeAfterMessage(t *testing.T) {
	t.Parallel()
	came := time.Now()
	message := sluicetest.NewLate(string(rpc.AppendFrame(nil, nil)), came)
	var saw time.Time
	node := userNode(t, func(x *sluice.Exchange) { saw = x.Now(message.Now) })
	x := callOf(t, "user.v1.UserService/GetUser", nil)
	x.Request.Body.SetStream(message, -1)
	x.Arrived(came)
	if err := node.Serve(x); err != nil || !saw.Equal(came.Add(time.Hour)) {
		t.Errorf("%v, and below it is %v behind the arrival", err, saw.Sub(came))
	}
}

func TestDeadlineOfACall(t *testing.T) {
	t.Parallel()
	var until time.Time
	node := userNode(t, func(x *sluice.Exchange) { until = x.Deadline })
	for _, tt := range []struct {
		timeout string
		before  time.Duration // the deadline that the server has set, zero for none
		want    time.Duration // zero for none
	}{
		{"5S", 0, 5 * time.Second}, {"5S", time.Second, time.Second}, {"5S", time.Minute, 5 * time.Second},
		{"99999999H", time.Minute, time.Minute}, {"", time.Minute, time.Minute}, {"", 0, 0},
	} {
		var fields []string
		if tt.timeout != "" {
			fields = append(fields, "Grpc-Timeout: "+tt.timeout)
		}
		x := callOf(t, "user.v1.UserService/GetUser", nil, fields...)
		if tt.before > 0 {
			x.Deadline = x.Start.Add(tt.before)
		}
		if err := node.Serve(x); err != nil {
			t.Fatal(err)
		}
		if want := x.Start.Add(tt.want); tt.want > 0 && !until.Equal(want) || tt.want == 0 && !until.IsZero() {
			t.Errorf("%s within %v: %v; want %v", tt.timeout, tt.before, until.Sub(x.Start), tt.want)
		}
	}
	x := callOf(t, "user.v1.UserService/GetUser", nil, "Grpc-Timeout: soon")
	if err := node.Serve(x); sluice.ErrorOf(err).Code != sluice.BadRequest {
		t.Errorf("no timeout: %v", err)
	}
}

func TestCallsThatAreNotOneMessage(t *testing.T) {
	t.Parallel()
	node := sluicetest.Node(t, withProtos(t, ownConfig), handlers(nil))
	for name, body := range map[string][]byte{
		"nothing": nil,
		"two":     rpc.AppendFrame(rpc.AppendFrame(nil, nil), nil),
		"rubbish": []byte("rubbish"),
		"cut off": {0, 0, 0, 0, 5, 1},
	} {
		x := callOf(t, "user.v1.UserService/GetUser", nil)
		x.Request.Body.SetBytes(body)
		if err := node.Serve(x); err == nil || sluice.ErrorOf(err).Code != sluice.BadRequest && sluice.ErrorOf(err).Code != sluice.TooLarge {
			t.Errorf("%s: %v", name, err)
		}
	}
	x := callOf(t, "user.v1.UserService/GetUser", nil)
	x.Request.Header.Set("Content-Type", "application/grpc+json")
	if err := node.Serve(x); sluice.ErrorOf(err).Code != sluice.UnsupportedMediaType {
		t.Errorf("JSON: %v", err)
	}
}

// A watch that ends lets its node be, when that is the node of the moment.
func TestWatchLeavesItsNode(t *testing.T) {
	t.Parallel()
	closed := false
	node, err := build.Make(sluicetest.Document(t, withProtos(t, ownConfig)), build.Options{Kinds: []sluice.Kind{handlers(nil)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	node.OnClose(func() { closed = true })
	var nodes build.Switch
	nodes.Swap(node)
	x := callOf(t, "grpc.health.v1.Health/Watch", nil)
	if err := nodes.Serve(x); err != nil {
		t.Fatal(err)
	}
	var frame [16]byte
	if n, err := x.Response.Body.Stream.Read(frame[:]); err != nil || n != rpc.PrefixSize+2 {
		t.Errorf("%d bytes, %v", n, err)
	}
	x.End(sluice.Outcome{})
	if closed {
		t.Error("the node is closed while it serves")
	}
	if nodes.Swap(nil); !closed {
		t.Error("the node is not closed at the end")
	}
}
