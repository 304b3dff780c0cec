package h1

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

func TestCountedBody(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789", 2*large/10)
	for _, length := range []int{0, 1, 10, large - 1, large, large + 1, len(text)} {
		for _, piece := range []int{1, 7, large, len(text)} {
			for _, size := range []int{1, 10, large, 2 * large} {
				if piece*size < large {
					continue // which would take long, and shows nothing more
				}
				var b Buffer
				var d Body
				src := &feed{rest: []byte(text), piece: piece}
				d.Start(&b, src, Counted, int64(length), nil, 0)
				content, p := []byte(nil), make([]byte, size)
				for {
					n, err := d.Read(p)
					content = append(content, p[:n]...)
					if err == io.EOF {
						break
					}
					if err != nil || n == 0 {
						t.Fatalf("%d bytes and %v", n, err)
					}
				}
				if string(content) != text[:length] || !d.Through() || string(b.Bytes())+string(src.rest) != text[length:] {
					t.Fatalf("%d bytes in pieces of %d for %d: %d are read, %d left", length, piece, size, len(content), b.Len()+len(src.rest))
				}
			}
		}
	}
}

// What is asked for in large pieces goes past the buffer, and what is asked for in small ones does not go to the
// connection each time.
func TestReadsOfABody(t *testing.T) {
	t.Parallel()
	for size, most := range map[int]int{large: 3, 1: 8} {
		var b Buffer
		var d Body
		src := &feed{rest: make([]byte, 2*large), piece: large}
		b.Lend(make([]byte, large))
		d.Start(&b, src, Counted, 2*large, nil, 0)
		p := make([]byte, size)
		for {
			if _, err := d.Read(p); err == io.EOF {
				break
			}
		}
		if src.reads > most {
			t.Errorf("%d reads of the connection for pieces of %d", src.reads, size)
		}
	}
}

func TestBodyUntilClose(t *testing.T) {
	t.Parallel()
	var b Buffer
	var d Body
	b.Lend([]byte("some "))
	b.Filled(5)
	d.Start(&b, &feed{rest: []byte("text"), piece: 3}, UntilClose, 0, nil, 0)
	if content, ok := d.Whole(nil); content != nil || ok {
		t.Errorf("%q is whole", content)
	}
	if n, err := d.Read(nil); n > 0 || err != nil {
		t.Errorf("%d bytes and %v where nothing was asked for", n, err)
	}
	if content, err := io.ReadAll(&d); string(content) != "some text" || err != nil || d.Through() {
		t.Errorf("%q, %v", content, err)
	}
}

// A connection that ends, or fails, ends no message.
func TestBodyThatIsCut(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, c := range []struct {
		framing Framing
		text    string
		size    int
	}{{Counted, "ab", 1}, {Counted, "ab", large}, {Counted, "", 1}, {Chunked, "", 1}, {Chunked, "3\r\nab", 1}, {Chunked, "3\r\nab", large}, {Chunked, "0\r\nX: y", 1}} {
		for end, want := range map[error]error{io.EOF: ErrCut, broken: broken} {
			var b Buffer
			var d Body
			d.Start(&b, io.MultiReader(strings.NewReader(c.text), &failing{end}), c.framing, 3, &sluice.Header{}, 0)
			p := make([]byte, c.size)
			for {
				if _, err := d.Read(p); err != nil {
					if !errors.Is(err, want) {
						t.Errorf("%q that ends with %v: %v", c.text, end, err)
					}
					break
				}
			}
			if d.Through() {
				t.Errorf("%q seems whole", c.text)
			}
		}
	}
	// An error that comes with the last bytes is not of the message.
	var b Buffer
	var d Body
	d.Start(&b, both{}, Counted, int64(2*large), nil, 0)
	if content, err := io.ReadAll(&d); len(content) != 2*large || err != nil {
		t.Errorf("%d bytes, %v", len(content), err)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// both gives bytes with an error.
type both struct{}

func (both) Read(p []byte) (int, error) { return len(p), io.EOF }

func TestWholeCountedBody(t *testing.T) {
	t.Parallel()
	var b Buffer
	var d Body
	b.Lend([]byte("some text"))
	b.Filled(9)
	d.Start(&b, nil, Counted, 10, nil, 0)
	if content, ok := d.Whole(nil); ok {
		t.Errorf("%q is whole", content)
	}
	d.Start(&b, nil, Counted, 5, nil, 0)
	content, ok := d.Whole(nil)
	if string(content) != "some " || !ok || !d.Through() || string(b.Bytes()) != "text" {
		t.Errorf("%q, %t with %q behind it", content, ok, b.Bytes())
	}
	copy(b.Space(1<<20), bytes.Repeat([]byte("x"), 100))
	if string(content) != "some " {
		t.Errorf("%q was overwritten", content)
	}
}
