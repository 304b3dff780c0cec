package cors_test

import (
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/policy/cors"
	"github.com/sluiceapi/sluice/policy/ipfilter"
	"github.com/sluiceapi/sluice/sluicetest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	sluicetest.Policy(t, sluicetest.PolicyCase{Kind: cors.Kind, Block: "cors:\n  origins: [https://shop.example.org]\n  credentials: true", Fields: []string{"origin: https://shop.example.org"}})
}

// A preflight passes by the policies that would refuse it and is answered by the endpoint of the method it asks for.
func TestPreflightOfNode(t *testing.T) {
	t.Parallel()
	h := sluicetest.Node(t, `
		sluice: 1
		endpoints:
		  read:
		    route: GET /a/{id}
		    policies:
		      - cors: ["*"]
		    test_handler:
		      name: h
		  write:
		    route: PUT /a/{id}
		    policies:
		      - cors:
		          origins:
		            - https://shop.example.org
		      - ip_filter:
		          deny:
		            - 0.0.0.0/0
		    test_handler:
		      name: h
		`, cors.Kind, ipfilter.Kind, sluicetest.HandlerKind(map[string]sluice.Handler{"h": sluice.HandlerFunc(func(*sluice.Exchange) error { return nil })}))
	ask := func(method, origin string) sluicetest.Answer {
		return sluicetest.Do(h, sluicetest.Exchange(t, "OPTIONS /a/7", "", "origin: "+origin, "access-control-request-method: "+method))
	}
	for _, c := range []struct{ method, origin, allowed string }{
		{"GET", "https://a.test", "*"},
		{"PUT", "https://shop.example.org", "https://shop.example.org"},
		{"PUT", "https://a.test", ""},
	} {
		if a := ask(c.method, c.origin); a.Status != 204 || a.Header["access-control-allow-origin"] != c.allowed {
			t.Errorf("%s from %s: %+v", c.method, c.origin, a)
		}
	}
	if a := sluicetest.Do(h, sluicetest.Exchange(t, "PUT /a/7", "", "origin: https://shop.example.org")); a.Status != 403 || a.Header["access-control-allow-origin"] == "" {
		t.Errorf("a refusal below: %+v, want 403 that the page can see", a)
	}
}
