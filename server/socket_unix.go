//go:build unix

package server

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// isClosed tells whether the other side has closed a connection, as far as can be seen without using up what it sent. With
// TLS a notice stands before the end.
func isClosed(c syscall.RawConn, secure bool) (closed bool) {
	err := c.Control(func(fd uintptr) {
		var one [1]byte
		n, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
		case err != nil || n == 0:
			closed = true
		case secure:
			closed = isHalfClosed(fd)
		}
	})
	return closed || err != nil
}
