package clientcert_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/policy/clientcert"
	"github.com/sluiceapi/sluice/policy/jwt"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/sluicetest/issuer"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// The fields by which proxies pass on certificates reach nothing behind the front of a node, but from trusted proxies.
func TestFieldsOfAnyoneAreRemoved(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t, "clients")
	seen := sluice.HandlerFunc(func(x *sluice.Exchange) error {
		x.Response.Header.Add("X-Caller", x.Caller.Subject)
		for _, f := range x.Request.Header.Fields() {
			if strings.HasPrefix(strings.ToLower(string(f.Name)), "client-cert") {
				x.Response.Header.AddBytes(f.Name, f.Value)
			}
		}
		return nil
	})
	node := sluicetest.Node(t, `
		sluice: 1
		trusted_proxies: [10.0.0.0/8]
		endpoints:
			open:
				route: GET /open
				test_handler: {name: seen}
			guarded:
				route: GET /guarded
				policies:
					- client_cert: {forwarded: true, ca: `+a.CertFile+`}
				test_handler: {name: seen}
		`, clientcert.Kind, sluicetest.HandlerKind(map[string]sluice.Handler{"seen": seen}))
	value := ":" + base64.StdEncoding.EncodeToString(a.Issue(servers.Leaf{CommonName: "x", Client: true}).Leaf.Raw) + ":"
	ask := func(path, from string) sluicetest.Answer {
		x := sluicetest.Exchange(t, "GET "+path, "", "client-CERT: "+value, "Client-Cert-Chain: "+value, "Client-Cert-Other: a")
		x.Request.Remote = netip.MustParseAddrPort(from)
		return sluicetest.Do(node, x)
	}
	for from, trusted := range map[string]bool{"10.1.2.3:4": true, "192.0.2.1:4": false, "[::ffff:10.1.2.3]:4": true, "[2001:db8::1]:4": false} {
		a := ask("/open", from)
		if got := a.Header["client-cert"] == value && a.Header["client-cert-chain"] == value; got != trusted || a.Header["client-cert-other"] != "a" {
			t.Errorf("from %s: the fields arrive: %v, want %v (%v)", from, got, trusted, a.Header)
		}
		a = ask("/guarded", from)
		if got := a.Status == 200 && a.Header["x-caller"] == "CN=x"; got != trusted || !trusted && a.Status != 401 {
			t.Errorf("from %s: %d for %q, want it let in: %v", from, a.Status, a.Header["x-caller"], trusted)
		}
	}
}

// A token that is bound to a certificate (RFC 8705) is good with it also where a proxy has passed it on.
func TestBoundTokens(t *testing.T) {
	t.Parallel()
	id, err := issuer.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(id.Close)
	a := servers.NewAuthority(t, "clients")
	node := sluicetest.Node(t, `
		sluice: 1
		trusted_proxies: [10.0.0.0/8]
		listen:
			https: {address: ":0", certificates: [{cert: a, key: a}], client_ca: a}
		endpoints:
			e:
				route: GET /e
				policies:
					- client_cert: {forwarded: true, ca: `+a.CertFile+`}
					- jwt: {issuer: "`+id.Name()+`", audience: shop, keys: "`+id.KeysURL()+`"}
				test_handler: {name: who}
		`, clientcert.Kind, jwt.Kind, sluicetest.HandlerKind(map[string]sluice.Handler{"who": sluice.HandlerFunc(func(x *sluice.Exchange) error {
		x.Response.Body.SetBytes([]byte(x.Caller.Scheme + " " + x.Caller.Subject))
		return nil
	})}))
	leaf := func() *x509.Certificate { return a.Issue(servers.Leaf{CommonName: "x", Client: true}).Leaf }
	mine, other := leaf(), leaf()
	sum := sha256.Sum256(mine.Raw)
	claims := id.Claims("shop", "ann")
	claims["cnf"] = map[string]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}
	token := id.Token(claims)
	for _, c := range []struct {
		name         string
		passed, peer *x509.Certificate
		from, want   string
	}{
		{"passed on", mine, nil, "10.1.2.3:4", "jwt ann"},
		{"passed on by a proxy with a certificate", mine, other, "10.1.2.3:4", "jwt ann"},
		{"another was passed on", other, mine, "10.1.2.3:4", ""},
		{"shown", nil, mine, "192.0.2.1:4", "jwt ann"},
		{"another was shown", mine, other, "192.0.2.1:4", ""},
	} {
		ask := func() sluicetest.Answer {
			x := sluicetest.Exchange(t, "GET /e", "", "authorization: Bearer "+token)
			x.Request.Remote, x.Request.Peer = netip.MustParseAddrPort(c.from), c.peer
			if c.passed != nil {
				x.Request.Header.Add("Client-Cert", ":"+base64.StdEncoding.EncodeToString(c.passed.Raw)+":")
			}
			return sluicetest.Do(node, x)
		}
		got := ask()
		for end := time.Now().Add(20 * time.Second); got.Status == 503 && time.Now().Before(end); got = ask() {
			<-time.After(time.Millisecond) // until the keys are there
		}
		if got.Body != c.want || (got.Status == 401) != (c.want == "") {
			t.Errorf("%s: %d %q, %v; want %q", c.name, got.Status, got.Body, got.Err, c.want)
		}
	}
}

