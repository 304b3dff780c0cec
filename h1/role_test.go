package h1

import (
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

func TestRoles(t *testing.T) {
	t.Parallel()
	roles := map[string]Role{"TE": TE, "Host": Host, "Expect": Expect, "Upgrade": Upgrade, "Trailer": Trailer, "Connection": Connection, "Keep-Alive": Hop,
		"Content-Length": ContentLength, "HTTP2-Settings": Hop, "Proxy-Connection": Hop, "Transfer-Encoding": TransferEncoding,
		"Proxy-Authenticate": Hop, "Proxy-Authentication-Info": Hop, "Proxy-Authorization": Hop}
	for name, want := range roles {
		if hop := want != Host && want != Expect && want != ContentLength; sluice.OfHop(name) != hop {
			t.Errorf("%s is of one hop only: %t", name, !hop)
		}
		for _, form := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			if got := RoleOf([]byte(form)); got != want {
				t.Errorf("%s: %d, want %d", form, got, want)
			}
		}
		for _, near := range []string{name + "s", name[1:], "X" + name[1:], name[:len(name)-1] + "\x00", strings.Replace(name, "e", "\xe5", 1)} {
			if got := RoleOf([]byte(near)); got != Content && near != "TE" && roles[near] == Content {
				t.Errorf("%q: %d, want none", near, got)
			}
		}
	}
	for _, name := range []string{"", "a", "Date", "Accept", "Referer", "Location", "Content-Type", "Content-Range", "X-Forwarded-For1", "Strict-Transport-Security"} {
		if got := RoleOf([]byte(name)); got != Content {
			t.Errorf("%q: %d, want none", name, got)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	var o Options
	for _, value := range []string{"", ",", " , \t,", "close", "Keep-Alive,\tX-A ,", "x b"} {
		var ok bool
		if o, ok = o.Add([]byte(value)); !ok {
			t.Errorf("%q is refused", value)
		}
	}
	if got := join(o); got != "close|Keep-Alive|X-A|x b" {
		t.Errorf("%q", got)
	}
	for name, want := range map[string]bool{"CLOSE": true, "keep-alive": true, "x-a": true, "x": false, "": false} {
		if o.Has(name) != want || o.Names([]byte(name)) != want {
			t.Errorf("%q is named: %t", name, !want)
		}
	}
	for _, name := range []string{"Host", "CONTENT-LENGTH", "transfer-encoding", "Authorization", "cookie", "Set-Cookie", "www-authenticate", "Authentication-Info"} {
		if after, ok := o.Add([]byte("a, " + name)); ok || len(after) != len(o)+1 {
			t.Errorf("%s may be named", name)
		}
	}
}

func TestMayTrail(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"X-Sum": true, "Grpc-Status": true, "ETag": true, "Forwarded-X": true, "X-Forwarded-": true,
		"Content-Length": false, "transfer-encoding": false, "Host": false, "trailer": false, "TE": false, "Connection": false, "Keep-Alive": false,
		"Authorization": false, "Set-Cookie": false, "cookie": false, "Via": false, "forwarded": false, "X-Real-IP": false, "X-FORWARDED-For": false,
		"Client-Cert": false, "Client-Cert-Chain": false, "Expect": false, "Upgrade": false} {
		if got := MayTrail([]byte(name)); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{"": "", "a": "a", " a , b\t": "a|b", ",a,,": "|a|", "\"a,b\"": "\"a|b\""} {
		var got []string
		for rest := []byte(list); len(rest) > 0; {
			var first []byte
			first, rest = Element(rest)
			got = append(got, string(first))
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%q: %q", list, got)
		}
	}
	for _, c := range []struct {
		list string
		want bool
	}{{"", false}, {"upgrade", true}, {"a, UPGRADE ,b", true}, {"upgrades", false}, {"a upgrade", false}, {",,upgrade", true}} {
		if Names([]byte(c.list), "upgrade") != c.want {
			t.Errorf("%q", c.list)
		}
	}
}

func TestKeeps(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n":                                              true,
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n":                    true,
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n":                      false,
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\n\r\n":        false,
		"GET / HTTP/1.0\r\nHost: a\r\n\r\n":                                              false,
		"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n":                    false,
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\nX-Connection: close\r\n\r\n": true,
	} {
		if r := parsed(t, text); r.Keeps() != want {
			t.Errorf("%q is kept: %t", text, !want)
		}
	}
}
