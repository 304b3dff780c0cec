package compress

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/sluiceapi/sluice"
)

var errGone = errors.New("gone")

func setup(t testing.TB, next sluice.HandlerFunc) sluice.Handler {
	t.Helper()
	return setupWith(t, func(*Config) {}, next)
}

func setupWith(t testing.TB, change func(*Config), next sluice.HandlerFunc) sluice.Handler {
	t.Helper()
	block := Kind.NewUse().(*Config)
	change(block)
	if err := block.Check(); err != nil {
		t.Fatal(err)
	}
	policy, err := Kind.OpenPolicy(&sluice.Env{}, nil, block)
	if err != nil {
		t.Fatal(err)
	}
	return policy(next)
}

// answer is a handler that answers with fields, given as "name: value", and content.
func answer(status int, content string, lines ...string) sluice.HandlerFunc {
	return func(x *sluice.Exchange) error {
		x.Response.Status = status
		for _, line := range lines {
			name, value, _ := strings.Cut(line, ": ")
			x.Response.Header.Add(name, value)
		}
		x.Response.Body.SetBytes([]byte(content))
		return nil
	}
}

func exchange(method, accept string) *sluice.Exchange {
	x := sluice.NewExchange(nil)
	x.Request.Method = method
	if accept != "" {
		x.Request.Header.Add("Accept-Encoding", accept)
	}
	return x
}

func decode(t testing.TB, coding string, content []byte) string {
	t.Helper()
	var r io.Reader = bytes.NewReader(content)
	var err error
	switch coding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "zstd":
		r, err = zstd.NewReader(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", coding, err)
	}
	return string(plain)
}

func fields(h *sluice.Header) string {
	var lines []string
	for _, f := range h.Fields() {
		lines = append(lines, string(f.Name)+": "+string(f.Value))
	}
	return strings.Join(lines, "\n")
}

var long = strings.Repeat(`{"name":"value","list":[1,2,3]}`, 100)

const (
	typeJSON = "Content-Type: application/json"
	varies   = "Vary: Accept-Encoding"
)

func TestAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		method string
		accept string
		status int
		body   string
		fields []string
		want   string
	}{
		{name: "zstd", accept: "gzip, zstd", body: long, fields: []string{typeJSON}, want: typeJSON + "\n" + varies + "\nContent-Encoding: zstd"},
		{name: "gzip", accept: "gzip", body: long, fields: []string{typeJSON}, want: typeJSON + "\n" + varies + "\nContent-Encoding: gzip"},
		{name: "not asked for", body: long, fields: []string{typeJSON}, want: typeJSON + "\n" + varies},
		{name: "identity preferred", accept: "identity, gzip;q=0.5", body: long, fields: []string{typeJSON}, want: typeJSON + "\n" + varies},
		{name: "small", accept: "gzip", body: long[:999], fields: []string{typeJSON}, want: typeJSON},
		{name: "of the least size", accept: "gzip", body: long[:1000], fields: []string{typeJSON}, want: typeJSON + "\n" + varies + "\nContent-Encoding: gzip"},
		{name: "empty", accept: "gzip", fields: []string{typeJSON}, want: typeJSON},
		{name: "another type", accept: "gzip", body: long, fields: []string{"Content-Type: image/png"}, want: "Content-Type: image/png"},
		{name: "no type", accept: "gzip", body: long},
		{name: "type with a parameter", accept: "gzip", body: long, fields: []string{"Content-Type: Text/HTML; charset=utf-8"},
			want: "Content-Type: Text/HTML; charset=utf-8\n" + varies + "\nContent-Encoding: gzip"},
		{name: "type with a suffix", accept: "gzip", body: long, fields: []string{"Content-Type: application/hal+json"},
			want: "Content-Type: application/hal+json\n" + varies + "\nContent-Encoding: gzip"},
		{name: "compressed already", accept: "gzip", body: long, fields: []string{typeJSON, "Content-Encoding: br"}, want: typeJSON + "\nContent-Encoding: br"},
		{name: "no-transform", accept: "gzip", body: long, fields: []string{typeJSON, "Cache-Control: public, No-Transform"},
			want: typeJSON + "\nCache-Control: public, No-Transform"},
		{name: "partial", accept: "gzip", status: 206, body: long, fields: []string{typeJSON}, want: typeJSON},
		{name: "an error of a backend", accept: "gzip", status: 500, body: long, fields: []string{typeJSON}, want: typeJSON + "\n" + varies + "\nContent-Encoding: gzip"},
		{name: "strong ETag", accept: "gzip", body: long, fields: []string{typeJSON, `ETag: "a"`, "Content-Length: 7", "Accept-Ranges: bytes", "Content-Digest: x"},
			want: typeJSON + "\n" + `ETag: W/"a"` + "\n" + varies + "\nContent-Encoding: gzip"},
		{name: "weak ETag", accept: "gzip", body: long, fields: []string{typeJSON, `ETag: W/"a"`},
			want: typeJSON + "\n" + `ETag: W/"a"` + "\n" + varies + "\nContent-Encoding: gzip"},
		{name: "Vary that says it", accept: "gzip", body: long, fields: []string{typeJSON, "Vary: origin, accept-encoding"},
			want: typeJSON + "\nVary: origin, accept-encoding\nContent-Encoding: gzip"},
		{name: "not modified", accept: "gzip", status: 304, fields: []string{`ETag: "a"`}, want: `ETag: W/"a"` + "\n" + varies},
		{name: "not modified, identity", status: 304, fields: []string{`ETag: "a"`}, want: `ETag: "a"` + "\n" + varies},
		{name: "no content", accept: "gzip", status: 204, fields: []string{typeJSON}, want: typeJSON},
		{name: "HEAD", method: "HEAD", accept: "gzip", body: long, fields: []string{typeJSON, `ETag: "a"`},
			want: typeJSON + "\n" + `ETag: W/"a"` + "\n" + varies + "\nContent-Encoding: gzip"},
		{name: "HEAD without a body", method: "HEAD", accept: "gzip", fields: []string{typeJSON, "Content-Length: 5000"},
			want: typeJSON + "\n" + varies + "\nContent-Encoding: gzip"},
		{name: "HEAD of a small one", method: "HEAD", accept: "gzip", fields: []string{typeJSON, "Content-Length: 50"},
			want: typeJSON + "\nContent-Length: 50"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := setup(t, answer(c.status, c.body, c.fields...))
			x := exchange(c.method, c.accept)
			if err := h.Serve(x); err != nil {
				t.Fatal(err)
			}
			if got := fields(&x.Response.Header); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			coding := string(x.Response.Header.Value("Content-Encoding"))
			if c.method == "HEAD" {
				if coding != "" && x.Response.Body.Len() != -1 {
					t.Errorf("the length of what would be compressed is given as %d", x.Response.Body.Len())
				}
			} else if got := decode(t, coding, x.Response.Body.Bytes); got != c.body {
				t.Errorf("%d bytes decoded, want %d", len(got), len(c.body))
			}
			x.End(sluice.Outcome{})
		})
	}
}

func TestErrorPasses(t *testing.T) {
	t.Parallel()
	h := setup(t, func(*sluice.Exchange) error { return errGone })
	x := exchange("GET", "gzip")
	if err := h.Serve(x); !errors.Is(err, errGone) || x.Response.Header.Len() != 0 {
		t.Errorf("error %v with %q", err, fields(&x.Response.Header))
	}
}

// What does not get smaller stays as it is.
func TestLargerStays(t *testing.T) {
	t.Parallel()
	h := setupWith(t, func(c *Config) { c.MinSize = 1 }, answer(200, "ab", "Content-Type: text/plain", `ETag: "a"`))
	x := exchange("GET", "zstd")
	if err := h.Serve(x); err != nil {
		t.Fatal(err)
	}
	if got := fields(&x.Response.Header); got != "Content-Type: text/plain\nETag: \"a\"\n"+varies || string(x.Response.Body.Bytes) != "ab" {
		t.Errorf("got %q and\n%s", x.Response.Body.Bytes, got)
	}
}

// pieces is a stream that gives its pieces one by one and counts what was asked of it.
type pieces struct {
	texts  []string
	err    error
	reads  int
	closed []error
}

func (s *pieces) Read(p []byte) (int, error) {
	s.reads++
	if len(s.texts) == 0 {
		return 0, s.err
	}
	n := copy(p, s.texts[0])
	if s.texts[0] = s.texts[0][n:]; s.texts[0] == "" {
		s.texts = s.texts[1:]
	}
	return n, nil
}

