package h1

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

// chunkBodies are bodies as RFC 9112, section 7.1, has them.
var chunkBodies = []struct {
	text, content, trailer string
	whole                  bool // Whole takes it
}{
	{text: "0\r\n\r\n", whole: true},
	{text: "2\r\nok\r\n0\r\n\r\n", content: "ok", whole: true},
	{text: "2\r\nok\r\n1\r\n!\r\n0\r\n\r\n", content: "ok!", whole: true},
	{text: "00a\r\n0123456789\r\n0\r\n\r\n", content: "0123456789", whole: true},
	{text: "A\r\n01\r\n\r\n6789\r\n0\r\n\r\n", content: "01\r\n\r\n6789", whole: true},
	{text: "2;a=b;c=\"d e\"\r\nok\r\n1 \t; x\r\n!\r\n0\r\n\r\n", content: "ok!", whole: true},
	{text: "2;a;b = c ; d=\"\\\"\\\\;\t\x80\";e=f\r\nok\r\n0\r\n\r\n", content: "ok", whole: true},
	{text: "1000\r\n" + strings.Repeat("x", 4096) + "\r\n0\r\n\r\n", content: strings.Repeat("x", 4096), whole: true},
	{text: "2;" + strings.Repeat("x", maxSizeLine-2) + "\r\nok\r\n0\r\n\r\n", content: "ok", whole: true},
	{text: strings.Repeat("1\r\na\r\n", 400) + "0\r\n\r\n", content: strings.Repeat("a", 400), whole: true},
	{text: strings.Repeat("1;12345678901\r\na\r\n", 400) + "0\r\n\r\n", content: strings.Repeat("a", 400), whole: true},
	{text: "2\r\nok\r\n00\r\n\r\n", content: "ok"},
	{text: "2\r\nok\r\n0;a\r\n\r\n", content: "ok"},
	{text: "2\r\nok\r\n0\r\nX: y\r\nx-sum:\t 1 \r\n\r\n", content: "ok", trailer: "X=y|x-sum=1"},
}

// chunkDepartures are single departures, each with what it departs from.
var chunkDepartures = map[string]string{
	"1*HEXDIG":                      "\r\nok\r\n0\r\n\r\n",
	"1*HEXDIG before an extension":  ";a\r\nok\r\n0\r\n\r\n",
	"no sign":                       "+2\r\nok\r\n0\r\n\r\n",
	"no other sign":                 "-2\r\nok\r\n0\r\n\r\n",
	"no prefix":                     "0x2\r\nok\r\n0\r\n\r\n",
	"no letter behind f":            "2g\r\nok\r\n0\r\n\r\n",
	"no white space before it":      " 2\r\nok\r\n0\r\n\r\n",
	"no white space behind it":      "2 \r\nok\r\n0\r\n\r\n",
	"no more than fits":             "0000000000000002\r\nok\r\n0\r\n\r\n",
	"no overflow":                   "10000000000000002\r\nok\r\n0\r\n\r\n",
	"an extension behind a ;":       "2 a\r\nok\r\n0\r\n\r\n",
	"a name of an extension":        "2;\r\nok\r\n0\r\n\r\n",
	"a name before the next":        "2;;a\r\nok\r\n0\r\n\r\n",
	"a name before a value":         "2;=a\r\nok\r\n0\r\n\r\n",
	"a name of one word":            "2;a b\r\nok\r\n0\r\n\r\n",
	"a name that is a token":        "2;a@\r\nok\r\n0\r\n\r\n",
	"a value of an extension":       "2;a=\r\nok\r\n0\r\n\r\n",
	"a value of one word":           "2;a=b c\r\nok\r\n0\r\n\r\n",
	"a value that is a token":       "2;a=@\r\nok\r\n0\r\n\r\n",
	"a quoted value that ends":      "2;a=\"b\r\nok\r\n0\r\n\r\n",
	"a quoted pair that ends":       "2;a=\"b\\\r\nok\r\n0\r\n\r\n",
	"a plain quoted pair":           "2;a=\"b\\\x00\"\r\nok\r\n0\r\n\r\n",
	"a plain quoted value":          "2;a=\"\x7f\"\r\nok\r\n0\r\n\r\n",
	"nothing behind a quoted value": "2;a=\"b\"c\r\nok\r\n0\r\n\r\n",
	"no white space at the end":     "2;a \r\nok\r\n0\r\n\r\n",
	"a plain extension":             "2;a\x00\r\nok\r\n0\r\n\r\n",
	"no CR in an extension":         "2;a\rb\r\nok\r\n0\r\n\r\n",
	"no LF in an extension":         "2;a\nb\r\nok\r\n0\r\n\r\n",
	"a short extension":             "2;" + strings.Repeat("x", maxSizeLine) + "\r\nok\r\n0\r\n\r\n",
	"an extension that ends":        "2;" + strings.Repeat("x", 3*maxSizeLine),
	"CRLF behind a size":            "2\nok\r\n0\r\n\r\n",
	"CR and LF behind a size":       "2\rok\r\n0\r\n\r\n",
	"CRLF behind data":              "2\r\nok\n0\r\n\r\n",
	"CRLF at once":                  "2\r\nok!\r\n0\r\n\r\n",
	"data of that length":           "3\r\nok\r\n0\r\n\r\n",
	"CRLF behind the last size":     "2\r\nok\r\n0\n\r\n",
	"CRLF at the end":               "2\r\nok\r\n0\r\n\n",
	"extensions of some length":     strings.Repeat("1;"+strings.Repeat("x", 1000)+"\r\na\r\n", 20) + "0\r\n\r\n",
	"a last chunk":                  "2\r\nok\r\n",
	"a whole last chunk":            "2\r\nok\r\n0\r\n",
	"data to the end":               "2\r\no",
	"CRLF behind data to the end":   "2\r\nok\r",
	"a size to the end":             "2",
	"a trailer line with a colon":   "0\r\nX\r\n\r\n",
	"a trailer line with a name":    "0\r\n: y\r\n\r\n",
	"a trailer that is not folded":  "0\r\nX: y\r\n z\r\n\r\n",
	"CRLF in a trailer":             "0\r\nX: y\n\r\n",
	"a plain trailer":               "0\r\nX: y\x00\r\n\r\n",
	"a trailer that does not frame": "0\r\nContent-Length: 1\r\n\r\n",
	"no coding in a trailer":        "0\r\nTransfer-Encoding: chunked\r\n\r\n",
	"a trailer that does not route": "0\r\nhost: a\r\n\r\n",
	"a trailer without credentials": "0\r\nAuthorization: a\r\n\r\n",
	"no forwarding in a trailer":    "0\r\nX-Forwarded-For: a\r\n\r\n",
	"a trailer that ends":           "0\r\nX: y\r\n",
	"a trailer of some length":      "0\r\nX: " + strings.Repeat("y", 4*maxSizeLine) + "\r\n\r\n",
	"a trailer of some fields":      "0\r\n" + strings.Repeat("X:\r\n", MaxFields+1) + "\r\n",
}

