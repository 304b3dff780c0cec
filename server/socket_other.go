//go:build !unix

package server

import "syscall"

// waitsInside is false where a syscall.RawConn waits only once.
const waitsInside = false

// readNow would read what a socket has without waiting; here that cannot be known.
func readNow(uintptr, []byte) (int, error) { return 0, nil }

func writeNow(int, []byte) int { return 0 }

func isClosed(syscall.RawConn, bool) bool { return false }
