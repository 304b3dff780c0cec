package sluicetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// traced sends interim answers to hints, as status and Link.
func traced(r *http.Request, hints chan<- string) *http.Request {
	return r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints <- strconv.Itoa(code) + " " + h.Get("Link")
			return nil
		},
	}))
}

// bodyCases are about bodies that come and go, on every version of HTTP.
var bodyCases = []engineCase{
	{"bodies stream both ways at once", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			in := x.Request.Body.Stream
			x.Response.Body.SetStream(&pulled{read: in.Read}, -1)
			return nil
		})
		in, out := io.Pipe()
		answer, err := e.client(t).Do(e.request(t, "POST", "/", in))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		for _, word := range []string{"one", "two", "three"} {
			io.WriteString(out, word)
			p := make([]byte, len(word))
			if _, err := io.ReadFull(answer.Body, p); err != nil || string(p) != word {
				t.Fatalf("got %q and %v, want %q before the request has ended", p, err, word)
			}
		}
		out.Close()
		if p, err := io.ReadAll(answer.Body); len(p) > 0 || err != nil {
			t.Fatalf("got %q and %v, want the end", p, err)
		}
	}},
	{"trailers pass both ways (RFC 9110 6.5)", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			if _, err := readAll(x); err != nil {
				t.Error(err)
			}
			sum := string(x.Request.Trailer.Value("x-sum"))
			x.Response.Header.Add("Trailer", "X-Echo")
			s := parts(io.EOF, "some ", "text")
			s.close = func(error) {}
			read := s.read
			s.read = func(p []byte) (int, error) {
				n, err := read(p)
				if err == io.EOF {
					x.Response.Trailer.Add("X-Echo", sum)
				}
				return n, err
			}
			x.Response.Body.SetStream(s, -1)
			return nil
		})
		r := e.request(t, "POST", "/", io.MultiReader(strings.NewReader("a body")))
		r.Trailer = http.Header{"X-Sum": {"42"}}
		answer, body, err := e.do(t, r)
		if err != nil {
			t.Fatal(err)
		}
		wantBody(t, body, "some text")
		if got := answer.Trailer.Get("X-Echo"); got != "42" {
			t.Errorf("trailer %q, want 42", got)
		}
	}},
	{"trailer of a short body", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error {
			x.Response.Trailer.Add("Grpc-Status", "0")
			return ok(x)
		})
		answer, body := e.get(t, "/")
		wantBody(t, body, "ok")
		if got := answer.Trailer.Get("Grpc-Status"); got != "0" {
			t.Errorf("trailer %q, want 0", got)
		}
	}},
	{"declared length above the limit is 413 unread", func(t *testing.T, e *engineTest) {
		e.limits.MaxBody = 10
		h := &refusing{HandlerFunc: ok, ends: newRecorder()}
		e.serveHandler(t, h)
		answer, body, err := e.do(t, e.request(t, "POST", "/", strings.NewReader("eleven byte")))
		if err != nil {
			t.Fatal(err)
		}
		problem(t, answer, body, sluice.TooLarge)
		if h.served.Load() > 0 {
			t.Error("the handler saw it")
		}
		if o := h.ends.outcome(t); o.Status != 413 || o.Received != 0 || o.Err == nil {
			t.Errorf("outcome %+v", o)
		}
	}},
	{"undeclared length above the limit is 413", func(t *testing.T, e *engineTest) {
		e.limits.MaxBody = 10
		e.serve(t, func(x *sluice.Exchange) error {
			text, err := readAll(x)
			if err != nil {
				return err
			}
			return reply(x, text)
		})
		answer, body, err := e.do(t, e.request(t, "POST", "/", io.MultiReader(strings.NewReader("eleven byte"))))
		if err != nil {
			t.Fatal(err)
		}
		problem(t, answer, body, sluice.TooLarge)
		_, body, err = e.do(t, e.request(t, "POST", "/", io.MultiReader(strings.NewReader("ten bytes."))))
		if err != nil {
			t.Fatal(err)
		}
		wantBody(t, body, "ten bytes.")
	}},
	{"early answer to a body that still comes", func(t *testing.T, e *engineTest) {
		e.serve(t, func(x *sluice.Exchange) error { return &sluice.Error{Code: sluice.Unauthenticated} })
		in, out := io.Pipe()
		t.Cleanup(func() { out.Close() })
		go io.WriteString(out, "the first of many")
		answer, err := e.client(t).Do(e.request(t, "POST", "/", in))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		wantStatus(t, answer, 401)
	}},
	{"a body that stops coming is 408", func(t *testing.T, e *engineTest) {
		e.limits.BodyTimeout = 50 * time.Millisecond
		e.serve(t, func(x *sluice.Exchange) error {
			_, err := readAll(x)
			return err
		})
		in, out := io.Pipe()
		t.Cleanup(func() { out.Close() })
		go io.WriteString(out, "a")
		answer, body, err := e.do(t, e.request(t, "POST", "/", in))
		if err != nil {
			t.Fatal(err)
		}
		problem(t, answer, body, sluice.RequestTimeout)
	}},
	{"a handler may take longer than the body's timeout", func(t *testing.T, e *engineTest) {
		e.limits.BodyTimeout = 50 * time.Millisecond
		rested := make(chan struct{})
		e.serve(t, func(x *sluice.Exchange) error {
			var first [1]byte
			if _, err := x.Request.Body.Stream.Read(first[:]); err != nil {
				return err
			}
			<-time.After(3 * e.limits.BodyTimeout)
			close(rested)
			rest, err := readAll(x)
			if err != nil {
				return err
			}
			<-time.After(3 * e.limits.BodyTimeout)
			if err := x.Context().Err(); err != nil {
				return err
			}
			return reply(x, string(first[:])+rest)
		})
		in, out := io.Pipe()
		go func() {
			io.WriteString(out, "some ")
			<-rested
			io.WriteString(out, "text")
			out.Close()
		}()
		answer, body, err := e.do(t, e.request(t, "POST", "/", in))
		if err != nil {
			t.Fatal(err)
		}
		wantStatus(t, answer, 200)
		wantBody(t, body, "some text")
	}},
	{"a stream may rest longer than the body's timeout", func(t *testing.T, e *engineTest) {
		e.limits.BodyTimeout = 50 * time.Millisecond
		e.serve(t, func(x *sluice.Exchange) error {
			s := parts(io.EOF, "some ", "text")
			read := s.read
			s.read = func(p []byte) (int, error) {
				<-time.After(3 * e.limits.BodyTimeout)
				return read(p)
			}
			x.Response.Body.SetStream(s, -1)
			return nil
		})
		_, body := e.get(t, "/")
		wantBody(t, body, "some text")
	}},
	{"a client that does not read is left after the body's timeout", func(t *testing.T, e *engineTest) {
		e.limits.BodyTimeout = 50 * time.Millisecond
		ends := newRecorder()
		e.serve(t, func(x *sluice.Exchange) error {
			x.OnEnd(ends)
			x.Response.Body.SetStream(zeros(-1), -1)
			return nil
		})
		answer, err := e.client(t).Do(e.request(t, "GET", "/", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if o := ends.outcome(t); o.Err == nil || o.Status != 200 || o.Sent == 0 {
			t.Errorf("outcome %+v", o)
		}
	}},
	{"the deadline ends an answer in memory that is taken slowly", func(t *testing.T, e *engineTest) {
		e.limits.WholeTimeout, e.limits.BodyTimeout = 50*time.Millisecond, time.Second
		ends := newRecorder()
		e.serve(t, func(x *sluice.Exchange) error {
			x.OnEnd(ends)
			x.Response.Body.SetBytes(make([]byte, 64<<20))
			return nil
		})
		answer, err := e.client(t).Do(e.request(t, "GET", "/", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		for part := make([]byte, 16<<10); ; <-time.After(time.Millisecond) { // a client that takes some within BodyTimeout
			if _, err := answer.Body.Read(part); err != nil {
				break
			}
			if len(ends) > 0 {
				break
			}
		}
		if o := ends.outcome(t); o.Err == nil {
			t.Errorf("outcome %+v", o)
		}
	}},
	{"the deadline ends a stream", func(t *testing.T, e *engineTest) {
		e.limits.WholeTimeout = 50 * time.Millisecond
		ends := newRecorder()
		e.serve(t, func(x *sluice.Exchange) error {
			x.OnEnd(ends)
			x.Response.Body.SetStream(zeros(-1), -1)
			return nil
		})
		if _, _, err := e.do(t, e.request(t, "GET", "/", nil)); err == nil {
			t.Error("the answer seems whole")
		}
		if o := ends.outcome(t); !errors.Is(o.Err, context.DeadlineExceeded) && o.Err == nil {
			t.Errorf("outcome %+v", o)
		}
	}},
	{"100 Continue is sent when the body is first read (RFC 9110 10.1.1)", func(t *testing.T, e *engineTest) {
		var asked atomic.Bool
		e.serve(t, func(x *sluice.Exchange) error {
			if string(x.Request.Path) == "/refuse" {
				return &sluice.Error{Code: sluice.Forbidden}
			}
			asked.Store(true)
			text, err := readAll(x)
			if err != nil {
				return err
			}
			return reply(x, text)
		})
		r := e.request(t, "POST", "/", &watched{strings.NewReader("some text"), func() {
			if !asked.Load() {
				t.Error("the body was asked for before it was read")
			}
		}})
		r.Header.Set("Expect", "100-continue")
		_, body, err := e.do(t, r)
		if err != nil {
			t.Fatal(err)
		}
		wantBody(t, body, "some text")
		r = e.request(t, "POST", "/refuse", &watched{strings.NewReader("some text"), func() {
			t.Error("a refused body was asked for")
		}})
		r.Header.Set("Expect", "100-continue")
		answer, _, err := e.do(t, r)
		if err != nil {
			t.Fatal(err)
		}
		wantStatus(t, answer, 403)
	}},
}

// earlyCases are about answers that are made while another goroutine still reads the request, as where an upload is
// passed on and the backend answers before it has all of it; on every version of HTTP.
var earlyCases = []engineCase{
	{"an early short answer ends a read that waits", func(t *testing.T, e *engineTest) {
		early(t, e, func(x *sluice.Exchange) { x.Response.Body.SetBytes(bytes.Repeat([]byte("a"), earlySize)) })
	}},
	{"an early stream ends a read that waits", func(t *testing.T, e *engineTest) {
		early(t, e, func(x *sluice.Exchange) {
			x.Response.Body.SetStream(parts(io.EOF, slices.Repeat([]string{"aaaaaaaa"}, earlySize/8)...), -1)
		})
	}},
	{"an early refusal ends a read that waits", func(t *testing.T, e *engineTest) {
		early(t, e, func(x *sluice.Exchange) {
			x.Response.Status = 403
			x.Response.Body.SetBytes(bytes.Repeat([]byte("a"), earlySize))
		})
	}},
}

const earlySize = 64 << 10

// early has a handler answer while a goroutine of it waits for the rest of an upload that does not come. BodyTimeout
// and the deadline are longer than the suite waits for anything. The read must have ended before the engine waits for
// what is left of the upload, which it does after OnEnd was told.
func early(t *testing.T, e *engineTest, answer func(*sluice.Exchange)) {
	ends, reads := newRecorder(), make(chan error, 1)
	e.serve(t, func(x *sluice.Exchange) error {
		x.OnEnd(ends)
		x.OnEnd(sluice.EnderFunc(func(*sluice.Exchange, sluice.Outcome) {
			if err := receive(t, reads, "the read's end"); err == io.EOF {
				t.Error("the upload seems whole")
			}
		}))
		x.Deadline = x.Start.Add(e.limits.WholeTimeout / 2) // as a policy does before next
		in, begun := x.Request.Body.Stream, make(chan struct{})
		go func() {
			var p [8]byte
			_, err := io.ReadFull(in, p[:])
			for close(begun); err == nil; {
				_, err = in.Read(p[:])
			}
			reads <- err
		}()
		<-begun
		answer(x)
		return nil
	})
	in, out := io.Pipe()
	t.Cleanup(func() { out.Close() })
	end := time.AfterFunc(enginePatience, func() { out.Close() })
	t.Cleanup(func() { end.Stop() })
	go io.WriteString(out, "the firs")
	_, body, err := e.do(t, e.request(t, "POST", "/", in))
	if err != nil || body != strings.Repeat("a", earlySize) {
		t.Errorf("%d bytes and %v, want the whole answer of %d", len(body), err, earlySize)
	}
	if o := ends.outcome(t); o.Sent != earlySize || o.Err != nil {
		t.Errorf("outcome %+v", o)
	}
}

// memoryCases are about memory, on every version of HTTP.
var memoryCases = []engineCase{
	{"big bodies need little memory", func(t *testing.T, e *engineTest) {
		const size = 100 << 20
		e.serve(t, func(x *sluice.Exchange) error {
			var n int64
			p := make([]byte, 16<<10)
			for {
				m, err := x.Request.Body.Stream.Read(p)
				n += int64(m)
				if err == io.EOF {
					break
				} else if err != nil {
					return err
				}
			}
			x.Response.Body.SetStream(zeros(n), n)
			return nil
		})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r := e.request(t, "POST", "/", io.LimitReader(endless{}, size))
		r.ContentLength = size
		answer, err := e.client(t).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		n, err := io.Copy(io.Discard, answer.Body)
		runtime.ReadMemStats(&after)
		if n != size || answer.ContentLength != size || err != nil {
			t.Errorf("got %d bytes of %d declared, and %v; want %d", n, answer.ContentLength, err, size)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 2*size {
			t.Errorf("allocated %d bytes for two bodies of %d", grown, size)
		}
	}},
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// watched calls read before each Read.
type watched struct {
	r    io.Reader
	read func()
}

func (w *watched) Read(p []byte) (int, error) {
	w.read()
	return w.r.Read(p)
}
