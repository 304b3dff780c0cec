package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/output"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

const (
	patience = 20 * time.Second
	getText  = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
)

// lone is an engine of HTTP/1.1 without a listener: the test makes its connections.
type lone struct {
	*http1
	t      *testing.T
	client *tls.Config // nil without TLS
}

func newLone(t *testing.T, secure bool, log *slog.Logger) *lone {
	s := settings{log: log, limits: Limits{HeaderTimeout: time.Minute, BodyTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeader: 64 << 10},
		handler: sluice.HandlerFunc(func(x *sluice.Exchange) error {
			x.Response.Body.SetBytes([]byte("ok"))
			return nil
		})}
	l := &lone{t: t}
	if secure {
		a := servers.NewAuthority(t, "authority")
		own := a.Issue(servers.Leaf{DNS: []string{"localhost"}, Server: true}).TLS()
		s.tls = &tls.Config{Certificates: []tls.Certificate{own}, NextProtos: []string{"h2", "http/1.1"}}
		l.client = &tls.Config{RootCAs: a.Pool(), ServerName: "localhost", NextProtos: []string{"http/1.1"}}
	}
	l.http1 = newHTTP1(newCore(s), newHandoff())
	return l
}

// pair is a connection's two ends.
func pair(t *testing.T) (own, client *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	o, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); o.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return o.(*net.TCPConn), c.(*net.TCPConn)
}

// connect makes a connection that run serves, and its client's end.
func (l *lone) connect() (*http1Conn, net.Conn) {
	own, client := pair(l.t)
	c := newHTTP1Conn(l.http1, own)
	l.fresh.Add(1)
	l.mu.Lock()
	l.conns[c] = struct{}{}
	l.mu.Unlock()
	if l.client != nil {
		return c, tls.Client(client, l.client)
	}
	return c, client
}

// start runs a connection; over is closed when it has ended.
func start(c *http1Conn) (over chan struct{}) {
	over = make(chan struct{})
	go func() {
		defer close(over)
		c.run()
	}()
	return over
}

func wait(t *testing.T, over <-chan struct{}) {
	t.Helper()
	select {
	case <-over:
	case <-time.After(patience):
		t.Fatal("the connection does not end")
	}
}

// idle returns when the connection has served a request and waits for the next.
func idle(t *testing.T, c *http1Conn) {
	t.Helper()
	for end := time.Now().Add(patience); c.turns.Load() != 2; <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the connection does not rest")
		}
	}
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func wantOK(t *testing.T, r *bufio.Reader) *http.Response {
	t.Helper()
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := io.ReadAll(answer.Body); string(p) != "ok" || err != nil {
		t.Fatalf("%q, %v", p, err)
	}
	return answer
}

func wantEnd(t *testing.T, r io.Reader) {
	t.Helper()
	if p, err := io.ReadAll(r); len(p) > 0 || err != nil {
		t.Fatalf("%q and %v, want an end", p, err)
	}
}

func TestDismissedConnectionServesWhatHasCome(t *testing.T) {
	t.Parallel()
	for _, parts := range [][]string{{getText}, {getText[:10], getText[10:]}, {getText[:1], getText[1:]}, {getText + getText}} {
		l := newLone(t, false, slog.New(slog.DiscardHandler))
		l.draining.Store(true)
		c, client := l.connect()
		send(t, client, parts[0])
		c.dismiss()
		over := start(c)
		for _, part := range parts[1:] {
			send(t, client, part)
		}
		r := bufio.NewReader(client)
		if !wantOK(t, r).Close {
			t.Error("the client is not asked to leave")
		}
		wantEnd(t, r)
		client.Close()
		wait(t, over)
	}
}

func TestDismissedConnectionEndsWithoutReset(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		for _, used := range []bool{false, true} {
			l := newLone(t, secure, slog.New(slog.DiscardHandler))
			c, client := l.connect()
			over := start(c)
			r := bufio.NewReader(client)
			if used || secure { // which also ends the handshake
				send(t, client, getText)
				wantOK(t, r)
				idle(t, c)
			}
			l.draining.Store(true)
			c.dismiss()
			c.dismiss()
			wantEnd(t, r) // with the notice by which TLS ends
			io.WriteString(client, "too late, and never read")
			wantEnd(t, r)
			client.Close()
			wait(t, over)
			if l.count() != 0 || l.fresh.Load() != 0 {
				t.Errorf("%d connections, %d of which nothing is known", l.count(), l.fresh.Load())
			}
		}
	}
}

func TestConnectionDismissedBeforeItWaits(t *testing.T) {
	t.Parallel()
	c, client := newLone(t, false, slog.New(slog.DiscardHandler)).connect()
	c.dismiss()
	over := start(c)
	wantEnd(t, client)
	client.Close()
	wait(t, over)
}

// What comes while a connection is dismissed is answered, or the connection was closed before: never lost in between.
func TestDismissalInTheWayOfARequest(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		for range 20 {
			l := newLone(t, secure, slog.New(slog.DiscardHandler))
			c, client := l.connect()
			over := start(c)
			r := bufio.NewReader(client)
			send(t, client, getText)
			wantOK(t, r)
			idle(t, c)
			l.draining.Store(true)
			send(t, client, getText)
			c.dismiss()
			if !wantOK(t, r).Close {
				t.Error("the client is not asked to leave")
			}
			wantEnd(t, r)
			client.Close()
			wait(t, over)
		}
	}
}

