package h1

import (
	"bytes"
	"io"
	"strconv"

	"github.com/sluiceapi/sluice"
)

// chunks reads a body in chunks (RFC 9112, section 7.1), strictly: lines end with CRLF, sizes are plain hex.
type chunks struct {
	left int64 // of the present chunk
	// inside is set from a chunk's first byte until its CRLF was read.
	inside bool
	// excess is how much more than content was sent than content needs.
	excess int64
}

// The bounds of what is sent in chunks beside content: extensions, and sizes and line ends where chunks are small.
const (
	// maxSizeLine bounds the line of a chunk's size with its extensions.
	maxSizeLine = 1 << 10
	// maxExcess bounds the excess of a whole body, and fairExcess is what each chunk may bring besides without it counting;
	// both are as net/http has them.
	maxExcess  = 16 << 10
	fairExcess = 16
)

// large is what is worth reading past the buffer.
const large = 4 << 10

// add takes account of a chunk. It is false when extensions were so many that they are not for the content's sake: a byte
// a chunk may be, but not ever more around it.
func (d *chunks) add(line []byte, size int64) bool {
	d.excess = max(d.excess+int64(len(line))+4-fairExcess-2*size, 0)
	return d.excess <= maxExcess
}

// read reads content, and at the end the trailer section and io.EOF.
func (d *chunks) read(b *Body, p []byte) (int, error) {
	for d.left == 0 {
		if err := d.next(b); err != nil {
			return 0, err
		}
	}
	if int64(len(p)) > d.left {
		p = p[:d.left]
	}
	n, err := b.take(p)
	d.left -= int64(n)
	return n, err
}

// next reads what stands between the data of two chunks, or behind the last.
func (d *chunks) next(b *Body) error {
	if d.inside {
		for b.buffer.Len() < 2 {
			if err := b.fill(); err != nil {
				return err
			}
		}
		if string(b.buffer.Bytes()[:2]) != "\r\n" {
			return ErrChunk
		}
		b.buffer.Skip(2)
		d.inside = false
	}
	line, err := b.sizeLine()
	if err != nil {
		return err
	}
	size, ok := chunkSize(line)
	if !ok || !d.add(line, size) {
		return ErrChunk
	}
	b.buffer.Skip(len(line) + 2)
	if size == 0 {
		return b.readTrailer()
	}
	d.left, d.inside = size, true
	return nil
}

// sizeLine waits for the line of a chunk's size. It stays in the buffer.
func (b *Body) sizeLine() ([]byte, error) {
	for {
		have := b.buffer.Bytes()
		if bytes.IndexByte(have, '\n') >= 0 {
			line, _, err := cutLine(have)
			if len(line) > maxSizeLine {
				return nil, ErrChunk
			}
			return line, err
		}
		if len(have) > maxSizeLine+len("\r") {
			return nil, ErrChunk
		}
		if err := b.fill(); err != nil {
			return nil, err
		}
	}
}

// readTrailer reads the trailer section and the end of the body: io.EOF.
func (b *Body) readTrailer() error {
	from := 0
	for {
		have := b.buffer.Bytes()
		if len(have) >= 2 && string(have[:2]) == "\r\n" {
			b.buffer.Skip(2)
			b.end()
			return io.EOF
		}
		end, next, err := End(have, from)
		if err != nil {
			return err
		}
		if end > 0 {
			if err := addTrailer(b.trailer, have[:end]); err != nil {
				return err
			}
			b.buffer.Skip(end)
			b.end()
			return io.EOF
		}
		from = next
		if err := b.fill(); err != nil {
			return err
		}
	}
}

// addTrailer copies the fields of a trailer section, with the empty line that ends it, into h.
func addTrailer(h *sluice.Header, b []byte) error {
	for n := 0; ; n++ {
		f, rest, err := cutField(b)
		if err != nil {
			return err
		}
		if f.Name == nil {
			return nil
		}
		if n == MaxFields {
			return ErrTooLarge
		}
		if !MayTrail(f.Name) {
			return ErrTrailer
		}
		h.CopyField(f.Name, f.Value)
		b = rest
	}
}

