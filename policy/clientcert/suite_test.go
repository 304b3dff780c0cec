package clientcert_test

import (
	"testing"

	"github.com/sluiceapi/sluice/policy/clientcert"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t, "clients")
	leaf := a.Issue(servers.Leaf{URIs: []string{"spiffe://example.org/ns/billing"}, Client: true}).Leaf
	sluicetest.Policy(t, sluicetest.PolicyCase{Kind: clientcert.Kind, Peer: leaf,
		Block: "client_cert: {ca: " + a.CertFile + ", spiffe: [spiffe://example.org/ns/*]}"})
}
