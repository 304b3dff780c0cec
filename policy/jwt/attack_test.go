package jwt

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice/sluicetest/issuer"
)

// keyFile writes a key set with one key of each asymmetric algorithm.
func keyFile(t testing.TB, jwks ...map[string]any) Location {
	t.Helper()
	if jwks == nil {
		for _, alg := range issuer.Algorithms() {
			if alg[:2] != "HS" {
				jwks = append(jwks, keyOf(t, alg).JWK())
			}
		}
	}
	return textFile(t, issuer.Set(jwks...))
}

func textFile(t testing.TB, text string) Location {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Location(path)
}

// secrets are the secrets of all three lengths as one block.
func secretConfig(t testing.TB, alg string) *Config {
	return config(func(c *Config) {
		c.Secret = append(c.Secret, secretOf(keyOf(t, alg)))
		c.Algorithms = []string{alg}
	})
}

func TestEveryAlgorithmPasses(t *testing.T) {
	t.Parallel()
	set := policy(t, environment(t, nil, nil), config(func(c *Config) { c.Keys = keyFile(t) }))
	for _, alg := range issuer.Algorithms() {
		h := set
		if alg[:2] == "HS" {
			h = policy(t, environment(t, nil, nil), secretConfig(t, alg))
		}
		x := exchange(keyOf(t, alg).Token(good(nil)))
		if err := h.Serve(x); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		if c := x.Caller; c.Scheme != "jwt" || c.Issuer != testIssuer || c.Subject != "ann" || !json.Valid(c.Claims) {
			t.Errorf("%s: the caller is %+v", alg, c)
		}
		if x.Request.Header.Has("authorization") {
			t.Errorf("%s: the token is still in the request", alg)
		}
	}
}

// wanted is why each attack is refused; those that are not here, for their signature.
var wanted = map[refusal][]string{
	refusedAlgorithm: {"alg none", "alg None", "alg nOnE", "alg missing", "alg in lower case", "alg a list",
		"alg of JWE", "public RSA key as a secret, PEM", "public RSA key as a secret, DER"},
	refusedForm: {"alg none without a signature", "empty", "one part", "two parts", "four parts", "five parts, as JWE",
		"no header", "no payload", "no signature", "thousands of dots", "dots behind a good token", "padding",
		"padding in the header", "standard base64", "a line end", "a space", "a NUL", "flattened JSON", "general JSON"},
	refusedKeyAlgorithm: {"alg of another hash", "alg PS256 with the key of RS256"},
	refusedExtension:    {"crit", "crit that is empty", "b64 false", "zip", "enc"},
	refusedUnknownKey:   {"kid unknown", "kid a path"},
	refusedHeader: {"kid a number", "kid very long", "typ a number", "header an array", "header twice", "header with a member twice",
		"header with a member twice, one escaped", "header of bad UTF-8", "header with a lone surrogate", "header nested deep",
		"header of many members"},
	refusedType:   {"typ of another sort"},
	refusedSize:   {"too long"},
	refusedBase64: {"a character less in the signature", "spare bits in the header", "spare bits in the signature"},
	refusedClaims: {"payload no JSON", "payload an array", "payload a string", "payload null", "payload with trailing bytes",
		"payload with a trailing NUL", "payload with a byte order mark", "payload of bad UTF-8", "payload with a lone surrogate",
		"claim twice", "claim twice, one escaped", "claim twice, deep inside", "claims nested deep", "NaN", "number with a zero before it",
		"a comma too many", "a comment"},
	refusedMissing: {"exp missing", "exp null", "sub missing", "sub empty"},
	refusedTime: {"exp a string", "exp true", "exp a list", "exp huge", "exp beyond the numbers", "exp of 64 bits and more",
		"exp below zero", "nbf a string", "iat a string"},
	refusedExpired: {"expired", "expired at the second"},
	refusedEarly:   {"nbf in the future"},
	refusedIssued:  {"iat in the future"},
	refusedIssuer:  {"iss missing", "iss of another"},
	refusedClaim: {"iss a list", "aud a number", "aud a list with a number", "aud an object", "sub a number",
		"scope a number"},
	refusedAudience: {"aud missing", "aud of another", "aud in other case", "aud a list of others"},
}

