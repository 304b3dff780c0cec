//go:build unix

package http

import (
	"errors"
	"syscall"
)

// probe looks whether a socket has anything to read, without waiting.
type probe struct {
	raw  syscall.RawConn
	look func(fd uintptr) bool
	err  error
	one  [1]byte
}

func (p *probe) init(s syscall.Conn) {
	raw, err := s.SyscallConn()
	if err != nil {
		return
	}
	p.raw = raw
	p.look = func(fd uintptr) bool {
		_, p.err = syscall.Read(int(fd), p.one[:])
		return true
	}
}

// quiet tells whether the socket is open with nothing to read. Else the socket is of no more use: a byte may be
// gone.
func (p *probe) quiet() bool {
	if p.raw == nil {
		return true
	}
	p.err = nil
	if err := p.raw.Read(p.look); err != nil {
		return false
	}
	return errors.Is(p.err, syscall.EAGAIN)
}
