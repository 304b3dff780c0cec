package clientcert

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// desk is an open policy whose clock the test sets.
type desk struct {
	sluice.Handler
	at time.Time
}

// setup opens the policy with a block that is changed by f.
func setup(t testing.TB, f func(*Config)) *desk {
	t.Helper()
	block := Kind.NewUse().(*Config)
	if f != nil {
		f(block)
	}
	if err := block.Check(); err != nil {
		t.Fatal(err)
	}
	d := &desk{at: time.Now()}
	env := &sluice.Env{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Metrics: sluice.NoMetrics{}, Now: func() time.Time { return d.at }}
	t.Cleanup(env.Close)
	policy, err := Kind.OpenPolicy(env, nil, block)
	if err != nil {
		t.Fatal(err)
	}
	d.Handler = policy(sluice.HandlerFunc(func(*sluice.Exchange) error { return nil }))
	return d
}

// show serves an exchange with a certificate and what comes with it.
func (d *desk) show(cert *x509.Certificate, chain ...*x509.Certificate) (sluice.Caller, error) {
	x := sluice.NewExchange(nil)
	x.Request.Peer, x.Request.PeerChain = cert, chain
	err := d.Serve(x)
	return x.Caller, err
}

func codeOf(err error) string {
	if err == nil {
		return "let in"
	}
	e := sluice.ErrorOf(err)
	if e.Code == sluice.Internal {
		return err.Error()
	}
	return e.Code.String()
}