// A config in which nobody could ever be let in, or some that should not, is refused.
func TestConfigsThatCannotBe(t *testing.T) {
	t.Parallel()
	const https = "listen: {https: {address: ':0', certificates: [{cert: a, key: a}], client_ca: a}}\n"
	a := servers.NewAuthority(t, "clients")
	after := sluice.NewPolicy("cache", struct{}{}, func(*sluice.Env, *sluice.Endpoint, *struct{}) (sluice.Policy, error) {
		return func(next sluice.Handler) sluice.Handler { return next }, nil
	})
	for _, c := range []struct{ top, policies, want string }{
		{"", "client_cert", "no client is asked for a certificate"},
		{"trusted_proxies: [10.0.0.0/8]\n", "client_cert", "no client is asked for a certificate"},
		{https, "client_cert", ""},
		{https, "client_cert: {ca: " + a.CertFile + ", forwarded: true}", "no proxy is trusted"},
		{"trusted_proxies: [10.0.0.0/8]\n", "client_cert: {ca: " + a.CertFile + ", forwarded: true}", ""},
		{https, "client_cert: {ca: none.pem}", "none.pem"},
		{https, "client_cert: {dns: '*.example.org'}", ""},
		{https, "jwt: {issuer: i, audience: a, secret: 01234567890123456789012345678901}\n      - client_cert", "client_cert must stand before jwt"},
		{https, "cache\n      - client_cert", "client_cert must stand before cache"},
		{https, "client_cert\n      - cache", ""},
		{"listen: {admin: {address: '127.0.0.1:0', policies: [client_cert]}, https: {address: ':0', certificates: [{cert: a, key: a}], client_ca: a}}\n", "cache", "the admin listener asks no client"},
		{"listen: {https: {address: ':0', certificates: [{cert: a, key: a}], client_certificates: optional}}\n", "cache", "nobody vouches for the certificates of clients"},
	} {
		doc := sluicetest.Document(t, "sluice: 1\n"+c.top+"endpoints:\n  e:\n    route: GET /e\n    policies:\n      - "+c.policies+"\n    test_handler: {name: h}\n")
		kinds := []sluice.Kind{clientcert.Kind, jwt.Kind, after, sluicetest.HandlerKind(map[string]sluice.Handler{"h": sluice.HandlerFunc(nil)})}
		node, err := build.Make(doc, build.Options{Kinds: kinds}, nil)
		if err == nil {
			node.Retire()
		}
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s%s: %v, want %q", c.top, c.policies, err, c.want)
		}
	}
}
