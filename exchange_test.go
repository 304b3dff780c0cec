package sluice_test

import (
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// wire is a connection whose client leaves when leave is called.
type wire struct {
	ctx      context.Context
	informed []int
}

func (w *wire) Context() context.Context { return w.ctx }

func (w *wire) Inform(status int, _ *sluice.Header) error {
	w.informed = append(w.informed, status)
	return nil
}

func newWire(t *testing.T) (w *wire, leave context.CancelFunc) {
	t.Helper()
	ctx, leave := context.WithCancel(context.Background())
	t.Cleanup(leave)
	return &wire{ctx: ctx}, leave
}

func TestContextFollowsTheDeadline(t *testing.T) {
	t.Parallel()
	w, leave := newWire(t)
	x := sluice.NewExchange(w)
	first := x.Context()
	if _, has := first.Deadline(); has || x.Context() != first {
		t.Error("without a deadline there is one, or two contexts")
	}
	x.Deadline = time.Now().Add(time.Hour)
	second := x.Context()
	if at, has := second.Deadline(); !has || !at.Equal(x.Deadline) || second == first || x.Context() != second {
		t.Errorf("the deadline is %v, %v", at, has)
	}
	x.Deadline = time.Now().Add(-time.Second)
	if third := x.Context(); !errors.Is(third.Err(), context.DeadlineExceeded) || second.Err() != nil {
		t.Errorf("got %v, and %v before", third.Err(), second.Err())
	}
	x.Deadline = time.Time{}
	if fourth := x.Context(); fourth.Err() != nil {
		t.Errorf("got %v", fourth.Err())
	}
	leave()
	if x.Context().Err() == nil || second.Err() == nil {
		t.Error("the client has left, and a context goes on")
	}
}

func TestContextEndsWithTheExchange(t *testing.T) {
	t.Parallel()
	for _, deadline := range []time.Time{{}, time.Now().Add(time.Hour)} {
		x := sluice.NewExchange(nil)
		x.Deadline = deadline
		ctx := x.Context()
		told := false
		x.OnEnd(sluice.EnderFunc(func(x *sluice.Exchange, _ sluice.Outcome) { told = x.Context().Err() == nil }))
		x.End(sluice.Outcome{})
		if ctx.Err() == nil || !told {
			t.Errorf("deadline %v: %v after the end, alive in OnEnd: %v", deadline, ctx.Err(), told)
		}
	}
}

func TestEndTellsTheLastFirst(t *testing.T) {
	t.Parallel()
	x := sluice.NewExchange(nil)
	request, response := &stream{Reader: strings.NewReader("x")}, &stream{Reader: strings.NewReader("y")}
	x.Request.Body.SetStream(request, -1)
	x.Response.Body.SetStream(response, -1)
	want := sluice.Outcome{Status: 200, Sent: 3, Err: errors.New("cut off")}
	var order []int
	for i := range 3 {
		x.OnEnd(sluice.EnderFunc(func(of *sluice.Exchange, o sluice.Outcome) {
			if of != x || o != want {
				t.Errorf("told of %v, %v", of, o)
			}
			if len(request.closed) != 1 || len(response.closed) != 1 {
				t.Error("told before the bodies were closed")
			}
			order = append(order, i)
		}))
	}
	x.End(want)
	if !slices.Equal(order, []int{2, 1, 0}) {
		t.Errorf("told in the order %v", order)
	}
	if request.closed[0] != want.Err || response.closed[0] != want.Err {
		t.Errorf("closed with %v and %v", request.closed, response.closed)
	}
}

// A panic of one who is told keeps nothing from being told or ended.
func TestEndWithPanics(t *testing.T) {
	t.Parallel()
	x := sluice.NewExchange(nil)
	response := &stream{Reader: strings.NewReader("y")}
	x.Request.Body.SetStream(panicking{}, -1)
	x.Response.Body.SetStream(response, -1)
	ctx := x.Context()
	var order []int
	for i := range 5 {
		x.OnEnd(sluice.EnderFunc(func(*sluice.Exchange, sluice.Outcome) {
			if order = append(order, i); i == 1 || i == 3 {
				panic(i)
			}
		}))
	}
	panicked := func() (v any) {
		defer func() { v = recover() }()
		x.End(sluice.Outcome{})
		return nil
	}()
	if panicked == nil || !slices.Equal(order, []int{4, 3, 2, 1, 0}) || len(response.closed) != 1 || ctx.Err() == nil {
		t.Errorf("panic %v, told %v, closed %d times, context %v", panicked, order, len(response.closed), ctx.Err())
	}
}

// panicking panics when it is closed.
type panicking struct{ io.Reader }

func (panicking) Close(error) { panic("close") }

func TestResetLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	x, _ := full(t)
	w, _ := newWire(t)
	x.SetInput(2, sluice.IntValue(1))
	x.SetResult(2, []byte("1"))
	x.NewID()
	x.Context()
	x.Unescape([]byte("a%20b"))
	r := &x.Response
	r.Status, r.Upgrade = 200, func(net.Conn) {}
	r.Header.Add("a", "b")
	r.Trailer.Add("a", "b")
	r.Body.SetBuffer(append(r.Body.Buffer(), "left"...))
	x.OnEnd(sluice.EnderFunc(func(*sluice.Exchange, sluice.Outcome) {}))
	before := string(x.RequestID())
	x.End(sluice.Outcome{})
	x.Reset(w)
	fresh := sluice.NewExchange(w)
	if got, want := public(x), public(fresh); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	for i := range 3 {
		if !x.Input(i).IsAbsent() || x.Result(i) != nil {
			t.Errorf("input %d is %v, result %q", i, x.Input(i), x.Result(i))
		}
	}
	x.SetInput(2, sluice.IntValue(5))
	x.SetResult(2, []byte("5"))
	if !x.Input(0).IsAbsent() || x.Result(1) != nil || x.Input(2).Int() != 5 || string(x.Result(2)) != "5" {
		t.Error("a slot in between holds something")
	}
	if string(x.RequestID()) == before {
		t.Error("the id is still there")
	}
	x.End(sluice.Outcome{}) // must tell nobody
}

