package build_test

import (
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/sluicetest"
)

// counted is a backend of which a test counts how many are open.
func counted(open *atomic.Int64) sluice.Kind {
	type where struct {
		Size int `yaml:"size"`
	}
	type use struct {
		Backend string `yaml:"backend"`
	}
	return sluice.NewBackend("counted", where{}, use{}, func(env *sluice.Env, w *where) (handles[use], error) {
		open.Add(1)
		env.Cleanup(func() { open.Add(-1) })
		return handles[use]{h: func(x *sluice.Exchange) error {
			x.Response.Body.SetBytes([]byte{'0' + byte(w.Size)})
			return nil
		}}, nil
	})
}

type handles[U any] struct{ h sluice.HandlerFunc }

func (b handles[U]) Handle(*sluice.Env, *sluice.Endpoint, *U) (sluice.Handler, error) {
	return b.h, nil
}

const countedConfig = `
	sluice: 1
	backends:
		one:
			counted:
				size: SIZE
	endpoints:
		e:
			route: GET /
			counted:
				backend: one
`

func TestBackendsAreCarriedOver(t *testing.T) {
	t.Parallel()
	var open atomic.Int64
	var nodes build.Switch
	swap := func(size string) {
		t.Helper()
		doc := sluicetest.Document(t, strings.Replace(countedConfig, "SIZE", size, 1))
		node, err := build.Make(doc, build.Options{Kinds: []sluice.Kind{counted(&open)}}, nodes.Node())
		if err != nil {
			t.Fatal(err)
		}
		nodes.Swap(node)
	}
	swap("1")
	running := sluicetest.Exchange(t, "GET /", "")
	if err := nodes.Serve(running); err != nil {
		t.Fatal(err)
	}
	swap("2")
	if got := open.Load(); got != 2 {
		t.Errorf("%d backends are open, want 2: an exchange still runs on the first node", got)
	}
	running.End(sluice.Outcome{Status: 200})
	if got := open.Load(); got != 1 {
		t.Errorf("%d backends are open, want 1: the first node's last exchange is over", got)
	}
	if a := sluicetest.Do(&nodes, sluicetest.Exchange(t, "GET /", "")); a.Body != "2" {
		t.Errorf("got %q, want the answer of the second node", a.Body)
	}
	nodes.Swap(nil)
	if got := open.Load(); got != 0 {
		t.Errorf("%d backends are open, want none", got)
	}
	if a := sluicetest.Do(&nodes, sluicetest.Exchange(t, "GET /", "")); a.Code != sluice.Unavailable {
		t.Errorf("got %v without a node, want unavailable", a.Err)
	}
}

func TestSameBlockKeepsItsBackend(t *testing.T) {
	t.Parallel()
	var open atomic.Int64
	kinds := []sluice.Kind{counted(&open)}
	doc := sluicetest.Document(t, strings.Replace(countedConfig, "SIZE", "1", 1))
	first, err := build.Make(doc, build.Options{Kinds: kinds}, nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := build.Make(doc, build.Options{Kinds: kinds}, first)
	if err != nil {
		t.Fatal(err)
	}
	first.Retire()
	if got := open.Load(); got != 1 {
		t.Errorf("%d backends are open, want the one of both nodes", got)
	}
	second.Retire()
	if got := open.Load(); got != 0 {
		t.Errorf("%d backends are open, want none", got)
	}
}

func TestBrokenConfigLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	var open atomic.Int64
	text := strings.Replace(countedConfig, "SIZE", "1", 1) + "\n\t\tf:\n\t\t\troute: GET /\n\t\t\tcounted:\n\t\t\t\tbackend: one\n"
	if _, err := build.Make(sluicetest.Document(t, text), build.Options{Kinds: []sluice.Kind{counted(&open)}}, nil); err == nil {
		t.Fatal("two equal routes were taken")
	}
	if got := open.Load(); got != 0 {
		t.Errorf("%d backends are open, want none", got)
	}
}

