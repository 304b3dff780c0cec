//go:build unix

package http

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// sockets are both ends of a connection; the first as the backend has it.
func sockets(t *testing.T) (*socket, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	own, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	other, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { own.Close(); other.Close() })
	own.SetDeadline(time.Now().Add(20 * time.Second))
	other.SetDeadline(time.Now().Add(20 * time.Second))
	var s socket
	s.init(own.(syscall.Conn))
	if !s.exchanges() {
		t.Skip("no exchange within one wait here")
	}
	return &s, other.(*net.TCPConn)
}

func TestExchange(t *testing.T) {
	t.Parallel()
	s, other := sockets(t)
	go func() {
		p := make([]byte, 7)
		io.ReadFull(other, p)
		other.Write(p)
	}()
	p := make([]byte, 16)
	written, n, err := s.exchange([]byte("request"), p, true)
	if written != 7 || string(p[:n]) != "request" || err != nil {
		t.Errorf("%d written, %q read, %v", written, p[:n], err)
	}
}

// An end that came before the request wakes nobody, and whoever waits for the rest of the request may never tell.
func TestExchangeLooksFirst(t *testing.T) {
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
		written, n, err := s.exchange([]byte("request"), one[:], true)
		if written != 0 || n != 0 || !errors.Is(err, io.EOF) || !closedByPeer(err) {
			t.Errorf("%s: %d written, %d read, %v; want nothing, and io.EOF", name, written, n, err)
		}
	}
}
