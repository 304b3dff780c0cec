package rpc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/sluiceapi/sluice"
)

// PrefixSize is the length of what stands before every message: a byte that tells whether it is compressed, and its
// length in four more (gRPC over HTTP/2, Length-Prefixed-Message).
const PrefixSize = 5

// The encodings of messages that are read and written.
const (
	Identity = "identity"
	Gzip     = "gzip"
)

// AppendFrame appends a message with its prefix, as it is.
func AppendFrame(dst, message []byte) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, 0), uint32(len(message)))
	return append(dst, message...)
}

// SetPrefix writes the prefix of the message that stands behind the room for it.
func SetPrefix(frame []byte) {
	frame[0] = 0
	binary.BigEndian.PutUint32(frame[1:], uint32(len(frame)-PrefixSize))
}

// AppendGzip appends a message with its prefix, compressed.
func AppendGzip(dst, message []byte) []byte {
	start := len(dst)
	out := bytes.NewBuffer(append(dst, 1, 0, 0, 0, 0))
	w, reused := gzipWriters.Get().(*gzip.Writer)
	if !reused {
		w = gzip.NewWriter(nil)
	}
	w.Reset(out)
	_, _ = w.Write(message) // a Buffer takes all
	_ = w.Close()
	gzipWriters.Put(w)
	dst = out.Bytes()
	binary.BigEndian.PutUint32(dst[start+1:], uint32(len(dst)-start-PrefixSize))
	return dst
}

// Their pools are shared by the whole process, and only hold memory.
var gzipWriters, gzipReaders sync.Pool

// Reader reads messages from a stream of frames. It belongs to one goroutine at a time.
type Reader struct {
	from     io.Reader
	encoding string
	limit    int64
	buffer   []byte
	plain    []byte
}

// NewReader reads frames from a stream whose compressed messages have that encoding, the value of Grpc-Encoding; "" is
// Identity. A message of more than limit bytes, also once it is no longer compressed, is TooLarge.
func NewReader(from io.Reader, encoding string, limit int64) *Reader {
	return &Reader{from: from, encoding: encoding, limit: limit}
}

var (
	errCut        = &sluice.Error{Code: sluice.BadRequest, Message: "the stream of messages is cut off"}
	errFlag       = &sluice.Error{Code: sluice.BadRequest, Message: "a message is neither compressed nor plain"}
	errCompressed = &sluice.Error{Code: sluice.BadRequest, Message: "a message is compressed, and no encoding is named"}
	errGzip       = &sluice.Error{Code: sluice.BadRequest, Message: "a message is not as gzip has it"}
)

// Next is the next message, io.EOF after the last, and any other error is that of the stream, or a *sluice.Error where
// what came is not as it must be. The message is borrowed until the next call.
func (r *Reader) Next() ([]byte, error) {
	var prefix [PrefixSize]byte
	if n, err := io.ReadFull(r.from, prefix[:]); err != nil {
		if n > 0 && errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, errCut
		}
		return nil, err
	}
	size := int64(binary.BigEndian.Uint32(prefix[1:]))
	if size > r.limit {
		return nil, tooLarge(r.limit)
	}
	if err := r.fill(size); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, errCut
		}
		return nil, err
	}
	switch {
	case prefix[0] == 0:
		return r.buffer, nil
	case prefix[0] != 1:
		return nil, errFlag
	case r.encoding == Gzip:
		return r.gunzip()
	case r.encoding == "" || r.encoding == Identity:
		return nil, errCompressed
	}
	return nil, sluice.Errorf(sluice.NotSupported, nil, "messages are not read in the encoding %q; want gzip", r.encoding)
}

// End is nil where no message follows. What Next gave last is borrowed still.
func (r *Reader) End() error {
	var next [1]byte
	switch _, err := io.ReadFull(r.from, next[:]); err {
	case io.EOF:
		return nil
	case nil:
		return errOne
	default:
		return err
	}
}

var errOne = &sluice.Error{Code: sluice.BadRequest, Message: "want one message"}

// One is the message of a call that brings exactly one, out of its whole body. What is none, or more, is a BadRequest.
func One(body []byte, encoding string, limit int64) ([]byte, error) {
	frames := NewReader(bytes.NewReader(body), encoding, limit)
	message, err := frames.Next()
	if err == io.EOF {
		return nil, errOne
	}
	if err != nil {
		return nil, err
	}
	if frames.End() != nil {
		return nil, errOne
	}
	return message, nil
}

// fill reads a message of that size. Memory grows with what has come, not with what is promised.
func (r *Reader) fill(size int64) error {
	r.buffer = r.buffer[:0]
	for int64(len(r.buffer)) < size {
		next := min(size, max(int64(cap(r.buffer)), int64(len(r.buffer))+64<<10))
		start := len(r.buffer)
		if next > int64(cap(r.buffer)) {
			grown := make([]byte, start, min(size, 2*next))
			copy(grown, r.buffer)
			r.buffer = grown
		}
		n, err := io.ReadFull(r.from, r.buffer[start:next])
		r.buffer = r.buffer[:start+n]
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Reader) gunzip() ([]byte, error) {
	z, reused := gzipReaders.Get().(*gzip.Reader)
	if !reused {
		z = &gzip.Reader{}
	}
	defer gzipReaders.Put(z)
	if err := z.Reset(bytes.NewReader(r.buffer)); err != nil {
		return nil, errGzip
	}
	out := bytes.NewBuffer(r.plain[:0])
	n, err := io.Copy(out, io.LimitReader(z, r.limit+1))
	r.plain = out.Bytes()
	if n > r.limit {
		return nil, tooLarge(r.limit)
	}
	if err != nil {
		return nil, errGzip
	}
	return r.plain, nil
}

func tooLarge(limit int64) error {
	return sluice.Errorf(sluice.TooLarge, nil, "a message is larger than %s", sluice.Size(limit))
}
