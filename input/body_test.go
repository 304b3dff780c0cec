package input_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

func TestBodyIsStrictJSON(t *testing.T) {
	t.Parallel()
	tests := []struct{ body, want string }{
		{`{}`, "fits"},
		{" [1, -2.5e+3 , \"a\\u00e9\\ud83d\\ude00\", true,false,null,{\"a\":{\"a\":1}},{\"a\":2}]\n", "fits"},
		{`"text"`, "fits"},
		{`0e-99`, "fits"},
		{`1e-320`, "fits"},
		{strings.Repeat("[", 128) + strings.Repeat("]", 128), "fits"},
		{``, "empty; want JSON"},
		{` `, "byte 2: the end; want a value"},
		{`{} {}`, "byte 4: something after the value"},
		{"{}\x00", "byte 3: something after the value"},
		{"\ufeff{}", "byte 1: want a value"},
		{`{a: 1}`, "byte 2: want a name in double quotes"},
		{`{"a" 1}`, "byte 6: want a colon"},
		{`{"a": 1,}`, "byte 9: want a name in double quotes"},
		{`{"a": 1 "b": 2}`, "byte 9: want a comma or a closing brace"},
		{`[1 2]`, "byte 4: want a comma or a closing bracket"},
		{`[1,]`, "byte 4: want a value"},
		{`[`, "byte 2: the end; want a value"},
		{`tru`, "byte 1: want a value"},
		{`truex`, "byte 5: something after"},
		{`'a'`, "byte 1: want a value"},
		{`01`, "byte 1: want a number"},
		{`1.`, "byte 1: want a number"},
		{`+1`, "byte 1: want a value"},
		{`-`, "byte 1: want a number"},
		{`NaN`, "byte 1: want a value"},
		{`1e400`, "byte 1: a number beyond the range"},
		{`[1e-400]`, "byte 2: a number beyond the range"},
		{`0e99999`, "byte 1: a number beyond the range"},
		{`[` + strings.Repeat("9", 310) + `]`, "byte 2: a number beyond the range"},
		{`0.` + strings.Repeat("0", 400), "byte 1: a number longer than any"},
		{"\"a\nb\"", "byte 3: a control character"},
		{`"a`, "byte 3: the end within a string"},
		{`"\x"`, "byte 2: a bad escape"},
		{`"\u12g4"`, "byte 2: a bad escape"},
		{`"\`, "byte 2: a bad escape"},
		{`"\ud800"`, "byte 2: half of a surrogate pair"},
		{`"\ude00\ud83d"`, "byte 2: half of a surrogate pair"},
		{`"\ude00\ude00"`, "byte 2: half of a surrogate pair"},
		{`"\ud800\u0041"`, "byte 2: half of a surrogate pair"},
		{"\"a\xff\"", "byte 3: not UTF-8"},
		{"\"\xed\xa0\x80\"", "byte 2: not UTF-8"},
		{"\"\xc0\xaf\"", "byte 2: not UTF-8"},
		{`{"a": 1, "a": 2}`, "byte 10: a name that is in the object already"},
		{`{"a": 1, "\u0061": 2}`, "byte 10: a name that is in the object already"},
		{`[{"x": {"b": 1, "c": {"b": 1}, "b": 2}}]`, "byte 32: a name that is in the object already"},
		{many(20, `"n0": 1`), "byte 192: a name that is in the object already"},
		{many(20, `"m": 1`), "fits"},
		{strings.Repeat("[", 129) + strings.Repeat("]", 129), "byte 129: nested too deep"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%.30q", tt.body), func(t *testing.T) {
			t.Parallel()
			got := served(t, handler(t, true, ""), jsonExchange(tt.body))
			if got != tt.want && !(tt.want != "fits" && strings.HasPrefix(got, "bad_request\nbody: ") && strings.Contains(got, tt.want)) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// many is an object of n members and one more.
func many(n int, more string) string {
	text := "{"
	for i := range n {
		text += fmt.Sprintf(`"n%d": 1, `, i)
	}
	return text + more + "}"
}

func TestContentType(t *testing.T) {
	t.Parallel()
	const other = "unsupported_media_type\nwant a body of type application/json"
	tests := []struct {
		types []string
		body  string
		want  string
	}{
		{[]string{"application/json"}, "{}", "fits"},
		{[]string{"Application/JSON ; charset=utf-8"}, "{}", "fits"},
		{[]string{"application/merge-patch+json"}, "{}", "fits"},
		{[]string{"application/vnd.example+JSON;v=1"}, "{}", "fits"},
		{[]string{"text/plain"}, "{}", other},
		{[]string{"application/+json"}, "{}", other},
		{[]string{"+json"}, "{}", other},
		{[]string{"application/jsonx"}, "{}", other},
		{[]string{""}, "{}", other},
		{[]string{"application/json", "application/json"}, "{}", other},
		{[]string{"text/plain"}, "", other},
		{nil, "{}", other},
		{nil, "", "bad_request\nbody: missing; want JSON"},
		{[]string{"application/json"}, "", "bad_request\nbody: empty; want JSON"},
	}
	for _, tt := range tests {
		x := sluice.NewExchange(nil)
		for _, contentType := range tt.types {
			x.Request.Header.Add("Content-Type", contentType)
		}
		x.Request.Body.SetBytes([]byte(tt.body))
		if got := served(t, handler(t, true, ""), x); got != tt.want {
			t.Errorf("%q with %q: got %s, want %s", tt.types, tt.body, got, tt.want)
		}
	}
}

func TestEncodedBodyIsNotRead(t *testing.T) {
	t.Parallel()
	x := jsonExchange("{}")
	x.Request.Header.Add("Content-Encoding", "gzip")
	if got, want := served(t, handler(t, true, ""), x), "unsupported_media_type\nwant a body without a content encoding"; got != want {
		t.Errorf("got %s", got)
	}
	x.Request.Header.Set("Content-Encoding", "Identity")
	if got := served(t, handler(t, true, ""), x); got != "fits" {
		t.Errorf("got %s", got)
	}
}

// stream is a body that fails with err at its end.
type stream struct {
	io.Reader
	err error
}

func (s stream) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err == io.EOF {
		err = s.err
	}
	return n, err
}

func (stream) Close(error) {}

func TestStreamedBody(t *testing.T) {
	t.Parallel()
	failed := errors.New("the connection broke")
	for _, tt := range []struct {
		body string
		end  error
		want string
	}{
		{`{"a": 1}`, io.EOF, "fits"},
		{`{"a": 1}`, failed, "the connection broke"},
		{`"` + strings.Repeat("a", maxBody) + `"`, io.EOF, "too_large\nthe body is larger than 1MiB"},
	} {
		x := jsonExchange("")
		x.Request.Body.SetStream(stream{strings.NewReader(tt.body), tt.end}, -1)
		if got := served(t, handler(t, true, ""), x); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
		if tt.want == "fits" && string(x.Request.Body.Bytes) != tt.body {
			t.Errorf("the body is %q afterwards", x.Request.Body.Bytes)
		}
	}
}
