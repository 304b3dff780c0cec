package server

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// socket accepts connections and hands them to whatever engine is the current one, so that engines can change while
// the address stays bound.
type socket struct {
	listener net.Listener
	log      *slog.Logger
	current  atomic.Pointer[handoff]
	closed   chan struct{}
	once     sync.Once

	mu        sync.Mutex    // guards what follows, and the closing of closed
	accepting chan struct{} // closed when accept is over; nil before it begins
}

func newSocket(l net.Listener, h *handoff, log *slog.Logger) *socket {
	s := &socket{listener: l, log: log, closed: make(chan struct{})}
	s.current.Store(h)
	return s
}

// acceptPause is how long accepting rests after an error such as too many open files.
const acceptPause = 50 * time.Millisecond

// accept hands over connections until close, and then returns nil. It goes on after errors that may pass, and tells
// of the first of a row.
func (s *socket) accept() error {
	over, ok := s.begin()
	if !ok {
		return nil
	}
	defer close(over)
	for well := true; ; {
		c, err := s.listener.Accept()
		switch {
		case err == nil:
			well = true
			s.hand(c)
		case s.isClosed():
			s.acceptRest()
			return nil
		case errors.Is(err, net.ErrClosed) || !mayPass(err):
			return err
		default:
			if well {
				s.log.Warn("connections cannot be accepted; trying on", "error", err)
			}
			well = false
			s.rest()
		}
	}
}

// begin tells whether accepting may begin.
func (s *socket) begin() (over chan struct{}, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed() {
		return nil, false
	}
	s.accepting = make(chan struct{})
	return s.accepting, true
}

func (s *socket) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// restTime is how long connections are still accepted that clients were making when the socket was to be closed.
const restTime = 50 * time.Millisecond

// acceptRest takes the connections that clients have made but that were not yet accepted: closing the socket would
// reset them, with the requests that have been sent on them. New ones are turned away first, where the system can.
func (s *socket) acceptRest() {
	l, ok := s.listener.(interface {
		syscall.Conn
		SetDeadline(time.Time) error
	})
	if !ok {
		return
	}
	raw, err := l.SyscallConn()
	if err != nil {
		return
	}
	turnAway(raw)
	for end := time.Now().Add(restTime); time.Now().Before(end); {
		l.SetDeadline(end)
		c, err := s.listener.Accept()
		switch {
		case err == nil:
			s.hand(c)
		case !errors.Is(err, os.ErrDeadlineExceeded): // that of close may come after
			return
		}
	}
}

// hand gives c to the current engine, or to the one after it if that one is just ending.
func (s *socket) hand(c net.Conn) {
	for {
		h := s.current.Load()
		if h.offer(c) {
			return
		}
		if h == s.current.Load() {
			c.Close()
			return
		}
	}
}

func (s *socket) rest() {
	t := time.NewTimer(acceptPause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.closed:
	}
}

// close returns when whatever was accepted is handed over.
func (s *socket) close() {
	s.once.Do(func() {
		s.mu.Lock()
		close(s.closed)
		accepting := s.accepting
		s.mu.Unlock()
		if l, ok := s.listener.(interface{ SetDeadline(time.Time) error }); ok && accepting != nil {
			l.SetDeadline(past)
			<-accepting
		}
		s.listener.Close()
	})
}

// mayPass tells whether accepting may work again later: all errors but those of a socket that is none.
func mayPass(err error) bool {
	for _, fatal := range [...]error{syscall.EBADF, syscall.EINVAL, syscall.ENOTSOCK} {
		if errors.Is(err, fatal) {
			return false
		}
	}
	return true
}

// handoff is a listener whose connections are accepted elsewhere.
type handoff struct {
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
	address net.Addr
}

func newHandoff() *handoff {
	return &handoff{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// offer gives c to whoever accepts; false when nobody will any more.
func (h *handoff) offer(c net.Conn) bool {
	select {
	case h.conns <- c:
		return true
	case <-h.closed:
		return false
	}
}

// Accept returns the next connection, or net.ErrClosed after Close.
func (h *handoff) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept. It may be called more than once.
func (h *handoff) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// Addr is the address of the socket behind it.
func (h *handoff) Addr() net.Addr { return h.address }
