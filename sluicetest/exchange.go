package sluicetest

import (
	"errors"
	"io"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// Exchange makes an exchange from a request line such as "GET /a?b=c", fields such as "accept: text/html", and a
// body, which may be empty.
func Exchange(t testing.TB, line, body string, fields ...string) *sluice.Exchange {
	t.Helper()
	method, target, found := strings.Cut(line, " ")
	if !found {
		t.Fatalf("%q is no request line; want METHOD /path", line)
	}
	x := sluice.NewExchange(nil)
	path, query, err := sluice.Target(nil, []byte(target))
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	r := &x.Request
	r.Method, r.Scheme, r.Proto = method, "http", "HTTP/1.1"
	r.Host, r.Path, r.Query = []byte("example.test"), path, query
	r.Remote = netip.MustParseAddrPort("192.0.2.1:4711")
	r.Client = r.Remote.Addr()
	x.Start = time.Now()
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ":")
		r.Header.Add(name, strings.TrimSpace(value))
	}
	if body != "" {
		r.Body.SetBytes([]byte(body))
	}
	return x
}

// Answer is what an exchange came to.
type Answer struct {
	Status int
	Header map[string]string // names in lower case; of several values the last
	Body   string
	// Err is what Serve returned, or what broke the streamed body.
	Err error
	// Code is the code of Err.
	Code sluice.Code
}

// Do serves an exchange, pulls its body to the end and ends it.
func Do(h sluice.Handler, x *sluice.Exchange) Answer {
	a := Answer{Header: map[string]string{}}
	if a.Err = h.Serve(x); a.Err == nil {
		a.Body, a.Err = Pull(&x.Response.Body)
	}
	a.Status = x.Response.Status
	if a.Status == 0 {
		a.Status = 200
	}
	if a.Err != nil {
		a.Code = sluice.ErrorOf(a.Err).Code
		a.Status = a.Code.Status()
	}
	for _, f := range x.Response.Header.Fields() {
		a.Header[strings.ToLower(string(f.Name))] = string(f.Value)
	}
	x.End(sluice.Outcome{Status: a.Status, Sent: int64(len(a.Body)), Err: a.Err})
	return a
}

// Pull reads a body to its end and closes it.
func Pull(b *sluice.Body) (string, error) {
	if b.Stream == nil {
		return string(b.Bytes), nil
	}
	var text strings.Builder
	_, err := io.Copy(&text, b.Stream)
	b.Close(err)
	return text.String(), err
}

// Stream is a body that a test feeds piece by piece.
type Stream struct {
	pieces chan piece
	closed chan error
	rest   []byte
	err    error
}

type piece struct {
	data []byte
	err  error
}

// NewStream makes a stream without a piece yet.
func NewStream() *Stream {
	return &Stream{pieces: make(chan piece, 64), closed: make(chan error, 1)}
}

// Send adds a piece.
func (s *Stream) Send(text string) { s.pieces <- piece{data: []byte(text)} }

// Finish ends the stream: with io.EOF when err is nil.
func (s *Stream) Finish(err error) {
	if err == nil {
		err = io.EOF
	}
	s.pieces <- piece{err: err}
}

// Read waits for the next piece.
func (s *Stream) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		next := <-s.pieces
		s.rest, s.err = next.data, next.err
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// Close notes why the reader stopped.
func (s *Stream) Close(why error) {
	select {
	case s.closed <- why:
	default:
	}
}

// Closed waits until the stream was closed and tells why.
func (s *Stream) Closed() error {
	select {
	case why := <-s.closed:
		return why
	case <-time.After(patience):
		return errors.New("the stream was not closed")
	}
}

// patience is how long a test waits for what must happen before it calls it missing.
const patience = 10 * time.Second

// Late is a stream that takes an hour to come, by a clock of its own: for what must go by the time at which a body was there.
type Late struct {
	text  *strings.Reader
	began time.Time
	there atomic.Bool
}

// NewLate makes a stream of a text that is asked for at a time.
func NewLate(text string, began time.Time) *Late {
	return &Late{text: strings.NewReader(text), began: began}
}

// Now is the stream's clock: the time at which it began until something was read, and an hour later from then on.
func (l *Late) Now() time.Time {
	if l.there.Load() {
		return l.began.Add(time.Hour)
	}
	return l.began
}

// Read has the hour pass.
func (l *Late) Read(p []byte) (int, error) {
	l.there.Store(true)
	return l.text.Read(p)
}

// Close does nothing.
func (*Late) Close(error) {}
