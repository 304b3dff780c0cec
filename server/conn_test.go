package server

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"
)

// connPair is a connection as the engine has it, and its client's side.
func connPair(t *testing.T) (*conn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	own, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := newConn(own, newNetHTTP(settings{log: slog.New(slog.DiscardHandler)}))
	t.Cleanup(func() { client.Close(); own.Close() })
	client.SetDeadline(time.Now().Add(20 * time.Second))
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	return c, client.(*net.TCPConn)
}

func TestDismissedConnectionServesWhatHasCome(t *testing.T) {
	t.Parallel()
	c, client := connPair(t)
	io.WriteString(client, "first")
	c.dismiss()
	p := make([]byte, 16)
	if n, err := c.Read(p); string(p[:n]) != "first" || err != nil {
		t.Fatalf("got %q and %v, want what came before", p[:n], err)
	}
	c.dismiss() // which comes too late: a request has begun
	io.WriteString(client, "second")
	if n, err := c.Read(p); string(p[:n]) != "second" || err != nil {
		t.Fatalf("got %q and %v, want the rest", p[:n], err)
	}
}

func TestDismissedConnectionEndsWithoutReset(t *testing.T) {
	t.Parallel()
	c, client := connPair(t)
	read, closed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		read <- err
	}()
	c.dismiss()
	if err := <-read; err != io.EOF {
		t.Fatalf("the read ends with %v", err)
	}
	io.WriteString(client, "too late, and never read")
	go func() { closed <- c.Close() }()
	if p, err := io.ReadAll(client); len(p) > 0 || err != nil {
		t.Errorf("the client gets %q and %v, want an end", p, err)
	}
	client.Close()
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func TestDeadlinesOfAConnection(t *testing.T) {
	t.Parallel()
	c, client := connPair(t)
	p := make([]byte, 4)
	late := func(what string) {
		t.Helper()
		if _, err := c.Read(p); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the read ends with %v", what, err)
		}
	}
	began := time.Now()
	c.SetReadDeadline(began.Add(20 * time.Millisecond))
	late("one that passes")
	late("one that has passed")

	c.SetReadDeadline(began.Add(time.Minute))
	read := make(chan error, 1)
	go func() {
		_, err := c.Read(p)
		read <- err
	}()
	c.SetReadDeadline(past) // brought forward, before the read or while it waits
	if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("brought forward: the read ends with %v", err)
	}

	began = time.Now()
	c.SetReadDeadline(began.Add(10 * time.Millisecond))
	c.reads.begin() // so that the system has it
	c.reads.end(nil)
	c.SetReadDeadline(began.Add(100 * time.Millisecond))
	late("put off")
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("put off by 100 ms, the read ends after %v", took)
	}

	c.SetReadDeadline(time.Time{})
	io.WriteString(client, "text")
	if n, err := c.Read(p); n != 4 || err != nil {
		t.Errorf("taken back: got %d bytes and %v", n, err)
	}

	client.SetReadBuffer(4 << 10)
	c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := c.Write(make([]byte, 64<<20)); n == 64<<20 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("wrote %d bytes to who does not read, and got %v", n, err)
	}
}
