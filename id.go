package sluice

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"time"
)

// RequestID names the exchange in logs and problems. It is what SetRequestID was given, else 128 random bits in hex,
// made when first asked for.
func (x *Exchange) RequestID() []byte {
	if x.id == nil {
		var raw [16]byte
		binary.BigEndian.PutUint64(raw[:8], rand.Uint64())
		binary.BigEndian.PutUint64(raw[8:], rand.Uint64())
		start := len(x.arena)
		x.arena = hex.AppendEncode(x.arena, raw[:])
		x.id = x.arena[start:len(x.arena):len(x.arena)]
	}
	return x.id
}

// SetRequestID takes over an id that came with the request; it is borrowed until the exchange ends.
func (x *Exchange) SetRequestID(id []byte) { x.id = id }

// NewID is a new UUID of version 7 (RFC 9562, section 5.7), the same one for the whole exchange.
func (x *Exchange) NewID() []byte {
	if x.newID == nil {
		start := len(x.arena)
		x.arena = appendUUIDv7(x.arena, time.Now(), rand.Uint64(), rand.Uint64())
		x.newID = x.arena[start:len(x.arena):len(x.arena)]
	}
	return x.newID
}

func appendUUIDv7(dst []byte, now time.Time, a, b uint64) []byte {
	var u [16]byte
	binary.BigEndian.PutUint64(u[:8], uint64(now.UnixMilli())<<16|a&0x0fff|0x7000)
	binary.BigEndian.PutUint64(u[8:], b&(1<<62-1)|1<<63)
	for i, cut := range [...][2]int{{0, 4}, {4, 6}, {6, 8}, {8, 10}, {10, 16}} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, u[cut[0]:cut[1]])
	}
	return dst
}
