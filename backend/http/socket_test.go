//go:build unix

package http

import (
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// sockets are both ends of a connection; the first as the backend has it.
func sockets(t *testing.T) (*socket, *net.TCPConn) {
	t.Helper()
	own, other := connected(t)
	var s socket
	s.init(own.(syscall.Conn))
	if !s.asks() {
		t.Skip("no asking and waiting within one wait here")
	}
	return &s, other
}

// connected are both ends of a connection.
func connected(t *testing.T) (own net.Conn, other *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if own, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { own.Close(); c.Close() })
	own.SetDeadline(time.Now().Add(20 * time.Second))
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return own, c.(*net.TCPConn)
}

func TestAskAndWait(t *testing.T) {
	t.Parallel()
	s, other := sockets(t)
	go func() {
		p := make([]byte, 7)
		io.ReadFull(other, p)
		other.Write(p)
	}()
	p := make([]byte, 16)
	written, n, err := s.askAndWait([]byte("request"), p, true)
	if written != 7 || string(p[:n]) != "request" || err != nil {
		t.Errorf("%d written, %q read, %v", written, p[:n], err)
	}
}

// An end that came before the request wakes nobody, and whoever waits for the rest of the request may never tell.
func TestAskAndWaitLooksFirst(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(*net.TCPConn){
		"an end":           func(c *net.TCPConn) { c.CloseWrite() },
		"an answer of old": func(c *net.TCPConn) { c.Write([]byte("old")) },
	} {
		s, other := sockets(t)
		before(other)
		var one [1]byte
		s.raw.Read(func(fd uintptr) bool { // until it has come
			n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK)
			return n > 0 || err == nil
		})
		written, n, err := s.askAndWait([]byte("request"), one[:], true)
		if written != 0 || n != 0 || err != errStale {
			t.Errorf("%s: %d written, %d read, %v; want nothing, and errStale", name, written, n, err)
		}
	}
}

// Where a deadline from before has passed, nothing is done, and whoever asked is told so.
func TestAskAndWaitBehindDeadline(t *testing.T) {
	t.Parallel()
	own, other := connected(t)
	var s socket
	s.init(own.(syscall.Conn))
	own.SetReadDeadline(past)
	if written, n, err := s.askAndWait([]byte("request"), make([]byte, 1), true); written != 0 || n != 0 || !isTimeout(err) {
		t.Errorf("%d written, %d read, %v", written, n, err)
	}
	if own.Close(); !s.asks() {
		t.Skip("no asking and waiting within one wait here")
	}
	if n, err := other.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("the other side got %d bytes, %v", n, err)
	}
}
