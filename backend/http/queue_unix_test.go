//go:build unix

package http

import (
	"net"
	"syscall"
)

// shrinkQueue makes a listener's queue of connections as short as it can be.
func shrinkQueue(l net.Listener) bool {
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		return false
	}
	raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) })
	return err == nil
}
