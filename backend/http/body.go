package http

import (
	"io"

	"github.com/sluiceapi/sluice/h1"
)

// body is the answer's body as a Stream.
type body struct {
	*call
	content h1.Body
	size    int64 // -1 when it is not known
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
			b.last = b.last || b.size < 0 && !b.head.Chunked
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
		return b.events.piece(b, p)
	}
	return b.content.Read(p)
}

// Close ends the call: the connection is kept when the answer was read to its end.
func (b *body) Close(why error) {
	if why == nil && b.err != nil && b.err != io.EOF {
		why = b.err
	}
	if b.content.Through() {
		b.through()
	}
	b.finish(why)
}
