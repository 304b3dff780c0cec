package h1

import "io"

// feed is a Source of bytes that are all there, given in pieces.
type feed struct {
	rest  []byte
	piece int
	reads int
}

// Read gives the next piece.
func (f *feed) Read(p []byte) (int, error) {
	f.reads++
	if len(f.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, f.rest[:min(f.piece, len(f.rest))])
	f.rest = f.rest[n:]
	return n, nil
}