// attacks are all there are, against a set with all keys, and why each must be refused.
func attacks(t testing.TB) (all []issuer.Attack, want map[string]refusal) {
	t.Helper()
	keys := map[string]*issuer.Key{}
	for _, alg := range issuer.Algorithms() {
		keys[alg] = keyOf(t, alg)
	}
	all, want = issuer.Attacks(keys, good(nil)), map[string]refusal{}
	for _, a := range all {
		if want[a.Name] != "" {
			t.Fatalf("two attacks are called %s", a.Name)
		}
		want[a.Name] = refusedSignature
	}
	for why, names := range wanted {
		for _, name := range names {
			if want[name] == "" {
				t.Fatalf("there is no attack called %s", name)
			}
			want[name] = why
		}
	}
	return all, want
}

// withHeader is a good token of a key with another header, signed by the key.
func withHeader(k *issuer.Key, header string) string {
	return issuer.Join(header, string(jsonOf(good(nil))), k.Sign)
}

// withPayload is a token of a key with any payload, signed by the key.
func withPayload(k *issuer.Key, payload string) string {
	return issuer.Join(k.Header(), payload, k.Sign)
}

// headerWith is the header of a key with one more member.
func headerWith(k *issuer.Key, member string) string {
	return strings.TrimSuffix(k.Header(), "}") + "," + member + "}"
}

// forged is a token with the signature of another.
func forged(k *issuer.Key) string {
	parts := strings.Split(k.Token(good(nil)), ".")
	other := strings.Split(k.Token(good(func(c map[string]any) { c["sub"] = "admin" })), ".")
	return parts[0] + "." + other[1] + "." + parts[2]
}

func TestAttacksAreRefused(t *testing.T) {
	t.Parallel()
	h := policy(t, environment(t, nil, nil), config(func(c *Config) { c.Keys = keyFile(t) }))
	all, want := attacks(t)
	for _, a := range all {
		for range 2 { // the second may come from a cache
			if got := why(h, a.Token); got != want[a.Name] {
				t.Errorf("%s: %q, want %q", a.Name, got, want[a.Name])
			}
		}
		if err := h.Serve(exchange(a.Token)); a.Token != "" && err != h.answers.invalid {
			t.Errorf("%s: the answer is %v, want the one of all bad tokens", a.Name, err)
		}
	}
	t.Logf("%d attacks", len(all))
}

