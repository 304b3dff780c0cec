package h1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

// cutHeader finds the header that data begins with as a connection does that brings data in two pieces; nil when there
// is none, or it is refused.
func cutHeader(data []byte, at int) []byte {
	at = min(at, len(data))
	end, next, err := End(data[:at], 0)
	if err == nil && end == 0 {
		end, _, err = End(data, next)
	}
	if err != nil || end == 0 {
		return nil
	}
	return data[:end]
}

// FuzzRequest holds the reader of requests against net/http's: what that refuses, this refuses, and where both take a
// header they read the same. What only this refuses stands in TestRequestDepartures, rule by rule.
func FuzzRequest(f *testing.F) {
	for _, c := range requests {
		f.Add([]byte(c.text), uint16(20))
	}
	for _, c := range requestDepartures {
		f.Add([]byte(c.text()), uint16(len("GET / HTTP/1.1\r\n")))
	}
	f.Fuzz(func(t *testing.T, data []byte, at uint16) {
		whole, pieces := cutHeader(data, len(data)), cutHeader(data, int(at))
		var r, r2 Request
		var h, h2 sluice.Header
		err := r.Parse(whole, &h)
		if err2 := r2.Parse(pieces, &h2); (err == nil) != (err2 == nil) || err == nil && len(whole) != len(pieces) {
			t.Fatalf("%q is read with %v, and with %v in pieces of %d bytes", data, err, err2, at)
		}
		if err != nil {
			return
		}
		compareRequest(t, &r, &h, whole)
	})
}

func compareRequest(t *testing.T, r *Request, h *sluice.Header, header []byte) {
	t.Helper()
	target := string(r.Target)
	if _, err := url.ParseRequestURI(target); err != nil && r.Method != "CONNECT" {
		return // what a target may be is for who reads it
	}
	want, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(header)))
	if err != nil {
		if r.Method == "CONNECT" && strings.Contains(err.Error(), "parse ") {
			return
		}
		t.Fatalf("net/http refuses %q: %v", header, err)
	}
	if r.Method != want.Method || target != want.RequestURI || r.Old != !want.ProtoAtLeast(1, 1) {
		t.Fatalf("%q is read as %s %s, old %t; net/http reads %s %s %s", header, r.Method, r.Target, r.Old, want.Method, want.RequestURI, want.Proto)
	}
	if want.URL.Host == "" && r.Method != "CONNECT" && string(r.Host) != want.Host {
		t.Fatalf("host %q; net/http reads %q", r.Host, want.Host)
	}
	if max(r.Length, 0) != max(want.ContentLength, 0) || r.Chunked != (len(want.TransferEncoding) > 0) {
		t.Fatalf("%q has length %d, chunked %t; net/http reads %d, %v", header, r.Length, r.Chunked, want.ContentLength, want.TransferEncoding)
	}
	compareFields(t, h.Fields(), want.Header, "Trailer", "Content-Length")
}

// compareFields checks that net/http has the same fields, but for some that it takes out.
func compareFields(t *testing.T, fields []sluice.Field, want http.Header, but ...string) {
	t.Helper()
	seen := http.Header{}
	for _, f := range fields {
		name := http.CanonicalHeaderKey(string(f.Name))
		if !slices.Contains(but, name) {
			seen[name] = append(seen[name], string(f.Value))
		}
	}
	for name, values := range want {
		added := name == "Cache-Control" && want.Get("Pragma") == "no-cache" // by net/http
		if !slices.Contains(but, name) && !slices.Equal(seen[name], values) && !added {
			t.Fatalf("%s is %q; net/http reads %q", name, seen[name], values)
		}
		delete(seen, name)
	}
	if len(seen) > 0 {
		t.Fatalf("%q; net/http does not read them", seen)
	}
}

// FuzzResponse is FuzzRequest for responses.
func FuzzResponse(f *testing.F) {
	for _, c := range responses {
		f.Add([]byte(c.text), uint16(20))
	}
	for _, c := range responseDepartures {
		f.Add([]byte(c.text()), uint16(len("HTTP/1.1 200 OK\r\n")))
	}
	f.Fuzz(func(t *testing.T, data []byte, at uint16) {
		whole, pieces := cutHeader(data, len(data)), cutHeader(data, int(at))
		var r, r2 Response
		err := r.Parse(whole)
		if err2 := r2.Parse(pieces); (err == nil) != (err2 == nil) || err == nil && len(whole) != len(pieces) {
			t.Fatalf("%q is read with %v, and with %v in pieces of %d bytes", data, err, err2, at)
		}
		if err != nil {
			return
		}
		want, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(whole)), &http.Request{Method: "GET"})
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", whole, err)
		}
		if r.Status != want.StatusCode || r.Old != !want.ProtoAtLeast(1, 1) {
			t.Fatalf("%q is read as %d, old %t; net/http reads %d, %s", whole, r.Status, r.Old, want.StatusCode, want.Proto)
		}
		if r.Status >= 200 && !r.Bodiless("GET") && (r.Length != want.ContentLength || r.Chunked != (len(want.TransferEncoding) > 0)) {
			t.Fatalf("%q has length %d, chunked %t; net/http reads %d, %v", whole, r.Length, r.Chunked, want.ContentLength, want.TransferEncoding)
		}
		fields := slices.Clone(r.Fields)
		for i, role := range r.Roles {
			if role == TransferEncoding {
				fields[i].Name = []byte("Trailer") // which is not compared either
			}
		}
		compareFields(t, fields, want.Header, "Trailer", "Content-Length", "Transfer-Encoding")
	})
}