func (s *pieces) Close(why error) { s.closed = append(s.closed, why) }

func streamed(s *pieces, size int64) sluice.HandlerFunc {
	return func(x *sluice.Exchange) error {
		x.Response.Header.Add("Content-Type", "text/event-stream")
		x.Response.Body.SetStream(s, size)
		return nil
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	for _, coding := range []string{"gzip", "zstd"} {
		for _, size := range []int64{-1, int64(10 * len(long))} {
			s := &pieces{texts: []string{long, strings.Repeat(long, 8), long}, err: io.EOF}
			h := setup(t, streamed(s, size))
			x := exchange("GET", coding)
			if err := h.Serve(x); err != nil {
				t.Fatal(err)
			}
			if s.reads != 0 || x.Response.Body.Len() != -1 {
				t.Errorf("%d reads before the first byte was asked for, length %d", s.reads, x.Response.Body.Len())
			}
			content, err := io.ReadAll(x.Response.Body.Stream)
			if err != nil {
				t.Fatal(err)
			}
			if got := decode(t, coding, content); got != strings.Repeat(long, 10) {
				t.Errorf("%s: %d bytes decoded, want %d", coding, len(got), 10*len(long))
			}
			x.End(sluice.Outcome{})
			if len(s.closed) != 1 || s.closed[0] != nil {
				t.Errorf("closed with %v, want once with nil", s.closed)
			}
		}
	}
}

// What a backend has sent can be decoded before it sends more.
func TestStreamIsLive(t *testing.T) {
	t.Parallel()
	for _, coding := range []string{"gzip", "zstd"} {
		s := &pieces{texts: []string{"data: one\n\n", "data: two\n\n"}, err: io.EOF}
		h := setup(t, streamed(s, -1))
		x := exchange("GET", coding)
		if err := h.Serve(x); err != nil {
			t.Fatal(err)
		}
		var sent bytes.Buffer
		p := make([]byte, 4096)
		for s.reads < 2 {
			n, err := x.Response.Body.Stream.Read(p)
			if err != nil {
				t.Fatal(err)
			}
			if s.reads < 2 {
				sent.Write(p[:n])
			}
		}
		var plain io.Reader
		var err error
		if coding == "gzip" {
			plain, err = gzip.NewReader(&sent)
		} else {
			plain, err = zstd.NewReader(&sent)
		}
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len("data: one\n\n"))
		if _, err := io.ReadFull(plain, got); err != nil || string(got) != "data: one\n\n" {
			t.Errorf("%s: decoded %q, %v", coding, got, err)
		}
		x.End(sluice.Outcome{})
	}
}

// A stream that breaks must not end as if it were whole.
func TestStreamBreaks(t *testing.T) {
	t.Parallel()
	s := &pieces{texts: []string{long}, err: errGone}
	h := setup(t, streamed(s, -1))
	x := exchange("GET", "gzip")
	if err := h.Serve(x); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(x.Response.Body.Stream); !errors.Is(err, errGone) {
		t.Errorf("error %v, want %v", err, errGone)
	}
	x.End(sluice.Outcome{Err: errGone})
	if len(s.closed) != 1 || !errors.Is(s.closed[0], errGone) {
		t.Errorf("closed with %v, want once with %v", s.closed, errGone)
	}
}