func TestQuiet(t *testing.T) {
	t.Parallel()
	l := newLone(t, false, slog.New(slog.DiscardHandler))
	c, _ := l.connect()
	now := time.Now()
	at := func(after time.Duration, want bool) {
		t.Helper()
		c.dismissQuiet(now.Add(after))
		if c.dismissed.Load() != want {
			t.Fatalf("after %s dismissed is %v", after, !want)
		}
	}
	at(0, false)
	at(quiet-1, false)
	c.turns.Add(1) // a request comes
	at(quiet, false)
	at(9*quiet, false)
	c.turns.Add(1) // and is over
	at(10*quiet, false)
	at(11*quiet-1, false)
	c.turns.Add(2) // another
	at(11*quiet, false)
	at(12*quiet, true)
}

// A connection that HTTP/2 has is not dismissed by who had it before.
func TestDismissalOfWhatWasHandedOver(t *testing.T) {
	t.Parallel()
	for _, dismissed := range []bool{false, true} {
		l := newLone(t, false, slog.New(slog.DiscardHandler))
		c, client := l.connect()
		send(t, client, string(preface))
		if dismissed {
			c.dismiss()
		}
		over := start(c)
		two, err := l.next.Accept()
		if err != nil {
			t.Fatal(err)
		}
		wait(t, over)
		c.dismiss()
		send(t, client, "more")
		p := make([]byte, len(preface)+4)
		if _, err := io.ReadFull(two, p); err != nil || string(p) != string(preface)+"more" {
			t.Errorf("%q, %v", p, err)
		}
		if l.fresh.Load() != 0 {
			t.Error("it is not known what the connection speaks")
		}
	}
}

func TestHandingOverWhenNobodyTakes(t *testing.T) {
	t.Parallel()
	l := newLone(t, true, slog.New(slog.DiscardHandler))
	l.next.Close()
	l.client.NextProtos = []string{"h2"}
	c, client := l.connect()
	over := start(c)
	if err := client.(*tls.Conn).Handshake(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection stays: %v", err)
	}
	wait(t, over)
}

// mistaken has the engine fail.
type mistaken struct{}

func (mistaken) Control(func(uintptr)) error    { return nil }
func (mistaken) Write(func(uintptr) bool) error { return nil }
func (mistaken) Read(func(uintptr) bool) error  { panic("the engine's mistake") }

func TestFailureOfOneConnection(t *testing.T) {
	t.Parallel()
	var log output.Text
	l := newLone(t, false, slog.New(slog.NewTextHandler(&log, nil)))
	own, client := pair(t)
	c := newHTTP1Conn(l.http1, own)
	c.raw = mistaken{}
	l.fresh.Add(1)
	wait(t, start(c))
	wantEnd(t, client)
	if l.fresh.Load() != 0 || !strings.Contains(log.String(), "the engine's mistake") {
		t.Errorf("%d connections of which nothing is known; %s", l.fresh.Load(), log.String())
	}
}

// Nothing stays behind of requests whose handlers ask for the context, however many there are.
func TestContextsLeaveNothing(t *testing.T) {
	l := newLone(t, false, slog.New(slog.DiscardHandler))
	var last context.Context
	l.handler = sluice.HandlerFunc(func(x *sluice.Exchange) error {
		ctx := x.Context()
		if last != nil && last.Err() == nil {
			t.Error("the context of before has not ended")
		}
		if last = ctx; ctx.Err() != nil {
			t.Error("the context has ended")
		}
		x.Response.Body.SetBytes([]byte("ok"))
		return nil
	})
	before := runtime.NumGoroutine()
	c, client := l.connect()
	over := start(c)
	r := bufio.NewReader(client)
	for range 3000 {
		send(t, client, getText)
		wantOK(t, r)
	}
	client.Close()
	wait(t, over)
	nothing := func() bool {
		l.watched.mu.Lock()
		defer l.watched.mu.Unlock()
		return l.watched.count == 0 && l.watched.timer == nil && runtime.NumGoroutine() <= before
	}
	for end := time.Now().Add(patience); !nothing(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines more, and %d watches", runtime.NumGoroutine()-before, l.watched.count)
		}
	}
}

// Parting takes long only for clients that were not late before.
func TestWhoWasLateIsPartedWithSoon(t *testing.T) {
	t.Parallel()
	const short = 20 * time.Millisecond
	body := "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"
	for _, c := range []struct {
		name, text string
		change     func(*Limits)
		late       bool
	}{
		{"header", getText[:10], func(l *Limits) { l.HeaderTimeout = short }, true},
		{"body", body, func(l *Limits) { l.BodyTimeout = short }, true},
		{"whole", body, func(l *Limits) { l.WholeTimeout = short }, true},
		{"malformed", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", func(*Limits) {}, false},
		{"too long", strings.Replace(body, "9", "99", 1), func(l *Limits) { l.MaxBody = 9 }, false},
	} {
		l := newLone(t, false, slog.New(slog.DiscardHandler))
		c.change(&l.limits)
		l.handler = sluice.HandlerFunc(func(x *sluice.Exchange) error {
			_, err := x.Request.Body.Load(100)
			return err
		})
		conn, client := l.connect()
		over := start(conn)
		send(t, client, c.text)
		if answer, err := io.ReadAll(client); !bytes.HasPrefix(answer, []byte("HTTP/1.1 ")) || err != nil {
			t.Errorf("%s: %q, %v", c.name, answer, err)
		}
		client.Close()
		if wait(t, over); conn.late != c.late {
			t.Errorf("%s: late is %t", c.name, conn.late)
		}
	}
}