// public is what can be seen of an exchange, with headers and bodies as text.
func public(x *sluice.Exchange) []any {
	r, p := x.Request, x.Response
	return []any{
		x.Endpoint, x.Route, x.Caller, x.Start, x.Deadline, x.Span,
		r.Method, r.Scheme, r.Proto, string(r.Host), string(r.Path), string(r.Query), fields(&r.Header), len(r.Params), string(r.Body.Bytes), r.Body.Stream,
		fields(&r.Trailer), r.Remote, r.Client, r.TrustedPeer, r.Peer,
		p.Status, fields(&p.Header), string(p.Body.Bytes), p.Body.Stream, fields(&p.Trailer), p.Upgrade == nil,
	}
}

func TestResetLetsGoOfMuchMemory(t *testing.T) {
	t.Parallel()
	x := sluice.NewExchange(nil)
	x.Response.Body.SetBuffer(make([]byte, 1<<20))
	x.Reset(nil)
	if n := cap(x.Response.Body.Buffer()); n > 64<<10 {
		t.Errorf("it keeps %d bytes", n)
	}
}

func TestClearTakesTheResponseBack(t *testing.T) {
	t.Parallel()
	x := sluice.NewExchange(nil)
	s := &stream{Reader: strings.NewReader("x")}
	x.Response.Status = 201
	x.Response.Header.Add("a", "b")
	x.Response.Trailer.Add("a", "b")
	x.Response.Upgrade = func(net.Conn) {}
	x.Response.Body.SetStream(s, 1)
	why := errors.New("once more")
	x.Clear(why)
	if p := &x.Response; p.Status != 0 || p.Header.Len() != 0 || p.Trailer.Len() != 0 || p.Upgrade != nil || p.Body.Len() != 0 {
		t.Errorf("left: %+v", p)
	}
	if len(s.closed) != 1 || s.closed[0] != why {
		t.Errorf("closed with %v", s.closed)
	}
}

func TestInform(t *testing.T) {
	t.Parallel()
	w, _ := newWire(t)
	if err := sluice.NewExchange(w).Inform(103, nil); err != nil || !slices.Equal(w.informed, []int{103}) {
		t.Errorf("got %v, %v", w.informed, err)
	}
	if err := sluice.NewExchange(nil).Inform(103, nil); err != nil {
		t.Error(err)
	}
}

// What the exchange gives out stays as it is while more is given out.
func TestMemoryGivenOutStays(t *testing.T) {
	t.Parallel()
	x := sluice.NewExchange(nil)
	var given [][]byte
	for range 200 {
		given = append(given, x.Unescape([]byte("%61%62")))
	}
	_ = append(given[0], "overwritten"...)
	id := string(x.RequestID())
	for i, b := range given {
		if string(b) != "ab" {
			t.Fatalf("number %d is %q", i, b)
		}
	}
	if plain := []byte("no escapes+"); &x.Unescape(plain)[0] != &plain[0] || string(x.RequestID()) != id {
		t.Error("text without escapes was copied, or the id has changed")
	}
}

func TestCallerKeysDiffer(t *testing.T) {
	t.Parallel()
	a := sluice.Caller{Scheme: "jwt", Issuer: "a", Subject: "b c"}
	b := sluice.Caller{Scheme: "jwt", Issuer: "a", Subject: "b"}
	if string(a.AppendKey(nil)) == string(b.AppendKey(nil)) || !a.Known() || (&sluice.Caller{}).Known() {
		t.Error("two callers have one key")
	}
}

func TestEndpointThatOnlyReads(t *testing.T) {
	t.Parallel()
	for routes, want := range map[string]bool{
		"GET /a": true, "GET /a,HEAD /b": true, "GET /a,POST /a": false, "* /a": false, "DELETE /a": false,
	} {
		ep := sluice.Endpoint{Routes: strings.Split(routes, ",")}
		if ep.ReadOnly() != want {
			t.Errorf("%s: want %v", routes, want)
		}
	}
}
