package sluicetest

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/server"
)

// drainCases are about how a server stops, on every version of HTTP.
var drainCases = []engineCase{
	{"while draining, requests are answered and clients asked to leave", func(t *testing.T, e *engineTest) {
		e.serve(t, ok)
		client := e.client(t)
		for i := range 3 {
			answer, err := client.Do(e.request(t, "GET", "/", nil))
			if err != nil {
				t.Fatal(err)
			}
			p, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			wantBody(t, string(p), "ok")
			if asked := answer.Close; !e.HTTP2 && asked != (i > 0) {
				t.Errorf("answer %d: Connection: close is %v", i, asked)
			}
			e.Drain()
		}
	}},
	{"shutdown waits for what runs", func(t *testing.T, e *engineTest) {
		inside, leave := make(chan struct{}), make(chan struct{})
		e.serve(t, func(x *sluice.Exchange) error {
			close(inside)
			<-leave
			return ok(x)
		})
		answers, stopped := make(chan string, 1), make(chan error, 1)
		client, r := e.client(t), e.request(t, "GET", "/", nil)
		go func() {
			answer, err := client.Do(r)
			if err != nil {
				answers <- err.Error()
				return
			}
			p, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			answers <- string(p)
		}()
		receive(t, inside, "the request")
		go func() { stopped <- e.Shutdown(t.Context()) }()
		refused(t, e)
		if len(stopped) > 0 {
			t.Error("shutdown did not wait")
		}
		close(leave)
		wantBody(t, receive(t, answers, "the answer"), "ok")
		if err := receive(t, stopped, "the shutdown"); err != nil {
			t.Error(err)
		}
	}},
	{"shutdown cuts off what runs too long", func(t *testing.T, e *engineTest) {
		e.drain = server.Drain{Timeout: 20 * time.Millisecond}
		inside, ends := make(chan struct{}), newRecorder()
		e.serve(t, func(x *sluice.Exchange) error {
			x.OnEnd(ends)
			close(inside)
			<-x.Context().Done()
			return x.Context().Err()
		})
		client, r := e.client(t), e.request(t, "GET", "/", nil)
		failed := make(chan error, 1)
		go func() {
			answer, err := client.Do(r)
			if err == nil {
				answer.Body.Close()
			}
			failed <- err
		}()
		receive(t, inside, "the request")
		if err := e.Shutdown(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutdown says %v", err)
		}
		if err := receive(t, failed, "the cut"); err == nil {
			t.Error("an answer")
		}
		ends.outcome(t)
	}},
	{"shutdown has answers that last end, which no time for a whole request ends", func(t *testing.T, e *engineTest) {
		e.limits.WholeTimeout = 50 * time.Millisecond
		lifted := make(chan time.Time, 1)
		e.serve(t, func(x *sluice.Exchange) error {
			s := &lastingStream{Stream: NewStream(), first: func() { lifted <- x.Deadline }}
			s.Send("event")
			x.Response.Leave = func() { s.once.Do(func() { s.Finish(nil) }) }
			x.Response.Body.SetStream(s, -1)
			return nil
		})
		client := e.client(t)
		answer, err := client.Do(e.request(t, "GET", "/", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		p := make([]byte, len("event"))
		if _, err := io.ReadFull(answer.Body, p); err != nil {
			t.Fatal(err)
		}
		if d := receive(t, lifted, "the deadline"); !d.IsZero() {
			t.Errorf("it has the deadline %s", d)
		}
		if err := e.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if rest, err := io.ReadAll(answer.Body); len(rest) > 0 || err != nil {
			t.Errorf("it ends with %q, %v", rest, err)
		}
	}},
	{"a panic of who asks an answer to end ends nothing else", func(t *testing.T, e *engineTest) {
		e.drain = server.Drain{Timeout: enginePatience}
		var streams [2]*Stream
		for i := range streams {
			streams[i] = NewStream()
			streams[i].Send("event")
		}
		n := atomic.Int64{}
		e.serve(t, func(x *sluice.Exchange) error {
			s := streams[n.Add(1)-1]
			x.Response.Leave = func() {
				s.Finish(nil)
				panic("leave")
			}
			x.Response.Body.SetStream(s, -1)
			return nil
		})
		var bodies []io.ReadCloser
		for range streams {
			answer, err := e.client(t).Do(e.request(t, "GET", "/", nil))
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			bodies = append(bodies, answer.Body)
		}
		if err := e.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		for _, b := range bodies {
			if p, err := io.ReadAll(b); string(p) != "event" || err != nil {
				t.Errorf("%q, %v", p, err)
			}
		}
	}},
	{"a policy's deadline ends an answer that lasts", func(t *testing.T, e *engineTest) {
		ends := newRecorder()
		e.serve(t, func(x *sluice.Exchange) error {
			x.OnEnd(ends)
			x.Deadline = time.Now().Add(50 * time.Millisecond)
			x.Response.Leave = func() {}
			x.Response.Body.SetStream(waiting{x}, -1)
			return nil
		})
		answer, err := e.client(t).Do(e.request(t, "GET", "/", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if _, err := io.ReadAll(answer.Body); err == nil {
			t.Error("the answer that was cut off seems whole")
		}
		if o := ends.outcome(t); !errors.Is(o.Err, context.DeadlineExceeded) {
			t.Errorf("it ended with %v", o.Err)
		}
	}},
}

// lastingStream is a stream that is ended from outside.
type lastingStream struct {
	*Stream
	once  sync.Once
	first func()
}

func (s *lastingStream) Read(p []byte) (int, error) {
	if s.first != nil {
		s.first()
		s.first = nil
	}
	return s.Stream.Read(p)
}

// waiting is a stream without a byte until its exchange's context ends.
type waiting struct{ x *sluice.Exchange }

func (w waiting) Read([]byte) (int, error) {
	<-w.x.Context().Done()
	return 0, w.x.Context().Err()
}
func (waiting) Close(error) {}

// partCases are about connections of HTTP/1.1 when a server stops: HTTP/2 says by GOAWAY what may be sent again. They are
// not for net/http, which closes connections at once whose next request it has not begun to read, also after an answer
// that did not ask the client to leave.
var partCases = []engineCase{
	{"what was sent before shutdown is answered, on new and on kept connections", func(t *testing.T, e *engineTest) {
		e.serve(t, ok)
		var conns []*rawConn
		for range 8 {
			c := e.dial(t)
			c.send(t, get)
			c.answer(t, "GET")
			conns = append(conns, c)
		}
		for range 8 {
			conns = append(conns, e.dial(t))
		}
		for _, c := range conns {
			c.send(t, get)
		}
		stopped := e.stop(t)
		for _, c := range conns {
			_, body := c.answer(t, "GET")
			wantBody(t, body, "ok")
			c.Close()
		}
		if err := receive(t, stopped, "the shutdown"); err != nil {
			t.Error(err)
		}
	}},
	{"a connection that idles in shutdown is closed", func(t *testing.T, e *engineTest) {
		e.serve(t, ok)
		kept, silent := e.dial(t), e.dial(t)
		kept.send(t, get)
		kept.answer(t, "GET")
		stopped := e.stop(t)
		for _, c := range []*rawConn{kept, silent} {
			if p, err := io.ReadAll(c.r); len(p) > 0 || err != nil {
				t.Errorf("got %q and %v, want an end without a reset", p, err)
			}
			c.Close()
		}
		if err := receive(t, stopped, "the shutdown"); err != nil {
			t.Error(err)
		}
	}},
	{"a connection whose answer did not ask to leave may bring another request", func(t *testing.T, e *engineTest) {
		rest := make(chan struct{})
		e.serve(t, func(x *sluice.Exchange) error {
			if string(x.Request.Path) == "/second" {
				return ok(x)
			}
			s := parts(io.EOF, "some ", "text")
			read, pieces := s.read, 0
			s.read = func(p []byte) (int, error) {
				if pieces++; pieces == 2 {
					<-rest
				}
				return read(p)
			}
			x.Response.Body.SetStream(s, int64(len("some text")))
			return nil
		})
		c := e.dial(t)
		c.send(t, get)
		var head [1]byte
		if _, err := c.r.Read(head[:]); err != nil {
			t.Fatal(err)
		}
		c.r.UnreadByte()
		stopped := e.stop(t)
		refused(t, e)
		c.send(t, "POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
		close(rest)
		if answer, body := c.answer(t, "GET"); answer.Close || body != "some text" {
			t.Errorf("%q and Connection: close %v of an answer that began before", body, answer.Close)
		}
		if answer, body := c.answer(t, "POST"); !answer.Close || body != "ok" {
			t.Errorf("%q and Connection: close %v of the last answer", body, answer.Close)
		}
		c.Close()
		if err := receive(t, stopped, "the shutdown"); err != nil {
			t.Error(err)
		}
	}},
	{"clients that heed Connection: close lose nothing", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			text, err := readAll(x)
			if err != nil {
				return err
			}
			return reply(x, text)
		})
		const clients = 8
		var answers atomic.Int64
		var all sync.WaitGroup
		warm := make(chan struct{})
		for range clients {
			c := e.dial(t)
			all.Go(func() {
				for asked := false; !asked; {
					c.send(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd")
					answer, body := c.answer(t, "POST")
					if body != "abcd" {
						t.Errorf("got %q, want abcd", body)
					}
					if asked = answer.Close; answers.Add(1) == 20*clients {
						close(warm)
					}
				}
				c.Close()
			})
		}
		receive(t, warm, "the load")
		stopped := e.stop(t)
		all.Wait()
		if err := receive(t, stopped, "the shutdown"); err != nil {
			t.Error(err)
		}
	}},
}

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

// stop begins a shutdown and tells how it ended.
func (e *engineTest) stop(t *testing.T) <-chan error {
	stopped := make(chan error, 1)
	go func() { stopped <- e.Shutdown(t.Context()) }()
	return stopped
}

// refused waits until no connection is taken any more.
func refused(t *testing.T, e *engineTest) {
	t.Helper()
	for end := time.Now().Add(enginePatience); time.Now().Before(end); {
		c, err := net.Dial("tcp", e.Address)
		if err != nil {
			return
		}
		c.Close()
	}
	t.Fatal("connections are still taken")
}
