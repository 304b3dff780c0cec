//go:build !unix

package http

import "syscall"

// socket would do several things with a connection's socket in one wait, where the system has waits of that sort.
type socket struct{}

func (*socket) init(syscall.Conn) {}

// quiet tells whether the socket is open with nothing to read; here that is taken for granted.
func (*socket) quiet() bool { return true }

// exchanges tells whether exchange can be called.
func (*socket) exchanges() bool { return false }

func (*socket) exchange(out, p []byte) (written, n int, err error) { return 0, 0, nil }