func TestRules(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t, "Clients of Example")
	const by = `CN=Clients\20of\20Example`
	billing := servers.Leaf{CommonName: "billing", Organization: "Example", Unit: "Pay, please", Client: true}
	named := func(change func(*servers.Leaf)) servers.Leaf {
		l := billing
		change(&l)
		return l
	}
	spiffe := named(func(l *servers.Leaf) {
		l.URIs, l.DNS = []string{"spiffe://example.org/ns/pay/billing"}, []string{"Billing.Internal.Example.org", "second.example.org"}
	})
	dns := named(func(l *servers.Leaf) { l.DNS = spiffe.DNS })
	ids := func(all ...string) func(*Config) { return func(c *Config) { c.SPIFFE = all } }
	names := func(all ...string) func(*Config) { return func(c *Config) { c.DNS = all } }
	subjects := func(all ...string) func(*Config) { return func(c *Config) { c.Subjects = all } }
	for _, c := range []struct {
		name            string
		rules           func(*Config)
		leaf            servers.Leaf
		subject, issuer string // "" for one that is refused
	}{
		{"none: the SPIFFE ID", nil, spiffe, "spiffe://example.org/ns/pay/billing", "spiffe://example.org"},
		{"none: a DNS name", nil, dns, "billing.internal.example.org", by},
		{"none: the subject", nil, billing, `CN=billing,OU=Pay\, please,O=Example`, by},
		{"none: no name", nil, servers.Leaf{Client: true}, "", ""},
		{"none: another URI", nil, servers.Leaf{URIs: []string{"https://example.org"}, CommonName: "x", Client: true}, "CN=x", by},
		{"none: two URIs are no SPIFFE ID", nil, servers.Leaf{URIs: []string{"spiffe://example.org/a", "spiffe://example.org/b"}, CommonName: "x", Client: true}, "CN=x", by},
		{"none: a trust domain is no SPIFFE ID", nil, servers.Leaf{URIs: []string{"spiffe://example.org"}, CommonName: "x", Client: true}, "CN=x", by},
		{"none: a name that is a pattern", nil, servers.Leaf{DNS: []string{"*.example.org"}, Client: true}, "", ""},
		{"none: a name that looks like an ID", nil, servers.Leaf{DNS: []string{"spiffe://example.org/ns/admin"}, Client: true}, "", ""},
		{"none: a name that looks like a subject", nil, servers.Leaf{DNS: []string{"CN=admin"}, Client: true}, "", ""},

		{"SPIFFE ID", ids("spiffe://example.org/ns/pay/billing"), spiffe, "spiffe://example.org/ns/pay/billing", "spiffe://example.org"},
		{"SPIFFE path", ids("spiffe://example.org/x", "spiffe://example.org/ns/*"), spiffe, "spiffe://example.org/ns/pay/billing", "spiffe://example.org"},
		{"trust domain", ids("spiffe://example.org/*"), spiffe, "spiffe://example.org/ns/pay/billing", "spiffe://example.org"},
		{"another trust domain", ids("spiffe://example.com/*"), spiffe, "", ""},
		{"a trust domain that begins so", ids("spiffe://example.or/*"), spiffe, "", ""},
		{"another path", ids("spiffe://example.org/ns/pa/*"), spiffe, "", ""},
		{"the path above", ids("spiffe://example.org/ns/pay/billing/*"), spiffe, "", ""},
		{"case of a path", ids("spiffe://example.org/ns/Pay/billing"), spiffe, "", ""},
		{"ID asked for, name shown", ids("spiffe://example.org/*"), dns, "", ""},

		{"DNS name", names("BILLING.internal.example.org"), spiffe, "billing.internal.example.org", by},
		{"second DNS name", names("second.example.org"), spiffe, "second.example.org", by},
		{"pattern", names("*.internal.example.org"), spiffe, "billing.internal.example.org", by},
		{"a pattern is one label", names("*.example.org"), named(func(l *servers.Leaf) { l.DNS = []string{"a.b.example.org"} }), "", ""},
		{"a pattern is a label more", names("*.second.example.org"), spiffe, "", ""},
		{"a pattern shown", names("a.example.org", "*.example.org"), named(func(l *servers.Leaf) { l.DNS = []string{"*.example.org"} }), "", ""},
		{"the common name is no DNS name", names("billing"), billing, "", ""},

		{"subject", subjects(`CN=billing,OU=Pay\2C please,O=Example`), spiffe, `CN=billing,OU=Pay\, please,O=Example`, by},
		{"subject by its identifiers", subjects(`2.5.4.3=#130762696C6C696E67,ou=Pay\, please,o=Example`), billing, `CN=billing,OU=Pay\, please,O=Example`, by},
		{"subject the other way round", subjects(`O=Example,OU=Pay\, please,CN=billing`), billing, "", ""},
		{"the common name alone", subjects("CN=billing"), billing, "", ""},
		{"subject in another case", subjects(`CN=Billing,OU=Pay\, please,O=Example`), billing, "", ""},
		{"a part of a value", subjects(`CN=billing,OU=Pay,O=Example`), billing, "", ""},

		{"any suffices", func(c *Config) {
			c.SPIFFE, c.DNS, c.Subjects = []string{"spiffe://example.org/x"}, []string{"x.example.org", "second.example.org"}, []string{"CN=x"}
		}, spiffe, "second.example.org", by},
		{"issuer", func(c *Config) { c.Issuer = "partners" }, spiffe, "spiffe://example.org/ns/pay/billing", "partners"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, ca := range []string{"", a.CertFile} {
				d := setup(t, func(block *Config) {
					block.CA = sluice.Path(ca)
					if c.rules != nil {
						c.rules(block)
					}
				})
				leaf := a.Issue(c.leaf).Leaf
				for range 2 { // as decided, and as remembered
					caller, err := d.show(leaf)
					want := "let in"
					if c.subject == "" {
						want = "forbidden"
					}
					if codeOf(err) != want || caller.Subject != c.subject || caller.Issuer != c.issuer {
						t.Fatalf("%q of %q, %v; want %q of %q", caller.Subject, caller.Issuer, err, c.subject, c.issuer)
					}
					if err == nil && caller.Scheme != "client_cert" {
						t.Errorf("scheme %q", caller.Scheme)
					}
				}
			}
		})
	}
}

