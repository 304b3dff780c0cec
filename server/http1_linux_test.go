package server_test

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// A connection's first request may come in one segment with the client's word that it sends no more. The system tells of
// both at once.
func TestEndInOneSegmentWithARequest(t *testing.T) {
	t.Parallel()
	at := serveWith(t, echoHandler, nil)
	for range 10 {
		p := connect(t, at)
		c := p.Conn.(*net.TCPConn)
		raw, err := c.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_CORK, 1) })
		if err != nil {
			t.Fatal(err)
		}
		p.send(get)
		c.CloseWrite()
		p.want(200, "GET /  ")
		p.end()
	}
}
