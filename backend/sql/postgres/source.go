package postgres

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgproto3"
)

// source is what a server sends. The frontend reads from it message by message as it needs them; a batch takes messages
// as they lie there, many with one call of the system.
type source struct {
	net net.Conn
	// buf[at:end] was read and not taken. It has no memory before the first batch.
	buf     []byte
	at, end int
	// fills counts calls of the system that brought something.
	fills uint64
}

// sourceSize is how much of what a server sends is read at once.
const sourceSize = 64 << 10

// Read gives what is left of a batch before it asks the network.
func (s *source) Read(p []byte) (int, error) {
	if s.at < s.end {
		n := copy(p, s.buf[s.at:s.end])
		s.at += n
		return n, nil
	}
	return s.net.Read(p)
}

// held tells how many bytes were read and not taken.
func (s *source) held() int { return s.end - s.at }

// message is the next message as it came, valid until the next call: its type, its whole length, and its body, which is
// cut short of one that is longer than the memory; the rest of that is for skip. After an error of a deadline it can be
// called again.
func (s *source) message(most int) (typ byte, size int, body []byte, err error) {
	for s.end-s.at < 5 {
		if err := s.fill(); err != nil {
			return 0, 0, nil, err
		}
	}
	size = int(int32(binary.BigEndian.Uint32(s.buf[s.at+1:])))
	if size < 4 {
		return 0, 0, nil, fmt.Errorf("a message of %d bytes", size)
	}
	if size-4 > most {
		return 0, 0, nil, &pgproto3.ExceededMaxBodyLenErr{MaxExpectedBodyLen: most, ActualBodyLen: size - 4}
	}
	here := min(size+1, len(s.buf))
	for s.end-s.at < here {
		if err := s.fill(); err != nil {
			return 0, 0, nil, err
		}
	}
	typ, body = s.buf[s.at], s.buf[s.at+5:s.at+here]
	s.at += here
	return typ, size - 4, body, nil
}

// skip passes over bytes. After an error of a deadline it can be called again for what is left.
func (s *source) skip(n int) (left int, err error) {
	for n > 0 {
		if s.at == s.end {
			if err := s.fill(); err != nil {
				return n, err
			}
		}
		step := min(n, s.end-s.at)
		s.at += step
		n -= step
	}
	return 0, nil
}

// fill reads more behind what is there.
func (s *source) fill() error {
	switch {
	case s.buf == nil:
		s.buf = make([]byte, sourceSize)
	case s.at == s.end:
		s.at, s.end = 0, 0
	case s.end == len(s.buf):
		s.end = copy(s.buf, s.buf[s.at:s.end])
		s.at = 0
	}
	n, err := s.net.Read(s.buf[s.end:])
	s.end += n
	if n > 0 {
		s.fills++
		return nil // an error shows again with the next call
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// heard tells whether all that was read has been taken.
func (c *Conn) heard() bool { return c.front.ReadBufferLen() == 0 && c.source.held() == 0 }