func TestClaims(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t, "Clients")
	leaf := a.Issue(servers.Leaf{CommonName: `"x"`, DNS: []string{"a.example.org", "b.example.org"}, URIs: []string{"spiffe://example.org/a"}, Client: true}).Leaf
	caller, err := setup(t, nil).show(leaf)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(leaf.Raw)
	var got map[string]any
	if err := json.Unmarshal(caller.Claims, &got); err != nil {
		t.Fatalf("%s: %v", caller.Claims, err)
	}
	if want := map[string]any{
		"subject": `CN=\"x\"`, "issuer": "CN=Clients", "dns": []any{"a.example.org", "b.example.org"}, "uris": []any{"spiffe://example.org/a"},
		"serial": leaf.SerialNumber.Text(16), "fingerprint": base64.RawURLEncoding.EncodeToString(sum[:]),
	}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	a, other := servers.NewAuthority(t, "clients"), servers.NewAuthority(t, "clients") // of one name
	between := a.Intermediate("below")
	now := time.Now()
	good := servers.Leaf{CommonName: "x", Client: true}
	chained := between.Issue(good).Leaf
	for _, c := range []struct {
		name  string
		leaf  *x509.Certificate
		chain []*x509.Certificate
		want  string
	}{
		{"nothing shown", nil, nil, "unauthenticated"},
		{"good", a.Issue(good).Leaf, nil, "let in"},
		{"of an authority below", chained, []*x509.Certificate{between.Leaf}, "let in"},
		{"with more than is needed", chained, []*x509.Certificate{other.Leaf, between.Leaf, a.Leaf}, "let in"},
		{"the chain is not shown", chained, nil, "forbidden"},
		{"a chain too long", chained, make([]*x509.Certificate, longest+1), "forbidden"},
		{"another authority of the same name", other.Issue(good).Leaf, nil, "forbidden"},
		{"the other authority is shown along", other.Issue(good).Leaf, []*x509.Certificate{other.Leaf}, "forbidden"},
		{"expired", a.Issue(servers.Leaf{CommonName: "x", Client: true, NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(-time.Hour)}).Leaf, nil, "forbidden"},
		{"not valid yet", a.Issue(servers.Leaf{CommonName: "x", Client: true, NotBefore: now.Add(time.Hour)}).Leaf, nil, "forbidden"},
		{"for servers", a.Issue(servers.Leaf{CommonName: "x", Server: true}).Leaf, nil, "forbidden"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := setup(t, func(block *Config) { block.CA = sluice.Path(a.CertFile) })
			for range 2 {
				caller, err := d.show(c.leaf, c.chain...)
				if codeOf(err) != c.want || caller.Known() != (err == nil) {
					t.Errorf("%v and the caller %v, want %s", err, caller, c.want)
				}
			}
		})
	}
}

// What the client is told of a refusal is the same for all; the cause says which certificate it was, and why.
func TestRefusalTellsTheLogOnly(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t, "clients")
	d := setup(t, func(c *Config) { c.DNS = []string{"b.example.org"} })
	_, err := d.show(a.Issue(servers.Leaf{DNS: []string{"a.example.org"}, Client: true}).Leaf)
	e := sluice.ErrorOf(err)
	if e.Message != "this client certificate is not let in" || !strings.Contains(err.Error(), "a.example.org") || !strings.Contains(err.Error(), "no rule fits") {
		t.Errorf("%q: %v", e.Message, err)
	}
	_, err = d.show(nil)
	if e := sluice.ErrorOf(err); len(e.Header) != 1 || string(e.Header[0].Name) != "WWW-Authenticate" {
		t.Errorf("401 with %v, want a challenge", e.Header)
	}
}

// A remembered certificate is refused from the moment that it, or its authority, has expired.
func TestExpiryOfWhatIsRemembered(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t, "clients")
	leaf := a.Issue(servers.Leaf{CommonName: "x", Client: true, NotAfter: time.Now().Add(time.Hour)}).Leaf
	d := setup(t, func(c *Config) { c.CA = sluice.Path(a.CertFile) })
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{time.Now(), "let in"}, {leaf.NotAfter, "let in"}, {leaf.NotAfter.Add(time.Second), "forbidden"}, {leaf.NotAfter, "let in"},
		{leaf.NotBefore.Add(-time.Second), "forbidden"}, {leaf.NotBefore, "let in"},
	} {
		d.at = c.at
		if _, err := d.show(leaf); codeOf(err) != c.want {
			t.Errorf("at %v: %v, want %s", c.at, err, c.want)
		}
	}
	longer := a.Issue(servers.Leaf{CommonName: "x", Client: true, NotAfter: a.Leaf.NotAfter.Add(time.Hour)}).Leaf
	for at, want := range map[time.Time]string{a.Leaf.NotAfter: "let in", a.Leaf.NotAfter.Add(time.Second): "forbidden"} {
		d.at = at
		if _, err := d.show(longer); codeOf(err) != want {
			t.Errorf("at %v, when the authority expires at %v: %v, want %s", at, a.Leaf.NotAfter, err, want)
		}
	}
}

