package jwt_test

import (
	"testing"

	"github.com/sluiceapi/sluice/policy/jwt"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/sluicetest/issuer"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	s, err := issuer.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	secret := "0123456789abcdef0123456789abcdef"
	key := &issuer.Key{Alg: "HS256", Private: []byte(secret)}
	sluicetest.Policy(t, sluicetest.PolicyCase{
		Kind:   jwt.Kind,
		Block:  "jwt: {issuer: " + s.Name() + ", audience: shop, secret: " + secret + "}",
		Fields: []string{"authorization: Bearer " + key.Token(s.Claims("shop", "ann"))},
	})
}
