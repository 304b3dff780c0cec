package sluicetest

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluiceapi/sluice"
)

// closing is a stream that tells when it is closed.
type closing struct {
	io.Reader
	close func()
}

func (c *closing) Close(error) { c.close() }

// endCases are about how exchanges end, on every version of HTTP.
var endCases = []engineCase{
	{"OnEnd is told once, with the outcome", func(t *testing.T, e *engineTest) {
		ends := newRecorder()
		e.serve(t, func(x *sluice.Exchange) error {
			x.OnEnd(ends)
			if _, err := readAll(x); err != nil {
				return err
			}
			x.Response.Status = 201
			return reply(x, "ok")
		})
		if _, _, err := e.do(t, e.request(t, "POST", "/", strings.NewReader("12345"))); err != nil {
			t.Fatal(err)
		}
		if o := ends.outcome(t); o != (sluice.Outcome{Status: 201, Received: 5, Sent: 2}) {
			t.Errorf("outcome %+v", o)
		}
		if err := e.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if len(ends) > 0 {
			t.Error("told twice")
		}
	}},
	{"an error is part of the outcome", func(t *testing.T, e *engineTest) {
		ends := newRecorder()
		e.serve(t, func(x *sluice.Exchange) error {
			x.OnEnd(ends)
			return &sluice.Error{Code: sluice.NotFound}
		})
		_, body := e.get(t, "/")
		if o := ends.outcome(t); o.Status != 404 || o.Sent != int64(len(body)) || sluice.ErrorOf(o.Err).Code != sluice.NotFound {
			t.Errorf("outcome %+v", o)
		}
	}},
	{"OnEnd is told after the last byte", func(t *testing.T, e *engineTest) {
		const size = 64 << 20 // more than fits between server and client
		var ended atomic.Bool
		ends := newRecorder()
		e.serve(t, func(x *sluice.Exchange) error {
			x.OnEnd(ends)
			x.OnEnd(sluice.EnderFunc(func(*sluice.Exchange, sluice.Outcome) { ended.Store(true) }))
			x.Response.Body.SetStream(zeros(size), size)
			return nil
		})
		answer, err := e.client(t).Do(e.request(t, "GET", "/", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if _, err := io.CopyN(io.Discard, answer.Body, 1<<20); err != nil {
			t.Fatal(err)
		}
		if ended.Load() {
			t.Error("the exchange has ended while its body is on the way")
		}
		if n, err := io.Copy(io.Discard, answer.Body); n != size-1<<20 || err != nil {
			t.Errorf("got %d bytes and %v", n, err)
		}
		if o := ends.outcome(t); o.Sent != size || o.Err != nil {
			t.Errorf("outcome %+v", o)
		}
	}},
	{"the context ends with the exchange", func(t *testing.T, e *engineTest) {
		contexts := make(chan context.Context, 1)
		e.serve(t, func(x *sluice.Exchange) error {
			contexts <- x.Context()
			if err := x.Context().Err(); err != nil {
				t.Error(err)
			}
			return ok(x)
		})
		e.get(t, "/")
		receive(t, receive(t, contexts, "the request").Done(), "the context's end")
	}},
	{"a client that leaves ends the context", func(t *testing.T, e *engineTest) {
		ends, inside := newRecorder(), make(chan struct{})
		e.serve(t, func(x *sluice.Exchange) error {
			x.OnEnd(ends)
			close(inside)
			<-x.Context().Done()
			return x.Context().Err()
		})
		r := e.request(t, "GET", "/", nil)
		ctx, leave := context.WithCancel(r.Context())
		left := make(chan error, 1)
		client := e.client(t)
		go func() {
			_, err := client.Do(r.WithContext(ctx))
			left <- err
		}()
		receive(t, inside, "the request")
		leave()
		if err := receive(t, left, "the client"); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if o := ends.outcome(t); o.Status != 499 || sluice.ErrorOf(o.Err).Code != sluice.ClientLeft {
			t.Errorf("outcome %+v", o)
		}
	}},
	{"a client that leaves while it sends is seen by who reads", func(t *testing.T, e *engineTest) {
		ends, inside := newRecorder(), make(chan struct{}, 1)
		e.serve(t, func(x *sluice.Exchange) error {
			x.OnEnd(ends)
			var first [1]byte
			if _, err := x.Request.Body.Stream.Read(first[:]); err != nil {
				return err
			}
			inside <- struct{}{}
			_, err := readAll(x)
			return err
		})
		in, out := io.Pipe()
		r := e.request(t, "POST", "/", in)
		ctx, leave := context.WithCancel(r.Context())
		client := e.client(t)
		go func() {
			io.WriteString(out, "a")
			receive(t, inside, "the request")
			leave()
			out.CloseWithError(errors.New("left"))
		}()
		if _, err := client.Do(r.WithContext(ctx)); err == nil {
			t.Error("an answer to a client that left")
		}
		if o := ends.outcome(t); o.Status != 499 || sluice.ErrorOf(o.Err).Code != sluice.ClientLeft {
			t.Errorf("outcome %+v", o)
		}
	}},
	{"a client that leaves a stream ends it", func(t *testing.T, e *engineTest) {
		ends := newRecorder()
		e.serve(t, func(x *sluice.Exchange) error {
			x.OnEnd(ends)
			x.Response.Body.SetStream(zeros(-1), -1)
			return nil
		})
		r := e.request(t, "GET", "/", nil)
		ctx, leave := context.WithCancel(r.Context())
		answer, err := e.client(t).Do(r.WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		leave()
		answer.Body.Close()
		if o := ends.outcome(t); o.Status != 200 || o.Err == nil || sluice.ErrorOf(o.Err).Code != sluice.ClientLeft {
			t.Errorf("outcome %+v, want 200 cut off by a client that left", o)
		}
	}},
	{"who is told of the end may ask for the context, and does not end the connection", func(t *testing.T, e *engineTest) {
		contexts := make(chan context.Context, 1)
		e.serve(t, func(x *sluice.Exchange) error {
			x.OnEnd(sluice.EnderFunc(func(x *sluice.Exchange, _ sluice.Outcome) {
				if contexts <- x.Context(); x.Context().Err() != nil {
					t.Error("it has ended")
				}
			}))
			return ok(x)
		})
		client := e.client(t)
		for range 3 {
			answer, err := client.Do(e.request(t, "GET", "/", nil))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(answer.Body)
			if answer.Body.Close(); string(body) != "ok" || err != nil {
				t.Fatalf("%q, %v", body, err)
			}
			receive(t, receive(t, contexts, "the end").Done(), "the context's end")
		}
	}},
	{"a stream is closed before the context ends", func(t *testing.T, e *engineTest) {
		alive := make(chan bool, 1)
		e.limits.WholeTimeout = 0
		e.serve(t, func(x *sluice.Exchange) error {
			ctx := x.Context()
			x.Response.Body.SetStream(&closing{Reader: strings.NewReader("ok"), close: func() { alive <- ctx.Err() == nil }}, 2)
			return nil
		})
		_, body := e.get(t, "/")
		wantBody(t, body, "ok")
		if !receive(t, alive, "the stream's close") {
			t.Error("what is watched for the client's leaving was told that it has left")
		}
	}},
	{"a panic in OnEnd does not reach the client", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			x.OnEnd(sluice.EnderFunc(func(*sluice.Exchange, sluice.Outcome) { panic("broken") }))
			return ok(x)
		})
		for range 3 {
			answer, body := e.get(t, "/")
			wantStatus(t, answer, 200)
			wantBody(t, body, "ok")
		}
	}},
}