func TestChunks(t *testing.T) {
	t.Parallel()
	for _, c := range chunkBodies {
		for _, rest := range []string{"", "GET / HTTP/1.1\r\n\r\n"} {
			data := []byte(c.text + rest)
			for at := 1; at <= len(data); at += 1 + at/64 { // split there, and as often as that fits
				got := readChunks(data, at, 1+at%7*1000)
				if got.err != nil || got.content != c.content || list(got.trailer.Fields()) != c.trailer || got.rest != rest {
					t.Fatalf("%.200q in pieces of %d: %.200q with %q and %q behind it, %v", c.text, at, got.content, list(got.trailer.Fields()), got.rest, got.err)
				}
			}
			content, left, ok := takeChunks(data)
			if ok != c.whole || ok && (content != c.content || left != rest) || !ok && left != string(data) {
				t.Errorf("%.200q is taken as %.200q with %q behind it: %t", c.text, content, left, ok)
			}
		}
		for end := 0; end < len(c.text); end += 1 + end/64 {
			if _, left, ok := takeChunks([]byte(c.text[:end])); ok || left != c.text[:end] {
				t.Fatalf("%.200q is taken for whole", c.text[:end])
			}
			if got := readChunks([]byte(c.text[:end]), end+1, 100); !errors.Is(got.err, ErrCut) {
				t.Fatalf("%.200q: %v, want %v", c.text[:end], got.err, ErrCut)
			}
		}
	}
}

func TestChunkDepartures(t *testing.T) {
	t.Parallel()
	for what, text := range chunkDepartures {
		for _, piece := range []int{1, 2, 3, len(text)} {
			if got := readChunks([]byte(text), piece, 100); got.err == nil {
				t.Errorf("%s: %.200q in pieces of %d is read as %q", what, text, piece, got.content)
			}
		}
		if _, left, ok := takeChunks([]byte(text)); ok || left != text {
			t.Errorf("%s: %.200q is taken whole", what, text)
		}
	}
}

// What stands behind the end of a body is another message's, also for who reads on.
func TestReadingOnBehindTheEnd(t *testing.T) {
	t.Parallel()
	const rest = "5\r\nwrong\r\n0\r\n\r\n"
	for _, framing := range []Framing{Counted, Chunked} {
		text := map[Framing]string{Counted: "body", Chunked: "4\r\nbody\r\n0\r\n\r\n"}[framing]
		for _, whole := range []bool{false, true} {
			var b Buffer
			var d Body
			b.Lend([]byte(text + rest))
			b.Filled(len(text + rest))
			d.Start(&b, &feed{}, framing, 4, &sluice.Header{}, 0)
			if d.Through() {
				t.Error("it is through before it has begun")
			}
			if whole {
				if content, ok := d.Whole(nil); string(content) != "body" || !ok {
					t.Fatalf("%q %t", content, ok)
				}
			} else if content, err := io.ReadAll(&d); string(content) != "body" || err != nil {
				t.Fatalf("%q %v", content, err)
			}
			for range 3 {
				if n, err := d.Read(make([]byte, 10)); n > 0 || err != io.EOF {
					t.Errorf("%d bytes and %v behind the end", n, err)
				}
			}
			if string(b.Bytes()) != rest || !d.Through() {
				t.Errorf("behind the end stands %q, through is %t", b.Bytes(), d.Through())
			}
		}
	}
}
