package jwt_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/policy/jwt"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/sluicetest/issuer"
)

// fifty is a config of fifty endpoints, some with a block of their own.
func fifty(s *issuer.Issuer, more string) string {
	var text strings.Builder
	block := func(audience string) string {
		return fmt.Sprintf("- jwt: {issuer: %q, audience: %s, keys: %q}\n", s.Name(), audience, s.KeysURL())
	}
	text.WriteString("sluice: 1\n" + more + "every_endpoint:\n  " + block("shop") + "endpoints:\n")
	for i := range 50 {
		fmt.Fprintf(&text, "  e%d:\n    route: GET /e%d\n    test_handler: {name: h}\n", i, i)
	}
	text.WriteString("  own:\n    route: GET /own\n    public: true\n    policies:\n      " + block("users") + "    test_handler: {name: h}\n")
	return text.String()
}

func kinds() []sluice.Kind {
	answer := sluice.HandlerFunc(func(x *sluice.Exchange) error {
		x.Response.Body.SetBytes([]byte(x.Caller.Subject))
		return nil
	})
	return []sluice.Kind{jwt.Kind, sluicetest.HandlerKind(map[string]sluice.Handler{"h": answer})}
}

// Fifty endpoints fetch the keys once and verify a token once, and a reload does neither again.
func TestEndpointsShareKeysAndTokens(t *testing.T) {
	t.Parallel()
	s, err := issuer.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	ready := make(chan struct{}, 10)
	options := build.Options{Kinds: kinds(), Hold: func(string) func() { return func() { ready <- struct{}{} } }}
	node, err := build.Make(sluicetest.Document(t, fifty(s, "")), options, nil)
	if err != nil {
		t.Fatal(err)
	}
	<-ready
	token := "authorization: Bearer " + s.Token(s.Claims("shop", "ann"))
	ask := func(node *build.Node) {
		t.Helper()
		for i := range 50 {
			if a := sluicetest.Do(node, sluicetest.Exchange(t, fmt.Sprintf("GET /e%d", i), "", token)); a.Status != 200 || a.Body != "ann" {
				t.Fatalf("e%d: %v", i, a.Err)
			}
		}
		if a := sluicetest.Do(node, sluicetest.Exchange(t, "GET /own", "", token)); a.Status != 401 {
			t.Errorf("an endpoint for another audience answers with %d", a.Status)
		}
	}
	ask(node)
	next, err := build.Make(sluicetest.Document(t, fifty(s, "nodes: 1\n")), options, node)
	if err != nil {
		t.Fatal(err)
	}
	node.Retire()
	s.SetMode(issuer.Failing) // what is carried over needs no issuer
	ask(next)
	next.Retire()
	if n := len(s.Fetches()); n != 1 {
		t.Errorf("the keys were fetched %d times, want once", n)
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	block := "- jwt: {issuer: i, audience: a, secret: 0123456789abcdef0123456789abcdef}"
	other := func(name string) sluice.Kind {
		return sluice.NewPolicy(name, sluice.None{}, func(*sluice.Env, *sluice.Endpoint, *sluice.None) (sluice.Policy, error) {
			return func(next sluice.Handler) sluice.Handler { return next }, nil
		})
	}
	all := append(kinds(), other("cache"), other("retry"), other("async"))
	for first, want := range map[string]string{"- cache": "jwt must stand before cache", "- retry": "jwt must stand before retry",
		"- async": "jwt must stand before async", block: "jwt must stand before jwt"} {
		text := "sluice: 1\nendpoints:\n  e:\n    route: GET /\n    policies:\n      " + first + "\n      " + block + "\n    test_handler: {name: h}\n"
		_, err := build.Make(sluicetest.Document(t, text), build.Options{Kinds: all}, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", first, err, want)
		}
	}
}

// The secret may come as one or as a list, and what is wrong with it is told without it.
func TestSecretInYAML(t *testing.T) {
	t.Parallel()
	text := func(secret string) string {
		return "sluice: 1\nendpoints:\n  e:\n    route: GET /\n    policies:\n      - jwt: {issuer: i, audience: [a], secret: " + secret + "}\n    test_handler: {name: h}\n"
	}
	for _, good := range []string{"0123456789abcdef0123456789abcdef", "[0123456789abcdef0123456789abcdef, fedcba9876543210fedcba9876543210]"} {
		sluicetest.Node(t, text(good), kinds()...)
	}
	for _, bad := range []string{"swordfish", "[0123456789abcdef0123456789abcdef, swordfish]"} {
		_, err := build.Make(sluicetest.Document(t, text(bad)), build.Options{Kinds: kinds()}, nil)
		if err == nil || !strings.Contains(err.Error(), "9 bytes; want 32") || strings.Contains(err.Error(), "swordfish") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