// An encoder that was left in the middle of a stream is as good as new.
func TestReuse(t *testing.T) {
	t.Parallel()
	for _, coding := range []string{"gzip", "zstd"} {
		for range 20 {
			s := &pieces{texts: []string{long, long}, err: errGone}
			h := setup(t, func(x *sluice.Exchange) error {
				if x.Request.Path == nil {
					return answer(200, long, typeJSON)(x)
				}
				return streamed(s, -1)(x)
			})
			broken := exchange("GET", coding)
			broken.Request.Path = []byte("/stream")
			if err := h.Serve(broken); err != nil {
				t.Fatal(err)
			}
			if _, err := broken.Response.Body.Stream.Read(make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
			broken.End(sluice.Outcome{Err: errGone})
			x := exchange("GET", coding)
			if err := h.Serve(x); err != nil {
				t.Fatal(err)
			}
			if decode(t, coding, x.Response.Body.Bytes) != long {
				t.Fatalf("%s: not what was compressed", coding)
			}
			x.End(sluice.Outcome{})
		}
	}
}

func TestLevels(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"fast", "default", "best"} {
		for _, coding := range []string{"gzip", "zstd"} {
			h := setupWith(t, func(c *Config) { c.Level = level }, answer(200, long, typeJSON))
			x := exchange("GET", coding)
			if err := h.Serve(x); err != nil {
				t.Fatal(err)
			}
			if decode(t, coding, x.Response.Body.Bytes) != long {
				t.Errorf("%s %s: not what was compressed", level, coding)
			}
			x.End(sluice.Outcome{})
		}
	}
	block := defaults()
	block.Level = "most"
	if _, err := Kind.OpenPolicy(&sluice.Env{}, nil, &block); err == nil {
		t.Error("an unknown level is taken")
	}
}

func TestAccepted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		accept string
		want   coding
	}{
		{"", identity},
		{"gzip", gzipped},
		{"GZIP", gzipped},
		{"x-gzip", gzipped},
		{"zstd", zstded},
		{"br", identity},
		{"gzip, deflate, br, zstd", zstded},
		{"zstd;q=0.5, gzip;q=0.8", gzipped},
		{"zstd;q=0.5, gzip; Q=0.501", gzipped},
		{"zstd;q=0, gzip", gzipped},
		{"gzip;q=0", identity},
		{"*", zstded},
		{"*;q=0", identity},
		{"*;q=0.5, gzip", gzipped},
		{"zstd;q=0, *", gzipped},
		{"identity", identity},
		{"identity;q=1, gzip;q=0.5", identity},
		{"identity;q=0.5, gzip;q=0.5", gzipped},
		{"identity;q=0", identity},
		{"identity;q=0, gzip;q=0.001", gzipped},
		{"gzip;q=1.5", identity},
		{"gzip;q=", identity},
		{"gzip;q=0.0001", identity},
		{"gzip;level=9;q=0.3", gzipped},
		{" , ,gzip", gzipped},
	} {
		x := exchange("GET", c.accept)
		if got := accepted(&x.Request.Header); got != c.want {
			t.Errorf("%q: %v, want %v", c.accept, got, c.want)
		}
	}
	x := exchange("GET", "gzip;q=0.1")
	x.Request.Header.Add("accept-encoding", "zstd;q=0.01")
	if got := accepted(&x.Request.Header); got != gzipped {
		t.Errorf("two fields: %v, want gzip", got)
	}
}

func FuzzAccepted(f *testing.F) {
	f.Add("gzip;q=0.5, *;q=0, zstd")
	f.Add(";;q=1.000,,\t")
	f.Fuzz(func(t *testing.T, accept string) {
		x := exchange("GET", accept)
		got := accepted(&x.Request.Header)
		if got != identity && !strings.Contains(strings.ToLower(accept), got.String()) && !strings.Contains(accept, "*") {
			t.Errorf("%q: %v, which nobody asked for", accept, got)
		}
	})
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for want, types := range map[string][]string{
		`types[1]: "json" is not a content type`:   {"text/*", "json"},
		`types[0]: "Text/html" is not`:             {"Text/html"},
		`types[0]: "*/json" has a star`:            {"*/json"},
		`types[0]: "text/a*" has a star`:           {"text/a*"},
		`types[0]: "text/a; b" is not`:             {"text/a; b"},
		"types: nothing is compressed; want types": {},
	} {
		c := Config{Types: types}
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	c := defaults()
	if err := c.Check(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}

func BenchmarkAnswer(b *testing.B) {
	content := []byte(long)
	h := setup(b, func(x *sluice.Exchange) error {
		x.Response.Header.Add("Content-Type", "application/json")
		x.Response.Body.SetBytes(content)
		return nil
	})
	x := sluice.NewExchange(nil)
	b.ReportAllocs()
	for b.Loop() {
		x.Reset(nil)
		x.Request.Header.Add("Accept-Encoding", "gzip")
		if err := h.Serve(x); err != nil {
			b.Fatal(err)
		}
		x.End(sluice.Outcome{})
	}
}
