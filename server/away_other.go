//go:build !linux

package server

import "syscall"

// turnAway is for systems that can pass over connections; here those that connect in the instant of closing are reset.
func turnAway(syscall.RawConn) {}

// hasLeft would tell whether the other side has left, whatever of it is still unread; here that cannot be seen before all was read.
func hasLeft(uintptr, bool) bool { return false }
