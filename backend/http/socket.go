package http

import (
	"syscall"

	"github.com/sluiceapi/sluice/internal/nowait"
)

// socket is what is done with a connection's socket in one wait.
type socket struct {
	raw  syscall.RawConn // nil where the connection has none
	step func(fd uintptr) bool
	once func(fd uintptr)                 // step, without a wait
	do   func(s *socket, fd uintptr) bool // of the wait that is going on
	p    []byte                           // to read to
	out  []byte                           // to be written
	n    int
	err  error
}

func (s *socket) init(c syscall.Conn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	s.raw = raw
	s.step = func(fd uintptr) bool { return s.do(s, fd) }
	s.once = func(fd uintptr) { s.do(s, fd) }
}

// asks tells whether askAndWait can be called.
func (s *socket) asks() bool { return s.raw != nil && nowait.Works }

// quiet tells whether the socket is open with nothing to read. Else the socket is of no more use: a byte may be
// gone.
func (s *socket) quiet() bool {
	if s.raw == nil || !nowait.Works {
		return true
	}
	var one [1]byte
	s.do, s.p, s.n, s.err = look, one[:], 0, nil
	err := s.raw.Control(s.once)
	return err == nil && s.n == 0 && s.err == nil
}

func look(s *socket, fd uintptr) bool {
	s.n, s.err = nowait.Read(fd, s.p)
	return true
}

// askAndWait writes out at once, and then waits for what is to be read to p: within one wait, so that there is no read that
// comes too early. written is how much of out the socket took: when that is not all, nothing is waited for. Where the deadline
// of reads has passed, it is that error and nothing was done.
//
// What came before wakes nobody, and would be taken for the answer. With looks it is looked for, and when anything is there,
// nothing is written: that is errStale.
func (s *socket) askAndWait(out, p []byte, looks bool) (written, n int, err error) {
	s.do, s.out, s.p, s.n, s.err = write, out, p, 0, nil
	if looks {
		s.do = lookAndWrite
	}
	err = s.raw.Read(s.step)
	written = len(out) - len(s.out)
	s.out, s.p = nil, nil
	if err == nil {
		err = s.err
	}
	return written, s.n, err
}

func lookAndWrite(s *socket, fd uintptr) bool {
	if look(s, fd); s.n > 0 || s.err != nil {
		s.n, s.err = 0, errStale
		return true
	}
	return write(s, fd)
}

// write is the first step of asking, receive the second.
func write(s *socket, fd uintptr) bool {
	n, err := nowait.Write(fd, s.out)
	if s.out, s.err = s.out[n:], err; len(s.out) > 0 {
		return true
	}
	s.do = receive
	return false
}

func receive(s *socket, fd uintptr) bool {
	s.n, s.err = nowait.Read(fd, s.p)
	return s.n > 0 || s.err != nil
}
