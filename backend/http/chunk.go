package http

import (
	"bytes"
	"io"

	"github.com/sluiceapi/sluice"
)

// maxSizeLine bounds the line of a chunk's size with its extensions.
const maxSizeLine = 1 << 10

var (
	errChunk     error = malformed("a chunk is not framed as it must be")
	errTrailer   error = malformed("a field that cannot stand in a trailer")
	errChunkLine error = malformed("the line of a chunk's size is too long")
)

// feed is where a body in chunks is read from: a buffer that can be filled.
type feed interface {
	buffered() []byte
	skip(n int)
	// fill reads at least one byte more, or fails; at most limit bytes are in the buffer.
	fill(limit int) error
	// read reads past the empty buffer.
	read(p []byte) (int, error)
}

// chunks reads a body in chunks (RFC 9112, section 7.1), strictly: lines end with CRLF, sizes are plain hex.
type chunks struct {
	left int64 // of the present chunk
	// inside is set from a chunk's first byte until its CRLF was read.
	inside bool
}

// large is what is worth reading past the buffer.
const large = 4 << 10

// read reads content. At the end it gives the trailer fields, whose bytes end with the next read, and io.EOF.
func (d *chunks) read(src feed, p []byte, trail func(sluice.Field)) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for d.left == 0 {
		if err := d.next(src, trail); err != nil {
			return 0, err
		}
	}
	if int64(len(p)) > d.left {
		p = p[:d.left]
	}
	if len(src.buffered()) == 0 && len(p) >= large {
		n, err := src.read(p)
		d.left -= int64(n)
		return n, notEOF(err)
	}
	if len(src.buffered()) == 0 {
		if err := src.fill(maxHead); err != nil {
			return 0, notEOF(err)
		}
	}
	n := copy(p, src.buffered())
	src.skip(n)
	d.left -= int64(n)
	return n, nil
}

// next reads what stands between the data of two chunks, or behind the last.
func (d *chunks) next(src feed, trail func(sluice.Field)) error {
	if d.inside {
		for len(src.buffered()) < 2 {
			if err := src.fill(maxHead); err != nil {
				return notEOF(err)
			}
		}
		if string(src.buffered()[:2]) != "\r\n" {
			return errChunk
		}
		src.skip(2)
		d.inside = false
	}
	line, err := readLine(src)
	if err != nil {
		return err
	}
	size, ok := chunkSize(line)
	if !ok {
		return errChunk
	}
	src.skip(len(line) + 2)
	if size == 0 {
		return readTrailer(src, trail)
	}
	d.left, d.inside = size, true
	return nil
}

// readLine waits for a line. It stays in the buffer.
func readLine(src feed) ([]byte, error) {
	for {
		b := src.buffered()
		if bytes.IndexByte(b, '\n') >= 0 {
			line, _, err := cutLine(b)
			if len(line) > maxSizeLine {
				return nil, errChunkLine
			}
			return line, err
		}
		if len(b) > maxSizeLine {
			return nil, errChunkLine
		}
		if err := src.fill(maxHead); err != nil {
			return nil, notEOF(err)
		}
	}
}

// readTrailer reads the trailer section and the end of the body: io.EOF.
func readTrailer(src feed, trail func(sluice.Field)) error {
	from := 0
	for {
		end, next, err := headEnd(src.buffered(), from)
		if err != nil {
			return err
		}
		if end > 0 {
			if err := trailers(src.buffered()[:end], trail); err != nil {
				return err
			}
			src.skip(end)
			return io.EOF
		}
		from = next
		if err := src.fill(maxHead); err != nil {
			return notEOF(err)
		}
	}
}

func trailers(b []byte, trail func(sluice.Field)) error {
	var space [8]sluice.Field
	fields, err := appendFields(space[:0], b)
	if err != nil {
		return err
	}
	for _, f := range fields {
		if !mayTrail(f.Name) {
			return errTrailer
		}
		trail(f)
	}
	return nil
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
	rest := line[digits:]
	if len(rest) == 0 {
		return size, true
	}
	rest = trim(rest)
	return size, len(rest) > 0 && rest[0] == ';' && sluice.ValidFieldValue(rest)
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

// chunksEnd tells whether b is a whole body in chunks without trailers, to its last byte.
func chunksEnd(b []byte) bool {
	const last = "0\r\n\r\n"
	if !bytes.HasSuffix(b, []byte(last)) {
		return false
	}
	for {
		if string(b) == last {
			return true
		}
		line, rest, err := cutLine(b)
		if err != nil || len(line) > maxSizeLine {
			return false
		}
		size, ok := chunkSize(line)
		if !ok || size == 0 || size+2 > int64(len(rest)) || string(rest[size:size+2]) != "\r\n" {
			return false
		}
		if b = rest[size+2:]; bytes.IndexByte(b, '\n') < 0 {
			return false
		}
	}
}

// notEOF makes an end that comes too early an error.
func notEOF(err error) error {
	if err == io.EOF {
		return errCut
	}
	return err
}
