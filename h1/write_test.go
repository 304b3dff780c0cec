package h1

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

// parsed reads a request's header.
func parsed(t *testing.T, text string) *Request {
	t.Helper()
	r := &Request{}
	if err := r.Parse([]byte(text), &sluice.Header{}); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWriting(t *testing.T) {
	t.Parallel()
	for want, got := range map[string][]byte{
		"HTTP/1.1 200 OK\r\n":        AppendStatus(nil, 200, "OK"),
		"HTTP/1.1 999 \r\n":          AppendStatus(nil, 999, ""),
		"beforeHTTP/1.1 103 a b\r\n": AppendStatus([]byte("before"), 103, "a b"),
		"beforeA: b\r\n":             AppendField([]byte("before"), []byte("A"), []byte("b")),
		"A: \r\n":                    AppendField(nil, []byte("A"), nil),
	} {
		if string(got) != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for text, want := range map[string]bool{"": true, "a\tb \x80\xff~": true, "a\r": false, "\n": false, "\x00": false, "a\x1fb": false, "\x7f": false} {
		if OneLine([]byte(text)) != want {
			t.Errorf("%q is one line: %t", text, !want)
		}
	}
}

// What is written is read as it was, in chunks of any length.
func TestWritingChunks(t *testing.T) {
	t.Parallel()
	p := make([]byte, ChunkRoom+1<<17+EndRoom)
	for i := range p {
		p[i] = byte(i)
	}
	framed := make([]byte, len(p))
	var text, content []byte
	for _, n := range []int{1, 15, 16, 17, 255, 256, 4095, 4096, 65535, 65536, 1 << 17} {
		data := p[ChunkRoom : ChunkRoom+n]
		content = append(append(content, data...), data...)
		copy(framed, p)
		chunk := Chunk(framed, n)
		if again := AppendChunk(nil, data); !bytes.Equal(chunk, again) {
			t.Errorf("%.20q… and %.20q… for %d bytes", chunk, again, n)
		}
		text = append(AppendChunk(append(text, chunk...), nil), chunk...)
	}
	var trailer sluice.Header
	for _, f := range [][2]string{{"X-A", "1"}, {"Content-Length", "1"}, {"", "2"}, {"X B", "3"}, {"X-C", "4\r\nX-Evil: 1"}, {"X-D", ""}, {"Host", "5"}, {"x-a", "6\t\xff"}} {
		trailer.Add(f[0], f[1])
	}
	text = AppendLast(text, &trailer)
	if !strings.HasSuffix(string(text), "\r\n0\r\nX-A: 1\r\nX-D: \r\nx-a: 6\t\xff\r\n\r\n") {
		t.Errorf("the end is %.100q", text[len(text)-60:])
	}
	got := readChunks(text, 1000, 5000)
	if got.err != nil || got.content != string(content) || list(got.trailer.Fields()) != "X-A=1|X-D=|x-a=6\t\xff" || got.rest != "" {
		t.Errorf("%d bytes with %q and %q behind them, %v", len(got.content), list(got.trailer.Fields()), got.rest, got.err)
	}
	if last := AppendLast(nil, &sluice.Header{}); string(last) != lastChunk {
		t.Errorf("%q", last)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	if got := ErrLine.Error(); got != "malformed message: a line that does not end with CRLF" {
		t.Error(got)
	}
}

const (
	usualRequest = "POST /api/products/17?full=1 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: bench/1.0\r\nAccept: application/json\r\n" +
		"Accept-Encoding: gzip, br\r\nAuthorization: Bearer abc.def.ghi\r\nConnection: keep-alive, x-a\r\nX-A: 1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"
	usualResponse = "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: application/json\r\nConnection: keep-alive\r\n" +
		"Cache-Control: max-age=60\r\nETag: \"abc\"\r\nContent-Length: 17\r\n\r\n"
	usualChunks = "7\r\n{\"id\":1\r\n1;a=b\r\n}\r\n0\r\nX-Sum: 1\r\n\r\n"
)

func TestParseAllocatesNothing(t *testing.T) {
	var r Request
	var h sluice.Header
	var a Response
	request, response := []byte(usualRequest), []byte(usualResponse)
	if n := testing.AllocsPerRun(100, func() {
		h.Reset()
		if end, _, err := End(request, 0); end != len(request) || err != nil || r.Parse(request, &h) != nil {
			t.Fatal("the request is refused")
		}
	}); n > 0 {
		t.Errorf("%v allocations for a request", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		if end, _, err := End(response, 0); end != len(response) || err != nil || a.Parse(response) != nil {
			t.Fatal("the response is refused")
		}
	}); n > 0 {
		t.Errorf("%v allocations for a response", n)
	}
}

func TestBodyAllocatesNothing(t *testing.T) {
	var b Buffer
	var d Body
	var trailer sluice.Header
	mem, p, dst := make([]byte, 4<<10), make([]byte, 1<<10), make([]byte, 0, 1<<10)
	src := &feed{piece: 5}
	text, whole := []byte(usualChunks), []byte("2\r\nok\r\n0\r\n\r\n")
	if n := testing.AllocsPerRun(100, func() {
		trailer.Reset()
		b.Lend(mem)
		src.rest = text
		d.Start(&b, src, Chunked, 0, &trailer, 0)
		for {
			if _, err := d.Read(p); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		b.Filled(copy(b.Space(1<<10), whole))
		d.Start(&b, src, Chunked, 0, &trailer, 0)
		if _, ok := d.Whole(dst); !ok {
			t.Fatal("it is not whole")
		}
		mem = b.Take()
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestWriteAllocatesNothing(t *testing.T) {
	var trailer sluice.Header
	trailer.Add("X-Sum", "1")
	dst, p := make([]byte, 0, 4<<10), make([]byte, 1<<10)
	if n := testing.AllocsPerRun(100, func() {
		dst = AppendField(AppendStatus(dst[:0], 200, "OK"), []byte("A"), []byte("b"))
		dst = AppendLast(append(AppendChunk(dst, []byte("ok")), Chunk(p, 100)...), &trailer)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRequest(b *testing.B) {
	var r Request
	var h sluice.Header
	text := []byte(usualRequest)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		h.Reset()
		end, _, _ := End(text, 0)
		if r.Parse(text[:end], &h) != nil {
			b.Fatal("it is refused")
		}
	}
}

func BenchmarkResponse(b *testing.B) {
	var r Response
	text := []byte(usualResponse)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		end, _, _ := End(text, 0)
		if r.Parse(text[:end]) != nil {
			b.Fatal("it is refused")
		}
	}
}
