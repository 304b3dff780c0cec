//go:build !linux

package server

import "syscall"

// turnAway is for systems that can pass over connections; here those that connect in the instant of closing are reset.
func turnAway(syscall.RawConn) {}

// isHalfClosed would tell whether the other side has said that it sends no more; here that cannot be seen before all was read.
func isHalfClosed(uintptr) bool { return false }