// Claims that are unusual and good.
func TestGoodTokens(t *testing.T) {
	t.Parallel()
	h := policy(t, environment(t, nil, nil), config(func(c *Config) { c.Keys = keyFile(t) }))
	k := keyOf(t, "EdDSA")
	now := good(nil)["iat"].(int64)
	for name, token := range map[string]string{
		"aud a list":        k.Token(good(func(c map[string]any) { c["aud"] = []string{"a", "shop"} })),
		"exp with parts":    k.Token(good(func(c map[string]any) { c["exp"] = float64(now) + 3600.5 })),
		"exp in the skew":   k.Token(good(func(c map[string]any) { c["exp"] = now - 10 })),
		"nbf in the skew":   k.Token(good(func(c map[string]any) { c["nbf"] = now + 20 })),
		"iat in the skew":   k.Token(good(func(c map[string]any) { c["iat"] = now + 20 })),
		"exp as 1e10":       withPayload(k, `{"iss":"`+testIssuer+`","aud":"shop","sub":"ann","exp":1e10}`),
		"white space":       withPayload(k, ` { "iss" : "`+testIssuer+"\" ,\n\"aud\":\"shop\",\t\"sub\":\"ann\",\"exp\":9999999999 } "),
		"escapes":           withPayload(k, `{"\u0069ss":"https:\/\/id.example.org","aud":"\u0073hop","sub":"\ud83d\ude00","exp":9999999999}`),
		"no typ":            withHeader(k, `{"alg":"EdDSA","kid":"key-EdDSA"}`),
		"typ jwt":           withHeader(k, `{"alg":"EdDSA","kid":"key-EdDSA","typ":"jwt"}`),
		"typ as a media":    withHeader(k, `{"alg":"EdDSA","kid":"key-EdDSA","typ":"application/JWT"}`),
		"Ed25519":           withHeader(k, `{"alg":"Ed25519","kid":"key-EdDSA"}`),
		"other members":     withHeader(k, headerWith(k, `"x5t":"abc","jku":"https://id.example.org/keys"`)),
		"without a kid":     withHeader(k, `{"alg":"EdDSA"}`),
		"an array of aud":   k.Token(good(func(c map[string]any) { c["aud"] = []string{"shop", "shop"} })),
		"claims of objects": k.Token(good(func(c map[string]any) { c["a"] = map[string]any{"b": []any{1, nil, true, "x", map[string]any{}}} })),
	} {
		for range 2 {
			if got := why(h, token); got != "" {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
}

// pointOff is a key of EC whose point is not on the curve.
func pointOff(t *testing.T, k *issuer.Key) map[string]any {
	t.Helper()
	jwk := k.JWK()
	jwk["y"] = jwk["x"]
	return jwk
}

func smallRSA(t *testing.T, bits int) map[string]any {
	t.Helper()
	n, err := rand.Prime(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"kty": "RSA", "n": issuer.Encode(n.Bytes()), "e": "AQAB"}
}

// rocaModulus has the fingerprint of the broken generator, and nothing else of a modulus.
func rocaModulus() *big.Int {
	m := big.NewInt(2)
	for _, p := range rocaPrimes {
		m.Mul(m, big.NewInt(p))
	}
	n := new(big.Int).Lsh(big.NewInt(1), 2047)
	n.Sub(n, new(big.Int).Mod(n, m)).Add(n, m)
	return n.Add(n, new(big.Int).Exp(big.NewInt(65537), big.NewInt(77), m))
}

func changed(jwk map[string]any, name string, value any) map[string]any {
	if jwk[name] = value; value == nil {
		delete(jwk, name)
	}
	return jwk
}

// Keys that must not be used: each beside a good one, which stays.
func TestBadKeysAreDropped(t *testing.T) {
	t.Parallel()
	es, rs, ed := keyOf(t, "ES256"), keyOf(t, "RS256"), keyOf(t, "EdDSA")
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := p224.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for name, jwk := range map[string]map[string]any{
		"RSA of 1024 bits":            smallRSA(t, 1024),
		"RSA of 2047 bits":            smallRSA(t, 2047),
		"RSA of 8193 bits":            {"kty": "RSA", "n": issuer.Encode(new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 8192), big.NewInt(1)).Bytes()), "e": "AQAB"},
		"RSA with an even modulus":    {"kty": "RSA", "n": issuer.Encode(new(big.Int).Lsh(big.NewInt(1), 2047).Bytes()), "e": "AQAB"},
		"RSA with the exponent 1":     changed(rs.JWK(), "e", "AQ"),
		"RSA with the exponent 3":     changed(rs.JWK(), "e", "Aw"),
		"RSA with an even exponent":   changed(rs.JWK(), "e", "AQAC"),
		"RSA with a huge exponent":    changed(rs.JWK(), "e", "AQAAAAAAAAE"),
		"RSA of ROCA":                 {"kty": "RSA", "n": issuer.Encode(rocaModulus().Bytes()), "e": "AQAB"},
		"RSA without n":               changed(rs.JWK(), "n", nil),
		"RSA with padding in n":       changed(rs.JWK(), "n", rs.JWK()["n"].(string)+"="),
		"RSA said to be ES256":        changed(rs.JWK(), "alg", "ES256"),
		"RSA said to be HS256":        changed(rs.JWK(), "alg", "HS256"),
		"RSA for encryption":          changed(rs.JWK(), "use", "enc"),
		"RSA for signing only":        changed(rs.JWK(), "key_ops", []string{"sign"}),
		"RSA with an operation twice": changed(rs.JWK(), "key_ops", []string{"verify", "verify"}),
		"RSA with operations as text": changed(rs.JWK(), "key_ops", "verify"),
		"RSA with its private part":   changed(rs.JWK(), "d", "AQAB"),
		"EC off the curve":            pointOff(t, es),
		"EC at infinity":              changed(changed(es.JWK(), "x", issuer.Encode(make([]byte, 32))), "y", issuer.Encode(make([]byte, 32))),
		"EC with a short x":           changed(es.JWK(), "x", issuer.Encode(make([]byte, 31))),
		"EC said to be ES384":         changed(es.JWK(), "alg", "ES384"),
		"EC on P-224":                 {"kty": "EC", "crv": "P-224", "x": issuer.Encode(point[1:29]), "y": issuer.Encode(point[29:])},
		"EC of secp256k1":             changed(es.JWK(), "crv", "secp256k1"),
		"EC said to be on P-384":      changed(changed(es.JWK(), "crv", "P-384"), "alg", nil),
		"Ed25519 of 31 bytes":         changed(ed.JWK(), "x", issuer.Encode(make([]byte, 31))),
		"X25519":                      changed(ed.JWK(), "crv", "X25519"),
		"a type that is not known":    changed(ed.JWK(), "kty", "AKP"),
		"a kid that is a number":      changed(ed.JWK(), "kid", 7),
		"no type":                     changed(ed.JWK(), "kty", nil),
	} {
		jwk["kid"] = "bad"
		if name == "a kid that is a number" {
			jwk["kid"] = 7
		}
		stays := keyOf(t, "ES384")
		set, gone, err := parseJWKS([]byte(issuer.Set(jwk, stays.JWK())), nil)
		if err != nil {
			t.Errorf("%s: the whole set is refused: %v", name, err)
			continue
		}
		if set.size != 1 || set.named[stays.ID] == nil || len(gone) != 1 || gone[0].place != 1 || gone[0].err == nil {
			t.Errorf("%s: %d keys, dropped %+v; want the good one alone", name, set.size, gone)
		}
	}
}

// Sets that must not take the place of a good one.
func TestBadSetsAreRefused(t *testing.T) {
	t.Parallel()
	es, ed := keyOf(t, "ES256"), keyOf(t, "EdDSA")
	var hundred []map[string]any
	for i := range 101 {
		hundred = append(hundred, changed(ed.JWK(), "kid", big.NewInt(int64(i)).String()))
	}
	secret := map[string]any{"kty": "oct", "k": issuer.Encode(make([]byte, 32)), "kid": "s"}
	for name, text := range map[string]string{
		"no JSON":               "hello",
		"an array":              "[]",
		"no keys":               "{}",
		"keys an object":        `{"keys":{}}`,
		"empty":                 issuer.Set(),
		"a name twice":          issuer.Set(es.JWK(), changed(ed.JWK(), "kid", es.ID)),
		"keys twice":            `{"keys":[],"keys":[]}`,
		"a secret alone":        issuer.Set(secret),
		"a secret among others": issuer.Set(es.JWK(), secret),
		"101 keys":              issuer.Set(hundred...),
		"bad keys alone":        issuer.Set(pointOff(t, es)),
		"members without end":   `{"keys":[` + string(jsonOf(es.JWK())) + `]` + unlike(5000) + `}`,
		"trailing bytes":        issuer.Set(es.JWK()) + "x",
		"cut off":               issuer.Set(es.JWK())[:50],
	} {
		if set, _, err := parseJWKS([]byte(text), nil); err == nil || set != nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, _, err := parseJWKS([]byte(`{"keys":[`+string(jsonOf(es.JWK()))+`]`+unlike(4000)+`}`), nil); err != nil {
		t.Errorf("4000 members: %v", err)
	}
	if set, _, err := parseJWKS([]byte(issuer.Set(hundred[:100]...)), nil); err != nil || set.size != 100 {
		t.Errorf("100 keys: %v", err)
	}
}

// unlike are members that differ.
func unlike(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, `,"m%d":0`, i)
	}
	return text.String()
}

func TestROCA(t *testing.T) {
	t.Parallel()
	if !roca(rocaModulus()) {
		t.Error("the fingerprint is not found")
	}
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"} {
		if roca(keyOf(t, alg).Public().(*rsa.PublicKey).N) {
			t.Errorf("the key of %s is taken for one of the broken generator", alg)
		}
	}
}
