package h1

import (
	"bytes"
	"math/rand"
	"testing"
)

func TestBuffer(t *testing.T) {
	t.Parallel()
	var b Buffer
	if b.Len() != 0 || len(b.Bytes()) != 0 {
		t.Error("the zero buffer is not empty")
	}
	fill := func(text string) {
		t.Helper()
		for text != "" {
			p := b.Space(1 << 20)
			if len(p) == 0 {
				t.Fatal("no space")
			}
			n := copy(p, text)
			b.Filled(n)
			text = text[n:]
		}
	}
	want := func(text string) {
		t.Helper()
		if string(b.Bytes()) != text || b.Len() != len(text) {
			t.Fatalf("%q, %d bytes; want %q", b.Bytes(), b.Len(), text)
		}
	}
	fill("first second third")
	if held := b.Hold(len("first ")); string(held) != "first " || cap(held) != len(held) {
		t.Errorf("held %q of %d", held, cap(held))
	}
	want("second third")
	b.Skip(len("second "))
	want("third")
	mem := b.Take()
	want("")
	if len(mem) == 0 {
		t.Error("no memory to take back")
	}
	b.Lend(mem[:0])
	want("")
	if p := b.Space(1 << 20); &p[0] != &mem[0] || len(p) != len(mem) {
		t.Error("the memory that was lent is not used whole")
	}
}

func TestBufferSpace(t *testing.T) {
	t.Parallel()
	var b Buffer
	b.Lend(make([]byte, 4*minSpace))
	for _, limit := range []int{0, 1, minSpace, 4 * minSpace, 100 * minSpace} {
		if n := len(b.Space(limit)); n != min(limit, 4*minSpace) {
			t.Errorf("space of %d within %d", n, limit)
		}
	}
	b.Filled(4 * minSpace)
	for _, limit := range []int{0, 1, 4*minSpace - 1, 4 * minSpace} {
		if n := len(b.Space(limit)); n != 0 {
			t.Errorf("space of %d within %d behind %d", n, limit, 4*minSpace)
		}
	}
	if n := len(b.Space(4*minSpace + 1)); n != 1 || b.Len() != 4*minSpace {
		t.Errorf("space of %d within one more than there is", n)
	}
	// Memory grows with what comes, and not to the limit at once.
	b.Lend(make([]byte, minSpace))
	for b.Len() < 1000*minSpace {
		b.Filled(len(b.Space(1 << 30)))
		if len(b.mem) > 3*max(b.Len(), minSpace) {
			t.Fatalf("memory of %d for %d bytes", len(b.mem), b.Len())
		}
	}
	// What was used makes room without more memory.
	b.Lend(make([]byte, 4*minSpace))
	before := &b.mem[0]
	for range 100 {
		b.Filled(len(b.Space(1 << 30)))
		b.Skip(b.Len() - 10)
	}
	if &b.mem[0] != before {
		t.Error("memory was made where there was enough")
	}
}

// However it is used, a buffer gives what was put in, once, in order, and what is held stays as it is.
func TestBufferKeepsWhatIsHeld(t *testing.T) {
	t.Parallel()
	for seed := range int64(300) {
		r := rand.New(rand.NewSource(seed))
		var b Buffer
		if seed%3 > 0 {
			b.Lend(make([]byte, r.Intn(5000)))
		}
		limit := 1 + r.Intn(20000)
		var unused, held [][]byte // the latter with what they must be
		var in byte
		var queue []byte
		for range 400 {
			switch r.Intn(6) {
			case 0, 1: // more comes
				p := b.Space(limit)
				if room := limit - b.Len(); len(p) > max(room, 0) || room > 0 && len(p) < min(room, minSpace/2) {
					t.Fatalf("seed %d: space of %d where there is room for %d", seed, len(p), room)
				}
				if len(p) == 0 {
					continue
				}
				n := 1 + r.Intn(len(p))
				if r.Intn(2) == 0 {
					n = len(p)
				}
				for i := range n {
					in++
					p[i] = in
				}
				queue = append(queue, p[:n]...)
				b.Filled(n)
			case 2:
				n := r.Intn(b.Len() + 1)
				b.Skip(n)
				queue = queue[n:]
			case 3:
				n := r.Intn(b.Len() + 1)
				p := b.Hold(n)
				held, unused = append(held, p), append(unused, append([]byte(nil), queue[:n]...))
				queue = queue[n:]
			case 4:
				if r.Intn(4) == 0 {
					b.Release()
					held, unused = nil, nil
				}
			case 5: // more than is there at once
				if b.Len() > 0 && r.Intn(2) == 0 {
					b.Skip(b.Len())
					queue = queue[:0]
				}
			}
			if !bytes.Equal(b.Bytes(), queue) || b.Len() != len(queue) {
				t.Fatalf("seed %d: %d bytes that are not the %d that were put in", seed, b.Len(), len(queue))
			}
			for i := range held {
				if !bytes.Equal(held[i], unused[i]) {
					t.Fatalf("seed %d: what is held has changed", seed)
				}
			}
		}
	}
}
