//go:build !linux

package server

import "syscall"

// turnAway is for systems that can pass over connections; here those that connect in the instant of closing are reset.
func turnAway(syscall.RawConn) {}
