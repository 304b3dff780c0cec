package build

import (
	"encoding/base64"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceapi/sluice"
)

// reader answers with what the caller has seen of source 7, and writes where the request has a body.
func seenNode(keys ...sluice.Secret) *seen {
	return &seen{keys: sluice.NewKeyring(keys), now: time.Now, next: sluice.HandlerFunc(func(x *sluice.Exchange) error {
		if x.Request.Method == "POST" {
			x.Seen.Advance(sluice.Version{Source: 7, Timeline: 2, Position: 100})
		}
		if v, ok := x.Seen.Floor(7); ok {
			x.Response.Header.SetInt("Seen", int64(v.Position))
		}
		return nil
	})}
}

func do(h sluice.Handler, method, scheme string, fields ...string) (*sluice.Exchange, error) {
	x := sluice.NewExchange(nil)
	x.Request.Method, x.Request.Scheme = method, scheme
	for i := 0; i < len(fields); i += 2 {
		x.Request.Header.Add(fields[i], fields[i+1])
	}
	err := h.Serve(x)
	return x, err
}

func TestToken(t *testing.T) {
	t.Parallel()
	h := seenNode("a key of the test")
	x, err := do(h, "POST", "https")
	token := string(x.Response.Header.Value(tokenField))
	if err != nil || token == "" {
		t.Fatalf("%q, %v; want a token after a write", token, err)
	}
	set := string(x.Response.Header.Value("Set-Cookie"))
	if !strings.HasPrefix(set, "__Host-ct="+token+"; Secure; Path=/; Max-Age=30; HttpOnly") {
		t.Errorf("the cookie is %q", set)
	}
	for _, fields := range [][]string{{tokenField, token}, {"Cookie", "a=b; __Host-ct=" + token + ";c=d"}} {
		x, err := do(h, "GET", "https", fields...)
		if err != nil || string(x.Response.Header.Value("Seen")) != "100" {
			t.Errorf("%v: %v, seen %s; want what was written", fields, err, x.Response.Header.Value("Seen"))
		}
		if x.Response.Header.Has(tokenField) || x.Response.Header.Has("Set-Cookie") {
			t.Errorf("%v: a token again, though nothing was written", fields)
		}
	}
	if x, _ := do(h, "POST", "http"); x.Response.Header.Has("Set-Cookie") || !x.Response.Header.Has(tokenField) {
		t.Error("without TLS a token comes in the header, and no cookie that a browser would refuse")
	}
}

func TestTokenRefused(t *testing.T) {
	t.Parallel()
	h := seenNode("a key of the test")
	x, _ := do(h, "POST", "https")
	token := string(x.Response.Header.Value(tokenField))
	foreign, _ := do(seenNode("another key"), "POST", "https")
	parts := strings.Split(token, ".")
	forged := strings.Join([]string{parts[0], parts[1], base64.RawURLEncoding.EncodeToString([]byte("\x01\x00")), parts[3]}, ".")
	cursor := h.keys.Seal("cursor:x", []byte{1, 0})
	for name, bad := range map[string]string{
		"empty": "", "junk": "junk", "cut": token[:len(token)-1], "forged": forged, "of another system": string(foreign.Response.Header.Value(tokenField)),
		"sealed for another purpose": cursor,
	} {
		if _, err := do(h, "GET", "https", tokenField, bad); err != errToken {
			t.Errorf("%s: %v; want a 400", name, err)
		}
		x, err := do(h, "GET", "https", "Cookie", "__Host-ct="+bad)
		if err != nil || !strings.Contains(string(x.Response.Header.Value("Set-Cookie")), "Max-Age=0") {
			t.Errorf("%s: %v, %q; want that the cookie is taken away", name, err, x.Response.Header.Value("Set-Cookie"))
		}
	}
}

func TestTokenRotates(t *testing.T) {
	t.Parallel()
	x, _ := do(seenNode("old key"), "POST", "https")
	token := string(x.Response.Header.Value(tokenField))
	if x, err := do(seenNode("new key", "old key"), "GET", "https", tokenField, token); err != nil || !x.Response.Header.Has("Seen") {
		t.Errorf("%v; want a token of the key before", err)
	}
}

func TestTokenExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := seenNode("a key")
		x, _ := do(h, "POST", "https")
		token := string(x.Response.Header.Value(tokenField))
		time.Sleep(sluice.SeenFor)
		if x, err := do(h, "GET", "https", tokenField, token); err != nil || !x.Response.Header.Has("Seen") {
			t.Errorf("%v; want that it counts until its end", err)
		}
		time.Sleep(time.Millisecond)
		if x, err := do(h, "GET", "https", tokenField, token); err != nil || x.Response.Header.Has("Seen") {
			t.Errorf("%v; want that an old token is ignored", err)
		}
	})
}

func FuzzSeen(f *testing.F) {
	f.Add(appendSeen(nil, time.UnixMilli(1), []sluice.Version{{Source: 1, Timeline: 2, Position: 3}, {Source: 4, Timed: true, Position: 5}}))
	f.Add([]byte{1, 0, 1, 2})
	f.Fuzz(func(t *testing.T, data []byte) {
		issued, versions, err := decodeSeen(data)
		if err != nil {
			return
		}
		again := appendSeen(nil, issued, versions)
		at, same, err := decodeSeen(again)
		if err != nil || !at.Equal(issued) || len(same) != len(versions) {
			t.Fatalf("%x became %x: %v", data, again, err)
		}
		for i := range same {
			if same[i] != versions[i] {
				t.Fatalf("%v became %v", versions[i], same[i])
			}
		}
	})
}

// TestTokenKeepsLatest holds that of more sources than a token holds those count that were written last, however early
// they were written first.
func TestTokenKeepsLatest(t *testing.T) {
	t.Parallel()
	var s sluice.Seen
	for source := range uint64(maxSeen) {
		s.SetFloor(sluice.Version{Source: source, Position: 1})
	}
	s.Advance(sluice.Version{Source: 0, Position: 2})
	s.Advance(sluice.Version{Source: 99, Position: 1})
	_, versions, err := decodeSeen(appendSeen(nil, time.Now(), s.Floors()))
	found := map[uint64]bool{}
	for _, v := range versions {
		found[v.Source] = true
	}
	if err != nil || len(versions) != maxSeen || !found[0] || !found[99] || found[1] {
		t.Errorf("%v: the token holds %v; want it without source 1", err, versions)
	}
}
