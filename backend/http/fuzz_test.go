package http

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	nethttp "net/http"
	"net/http/httputil"
	"regexp"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

// FuzzHead holds the reader of heads against net/http's: what that refuses, this refuses, and where both take a
// head they read the same.
func FuzzHead(f *testing.F) {
	for _, text := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200\r\nA: b\r\nA:c \r\n\r\n",
		"HTTP/1.0 404 Not Found\r\nConnection: close\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		end, _, err := headEnd(data, 0)
		if err != nil || end == 0 {
			return
		}
		var h head
		if h.parse(data[:end]) != nil {
			return
		}
		resp, err := nethttp.ReadResponse(bufio.NewReader(bytes.NewReader(data)), &nethttp.Request{Method: "GET"})
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", data[:end], err)
		}
		compareHeads(t, &h, resp)
	})
}

func compareHeads(t *testing.T, h *head, resp *nethttp.Response) {
	t.Helper()
	if resp.StatusCode != h.status || (resp.ProtoMinor == 0) != h.old {
		t.Fatalf("status %d, old %t; net/http reads %d, %s", h.status, h.old, resp.StatusCode, resp.Proto)
	}
	if !h.bodiless("GET") && h.status >= 200 {
		want := h.length
		if resp.ContentLength != want {
			t.Fatalf("length %d; net/http reads %d", want, resp.ContentLength)
		}
		if (len(resp.TransferEncoding) > 0) != h.chunked {
			t.Fatalf("chunked %t; net/http reads %v", h.chunked, resp.TransferEncoding)
		}
	}
	seen := map[string]int{}
	for i, f := range h.fields {
		if h.roles[i] == encoding || h.roles[i] == trailer || h.roles[i] == length {
			continue
		}
		name := nethttp.CanonicalHeaderKey(string(f.Name))
		values := resp.Header[name]
		if seen[name] >= len(values) || values[seen[name]] != string(f.Value) {
			t.Fatalf("%s: %q; net/http reads %q", name, f.Value, values)
		}
		seen[name]++
	}
}

// fixed is a feed of bytes that are all there, given in pieces.
type fixed struct {
	rest  []byte
	ready int
	piece int
}

func (s *fixed) buffered() []byte { return s.rest[:s.ready] }

func (s *fixed) skip(n int) { s.rest, s.ready = s.rest[n:], s.ready-n }

func (s *fixed) fill(limit int) error {
	if s.ready >= limit {
		return errHeadTooLarge
	}
	if s.ready == len(s.rest) {
		return io.EOF
	}
	s.ready = min(s.ready+s.piece, len(s.rest))
	return nil
}

func (s *fixed) read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// FuzzChunk holds the reader of chunks against net/http's, and against itself for input that comes in pieces.
func FuzzChunk(f *testing.F) {
	for _, text := range []string{
		"2\r\nok\r\n0\r\n\r\n", "2;a=b\r\nok\r\n1 ;c\r\n!\r\n0\r\nX: y\r\n\r\n", "a\r\n0123456789\r\n00\r\n\r\nrest", "2\nok\n0\n\n", "+2\r\nok\r\n0\r\n\r\n",
		"0\r\n\r\n", "1000\r\n" + strings.Repeat("x", 4096) + "\r\n0\r\n\r\n",
	} {
		f.Add([]byte(text), uint8(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, piece uint8) {
		src := &fixed{rest: data, piece: int(piece) + 1}
		body, trailer, err := readChunks(src)
		whole := &fixed{rest: data, piece: len(data) + 1}
		body2, trailer2, err2 := readChunks(whole)
		if !bytes.Equal(body, body2) || trailer != trailer2 || (err == nil) != (err2 == nil) {
			t.Fatalf("in pieces %q %q %v, whole %q %q %v", body, trailer, err, body2, trailer2, err2)
		}
		used := len(data) - len(src.rest)
		if chunksEnd(data) && (err != nil || trailer != "" || len(src.rest) > 0) {
			t.Fatalf("%q is no whole body: it reads as %v with %d bytes behind", data, err, len(src.rest))
		}
		if err != nil {
			return
		}
		r := bufio.NewReader(bytes.NewReader(data))
		want, err := io.ReadAll(httputil.NewChunkedReader(r))
		if err != nil {
			if strings.Contains(err.Error(), "too much") {
				return // net/http bounds the overhead of all chunks together
			}
			if strings.Contains(err.Error(), "invalid byte in chunk length") && spaceBeforeExtension.Match(data[:used]) {
				return // white space before an extension is legal (RFC 9112, section 7.1.1); net/http does not know it
			}
			t.Fatalf("net/http refuses %q: %v", data[:used], err)
		}
		if !bytes.Equal(body, want) {
			t.Fatalf("%q; net/http reads %q", body, want)
		}
	})
}

var spaceBeforeExtension = regexp.MustCompile(`(?m)^[0-9A-Fa-f]+[ \t]+;`)

func readChunks(src feed) (body []byte, trailer string, err error) {
	var d chunks
	p := make([]byte, 5000)
	for {
		n, err := d.read(src, p, func(f sluice.Field) { trailer += string(f.Name) + ":" + string(f.Value) + "\n" })
		body = append(body, p[:n]...)
		if errors.Is(err, io.EOF) {
			return body, trailer, nil
		}
		if err != nil {
			return body, trailer, err
		}
	}
}
