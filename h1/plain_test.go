package h1

import (
	"bytes"
	"testing"
)

// Every byte, at every place of values of every length up to three times eight, is found or passed as it is alone.
func TestPlain(t *testing.T) {
	t.Parallel()
	for size := 1; size <= 24; size++ {
		for at := range size {
			for c := range 256 {
				for _, around := range []byte{'a', '\t', ' ', 0xff, 0x80} {
					b := bytes.Repeat([]byte{around}, size)
					b[at] = byte(c)
					if got, want := plain(b), c == '\t' || c >= ' ' && c != 0x7f; got != want {
						t.Fatalf("%q is plain: %t", b, got)
					}
				}
			}
		}
	}
}

func BenchmarkPlain(b *testing.B) {
	value := []byte("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36")
	for b.Loop() {
		plain(value)
	}
}
