package grpc

import (
	"encoding/binary"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/rpc"
)

// meter watches over the messages of a stream that passes, piece by piece: none may be larger than the limit.
type meter struct {
	limit  int64
	prefix [rpc.PrefixSize]byte
	have   int   // of the prefix
	left   int64 // of the message
}

// pass takes account of a piece.
func (m *meter) pass(p []byte) error {
	for len(p) > 0 {
		if m.left > 0 {
			n := min(m.left, int64(len(p)))
			m.left -= n
			p = p[n:]
			continue
		}
		n := copy(m.prefix[m.have:], p)
		m.have += n
		p = p[n:]
		if m.have < len(m.prefix) {
			return nil
		}
		m.have, m.left = 0, int64(binary.BigEndian.Uint32(m.prefix[1:]))
		if m.left > m.limit {
			return sluice.Errorf(sluice.TooLarge, nil, "a message is larger than %s", sluice.Size(m.limit))
		}
	}
	return nil
}
