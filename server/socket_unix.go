//go:build unix

package server

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// isClosed tells whether the other side has left a connection, as far as can be seen without using up what it sent. With
// TLS a notice stands before the end. Without TLS who has sent more requests and then says that it sends no more may
// still wait for their answers.
func isClosed(c syscall.RawConn, secure bool) (closed bool) {
	err := c.Control(func(fd uintptr) {
		var one [1]byte
		n, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
		case err != nil || n == 0:
			closed = true
		default:
			closed = hasLeft(fd, secure)
		}
	})
	return closed || err != nil
}