func TestTrustDomains(t *testing.T) {
	t.Parallel()
	one, two, rest := servers.NewAuthority(t, "one"), servers.NewAuthority(t, "two"), servers.NewAuthority(t, "rest")
	domains := []TrustDomain{{Name: "one.example", CA: sluice.Path(one.CertFile)}, {Name: "two.example", CA: sluice.Path(two.CertFile)}}
	id := func(a *servers.Authority, uri string) *x509.Certificate {
		return a.Issue(servers.Leaf{CommonName: "x", URIs: []string{uri}, DNS: []string{"x.example.org"}, Client: true}).Leaf
	}
	for _, c := range []struct {
		name  string
		block Config
		leaf  *x509.Certificate
		want  string // the subject, or the code
	}{
		{"its own", Config{}, id(one, "spiffe://one.example/a"), "spiffe://one.example/a"},
		{"its own too", Config{}, id(two, "spiffe://two.example/a"), "spiffe://two.example/a"},
		{"of another's authority", Config{}, id(one, "spiffe://two.example/a"), "forbidden"},
		{"a domain that nobody vouches for", Config{}, id(one, "spiffe://three.example/a"), "forbidden"},
		{"no ID", Config{}, one.Issue(servers.Leaf{CommonName: "x", Client: true}).Leaf, "forbidden"},
		{"no rule for the ID", Config{SPIFFE: []string{"spiffe://one.example/b"}}, id(one, "spiffe://one.example/a"), "forbidden"},
		{"an authority of a domain vouches for no DNS name", Config{CA: sluice.Path(rest.CertFile), DNS: []string{"x.example.org"}}, id(one, "spiffe://one.example/a"), "forbidden"},
		{"the rest", Config{CA: sluice.Path(rest.CertFile), DNS: []string{"x.example.org"}}, id(rest, "https://example.org"), "x.example.org"},
		{"the rest vouches for no ID of a domain", Config{CA: sluice.Path(rest.CertFile)}, id(rest, "spiffe://one.example/a"), "forbidden"},
		{"nor for one of a domain that is not named", Config{CA: sluice.Path(rest.CertFile)}, id(rest, "spiffe://three.example/a"), "x.example.org"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := setup(t, func(block *Config) { *block = c.block; block.TrustDomains = domains })
			caller, err := d.show(c.leaf)
			if got := caller.Subject + strings.TrimPrefix(codeOf(err), "let in"); got != c.want {
				t.Errorf("%s (%v), want %s", got, err, c.want)
			}
		})
	}
}

