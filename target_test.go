package sluice_test

import (
	"bytes"
	"net/url"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

func TestTargetIsCanonical(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ target, path, query string }{
		{"/", "/", ""},
		{"/a/b", "/a/b", ""},
		{"/a/", "/a/", ""},
		{"/a?", "/a", ""},
		{"/a?b=c&d;e=%zz?/..//", "/a", "b=c&d;e=%zz?/..//"},
		{"/%61%7e%2D%5F%2e%41", "/a~-_.A", ""},
		{"/%c3%a9/%2a", "/%C3%A9/%2A", ""},
		{"/%2561", "/%2561", ""},
		{"/é", "/é", ""},
		{"/a+b;c=d,e@f:g!$&'()*", "/a+b;c=d,e@f:g!$&'()*", ""},
		{"/.../..a/a../.a", "/.../..a/a../.a", ""},
		{"/%20%3f%23%25", "/%20%3F%23%25", ""},
		{"/a%", "", ""}, {"/a%1", "", ""}, {"/%g0", "", ""}, {"/%0g", "", ""},
		{"", "", ""}, {"*", "", ""}, {"a", "", ""}, {"http://h/", "", ""}, {"?a", "", ""},
		{"/./a", "", ""}, {"/a/.", "", ""}, {"/../a", "", ""}, {"/a/..", "", ""},
		{"/%2e/a", "", ""}, {"/a/%2E%2e", "", ""}, {"/.%2e/", "", ""},
		{"//", "", ""}, {"/a//b", "", ""}, {"//a", "", ""},
		{"/a%2fb", "", ""}, {"/a%2Fb", "", ""}, {"/a%5cb", "", ""}, {"/a\\b", "", ""}, {"/%00", "", ""},
		{"/a b", "", ""}, {"/a\tb", "", ""}, {"/a\x00", "", ""}, {"/a\x7f", "", ""}, {"/a#b", "", ""}, {"/a\nb", "", ""},
		{"/a?b c", "", ""}, {"/a?b#c", "", ""}, {"/a?\r", "", ""}, {"/a?\x7f", "", ""},
	} {
		target := []byte(tt.target)
		path, query, err := sluice.Target(make([]byte, 0, 64), target)
		if tt.path == "" {
			if sluice.ErrorOf(err).Code != sluice.BadRequest || path != nil || query != nil {
				t.Errorf("%q: got %q %q, %v; want it refused", tt.target, path, query, err)
			}
			continue
		}
		if err != nil || string(path) != tt.path || string(query) != tt.query {
			t.Errorf("%q: got %q %q, %v; want %q %q", tt.target, path, query, err, tt.path, tt.query)
		}
		if string(target) != tt.target {
			t.Errorf("%q was changed to %q", tt.target, target)
		}
	}
}

func TestSegmentsAreEscaped(t *testing.T) {
	t.Parallel()
	const text = "a/é %?#[]\\\x00~:@"
	if got, want := string(sluice.AppendSegment([]byte("/x/"), []byte(text))), "/x/a%2F%C3%A9%20%25%3F%23%5B%5D%5C%00~:@"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := string(sluice.AppendPath(nil, []byte("a/b c"))), "a/b%20c"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTargetAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	space, plain, escaped := make([]byte, 64), []byte("/a/b/c?d=e"), []byte("/a/%62/%c3%a9?d=e")
	for _, target := range [][]byte{plain, escaped} {
		if n := testing.AllocsPerRun(100, func() { _, _, _ = sluice.Target(space, target) }); n != 0 {
			t.Errorf("%s: %v allocations", target, n)
		}
	}
}

func FuzzTarget(f *testing.F) {
	for _, target := range []string{"/a/b?c", "/%61/%2e", "/%c3%a9/%2561", "//", "/a/../b", "/%2f"} {
		f.Add([]byte(target))
	}
	f.Fuzz(func(t *testing.T, target []byte) {
		path, query, err := sluice.Target(nil, target)
		if err != nil {
			return
		}
		again, _, err := sluice.Target(nil, path)
		if err != nil || !bytes.Equal(again, path) {
			t.Fatalf("%q becomes %q, which becomes %q, %v", target, path, again, err)
		}
		decoded, err := url.PathUnescape(string(path))
		if err != nil {
			t.Fatalf("%q becomes %q: %v", target, path, err)
		}
		before, rest, found := bytes.Cut(target, []byte{'?'})
		if same, err := url.PathUnescape(string(before)); err != nil || same != decoded {
			t.Fatalf("%q becomes %q, which says something else", target, path)
		}
		if !bytes.Equal(query, rest) || !found && query != nil {
			t.Fatalf("the query of %q is %q", target, query)
		}
		for i, segment := range strings.Split(decoded, "/")[1:] {
			if segment == "." || segment == ".." || segment == "" && i < strings.Count(string(path), "/")-1 {
				t.Fatalf("%q holds the segment %q", path, segment)
			}
		}
		if strings.Count(decoded, "/") != bytes.Count(path, []byte{'/'}) || strings.ContainsAny(decoded, "\\\x00") {
			t.Fatalf("%q hides something", path)
		}
	})
}
