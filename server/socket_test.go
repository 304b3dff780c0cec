package server

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// failing is a listener that fails a number of times, and then gives conns.
type failing struct {
	*net.TCPListener
	err   error
	times atomic.Int64 // to fail
	calls atomic.Int64
}

func (l *failing) Accept() (net.Conn, error) {
	l.calls.Add(1)
	if l.times.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", l.err)}
	}
	return l.TCPListener.Accept()
}

// SetDeadline, which only closing does, ends the errors too.
func (l *failing) SetDeadline(t time.Time) error {
	l.times.Store(0)
	return l.TCPListener.SetDeadline(t)
}

func newFailing(t *testing.T, err error, times int64) *failing {
	t.Helper()
	l, listenErr := net.Listen("tcp", "127.0.0.1:0")
	if listenErr != nil {
		t.Fatal(listenErr)
	}
	t.Cleanup(func() { l.Close() })
	f := &failing{TCPListener: l.(*net.TCPListener), err: err}
	f.times.Store(times)
	return f
}

func dialTo(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestAcceptGoesOn(t *testing.T) {
	t.Parallel()
	for _, err := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EPROTO} {
		t.Run(err.Error(), func(t *testing.T) {
			t.Parallel()
			l, log, h := newFailing(t, err, 3), &strings.Builder{}, newHandoff()
			s := newSocket(l, h, slog.New(slog.NewTextHandler(log, nil)))
			ended := make(chan error, 1)
			began := time.Now()
			go func() { ended <- s.accept() }()
			dialTo(t, l)
			c, acceptErr := h.Accept()
			if acceptErr != nil {
				t.Fatal(acceptErr)
			}
			defer c.Close()
			if took := time.Since(began); took < 3*acceptPause {
				t.Errorf("tried again without a rest: %v for 3 errors", took)
			}
			s.close()
			if err := <-ended; err != nil {
				t.Errorf("accepting ends with %v", err)
			}
			if n := strings.Count(log.String(), err.Error()); n != 1 {
				t.Errorf("%d lines in the log for 3 errors in a row, want 1", n)
			}
		})
	}
}

func TestAcceptEndsWithItsSocket(t *testing.T) {
	t.Parallel()
	s := newSocket(newFailing(t, syscall.EBADF, 1), newHandoff(), slog.New(slog.DiscardHandler))
	if err := s.accept(); !errors.Is(err, syscall.EBADF) {
		t.Errorf("accepting ends with %v", err)
	}
	s.close()
}

func TestCloseAcceptsWhatWaits(t *testing.T) {
	t.Parallel()
	l, h := newFailing(t, syscall.EMFILE, 1<<40), newHandoff() // nothing is accepted while the socket is open
	s := newSocket(l, h, slog.New(slog.DiscardHandler))
	ended := make(chan error, 1)
	go func() { ended <- s.accept() }()
	const clients = 5
	for range clients {
		io.WriteString(dialTo(t, l), "x")
	}
	go func() {
		s.close()
		h.Close() // by now all must have been handed over
	}()
	for range clients {
		c, err := h.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("%d bytes and %v of a connection that waited", n, err)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
