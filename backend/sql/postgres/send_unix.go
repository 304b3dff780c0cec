//go:build unix

package postgres

import (
	"net"
	"syscall"
)

// sender writes a request, and waits until there is something to read: to try to read before the server can have
// answered is a system call for nothing.
type sender struct {
	raw   syscall.RawConn // nil where TLS or another layer lies between
	step  func(fd uintptr) bool
	data  []byte
	tried bool
	n     int
	err   error
}

func (s *sender) init(c net.Conn) {
	n, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := n.SyscallConn()
	if err != nil {
		return
	}
	s.raw = raw
	s.step = func(fd uintptr) bool {
		if s.tried {
			return true // there is something to read
		}
		s.tried = true
		s.n, s.err = syscall.Write(int(fd), s.data)
		return s.n < len(s.data)
	}
}

// send writes data. Where it fits the system's buffer it waits for what comes back; what ends that early, a deadline or
// a connection that breaks, shows when it is read. It tells how much was written.
func (s *sender) send(c net.Conn, data []byte) (int, error) {
	if s.raw == nil {
		return c.Write(data)
	}
	s.data, s.tried, s.n, s.err = data, false, 0, nil
	// Read forgets what it knew of the socket before the first step, in which data is written, so no answer is missed.
	err := s.raw.Read(s.step)
	s.data = nil
	switch {
	case !s.tried && isTimeout(err): // it is over, and that is said by who reads
		return c.Write(data)
	case !s.tried:
		return 0, err
	case s.n == len(data):
		return s.n, nil
	case s.err == nil || s.err == syscall.EAGAIN || s.err == syscall.EINTR:
		done := max(0, s.n)
		n, err := c.Write(data[done:])
		return done + n, err
	}
	return max(0, s.n), s.err
}
