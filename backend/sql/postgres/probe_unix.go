//go:build unix

package postgres

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// probe looks whether a socket has anything to read, without waiting and without reading it.
type probe struct {
	raw  syscall.RawConn
	look func(fd uintptr)
	fds  [1]unix.PollFd
	n    int
	err  error
}

func (p *probe) init(c net.Conn) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return
	}
	p.raw = raw
	p.look = func(fd uintptr) {
		p.fds[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
		p.n, p.err = unix.Poll(p.fds[:], 0)
	}
}

// quiet tells whether the socket is open with nothing to read.
func (p *probe) quiet() bool {
	if p.raw == nil {
		return true
	}
	// Control looks at no deadline, as Read would.
	if err := p.raw.Control(p.look); err != nil {
		return false
	}
	return p.err == unix.EINTR || p.err == nil && p.n == 0
}
