package sluice_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

func TestCheckFieldName(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"x-tenant": true, "Cache-Control": true, "a!#$%&'*+-.^_`|~1": true,
		"": false, "a b": false, "a:": false, "ä": false, "a\n": false,
		"Host": false, "content-length": false, "Proxy-Authentication-Info": false, "http2-settings": false, "Transfer-Encoding": false, "connection": false,
	} {
		if err := sluice.CheckFieldName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestSameToken(t *testing.T) {
	t.Parallel()
	for pair, same := range map[[2]string]bool{
		{"X-Tenant", "x-tENANT"}: true, {"", ""}: true, {"a", "b"}: false, {"a", "aa"}: false,
		{"@", "`"}: false, {"[", "{"}: false, {"K", "\u212a"}: false, {"\xe4", "\xc4"}: false,
	} {
		a, b := pair[0], pair[1]
		if sluice.SameToken(a, b) != same || sluice.SameToken([]byte(b), a) != same || sluice.SameToken([]byte(a), []byte(b)) != same {
			t.Errorf("%q and %q are not told to be the same: %t", a, b, same)
		}
	}
}

// Every field is of the sorts that are named, and of no other.
func TestSortsOfFields(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Connection": "hop", "KEEP-ALIVE": "hop", "te": "hop", "Trailer": "hop content", "Proxy-Authentication-Info": "hop",
		"Content-Type": "content", "etag": "content", "Content-Disposition": "content", "Content-Length": "content bytes", "digest": "content bytes",
		"Content-Security-Policy": "", "Cache-Control": "", "Vary": "", "Authentication-Info": "", "Content": "", "": "",
	} {
		var got []string
		for sort, is := range map[string]bool{"hop": sluice.OfHop(name), "content": sluice.OfContent([]byte(name)), "bytes": sluice.OfBytes(name)} {
			if is {
				got = append(got, sort)
			}
		}
		slices.SortFunc(got, func(a, b string) int {
			return strings.Index("hop content bytes", a) - strings.Index("hop content bytes", b)
		})
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %q", name, got, want)
		}
	}
}

func TestCheckFields(t *testing.T) {
	t.Parallel()
	for want, lines := range map[string][]string{
		"":                               {"x-a: {query.q}", "x-b: \t"},
		`set.a b: "a b" is not the name`: {"a b: 1"},
		"set.content-length: content-length belongs": {"content-length: 1"},
		"set.X-A: the same field as x-a":             {"x-a: 1", "X-A: 2"},
		"set.x-a: a control character":               {"x-a: a\nb"},
	} {
		var m sluice.Map[sluice.Template]
		for _, line := range lines {
			name, value, _ := strings.Cut(line, ": ")
			if err := m.AppendEntry(name).(*sluice.Template).UnmarshalText([]byte(value)); err != nil {
				t.Fatal(err)
			}
		}
		err := sluice.CheckFields("set", m)
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v", lines, err)
		}
	}
}
