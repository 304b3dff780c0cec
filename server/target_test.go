package server

import (
	"testing"

	"github.com/sluiceapi/sluice"
)

func FuzzTarget(f *testing.F) {
	for _, target := range []string{"/", "/a?b", "*", "http://a/b?c", "http://a", "http://a?b", "https://[::1]:80/%7e", "/%2e", "//", ""} {
		f.Add("GET", target, "a:80")
		f.Add("OPTIONS", target, "[::1]")
	}
	f.Fuzz(func(t *testing.T, method, target, host string) {
		r := sluice.Request{Method: method, Scheme: "http"}
		if _, err := readTarget(&r, nil, []byte(target), []byte(host)); err != nil {
			return
		}
		if checkHost(r.Host) != nil {
			t.Fatalf("host %q was let in", r.Host)
		}
		if method == "OPTIONS" && target == "*" {
			return
		}
		again := sluice.Request{Method: method, Scheme: "http"}
		canonical := append([]byte(nil), r.Path...)
		if len(r.Query) > 0 {
			canonical = append(append(canonical, '?'), r.Query...)
		}
		if _, err := readTarget(&again, make([]byte, 0, 1000), canonical, r.Host); err != nil {
			t.Fatalf("%q of %q is refused: %v", canonical, target, err)
		}
		if string(again.Path) != string(r.Path) || string(again.Query) != string(r.Query) {
			t.Fatalf("%q of %q is read as %q and %q", canonical, target, again.Path, again.Query)
		}
	})
}

func TestReadTargetAllocatesNothing(t *testing.T) {
	target, host, dst := []byte("/a%7eb/c?d=e"), []byte("a.example:80"), make([]byte, 0, 100)
	r := sluice.Request{Method: "GET", Scheme: "http"}
	if n := testing.AllocsPerRun(100, func() { dst, _ = readTarget(&r, dst, target, host) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if string(r.Path) != "/a~b/c" {
		t.Errorf("path %q", r.Path)
	}
}

// A Host must be one also where the target's authority takes its place.
func TestHostBesideAnAbsoluteTarget(t *testing.T) {
	t.Parallel()
	for host, good := range map[string]bool{"a": true, "b:80": true, "": false, "a b": false, "a/b": false, "u@a": false, "[a]": false} {
		r := sluice.Request{Method: "GET", Scheme: "http"}
		if _, err := readTarget(&r, nil, []byte("http://c/d"), []byte(host)); (err == nil) != good || good && string(r.Host) != "c" {
			t.Errorf("%q: %q, %v", host, r.Host, err)
		}
	}
}
