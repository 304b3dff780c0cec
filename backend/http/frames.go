package http

import (
	"crypto/rand"
	"encoding/binary"
)

// frames follows where frames of a WebSocket end (RFC 6455, section 5.2). What is in them is no matter.
type frames struct {
	head [14]byte
	have int    // bytes of the head that have come
	left uint64 // bytes of the payload that are still to come, once the head is there
	// closed is set once a frame was whole by which its side closes: no frame follows.
	closed bool
}

const (
	opcodeMask  = 0x0f
	opcodeClose = 0x8
)

// between tells whether a frame ended with what has come last.
func (f *frames) between() bool { return f.have == 0 }

// next takes bytes up to the end of a frame, and tells how many; whole tells that one ended there.
func (f *frames) next(p []byte) (n int, whole bool) {
	for f.have < f.size() {
		if n == len(p) {
			return n, false
		}
		f.head[f.have] = p[n]
		f.have++
		n++
		if f.have == f.size() {
			f.left = f.length()
		}
	}
	took := min(f.left, uint64(len(p)-n))
	n += int(took)
	if f.left -= took; f.left > 0 {
		return n, false
	}
	f.closed = f.closed || f.head[0]&opcodeMask == opcodeClose
	f.have = 0
	return n, true
}

// pass takes all of p.
func (f *frames) pass(p []byte) {
	for len(p) > 0 {
		n, _ := f.next(p)
		p = p[n:]
	}
}

// size is the length of the head, as far as it can be told yet.
func (f *frames) size() int {
	if f.have < 2 {
		return 2
	}
	n := 2
	switch f.head[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if f.head[1]&0x80 != 0 {
		n += 4
	}
	return n
}

// length is the length of the payload that a whole head tells of.
func (f *frames) length() uint64 {
	switch n := f.head[1] & 0x7f; n {
	case 126:
		return uint64(binary.BigEndian.Uint16(f.head[2:]))
	case 127:
		return binary.BigEndian.Uint64(f.head[2:])
	default:
		return uint64(n)
	}
}

// goingAway is the status of a frame by which one side closes because it goes away (RFC 6455, section 7.4.1).
const goingAway = 1001

// closeFrame is a frame by which a node closes. Towards a server it is masked, as all frames of clients are.
func closeFrame(masked bool) []byte {
	var code [2]byte
	binary.BigEndian.PutUint16(code[:], goingAway)
	if !masked {
		return []byte{0x80 | opcodeClose, 2, code[0], code[1]}
	}
	var mask [4]byte
	rand.Read(mask[:]) // never fails, crypto/rand says
	return []byte{0x80 | opcodeClose, 0x80 | 2, mask[0], mask[1], mask[2], mask[3], code[0] ^ mask[0], code[1] ^ mask[1]}
}