func TestClient(t *testing.T) {
	t.Parallel()
	node := sluicetest.Node(t, `
		sluice: 1
		trusted_proxies:
			- 10.0.0.0/8
			- 2001:db8::/32
		endpoints:
			e:
				route: GET /
				echo: "{client_ip}"
	`, echo)
	for _, c := range []struct {
		remote, want string
		fields       []string
	}{
		{"192.0.2.1:1", "192.0.2.1", []string{"x-forwarded-for: 198.51.100.7"}},
		{"10.0.0.1:1", "198.51.100.7", []string{"x-forwarded-for: 203.0.113.9, 198.51.100.7"}},
		{"10.0.0.1:1", "203.0.113.9", []string{"x-forwarded-for: 203.0.113.9, 10.1.1.1"}},
		{"10.0.0.1:1", "203.0.113.9", []string{"x-forwarded-for: 203.0.113.9", "x-forwarded-for: 10.1.1.1"}},
		{"10.0.0.1:1", "10.0.0.1", []string{"x-forwarded-for: 203.0.113.9, unknown"}},
		{"10.0.0.1:1", "10.0.0.1", nil},
		{"[2001:db8::1]:1", "2001:4860::7", []string{`forwarded: for="[2001:4860::7]:4711";proto=https`}},
		{"[::ffff:10.0.0.1]:1", "198.51.100.7", []string{"x-forwarded-for: 198.51.100.7:4711"}},
	} {
		x := sluicetest.Exchange(t, "GET /", "", c.fields...)
		x.Request.Remote = netip.MustParseAddrPort(c.remote)
		if a := sluicetest.Do(node, x); a.Body != c.want {
			t.Errorf("%s %q: got %q, want %q", c.remote, c.fields, a.Body, c.want)
		}
	}
}

func TestScheme(t *testing.T) {
	t.Parallel()
	node := sluicetest.Node(t, `
		sluice: 1
		trusted_proxies: [10.0.0.0/8]
		endpoints:
			e:
				route: GET /
				echo: hi
	`, echo)
	for _, c := range []struct{ remote, field, want string }{
		{"10.0.0.1:1", "x-forwarded-proto: https", "https"},
		{"10.0.0.1:1", "forwarded: for=192.0.2.9;proto=https", "https"},
		{"192.0.2.1:1", "x-forwarded-proto: https", "http"},
		{"10.0.0.1:1", "x-forwarded-proto: gopher", "http"},
	} {
		x := sluicetest.Exchange(t, "GET /", "", c.field)
		x.Request.Remote = netip.MustParseAddrPort(c.remote)
		if err := node.Serve(x); err != nil || x.Request.Scheme != c.want {
			t.Errorf("%s %s: got %s, %v; want %s", c.remote, c.field, x.Request.Scheme, err, c.want)
		}
	}
}

func FuzzForwarded(f *testing.F) {
	f.Add("X-Forwarded-For", "203.0.113.9, 198.51.100.7:80, [2001:db8::1]")
	f.Add("Forwarded", `for="[2001:db8::1]:4711";proto=https;by=_x, for=192.0.2.60`)
	f.Add("X-Forwarded-Proto", "https, http")
	node := sluicetest.Node(f, `
		sluice: 1
		trusted_proxies: [10.0.0.0/8]
		endpoints:
			e:
				route: GET /
				echo: "{client_ip}"
	`, echo)
	f.Fuzz(func(t *testing.T, name, value string) {
		x := sluicetest.Exchange(t, "GET /", "")
		x.Request.Header.Add(name, value)
		if a := sluicetest.Do(node, x); a.Body != "192.0.2.1" || x.Request.Scheme != "http" {
			t.Errorf("a peer that is not trusted is believed: %q, %s", a.Body, x.Request.Scheme)
		}
		x = sluicetest.Exchange(t, "GET /", "")
		x.Request.Header.Add(name, value)
		x.Request.Remote = netip.MustParseAddrPort("10.0.0.1:1")
		a := sluicetest.Do(node, x)
		if _, err := netip.ParseAddr(a.Body); err != nil || x.Request.Scheme != "http" && x.Request.Scheme != "https" {
			t.Errorf("client %q with scheme %q; want an address and http or https", a.Body, x.Request.Scheme)
		}
	})
}

// TestMadeUpKeysStay holds that what a node without keys of its own has signed is good after a reload.
func TestMadeUpKeysStay(t *testing.T) {
	t.Parallel()
	var keys []*sluice.Keyring
	kind := sluice.NewPolicy("keeps", sluice.None{}, func(env *sluice.Env, _ *sluice.Endpoint, _ *sluice.None) (sluice.Policy, error) {
		keys = append(keys, env.Keys)
		return func(next sluice.Handler) sluice.Handler { return next }, nil
	})
	const text = `
		sluice: 1
		every_request:
			- keeps
		endpoints:
			e:
				route: GET /
				test_handler:
					name: h
	`
	var nodes build.Switch
	kinds := []sluice.Kind{kind, sluicetest.HandlerKind(map[string]sluice.Handler{"h": sluice.HandlerFunc(func(*sluice.Exchange) error { return nil })})}
	for range 2 {
		node, err := build.Make(sluicetest.Document(t, text), build.Options{Kinds: kinds}, nodes.Node())
		if err != nil {
			t.Fatal(err)
		}
		nodes.Swap(node)
	}
	defer nodes.Swap(nil)
	if _, err := keys[1].Open("test", keys[0].Seal("test", []byte("x"))); err != nil {
		t.Errorf("%v: what was signed before the reload is not good after it", err)
	}
}
