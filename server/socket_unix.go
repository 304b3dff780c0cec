//go:build unix

package server

import (
	"io"

	"golang.org/x/sys/unix"
)

// readNow reads what a socket has without waiting: nothing, without an error, when nothing has come.
func readNow(fd uintptr, p []byte) (int, error) {
	for {
		n, err := unix.Read(int(fd), p)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
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
