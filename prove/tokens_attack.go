package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/issuer"
)

// invalidToken is what a client hears of a bad token, whatever is wrong with it.
const invalidToken = `Bearer error="invalid_token"`

// attacks shows every forged token, each by its name.
func (t *tokensTrial) attacks(ctx context.Context) error {
	body := ""
	for _, attack := range issuer.Attacks(t.keys, t.claims("ann")) {
		if attack.Token == "" {
			continue // no token at all
		}
		from := t.node.log.length()
		a, err := t.client.do(bearing("/keys", attack.Token))
		if err != nil {
			return fmt.Errorf("%s: %w", attack.Name, err)
		}
		switch {
		case a.status == 401 && a.header.Get("WWW-Authenticate") == invalidToken:
			why, err := t.why(ctx, from)
			if err != nil {
				return fmt.Errorf("%s: %w", attack.Name, err)
			}
			t.refused[why] = append(t.refused[why], attack.Name)
			if told := problem(a.body); body == "" {
				body = told
			} else if body != told {
				t.fail("%s: the client is told %s, and others %s", attack.Name, told, body)
			}
		case a.status == 400 || a.status == 431:
			t.refused["not HTTP"] = append(t.refused["not HTTP"], attack.Name)
		default:
			t.fail("%s: status %d", attack.Name, a.status)
		}
		if !rest(ctx, attackPause) {
			return ctx.Err()
		}
	}
	return t.nothingShown()
}

// why is the reason in the log for the last refusal.
func (t *tokensTrial) why(ctx context.Context, from int) (string, error) {
	line, err := t.node.await(ctx, from, "a token is refused")
	if err != nil {
		return "", err
	}
	var refusal struct{ Reason string }
	err = json.Unmarshal([]byte(line), &refusal)
	return refusal.Reason, err
}

// problem is what an answer says of a failure, without what differs from request to request.
func problem(body []byte) string {
	var p map[string]any
	if json.Unmarshal(body, &p) != nil {
		return string(body)
	}
	delete(p, "request_id")
	delete(p, "instance")
	return fmt.Sprint(p)
}

// nothingShown looks for tokens in the log: every token of ours has a part that starts like this.
func (t *tokensTrial) nothingShown() error {
	if text := t.node.log.last(t.node.log.length()); strings.Contains(text, "eyJ") {
		t.fail("the log shows a token")
	}
	return nil
}

// weakKeys has the issuer publish keys that must not be used, beside good ones, and shows tokens signed by them.
func (t *tokensTrial) weakKeys(ctx context.Context) error {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		return err
	}
	cube, err := exponentThree()
	if err != nil {
		return err
	}
	type weak struct {
		name   string
		key    *issuer.Key
		change func(jwk map[string]any)
	}
	as := func(alg string, private any) *issuer.Key { return &issuer.Key{Alg: alg, Private: private} }
	all := []weak{
		{"an RSA key of 1024 bits", as("RS256", small), nil},
		{"an RSA key with the exponent 3", as("RS256", cube), nil},
		{"a key for encryption", as("RS256", t.keys["RS512"].Private), func(j map[string]any) { j["use"] = "enc" }},
		{"a key for other operations", as("ES256", t.keys["ES256"].Private), func(j map[string]any) { j["key_ops"] = []string{"sign"} }},
		{"a key of another algorithm", as("ES256", t.keys["ES256"].Private), func(j map[string]any) { j["alg"] = "ES384" }},
		{"a key with its private part", as("ES256", t.keys["ES256"].Private), func(j map[string]any) { j["d"] = "AQAB" }},
		{"a key whose point is off the curve", as("ES256", t.keys["ES256"].Private), func(j map[string]any) { j["y"] = j["x"] }},
	}
	after, err := issuer.NewKey("ES256", "beside")
	if err != nil {
		return err
	}
	jwks := []map[string]any{after.JWK(), t.keys["ES256"].JWK()}
	for i, w := range all {
		w.key.ID = fmt.Sprint("weak-", i)
		jwk := w.key.JWK()
		if w.change != nil {
			w.change(jwk)
		}
		jwks = append(jwks, jwk)
	}
	t.issuer.PublishText(issuer.Set(jwks...))
	if err := t.await(ctx, weakAddress, after.Token(t.claims("ann"))); err != nil {
		return err
	}
	for _, w := range all {
		a, err := t.client.do(bearing("/keys", w.key.Token(t.claims("ann"))))
		if err != nil {
			return err
		}
		if a.status != 401 {
			t.fail("%s: status %d", w.name, a.status)
			continue
		}
		t.weak = append(t.weak, w.name)
	}
	t.publish()
	return nil
}

// exponentThree is an RSA key whose signatures can be forged where padding is read carelessly.
func exponentThree() (*rsa.PrivateKey, error) {
	three, one := big.NewInt(3), big.NewInt(1)
	for {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		phi := big.NewInt(1)
		for _, p := range k.Primes {
			phi.Mul(phi, new(big.Int).Sub(p, one))
		}
		d := new(big.Int).ModInverse(three, phi)
		if d == nil {
			continue
		}
		cube := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: k.N, E: 3}, D: d, Primes: k.Primes}
		return cube, cube.Validate()
	}
}

// expires shows a token until it is refused: from the cache, but not after its time.
func (t *tokensTrial) expires(ctx context.Context) error {
	end := time.Now().Add(3 * time.Second).Unix()
	claims := t.claims("ann")
	claims["exp"] = end
	ask := bearing("/exact", t.keys["ES256"].Token(claims))
	for taken := 0; ; taken++ {
		a, err := t.client.do(ask)
		if err != nil {
			return err
		}
		t.expiry = time.Since(time.Unix(end, 0))
		switch {
		case a.status == 200 && t.expiry < patience:
		case taken < 10 || t.expiry < 0:
			t.fail("a token that expires in %s is refused with %d after %d requests", seconds(-t.expiry), a.status, taken)
			return nil
		default:
			return nil
		}
		if !rest(ctx, 10*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// print tells of everything, attacks by why they were refused.
func (t *tokensTrial) print() {
	count := 0
	for _, names := range t.refused {
		count += len(names)
	}
	fmt.Printf("\nalgorithms taken: %d of %d: %s\n", len(t.passed), len(issuer.Algorithms()), strings.Join(t.passed, " "))
	fmt.Printf("forged tokens refused: %d, with 401 and the same words, but for what is no HTTP; the log says why:\n", count)
	reasons := make([]string, 0, len(t.refused))
	for why := range t.refused {
		reasons = append(reasons, why)
	}
	slices.Sort(reasons)
	for _, why := range reasons {
		fmt.Printf("  %s\n", why)
		for _, name := range t.refused[why] {
			fmt.Printf("      %s\n", name)
		}
	}
	fmt.Printf("keys that are published and not used: %d\n", len(t.weak))
	for _, name := range t.weak {
		fmt.Printf("      %s\n", name)
	}
	fmt.Printf("a cached token is refused %s after it expires, at the whole second; wanted: at most %s\n", seconds(t.expiry), seconds(expirySlack))
	t.printLoad()
}
