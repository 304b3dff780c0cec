//go:build unix

package nowait

import (
	"io"
	"syscall"
)

const works = true

// Read reads what a socket has without waiting: nothing, without an error, when nothing has come; io.EOF at the end of what
// comes. The socket must not block.
func Read(fd uintptr, p []byte) (int, error) {
	for {
		n, err := read(fd, p)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return 0, nil
		case err != 0:
			return 0, err
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// Write writes what a socket takes without waiting, which may be less than p, or nothing. The socket must not block.
func Write(fd uintptr, p []byte) (int, error) {
	for {
		n, err := write(fd, p)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return 0, nil
		case err != 0:
			return 0, err
		default:
			return n, nil
		}
	}
}
