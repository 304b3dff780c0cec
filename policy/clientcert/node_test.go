package clientcert_test

import (
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/policy/clientcert"
	"github.com/sluiceapi/sluice/sluicetest"
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
		{https, "client_cert: {dns: ['*.example.org']}", ""},
		{https, "cache\n      - client_cert", "client_cert must stand before cache"},
		{https, "client_cert\n      - cache", ""},
		{"listen: {admin: {address: '127.0.0.1:0', policies: [client_cert]}, https: {address: ':0', certificates: [{cert: a, key: a}], client_ca: a}}\n", "cache", "the admin listener asks no client"},
		{"listen: {https: {address: ':0', certificates: [{cert: a, key: a}], client_certificates: optional}}\n", "cache", "nobody vouches for the certificates of clients"},
	} {
		doc := sluicetest.Document(t, "sluice: 1\n"+c.top+"endpoints:\n  e:\n    route: GET /e\n    policies:\n      - "+c.policies+"\n    test_handler: {name: h}\n")
		kinds := []sluice.Kind{clientcert.Kind, after, sluicetest.HandlerKind(map[string]sluice.Handler{"h": sluice.HandlerFunc(nil)})}
		node, err := build.Make(doc, build.Options{Kinds: kinds}, nil)
		if err == nil {
			node.Retire()
		}
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s%s: %v, want %q", c.top, c.policies, err, c.want)
		}
	}
}
