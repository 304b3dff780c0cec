package server

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// turnAway has the system pass over whoever wants to connect from now on, so that the connections that it has taken
// already can all be accepted before the socket is closed. Who is passed over tries again, and is refused then.
func turnAway(raw syscall.RawConn) {
	// Byte 13 of a segment holds its flags (RFC 9293, section 3.1); one with SYN is dropped, any other taken.
	const flags, syn, all = 13, 0x02, 0xffffffff
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: flags},
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: syn, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: all},
	}
	raw.Control(func(fd uintptr) {
		// Where the system refuses, those that connect in the instant of closing are reset.
		_ = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	})
}

// hasLeft tells whether the other side has reset the connection, whatever of it is still unread; with ends, also whether it
// has said that it sends no more.
func hasLeft(fd uintptr, ends bool) bool {
	var end int16
	if ends {
		end = unix.POLLRDHUP
	}
	look := []unix.PollFd{{Fd: int32(fd), Events: end}}
	n, err := unix.Poll(look, 0)
	return err == nil && n > 0 && look[0].Revents&(end|unix.POLLHUP|unix.POLLERR) != 0
}
