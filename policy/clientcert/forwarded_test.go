package clientcert

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/dunglas/httpsfv"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// field is a certificate as a proxy passes it on.
func field(c *x509.Certificate) string {
	return ":" + base64.StdEncoding.EncodeToString(c.Raw) + ":"
}

func TestForwarded(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t, "clients")
	between := a.Intermediate("below")
	proxy := a.Issue(servers.Leaf{CommonName: "proxy", Client: true}).Leaf
	direct := field(a.Issue(servers.Leaf{CommonName: "direct", Client: true}).Leaf)
	below := field(between.Issue(servers.Leaf{CommonName: "below", Client: true}).Leaf)
	chain := "Client-Cert-Chain: " + field(between.Leaf)
	d := setup(t, func(c *Config) { c.CA, c.Forwarded = sluice.Path(a.CertFile), true })
	without := setup(t, func(c *Config) { c.CA = sluice.Path(a.CertFile) })
	for _, c := range []struct {
		name    string
		fields  []string
		trusted bool
		peer    *x509.Certificate
		want    string // the subject, or the code
	}{
		{"passed on", []string{"Client-Cert: " + direct}, true, nil, "CN=direct"},
		{"in lower case", []string{"client-cert: " + direct}, true, nil, "CN=direct"},
		{"through a proxy with a certificate", []string{"Client-Cert: " + direct}, true, proxy, "CN=direct"},
		{"the proxy's own is not its client's", nil, true, proxy, "unauthenticated"},
		{"a chain without a certificate", []string{chain}, true, nil, "unauthenticated"},
		{"with a chain", []string{"Client-Cert: " + below, chain}, true, nil, "CN=below"},
		{"with a longer chain", []string{"Client-Cert: " + below, chain + " , " + direct}, true, nil, "CN=below"},
		{"with a chain in two fields", []string{"Client-Cert: " + below, "Client-Cert-Chain: " + direct, chain}, true, nil, "CN=below"},
		{"without its chain", []string{"Client-Cert: " + below}, true, nil, "forbidden"},
		{"with another chain", []string{"Client-Cert: " + below, "Client-Cert-Chain: " + direct}, true, nil, "forbidden"},
		{"twice", []string{"Client-Cert: " + direct, "Client-Cert: " + direct}, true, nil, "forbidden"},
		{"two in one", []string{"Client-Cert: " + direct + ", " + direct}, true, nil, "forbidden"},
		{"empty", []string{"Client-Cert: "}, true, nil, "forbidden"},
		{"no base64", []string{"Client-Cert: :?:"}, true, nil, "forbidden"},
		{"no certificate", []string{"Client-Cert: :AAAA:"}, true, nil, "forbidden"},
		{"a chain that cannot be read", []string{"Client-Cert: " + direct, "Client-Cert-Chain: x"}, true, nil, "forbidden"},
		{"a chain that is too long", []string{"Client-Cert: " + direct, chain + strings.Repeat(","+direct, longest)}, true, nil, "forbidden"},
		{"of anyone", []string{"Client-Cert: " + direct}, false, nil, "unauthenticated"},
		{"of anyone with a certificate", []string{"Client-Cert: " + direct}, false, proxy, "CN=proxy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ask := func(h sluice.Handler) string {
				x := sluice.NewExchange(nil)
				x.Request.TrustedPeer, x.Request.Peer = c.trusted, c.peer
				for _, f := range c.fields {
					name, value, _ := strings.Cut(f, ": ")
					x.Request.Header.Add(name, value)
				}
				if err := h.Serve(x); err != nil {
					return codeOf(err)
				}
				if name := nameText(x.Request.Peer.RawSubject); name != x.Caller.Subject {
					t.Errorf("the certificate behind the policy is that of %s", name)
				}
				return x.Caller.Subject
			}
			for range 2 { // as decided, and as remembered
				if got := ask(d); got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
			}
			want := "unauthenticated"
			if c.peer != nil {
				want = "CN=proxy"
			}
			if got := ask(without); got != want {
				t.Errorf("without forwarded: got %s, want %s", got, want)
			}
		})
	}
}

// Fields that have the hash of others get no verdict of theirs.
func TestSameHash(t *testing.T) {
	t.Parallel()
	a, other := servers.NewAuthority(t, "clients"), servers.NewAuthority(t, "clients")
	j, follower, err := openJudge(slog.New(slog.DiscardHandler), &Config{CA: sluice.Path(a.CertFile), Forwarded: true})
	if err != nil {
		t.Fatal(err)
	}
	defer follower.Close()
	header := func(by *servers.Authority, chain ...string) *sluice.Header {
		var h sluice.Header
		h.Add(certField, field(by.Issue(servers.Leaf{CommonName: "x", Client: true}).Leaf))
		for _, value := range chain {
			h.Add(chainField, value)
		}
		return &h
	}
	good, now, one := header(a), time.Now(), field(a.Leaf)
	if v := j.judgePassed(good, now); v.refusal != nil {
		t.Fatal(v.refusal)
	}
	remembered, known := j.current.Load().passedOn.GetIfPresent(j.current.Load().hash(good))
	if !known || !remembered.says(good) {
		t.Fatal("the verdict is not remembered")
	}
	longer := header(a, one)
	longer.Set(certField, string(good.Value(certField)))
	for name, h := range map[string]*sluice.Header{"another certificate": header(other), "a chain": longer} {
		if remembered.says(h) {
			t.Errorf("%s is taken for what was said before", name)
		}
	}
	bad := header(other)
	j.current.Load().passedOn.Set(j.current.Load().hash(bad), remembered)
	if v := j.judgePassed(bad, now); v.refusal == nil {
		t.Error("a stranger is let in")
	}
	if p := (&passed{cert: good.Value(certField), chain: [][]byte{[]byte(one)}}); p.says(good) || !p.says(longer) {
		t.Error("a chain that is missing is not missed")
	}
}

// What is taken for a certificate is what a parser of structured fields takes for its bytes, and is written in one way.
func FuzzClientCert(f *testing.F) {
	a := servers.NewAuthority(f, "clients")
	f.Add([]byte(field(a.Leaf)))
	f.Add([]byte(" :AAAA: "))
	f.Add([]byte("::"))
	f.Add([]byte(field(a.Leaf) + ";a=1"))
	f.Fuzz(func(t *testing.T, value []byte) {
		c, err := readCertificate(value)
		if err != nil {
			return
		}
		item, err := httpsfv.UnmarshalItem([]string{string(value)})
		if err != nil {
			t.Fatalf("%q is no structured field: %v", value, err)
		}
		if raw, is := item.Value.([]byte); !is || !bytes.Equal(raw, c.Raw) || field(c) != string(bytes.Trim(value, " \t")) {
			t.Errorf("%q was read as %x", value, c.Raw)
		}
	})
}