// chunkSize reads 1*HEXDIG with extensions behind it, which are checked and dropped. Fifteen digits are 60 bits:
// more than anybody sends, and never an overflow.
func chunkSize(line []byte) (size int64, ok bool) {
	digits := 0
	for ; digits < len(line); digits++ {
		d := hexDigit(line[digits])
		if d < 0 {
			break
		}
		if digits == 15 {
			return 0, false
		}
		size = size<<4 | int64(d)
	}
	if digits == 0 {
		return 0, false
	}
	return size, extensions(line[digits:])
}

// extensions tells whether b is `*( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )` (RFC 9112, section
// 7.1.1).
func extensions(b []byte) bool {
	for len(b) > 0 {
		if b = trimStart(b); len(b) == 0 || b[0] != ';' {
			return false
		}
		b = trimStart(b[1:])
		n := tokenLength(b)
		if n == 0 {
			return false
		}
		b = b[n:]
		value := trimStart(b)
		if len(value) == 0 || value[0] != '=' {
			continue
		}
		value = trimStart(value[1:])
		if n = tokenLength(value); n == 0 {
			n = quotedLength(value)
		}
		if n == 0 {
			return false
		}
		b = value[n:]
	}
	return true
}

// tokenLength is how long the token is that b begins with, zero for none.
func tokenLength(b []byte) int {
	n := 0
	for n < len(b) && token[b[n]] {
		n++
	}
	return n
}

// quotedLength is how long the quoted string is that b begins with (RFC 9110, section 5.6.4), zero for none.
func quotedLength(b []byte) int {
	if len(b) == 0 || b[0] != '"' {
		return 0
	}
	for n := 1; n < len(b); n++ {
		switch {
		case control[b[n]]:
			return 0
		case b[n] == '"':
			return n + 1
		case b[n] == '\\':
			if n++; n == len(b) || control[b[n]] {
				return 0
			}
		}
	}
	return 0
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// lastChunk ends a body in chunks without a trailer.
const lastChunk = "0\r\n\r\n"

// wholeChunks is how long the body in chunks is that b begins with, and its content's length; zero when b does not hold
// all of it, or it has a trailer or is not as it must be.
func wholeChunks(b []byte) (length int, content int64) {
	for d := (chunks{}); ; {
		rest := b[length:]
		if len(rest) >= len(lastChunk) && string(rest[:len(lastChunk)]) == lastChunk {
			return length + len(lastChunk), content
		}
		if bytes.IndexByte(rest, '\n') < 0 {
			return 0, 0
		}
		line, data, err := cutLine(rest)
		if err != nil || len(line) > maxSizeLine {
			return 0, 0
		}
		size, ok := chunkSize(line)
		if !ok || !d.add(line, size) || size == 0 || size+2 > int64(len(data)) || string(data[size:size+2]) != "\r\n" {
			return 0, 0
		}
		length += len(line) + 2 + int(size) + 2
		content += size
	}
}

// Room for the frame of a chunk around what is read: ChunkRoom bytes before it, EndRoom behind it.
const (
	ChunkRoom = len("7fffffff\r\n")
	EndRoom   = len("\r\n")
)

// Chunk frames the n bytes, more than none, that stand in p behind ChunkRoom and before EndRoom, and returns the chunk.
func Chunk(p []byte, n int) []byte {
	var space [16]byte
	size := append(strconv.AppendInt(space[:0], int64(n), 16), "\r\n"...)
	start := ChunkRoom - len(size)
	copy(p[start:], size)
	end := ChunkRoom + n
	copy(p[end:], "\r\n")
	return p[start : end+EndRoom]
}

// AppendChunk appends content as a chunk; none for empty content, which would be the last.
func AppendChunk(dst, content []byte) []byte {
	if len(content) == 0 {
		return dst
	}
	dst = append(strconv.AppendInt(dst, int64(len(content)), 16), "\r\n"...)
	return append(append(dst, content...), "\r\n"...)
}

// AppendLast appends the last chunk and the trailer section. Fields that cannot stand there are left out.
func AppendLast(dst []byte, trailer *sluice.Header) []byte {
	dst = append(dst, "0\r\n"...)
	for _, f := range trailer.Fields() {
		if MayTrail(f.Name) && sluice.ValidFieldName(f.Name) && plain(f.Value) {
			dst = AppendField(dst, f.Name, f.Value)
		}
	}
	return append(dst, "\r\n"...)
}
