//go:build unix && (!linux || race)

package nowait

import "syscall"

func read(fd uintptr, p []byte) (int, syscall.Errno) { return told(syscall.Read(int(fd), p)) }

func write(fd uintptr, p []byte) (int, syscall.Errno) { return told(syscall.Write(int(fd), p)) }

func told(n int, err error) (int, syscall.Errno) {
	no, _ := err.(syscall.Errno)
	return n, no
}
