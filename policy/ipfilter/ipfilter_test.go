package ipfilter

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

func networks(t *testing.T, text string) []netip.Prefix {
	t.Helper()
	var all []netip.Prefix
	for _, word := range strings.Fields(text) {
		all = append(all, netip.MustParsePrefix(word))
	}
	return all
}

func setup(t *testing.T, allow, deny []netip.Prefix) sluice.Handler {
	t.Helper()
	block := Kind.NewUse().(*Config)
	block.Allow, block.Deny = allow, deny
	if err := block.Check(); err != nil {
		t.Fatal(err)
	}
	policy, err := Kind.OpenPolicy(&sluice.Env{}, nil, block)
	if err != nil {
		t.Fatal(err)
	}
	return policy(sluice.HandlerFunc(func(*sluice.Exchange) error { return nil }))
}

func TestFilter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, allow, deny, in, out string }{
		{name: "allow", allow: "10.0.0.0/8 192.168.1.1/32",
			in:  "10.0.0.0 10.255.255.255 192.168.1.1 ::ffff:10.1.2.3",
			out: "9.255.255.255 11.0.0.0 192.168.1.0 192.168.1.2 ::1 ::10.0.0.1"},
		{name: "deny", deny: "10.0.0.0/8", in: "9.9.9.9 ::1 11.0.0.0", out: "10.1.1.1 ::ffff:10.1.2.3"},
		{name: "deny wins", allow: "10.0.0.0/8", deny: "10.6.0.0/16", in: "10.5.0.1 10.7.0.1", out: "10.6.0.1 1.1.1.1"},
		{name: "deny wins over a narrower allow", allow: "10.6.6.6/32", deny: "10.0.0.0/8", out: "10.6.6.6"},
		{name: "networks within networks", allow: "10.1.0.0/16 10.0.0.0/8 10.2.3.4/32 10.0.0.0/8", in: "10.0.0.1 10.1.0.1 10.2.3.4 10.200.0.1", out: "11.0.0.1"},
		{name: "host bits", allow: "10.1.2.3/8", in: "10.200.0.1", out: "11.0.0.1"},
		{name: "IPv6", allow: "2001:db8::/32", in: "2001:db8::1 2001:db8:ffff::1%eth0", out: "2001:db9::1 10.0.0.1"},
		{name: "IPv4 written as IPv6", allow: "::ffff:10.0.0.0/104", in: "10.1.2.3 ::ffff:10.1.2.3", out: "11.0.0.1"},
		{name: "all of IPv6 is not IPv4", allow: "::/0", in: "::1 2001:db8::1", out: "10.0.0.1 ::ffff:10.0.0.1"},
		{name: "everything", allow: "::/0 0.0.0.0/0", in: "::1 10.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := setup(t, networks(t, c.allow), networks(t, c.deny))
			for _, text := range strings.Fields(c.in) {
				if err := serve(h, netip.MustParseAddr(text)); err != nil {
					t.Errorf("%s is refused: %v", text, err)
				}
			}
			for _, text := range strings.Fields(c.out) {
				if err := serve(h, netip.MustParseAddr(text)); err == nil || sluice.ErrorOf(err).Code != sluice.Forbidden {
					t.Errorf("%s: error %v, want forbidden", text, err)
				}
			}
			if err := serve(h, netip.Addr{}); err == nil {
				t.Error("an unknown client is let in")
			}
		})
	}
}

func serve(h sluice.Handler, client netip.Addr) error {
	x := sluice.NewExchange(nil)
	x.Request.Client = client
	return h.Serve(x)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]Config{
		"want allow or deny":   {},
		"allow[1]: not a netw": {Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), {}}},
		"deny[0]: not a netwo": {Deny: []netip.Prefix{{}}},
	} {
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// The set says of every address what asking each network says.
func FuzzSet(f *testing.F) {
	f.Add([]byte{10, 8, 10, 16, 12, 4, 200, 1}, byte(10), byte(7))
	f.Add([]byte{0, 0}, byte(255), byte(255))
	f.Fuzz(func(t *testing.T, pairs []byte, a, b byte) {
		var all []netip.Prefix
		for i := 0; i+1 < len(pairs); i += 2 {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{pairs[i], pairs[i+1], 0, 0}), int(pairs[i+1])%33)
			all = append(all, p)
		}
		address := netip.AddrFrom4([4]byte{a, b, 0, 0})
		want := false
		for _, p := range all {
			want = want || p.Contains(address)
		}
		if got := makeSet(all).has(address); got != want {
			t.Errorf("%v has %v: %v, want %v", all, address, got, want)
		}
	})
}

func many(n int) []netip.Prefix {
	random := rand.New(rand.NewPCG(1, 2))
	var all []netip.Prefix
	for range n {
		v := random.Uint32()
		all = append(all, netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)}), 24))
	}
	return all
}

func TestAllocations(t *testing.T) {
	all := many(10_000)
	h := setup(t, all, nil)
	x := sluice.NewExchange(nil)
	if n := testing.AllocsPerRun(100, func() {
		x.Reset(nil)
		x.Request.Client = all[77].Addr()
		if err := h.Serve(x); err != nil {
			t.Error(err)
		}
		x.Request.Client = netip.IPv6Loopback()
		if err := h.Serve(x); err == nil {
			t.Error("let in")
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkTenThousandNetworks(b *testing.B) {
	s := makeSet(many(10_000))
	address := netip.MustParseAddr("200.1.2.3")
	b.ReportAllocs()
	for b.Loop() {
		s.has(address)
	}
}
