//go:build unix

package server

import (
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// waitsInside tells that one call of a syscall.RawConn can wait for its socket again and again.
const waitsInside = true

// readNow reads what a socket has without waiting: nothing, without an error, when nothing has come.
func readNow(fd uintptr, p []byte) (int, error) {
	for {
		n, err := syscall.Read(int(fd), p)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return 0, nil
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// writeNow writes what a socket takes without waiting. Whoever goes on writing learns of errors.
func writeNow(fd int, p []byte) int {
	n, err := syscall.Write(fd, p)
	if err != nil {
		return 0
	}
	return n
}

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
