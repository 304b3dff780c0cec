package rpc

import (
	"io"
	"time"

	"github.com/sluiceapi/sluice"
)

// Source is where the messages of an answer come from.
type Source struct {
	// Next is the next message, borrowed until Next is called again. io.EOF ends the answer well; any other error is
	// the status of the call.
	Next func() ([]byte, error)
	// Close, which may be nil, is called when nobody reads on, once, as that of a Stream.
	Close func(why error)
	// Gzip has long messages compressed.
	Gzip bool
}

// minZipped is from which size on a message is worth being compressed.
const minZipped = 1 << 10

// AppendMessage appends the frame of a message, compressed where that is wanted and worth it.
func AppendMessage(dst, message []byte, gzip bool) []byte {
	if gzip && len(message) >= minZipped {
		return AppendGzip(dst, message)
	}
	return AppendFrame(dst, message)
}

// Answer makes the answer to a call out of messages, each of which is sent as soon as it is there. The status of the call
// stands in the trailer.
func Answer(x *sluice.Exchange, from Source) {
	SetHead(&x.Response, from.Gzip)
	x.Response.Body.SetStream(&stream{x: x, from: from}, -1)
}

// SetHead makes the head of an answer to a call.
func SetHead(r *sluice.Response, gzip bool) {
	r.Status = 200
	r.Header.Set("Content-Type", ContentType)
	if gzip {
		r.Header.Set("Grpc-Encoding", Gzip)
	}
}

// stream is a body of frames.
type stream struct {
	x    *sluice.Exchange
	from Source
	// left is what is left to be read of frame.
	left, frame []byte
	done        bool
	told        *sluice.Error
}

// Told makes it a sluice.Telling.
func (s *stream) Told() *sluice.Error { return s.told }

// Read reads frames.
func (s *stream) Read(p []byte) (int, error) {
	for len(s.left) == 0 {
		if s.done {
			return 0, io.EOF
		}
		message, err := s.from.Next()
		switch {
		case err == io.EOF:
			s.done = true
			SetOK(&s.x.Response.Trailer)
		case err != nil:
			s.done = true
			s.told = sluice.ErrorOf(err)
			SetError(s.x, s.told)
			s.x.Deadline = time.Time{} // the trailer goes out also when that is what has passed
		default:
			s.frame = AppendMessage(s.frame[:0], message, s.from.Gzip)
			s.left = s.frame
		}
	}
	n := copy(p, s.left)
	s.left = s.left[n:]
	return n, nil
}

// Close closes what the messages come from.
func (s *stream) Close(why error) {
	if s.done, s.left = true, nil; s.from.Close != nil {
		s.from.Close(why)
	}
}
