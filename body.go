package sluice

import "io"

// Stream is a body that is pulled: Read as io.Reader has it, then Close, once, by whoever pulls it. Close takes
// why the reader stopped: nil when it read to the end, else the reason. A Read error other than io.EOF aborts the
// message that the stream is the body of: it never ends as if it were whole. A Stream is not for concurrent use.
type Stream interface {
	Read(p []byte) (int, error)
	Close(why error)
}

// Telling is a Stream that tells the client of a failure by itself, as calls of gRPC do in their trailer: to the server the
// answer is whole. Told is asked for once the stream was read to its end: what it told, nil when all is well.
type Telling interface {
	Stream
	Told() *Error
}

// Body is the content of a request or a response: short and in memory, or long and pulled from a Stream.
// The zero Body is empty.
type Body struct {
	// Bytes is the whole content when Stream is nil. It is borrowed until the exchange ends.
	Bytes []byte
	// Stream, when set, is the content, and Bytes is unused.
	Stream Stream
	// Size is the length of Stream in bytes, or -1 when it is not known beforehand.
	Size int64

	buffer []byte
}

// maxKeptBuffer is what a reused exchange may hold on to, so that one large answer does not stay in memory for ever.
const maxKeptBuffer = 64 << 10

// Len is the content's length in bytes, or -1 when it is not known.
func (b *Body) Len() int64 {
	if b.Stream != nil {
		return b.Size
	}
	return int64(len(b.Bytes))
}

// Buffer is an empty slice of memory that belongs to the exchange, to append short content to. Give the result
// to SetBuffer.
func (b *Body) Buffer() []byte { return b.buffer[:0] }

// SetBuffer makes p, grown from Buffer, the content.
func (b *Body) SetBuffer(p []byte) {
	b.buffer = p
	b.Bytes, b.Stream, b.Size = p, nil, 0
}

// SetBytes makes p the content. It is borrowed, so it may be shared between exchanges and must not change.
func (b *Body) SetBytes(p []byte) { b.Bytes, b.Stream, b.Size = p, nil, 0 }

// SetStream makes s the content; size is its length in bytes, or -1.
func (b *Body) SetStream(s Stream, size int64) { b.Bytes, b.Stream, b.Size = nil, s, size }

// Load reads a streamed body into memory and returns the content. More than limit bytes are a TooLarge error; the
// stream is closed either way.
func (b *Body) Load(limit int64) ([]byte, error) {
	if b.Stream == nil {
		if int64(len(b.Bytes)) > limit {
			return nil, tooLarge(limit)
		}
		return b.Bytes, nil
	}
	s := b.Stream
	if b.Size > limit {
		err := tooLarge(limit)
		b.SetBytes(nil)
		s.Close(err)
		return nil, err
	}
	p, err := b.read(s, limit)
	s.Close(err)
	if err != nil {
		b.SetBytes(nil)
		return nil, err
	}
	b.SetBuffer(p)
	return p, nil
}

func (b *Body) read(s Stream, limit int64) ([]byte, error) {
	p := b.Buffer()
	if b.Size > 0 && int64(cap(p)) <= b.Size {
		p = make([]byte, 0, b.Size+1)
	}
	for {
		if len(p) == cap(p) {
			p = append(p, 0)[:len(p)]
		}
		n, err := s.Read(p[len(p):cap(p)])
		p = p[:len(p)+n]
		if int64(len(p)) > limit {
			return nil, tooLarge(limit)
		}
		if err == io.EOF { // not one that wraps it: that is a failure
			return p, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// Close ends a streamed body that nobody will read on. It is harmless for a body in memory.
func (b *Body) Close(why error) {
	if s := b.Stream; s != nil {
		b.SetBytes(nil)
		s.Close(why)
	}
}

func (b *Body) reset() {
	b.SetBytes(nil)
	if b.buffer = b.buffer[:0]; cap(b.buffer) > maxKeptBuffer {
		b.buffer = nil
	}
}

func tooLarge(limit int64) error {
	return &Error{Code: TooLarge, Message: "the body is larger than " + Size(limit).String()}
}
