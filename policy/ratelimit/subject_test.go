package ratelimit

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

// references are bound where only what every request brings can be named.
func references(t testing.TB, texts ...string) (all []sluice.Reference) {
	t.Helper()
	for _, text := range texts {
		r, err := sluice.ParseReference(text)
		if err == nil {
			err = r.Bind(sluice.Scope{})
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func TestKey(t *testing.T) {
	t.Parallel()
	x := sluice.NewExchange(nil)
	x.Request.Client = netip.MustParseAddr("2001:db8:1:2:3::4")
	x.Request.Header.Add("X-API-Key", "a secret")
	x.Caller = sluice.Caller{Scheme: "jwt", Issuer: "https://id.example", Subject: "ada"}
	long := strings.Repeat("long", 20)
	x.Request.Query = []byte("long=" + long)
	for _, c := range []struct {
		by   []string
		want string
	}{
		{[]string{"client_ip"}, "4:name,17=2001:db8:1:2::/64"},
		{[]string{"caller.subject", "query.none", "caller"}, "4:name,3=ada,-,22=https://id.example ada"},
		{[]string{"header.x-api-key"}, "4:name,#mEylFiIAc0xZIUjxggtxBQ"},
		{[]string{"query.long"}, "4:name,#"},
	} {
		s := newSubject("name", references(t, c.by...), false)
		key := string(s.appendKey(nil, x))
		if !strings.HasPrefix(key, c.want) || strings.Contains(key, "secret") || strings.Contains(key, "long") {
			t.Errorf("%v: key %s, want %s", c.by, key, c.want)
		}
	}
}

// Two subjects have one key only when they are the same.
func FuzzKey(f *testing.F) {
	f.Add("a", "b", "ab", "", "caller", "203.0.113.7", "::1")
	f.Add(",-", "-", ",#", "1=a", "3=abc", "", "::ffff:1.2.3.4")
	f.Add(strings.Repeat("a", 64), strings.Repeat("a", 65), "", "", "", "", "")
	f.Fuzz(func(t *testing.T, a, b, c, d, subject, one, other string) {
		exchange := func(header, subject, client string) *sluice.Exchange {
			x := sluice.NewExchange(nil)
			x.Request.Header.Add("x", header)
			x.Caller = sluice.Caller{Scheme: "test", Issuer: "i", Subject: subject}
			x.Request.Client, _ = netip.ParseAddr(client)
			return x
		}
		for _, within := range []bool{false, true} {
			by := references(t, "caller.subject", "header.x", "client_ip")
			s, o := newSubject(a, by, within), newSubject(b, by, within)
			x, y := exchange(c, subject, one), exchange(d, a, other)
			same := a == b && c == d && subject == a && network(x.Request.Client) == network(y.Request.Client)
			if equal := bytes.Equal(s.appendKey(nil, x), o.appendKey(nil, y)); equal != same {
				t.Errorf("%q and %q: one key is %v, want %v", s.appendKey(nil, x), o.appendKey(nil, y), equal, same)
			}
		}
	})
}

// network is what one customer has: an address of IPv4, or 64 bits of one of IPv6.
func network(client netip.Addr) netip.Prefix {
	client = client.Unmap().WithZone("")
	p, _ := client.Prefix(min(client.BitLen(), 64))
	return p
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	for client, want := range map[string]string{
		"192.0.2.1": ",9=192.0.2.1", "::ffff:192.0.2.1": ",9=192.0.2.1", "::1": ",5=::/64", "fe80::1%eth0": ",9=fe80::/64",
		"2001:db8:1:2:ffff:ffff:ffff:ffff": ",17=2001:db8:1:2::/64", "": ",-",
	} {
		x := sluice.NewExchange(nil)
		x.Request.Client, _ = netip.ParseAddr(client)
		if got := string((&subject{}).appendNetwork(nil, x)); got != want {
			t.Errorf("%s: %s, want %s", client, got, want)
		}
	}
}
