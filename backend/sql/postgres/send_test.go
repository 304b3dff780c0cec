package postgres

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// sockets are the two ends of a connection on loopback.
func sockets(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	near, err = net.Dial("tcp", l.Addr().String())
	must(t, err)
	t.Cleanup(func() { near.Close() })
	far, err = l.Accept()
	must(t, err)
	t.Cleanup(func() { far.Close() })
	return near, far
}

// TestSend holds that all is written, however much it is, and that an answer is found, whenever it comes.
func TestSend(t *testing.T) {
	t.Parallel()
	near, far := sockets(t)
	var s sender
	s.init(near)
	for i, size := range []int{1, 100, 30_000, 64 << 20, 5} {
		request := bytes.Repeat([]byte{byte('a' + i)}, size)
		heard := make(chan error, 1)
		go func() {
			got := make([]byte, size)
			_, err := io.ReadFull(far, got)
			if err == nil && !bytes.Equal(got, request) {
				err = errors.New("something else was written")
			}
			_, writeErr := far.Write([]byte{byte(i)})
			heard <- errors.Join(err, writeErr)
		}()
		_, err := s.send(near, request)
		must(t, err)
		var answer [1]byte
		_, err = io.ReadFull(near, answer[:])
		if must(t, err); answer[0] != byte(i) {
			t.Errorf("the answer to request %d is %d", i, answer[0])
		}
		must(t, <-heard)
	}
}

// TestSendLate holds that a deadline keeps nothing from being written, and that it ends the waiting.
func TestSendLate(t *testing.T) {
	t.Parallel()
	near, far := sockets(t)
	var s sender
	s.init(near)
	for _, in := range []time.Duration{-time.Second, 20 * time.Millisecond} {
		must(t, near.SetReadDeadline(time.Now().Add(in)))
		_, err := s.send(near, []byte("request"))
		must(t, err)
		var got [7]byte
		_, err = io.ReadFull(far, got[:])
		must(t, err)
		if _, err := near.Read(got[:]); !isTimeout(err) {
			t.Errorf("%v: reading gives %v, want the deadline", in, err)
		}
	}
}

// TestSendBroken holds that a connection that is closed says so, and one whose other end is closed when it is read.
func TestSendBroken(t *testing.T) {
	t.Parallel()
	near, far := sockets(t)
	var s sender
	s.init(near)
	must(t, far.Close())
	_, err := s.send(near, []byte("request"))
	must(t, err)
	if _, err := near.Read(make([]byte, 1)); err == nil {
		t.Error("the other end is closed, and something was read")
	}
	must(t, near.Close())
	if _, err := s.send(near, []byte("request")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want that it is closed", err)
	}
}
