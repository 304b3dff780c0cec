package sluice_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sluiceapi/sluice"
)

// stream is a body that remembers how it was closed.
type stream struct {
	io.Reader
	closed []error
}

func (s *stream) Close(why error) { s.closed = append(s.closed, why) }

func TestBodyLoads(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789", 100)
	for _, size := range []int64{-1, int64(len(text))} {
		for name, reader := range map[string]func(io.Reader) io.Reader{
			"whole":        func(r io.Reader) io.Reader { return r },
			"byte by byte": iotest.OneByteReader, "end with data": iotest.DataErrReader,
		} {
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				t.Parallel()
				var b sluice.Body
				s := &stream{Reader: reader(strings.NewReader(text))}
				b.SetStream(s, size)
				if b.Len() != size {
					t.Errorf("the length is %d", b.Len())
				}
				p, err := b.Load(int64(len(text)))
				if err != nil || string(p) != text {
					t.Fatalf("got %.20q, %v", p, err)
				}
				if len(s.closed) != 1 || s.closed[0] != nil {
					t.Errorf("closed with %v", s.closed)
				}
				if b.Stream != nil || string(b.Bytes) != text || b.Len() != int64(len(text)) {
					t.Error("it is not in memory afterwards")
				}
				if again, err := b.Load(int64(len(text))); err != nil || string(again) != text {
					t.Errorf("the second time it is %.20q, %v", again, err)
				}
			})
		}
	}
}

func TestBodyThatIsTooLarge(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{-1, 6, 5} { // the last one promises less than comes
		var b sluice.Body
		s := &stream{Reader: strings.NewReader("123456")}
		b.SetStream(s, size)
		_, err := b.Load(5)
		if e := sluice.ErrorOf(err); e.Code != sluice.TooLarge || e.Message != "the body is larger than 5B" {
			t.Errorf("size %d: %v", size, err)
		}
		if len(s.closed) != 1 || s.closed[0] == nil || b.Len() != 0 {
			t.Errorf("size %d: closed with %v, length %d", size, s.closed, b.Len())
		}
	}
	var b sluice.Body
	b.SetBytes([]byte("123456"))
	if _, err := b.Load(5); sluice.ErrorOf(err).Code != sluice.TooLarge {
		t.Errorf("in memory: %v", err)
	}
	if _, err := b.Load(6); err != nil {
		t.Errorf("of the size of the limit: %v", err)
	}
}

// An error that only holds io.EOF somewhere is not the end of a body.
func TestBodyThatBreaksIsNotWhole(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{errors.New("broken"), io.ErrUnexpectedEOF, fmt.Errorf("upstream: %w", io.EOF)} {
		var b sluice.Body
		s := &stream{Reader: io.MultiReader(strings.NewReader("123"), iotest.ErrReader(failure))}
		b.SetStream(s, -1)
		if p, err := b.Load(5); err != failure {
			t.Errorf("%v: got %q, %v", failure, p, err)
		}
		if len(s.closed) != 1 || s.closed[0] != failure || b.Len() != 0 {
			t.Errorf("%v: closed with %v, length %d", failure, s.closed, b.Len())
		}
	}
}

func TestBodyClose(t *testing.T) {
	t.Parallel()
	var b sluice.Body
	b.Close(nil)
	s := &stream{Reader: bytes.NewReader(nil)}
	b.SetStream(s, 7)
	why := errors.New("nobody reads on")
	b.Close(why)
	b.Close(nil)
	if len(s.closed) != 1 || s.closed[0] != why || b.Stream != nil || b.Len() != 0 {
		t.Errorf("closed with %v", s.closed)
	}
}

func TestBodyBuffer(t *testing.T) {
	t.Parallel()
	var b sluice.Body
	b.SetBuffer(append(b.Buffer(), "first"...))
	if string(b.Bytes) != "first" {
		t.Errorf("got %q", b.Bytes)
	}
	b.SetBytes([]byte("shared"))
	if got := b.Buffer(); len(got) != 0 || cap(got) < len("first") {
		t.Errorf("the buffer has length %d and room for %d", len(got), cap(got))
	}
}