// A changed file of authorities holds for certificates that were let in before.
func TestReload(t *testing.T) {
	t.Parallel()
	a, b := servers.NewAuthority(t, "a"), servers.NewAuthority(t, "b")
	file := t.TempDir() + "/ca.pem"
	write := func(text []byte) {
		if err := errors.Join(os.WriteFile(file+".new", text, 0o600), os.Rename(file+".new", file)); err != nil {
			t.Fatal(err)
		}
	}
	write(a.CertPEM)
	d := setup(t, func(c *Config) { c.CA = sluice.Path(file) })
	of := map[string]*x509.Certificate{}
	for name, by := range map[string]*servers.Authority{"a": a, "b": b} {
		of[name] = by.Issue(servers.Leaf{CommonName: name, Client: true}).Leaf
	}
	expect := func(name, want string) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; <-time.After(10 * time.Millisecond) {
			_, err := d.show(of[name])
			if codeOf(err) == want {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %v, want %s", name, err, want)
			}
		}
	}
	expect("a", "let in")
	expect("b", "forbidden")
	write([]byte("broken"))
	expect("a", "let in")
	write(append(a.CertPEM[:len(a.CertPEM):len(a.CertPEM)], b.CertPEM...))
	expect("b", "let in")
	expect("a", "let in")
	write(b.CertPEM)
	expect("a", "forbidden")
	expect("b", "let in")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]Config{
		"spiffe[1]":             {SPIFFE: []string{"spiffe://example.org/a", "example.org/a"}},
		"want spiffe://e/ns/* ": {SPIFFE: []string{"spiffe://e/ns/"}},
		"nobody's ID":           {SPIFFE: []string{"spiffe://example.org"}},
		"no SPIFFE ID":          {SPIFFE: []string{"spiffe://example.org/*/a"}},
		"spiffe[1]: authorities of one trust domain": {SPIFFE: []string{"spiffe://a/x", "spiffe://b/x"}},
		"dns[0]":                                             {DNS: []string{"https://example.org"}},
		`"*" is no DNS name`:                                 {DNS: []string{"*"}},
		`"a.*.org" is no DNS`:                                {DNS: []string{"a.*.org"}},
		"subjects[0]":                                        {Subjects: []string{"billing"}},
		"issuer: it holds a space":                           {Issuer: "a b"},
		"forwarded: nobody":                                  {Forwarded: true},
		"revoked.lists: the chain":                           {Revoked: Revoked{Lists: []sluice.Path{"a"}}},
		"trust_domains[0].name: want the name alone":         {TrustDomains: []TrustDomain{{Name: "spiffe://example.org"}}},
		"trust_domains[0].name: trust domain characters":     {TrustDomains: []TrustDomain{{Name: "Example"}}},
		"trust_domains[1].name: it is named twice":           {TrustDomains: []TrustDomain{{Name: "a"}, {Name: "a"}}},
		"spiffe[0]: nobody vouches for b":                    {TrustDomains: []TrustDomain{{Name: "a"}}, SPIFFE: []string{"spiffe://b/x"}},
		"trust_domains: authorities of trust domains vouch ": {TrustDomains: []TrustDomain{{Name: "a"}}, DNS: []string{"a.org"}},
	} {
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	for _, c := range []Config{{}, {SPIFFE: []string{"spiffe://a/x", "spiffe://a/*"}, DNS: []string{"localhost", "*.a.org"}, Subjects: []string{"CN=a"}},
		{Forwarded: true, TrustDomains: []TrustDomain{{Name: "a", CA: "a.pem"}}}} {
		if err := c.Check(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for _, ca := range []string{"none.pem", "clientcert_test.go"} {
		if _, err := Kind.OpenPolicy(&sluice.Env{Metrics: sluice.NoMetrics{}}, nil, &Config{CA: sluice.Path(ca)}); err == nil || !strings.Contains(err.Error(), ca) {
			t.Errorf("authorities in %s: %v", ca, err)
		}
	}
}

func TestAllocations(t *testing.T) {
	a := servers.NewAuthority(t, "clients")
	d := setup(t, func(c *Config) { c.CA, c.Forwarded = sluice.Path(a.CertFile), true })
	good, bad := a.Issue(servers.Leaf{CommonName: "x", Client: true}), servers.NewAuthority(t, "b").Issue(servers.Leaf{CommonName: "x"})
	x := sluice.NewExchange(nil)
	field := ":" + base64.StdEncoding.EncodeToString(good.Leaf.Raw) + ":"
	chain := field + ", " + field
	for name, c := range map[string]struct {
		peer    *x509.Certificate
		trusted bool
		want    string
	}{"shown": {good.Leaf, false, "let in"}, "refused": {bad.Leaf, false, "forbidden"}, "nothing": {nil, false, "unauthenticated"},
		"passed on": {nil, true, "let in"}} {
		serve := func() error {
			x.Reset(nil)
			x.Request.Peer, x.Request.TrustedPeer = c.peer, c.trusted
			if c.trusted {
				x.Request.Header.Add(certField, field)
				x.Request.Header.Add(chainField, chain)
			}
			return d.Serve(x)
		}
		if err := serve(); codeOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
		if n := testing.AllocsPerRun(1000, func() { serve() }); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}

func BenchmarkRemembered(b *testing.B) {
	a := servers.NewAuthority(b, "clients")
	d := setup(b, func(c *Config) { c.CA = sluice.Path(a.CertFile) })
	x := sluice.NewExchange(nil)
	x.Request.Peer = a.Issue(servers.Leaf{CommonName: "x", Client: true}).Leaf
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Serve(x); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecided(b *testing.B) {
	a := servers.NewAuthority(b, "clients")
	d := setup(b, func(c *Config) { c.CA = sluice.Path(a.CertFile) })
	leaf := *a.Issue(servers.Leaf{CommonName: "x", Client: true}).Leaf
	b.ReportAllocs()
	for b.Loop() {
		fresh := leaf
		if _, err := d.show(&fresh); err != nil {
			b.Fatal(err)
		}
	}
}
