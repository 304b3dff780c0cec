package h1

import (
	"io"

	"github.com/sluiceapi/sluice"
)

// Source is what is behind a Buffer: the connection.
type Source interface {
	// Read reads at least a byte, or fails: it waits as long as its owner has it.
	Read(p []byte) (int, error)
}

// Framing is how the end of a body is told.
type Framing uint8

// Framings.
const (
	Counted Framing = iota
	Chunked
	// UntilClose is a response's alone.
	UntilClose
)

// Body reads the body of one message. It is no Stream yet: its owner knows what an error means and what follows the
// end.
type Body struct {
	buffer  *Buffer
	source  Source
	trailer *sluice.Header
	framing Framing
	limit   int
	left    int64 // of a counted body
	chunks  chunks
}

// Start begins a body behind a header that was used from b. What a trailer section brings, of at most limit bytes, is copied into trailer.
// left is the length of a counted body.
func (d *Body) Start(b *Buffer, s Source, f Framing, left int64, trailer *sluice.Header, limit int) {
	*d = Body{buffer: b, source: s, trailer: trailer, framing: f, left: left, limit: max(limit, 2*maxSizeLine)}
}

// end has nothing more be read: what follows is another message's.
func (d *Body) end() { d.framing, d.left = Counted, 0 }

// Read reads content. io.EOF is the end of the message; a connection that ends before is ErrCut. After any other error
// it must not be called again.
func (d *Body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	switch d.framing {
	case Chunked:
		return d.chunks.read(d, p)
	case UntilClose:
		if d.buffer.Len() == 0 {
			return d.source.Read(p)
		}
		return d.take(p)
	}
	if d.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > d.left {
		p = p[:d.left]
	}
	n, err := d.take(p)
	d.left -= int64(n)
	return n, err
}

// Through tells whether the body was read to its end, which for one in chunks is io.EOF.
func (d *Body) Through() bool { return d.framing == Counted && d.left == 0 }

// take reads what is buffered, or past the buffer.
func (d *Body) take(p []byte) (int, error) {
	if d.buffer.Len() == 0 && len(p) < large {
		if err := d.fill(); err != nil {
			return 0, err
		}
	}
	if have := d.buffer.Bytes(); len(have) > 0 {
		n := copy(p, have)
		d.buffer.Skip(n)
		return n, nil
	}
	n, err := d.source.Read(p)
	if n > 0 {
		err = nil
	}
	return n, cut(err)
}

// fill reads more into the buffer.
func (d *Body) fill() error {
	space := d.buffer.Space(d.limit)
	if len(space) == 0 {
		return ErrTooLarge
	}
	n, err := d.source.Read(space)
	d.buffer.Filled(n)
	if n > 0 {
		return nil
	}
	return cut(err)
}

// cut makes an end that comes too early an error.
func cut(err error) error {
	if err == io.EOF {
		return ErrCut
	}
	return err
}

// Whole takes a body that has come whole and of which nothing was read: held in the buffer where it is, or appended to dst
// where it came in chunks. ok is false, and nothing used, when it is not all there, or has a trailer.
func (d *Body) Whole(dst []byte) (content []byte, ok bool) {
	switch d.framing {
	case Counted:
		if d.left > int64(d.buffer.Len()) {
			return nil, false
		}
		n := int(d.left)
		d.left = 0
		return d.buffer.Hold(n), true
	case Chunked:
		length, size := wholeChunks(d.buffer.Bytes())
		if length == 0 {
			return nil, false
		}
		for raw := d.buffer.Hold(length); size > 0; {
			line, data, _ := cutLine(raw)
			n, _ := chunkSize(line)
			dst, raw, size = append(dst, data[:n]...), data[n+2:], size-n
		}
		d.end()
		return dst, true
	}
	return nil, false
}
