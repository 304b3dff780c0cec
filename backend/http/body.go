package http

import (
	"io"

	"github.com/sluiceapi/sluice"
)

// framing is how the end of a body is told.
type framing uint8

const (
	counted framing = iota
	chunked
	untilClose
)

// body is the answer's body as a Stream.
type body struct {
	*call
	framing framing
	left    int64 // of a counted body
	chunks  chunks
	err     error
}

// Read reads content; an answer that is cut off is an error, never an end.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.piece(p)
	if err != nil {
		if err == io.EOF {
			b.through()
		} else {
			cause := err
			err = b.fault(err)
			b.blame(err, cause)
		}
		b.err = err
	}
	return n, err
}

func (b *body) piece(p []byte) (int, error) {
	if b.events != nil {
		return b.events.content(b, p)
	}
	return b.content(p)
}

func (b *body) content(p []byte) (int, error) {
	switch b.framing {
	case counted:
		return b.countedContent(p)
	case chunked:
		return b.chunks.read(b, p, b.trail)
	}
	n, err := b.take(p)
	if err == io.EOF {
		b.head.last = true
	}
	return n, err
}

func (b *body) countedContent(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.take(p)
	b.left -= int64(n)
	return n, notEOF(err)
}

// take reads what is buffered first, then past the buffer.
func (b *body) take(p []byte) (int, error) {
	if buffered := b.conn.buffered(); len(buffered) > 0 {
		n := copy(p, buffered)
		b.conn.skip(n)
		return n, nil
	}
	if len(p) == 0 {
		return 0, nil
	}
	return b.read(p)
}

func (b *body) buffered() []byte { return b.conn.buffered() }

func (b *body) skip(n int) { b.conn.skip(n) }

func (b *body) trail(f sluice.Field) { b.x.Response.Trailer.CopyField(f.Name, f.Value) }

// Close ends the call: the connection is kept when the answer was read to its end.
func (b *body) Close(why error) {
	if why == nil && b.err != nil && b.err != io.EOF {
		why = b.err
	}
	if b.framing == counted && b.left == 0 {
		b.through()
	}
	b.finish(why)
}
