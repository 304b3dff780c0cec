package http

import (
	"bytes"
	"testing"
)

// frame is a frame with that first byte, as a client or a server sends it.
func frame(first byte, masked bool, payload int) []byte {
	f := []byte{first}
	bit := byte(0)
	if masked {
		bit = 0x80
	}
	switch {
	case payload < 126:
		f = append(f, bit|byte(payload))
	case payload < 1<<16:
		f = append(f, bit|126, byte(payload>>8), byte(payload))
	default:
		f = append(f, bit|127, 0, 0, 0, 0, byte(payload>>24), byte(payload>>16), byte(payload>>8), byte(payload))
	}
	if masked {
		f = append(f, 1, 2, 3, 4)
	}
	return append(f, bytes.Repeat([]byte{0x88}, payload)...)
}

func TestFrames(t *testing.T) {
	t.Parallel()
	for _, masked := range []bool{false, true} {
		var all []byte
		var want []int
		for _, payload := range []int{0, 1, 125, 126, 65535, 65536, 0} {
			all = append(all, frame(0x82, masked, payload)...)
			want = append(want, len(all))
		}
		for _, step := range []int{1, 2, 3, 7, 4096, len(all)} {
			var f frames
			var ends []int
			for at := 0; at < len(all); {
				n, whole := f.next(all[at:min(at+step, len(all))])
				if at += n; whole {
					ends = append(ends, at)
				}
				if whole != f.between() {
					t.Fatalf("at %d: whole %v, between %v", at, whole, f.between())
				}
			}
			if len(ends) != len(want) || ends[len(ends)-1] != want[len(want)-1] || f.closed {
				t.Errorf("masked %v, in steps of %d: frames end at %v, want %v", masked, step, ends, want)
			}
		}
		var f frames
		f.pass(closeFrame(masked))
		if !f.closed || !f.between() {
			t.Errorf("masked %v: the frame by which a node closes is not one: %+v", masked, f)
		}
	}
}

// However bytes are cut into pieces, frames end at the same places.
func FuzzFrames(f *testing.F) {
	f.Add(frame(0x81, true, 5), uint8(1))
	f.Add(append(frame(0x02, false, 200), frame(0x88, false, 2)...), uint8(3))
	f.Add([]byte{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, uint8(2))
	f.Fuzz(func(t *testing.T, p []byte, step uint8) {
		ends := func(step int) (ends []int, closed bool) {
			var f frames
			for at := 0; at < len(p); {
				n, whole := f.next(p[at:min(at+step, len(p))])
				if n == 0 {
					t.Fatalf("nothing is taken at %d", at)
				}
				if at += n; whole {
					ends = append(ends, at)
				}
			}
			return ends, f.closed
		}
		a, closedA := ends(max(1, len(p)))
		b, closedB := ends(int(step) + 1)
		if len(a) != len(b) || closedA != closedB {
			t.Fatalf("frames end at %v and %v", a, b)
		}
		for i := range a {
			if a[i] != b[i] {
				t.Fatalf("frames end at %v and %v", a, b)
			}
		}
	})
}

func TestLastBreak(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"": 0, "data: a\n": 0, "data: a\n\n": 9, "a\r\n\r\n": 5, "a\r\r": 3, "a\n\nb": 3, "a\n\nb\n\nc\n": 6, "\n\n": 2, "a\r\n": 0, "a\n\r\n": 4,
	} {
		if got := lastBreak([]byte(text)); got != want {
			t.Errorf("%q: the last event ends at %d, want %d", text, got, want)
		}
	}
}
