package postgres

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
)

// pieces is a connection that brings what is sent in pieces of a few bytes.
type pieces struct {
	net.Conn
	data []byte
	size int
}

func (p *pieces) Read(dst []byte) (int, error) {
	n := copy(dst, p.data[:min(len(p.data), p.size)])
	if p.data = p.data[n:]; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// messages are those in what was sent: of each its type and its body, as whole ones; and whether all of it was messages.
func messages(sent []byte, most int) (all [][]byte, whole bool) {
	for len(sent) >= 5 {
		size := int(int32(binary.BigEndian.Uint32(sent[1:])))
		if size < 4 || size-4 > most {
			return all, false
		}
		if len(sent) < size+1 {
			return all, false
		}
		all = append(all, append([]byte{sent[0]}, sent[5:size+1]...))
		sent = sent[size+1:]
	}
	return all, len(sent) == 0
}

// FuzzSource holds that messages come as they were sent, in whatever pieces, and that those too long for the memory are cut
// and can be passed over.
func FuzzSource(f *testing.F) {
	f.Add([]byte("Z\x00\x00\x00\x05I2\x00\x00\x00\x04D\x00\x00\x00\x0a\x00\x01\x00\x00\x00\x00"), 3)
	f.Add(append([]byte("D\x00\x01\x80\x00"), make([]byte, 0x18000)...), 1000)
	f.Add([]byte("E\x00\x00\x00\x03"), 1)
	f.Fuzz(func(t *testing.T, sent []byte, size int) {
		const most = 1 << 20
		want, whole := messages(sent, most)
		s := &source{net: &pieces{data: sent, size: max(1, size%5000)}}
		for i := 0; ; i++ {
			typ, size, body, err := s.message(most)
			if err != nil {
				if i != len(want) && !whole || i < len(want) || whole && err != io.EOF {
					t.Fatalf("after %d of %d messages, all there is: %v: %v", i, len(want), whole, err)
				}
				return
			}
			if i >= len(want) { // the last one is cut by the end, which skip finds
				if left, err := s.skip(size - len(body)); err == nil || left == 0 {
					t.Fatalf("message %d of %d: %d bytes more were passed over", i, len(want), size-len(body))
				}
				return
			}
			if typ != want[i][0] || size != len(want[i])-1 || !bytes.HasPrefix(want[i][1:], body) || size > len(body) && len(body) < sourceSize-5 {
				t.Fatalf("message %d is %c of %d bytes, %d in memory", i, typ, size, len(body))
			}
			if left, err := s.skip(size - len(body)); left > 0 || err != nil {
				t.Fatalf("%d bytes are left, %v", left, err)
			}
		}
	})
}
