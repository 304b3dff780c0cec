package static

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// section is a stream of a part of a file. It owns the file.
type section struct {
	file     *os.File
	at, left int64
}

// Read gives what is left of the part. A file that has become shorter in the meantime is an error: the client was
// told of more.
func (s *section) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > s.left {
		p = p[:s.left]
	}
	n, err := s.file.ReadAt(p, s.at)
	s.at += int64(n)
	s.left -= int64(n)
	switch {
	case n > 0 && errors.Is(err, io.EOF):
		return n, nil
	case errors.Is(err, io.EOF):
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// Close closes the file.
func (s *section) Close(error) { s.file.Close() }

// broken tells whether a file cannot be opened because of the machine: its disk, or too many files that are open.
func broken(err error) bool {
	return errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}