// FuzzChunks holds the reader of chunks against net/http's, against itself for input that comes in pieces, and against
// Whole.
func FuzzChunks(f *testing.F) {
	for _, c := range chunkBodies {
		f.Add([]byte(c.text), uint16(1), uint16(1))
		f.Add([]byte(c.text+"rest"), uint16(5), uint16(5000))
	}
	for _, text := range chunkDepartures {
		f.Add([]byte(text), uint16(3), uint16(2))
	}
	f.Fuzz(func(t *testing.T, data []byte, piece, size uint16) {
		whole := readChunks(data, len(data)+1, 5000)
		if again := readChunks(data, int(piece)+1, int(size)+1); !whole.same(again) {
			t.Fatalf("%q is read as %v, and as %v in pieces of %d for %d", data, whole, again, piece+1, size+1)
		}
		if content, rest, ok := takeChunks(data); ok && (whole.err != nil || whole.trailer.Len() > 0 || content != whole.content || rest != whole.rest) {
			t.Fatalf("%q is taken as %q with %q behind it, and read as %v", data, content, rest, whole)
		}
		if whole.err != nil {
			return
		}
		r := bufio.NewReader(bytes.NewReader(data))
		content, err := io.ReadAll(httputil.NewChunkedReader(r))
		used := data[:len(data)-len(whole.rest)]
		switch {
		case err == nil:
		case strings.Contains(err.Error(), "invalid byte in chunk length") && spaceBeforeExtension.Match(used):
			return // white space before an extension is legal (RFC 9112, section 7.1.1); net/http does not know it
		default:
			t.Fatalf("net/http refuses %q: %v", used, err)
		}
		if string(content) != whole.content {
			t.Fatalf("%q is read as %q; net/http reads %q", used, whole.content, content)
		}
		trailer, err := textproto.NewReader(r).ReadMIMEHeader()
		if err != nil {
			t.Fatalf("net/http refuses the trailer of %q: %v", used, err)
		}
		compareFields(t, whole.trailer.Fields(), http.Header(trailer))
		if rest, _ := io.ReadAll(r); string(rest) != whole.rest {
			t.Fatalf("behind %q stands %q; net/http reads %q", used, whole.rest, rest)
		}
	})
}

var spaceBeforeExtension = regexp.MustCompile(`(?m)^[0-9A-Fa-f]+[ \t]+;`)

// read is what came of reading a body.
type read struct {
	content, rest string
	trailer       *sluice.Header
	err           error // nil at the end
}

func (r read) same(other read) bool {
	if r.err != nil || other.err != nil {
		return (r.err != nil) == (other.err != nil) // how far it was read is for who reads
	}
	return r.content == other.content && r.rest == other.rest && slices.EqualFunc(r.trailer.Fields(), other.trailer.Fields(), func(a, b sluice.Field) bool {
		return bytes.Equal(a.Name, b.Name) && bytes.Equal(a.Value, b.Value)
	})
}

// readChunks reads a body in chunks that comes in pieces, size bytes at a time.
func readChunks(data []byte, piece, size int) (r read) {
	var b Buffer
	var d Body
	src := &feed{rest: data, piece: piece}
	r.trailer = &sluice.Header{}
	d.Start(&b, src, Chunked, 0, r.trailer, 0)
	p := make([]byte, size)
	for {
		n, err := d.Read(p)
		if r.content += string(p[:n]); err != nil {
			if r.rest = string(b.Bytes()) + string(src.rest); !errors.Is(err, io.EOF) {
				r.err = err
			}
			return r
		}
	}
}

// takeChunks takes a body in chunks whole.
func takeChunks(data []byte) (content, rest string, ok bool) {
	var b Buffer
	var d Body
	b.Lend(append([]byte(nil), data...))
	b.Filled(len(data))
	d.Start(&b, nil, Chunked, 0, nil, 0)
	p, ok := d.Whole(nil)
	return string(p), string(b.Bytes()), ok
}
