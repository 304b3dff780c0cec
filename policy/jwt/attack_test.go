package jwt

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
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

// attack is a token that differs from a good one in one thing, and why it must be refused.
type attack struct {
	name  string
	token string
	want  refusal
}

// withHeader is a good token of a key with another header, signed by the key.
func withHeader(k *issuer.Key, header string) string {
	payload, err := json.Marshal(good(nil))
	if err != nil {
		panic(err)
	}
	return issuer.Join(header, string(payload), k.Sign)
}

// withPayload is a token of a key with any payload, signed by the key.
func withPayload(k *issuer.Key, payload string) string {
	return issuer.Join(k.Header(), payload, k.Sign)
}

// withSignature is a good token of a key with another signature.
func withSignature(k *issuer.Key, change func(signed, signature []byte) []byte) string {
	payload, err := json.Marshal(good(nil))
	if err != nil {
		panic(err)
	}
	return issuer.Join(k.Header(), string(payload), func(signed []byte) []byte { return change(signed, k.Sign(signed)) })
}

// headerWith is the header of a key with one more member.
func headerWith(k *issuer.Key, member string) string {
	return strings.TrimSuffix(k.Header(), "}") + "," + member + "}"
}

func headerAttacks(t *testing.T) []attack {
	es, rs := keyOf(t, "ES256"), keyOf(t, "RS256")
	stranger, err := issuer.NewKey("ES256", "key-ES256")
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(stranger.JWK())
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(rs.Public())
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	confused := func(secret []byte, header string) string {
		k := &issuer.Key{Alg: "HS256", ID: rs.ID, Private: secret}
		if header == "" {
			header = k.Header()
		}
		return withHeader(k, header)
	}
	none := func(alg string) string {
		return strings.TrimSuffix(withHeader(es, `{"alg":"`+alg+`","kid":"key-ES256"}`), ".")
	}
	return []attack{
		{"alg none", none("none"), refusedAlgorithm},
		{"alg None", none("None"), refusedAlgorithm},
		{"alg nOnE", none("nOnE"), refusedAlgorithm},
		{"alg none without a signature", none("none")[:strings.LastIndexByte(none("none"), '.')+1], refusedForm},
		{"alg missing", withHeader(es, `{"kid":"key-ES256"}`), refusedAlgorithm},
		{"alg in lower case", withHeader(es, `{"alg":"es256","kid":"key-ES256"}`), refusedAlgorithm},
		{"alg a list", withHeader(es, `{"alg":["ES256"],"kid":"key-ES256"}`), refusedAlgorithm},
		{"alg of JWE", withHeader(es, `{"alg":"RSA-OAEP","kid":"key-ES256"}`), refusedAlgorithm},
		{"alg of another hash", withHeader(es, `{"alg":"ES384","kid":"key-ES256"}`), refusedKeyAlgorithm},
		{"alg PS256 with the key of RS256", withHeader(&issuer.Key{Alg: "PS256", ID: rs.ID, Private: rs.Private}, `{"alg":"PS256","kid":"key-RS256"}`), refusedKeyAlgorithm},
		{"public RSA key as a secret, PEM", confused(public, ""), refusedAlgorithm},
		{"public RSA key as a secret, DER", confused(der, ""), refusedAlgorithm},
		{"public RSA key as a secret, said to be RS256", confused(public, rs.Header()), refusedSignature},
		{"a key offered in jwk", withHeader(stranger, headerWith(stranger, `"jwk":`+string(jwk))), refusedSignature},
		{"a key offered in jku", withHeader(stranger, headerWith(stranger, `"jku":"https://evil.example/keys"`)), refusedSignature},
		{"a key offered in x5u", withHeader(stranger, headerWith(stranger, `"x5u":"https://evil.example/cert"`)), refusedSignature},
		{"a key offered in x5c", withHeader(stranger, headerWith(stranger, `"x5c":["MIIB"]`)), refusedSignature},
		{"a stranger's key", stranger.Token(good(nil)), refusedSignature},
		{"crit", withHeader(es, headerWith(es, `"crit":["exp"],"exp":1`)), refusedExtension},
		{"crit that is empty", withHeader(es, headerWith(es, `"crit":[]`)), refusedExtension},
		{"b64 false", withHeader(es, headerWith(es, `"b64":false`)), refusedExtension},
		{"zip", withHeader(es, headerWith(es, `"zip":"DEF"`)), refusedExtension},
		{"enc", withHeader(es, headerWith(es, `"enc":"A128GCM"`)), refusedExtension},
		{"kid unknown", withHeader(es, `{"alg":"ES256","kid":"other"}`), refusedUnknownKey},
		{"kid a number", withHeader(es, `{"alg":"ES256","kid":7}`), refusedHeader},
		{"kid very long", withHeader(es, `{"alg":"ES256","kid":"`+strings.Repeat("a", 257)+`"}`), refusedHeader},
		{"kid a path", withHeader(es, `{"alg":"ES256","kid":"../../dev/null"}`), refusedUnknownKey},
		{"typ a number", withHeader(es, `{"alg":"ES256","kid":"key-ES256","typ":1}`), refusedHeader},
		{"typ of another sort", withHeader(es, `{"alg":"ES256","kid":"key-ES256","typ":"dpop+jwt"}`), refusedType},
		{"header an array", withHeader(es, `["ES256"]`), refusedHeader},
		{"header twice", withHeader(es, es.Header()+es.Header()), refusedHeader},
		{"header with a member twice", withHeader(es, headerWith(es, `"alg":"ES256"`)), refusedHeader},
		{"header with a member twice, one escaped", withHeader(es, headerWith(es, `"\u0061lg":"ES256"`)), refusedHeader},
		{"header of bad UTF-8", withHeader(es, headerWith(es, "\"a\":\"\xff\"")), refusedHeader},
		{"header with a lone surrogate", withHeader(es, headerWith(es, `"a":"\ud800"`)), refusedHeader},
		{"header nested deep", withHeader(es, headerWith(es, `"a":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000))), refusedHeader},
		{"header of many members", withHeader(es, headerWith(es, many(100))), refusedHeader},
	}
}

// many are members of an object.
func many(n int) string {
	var all []string
	for i := range n {
		all = append(all, `"m`+big.NewInt(int64(i)).String()+`":1`)
	}
	return strings.Join(all, ",")
}

func signatureAttacks(t *testing.T) []attack {
	es, rs, ps, ed := keyOf(t, "ES256"), keyOf(t, "RS256"), keyOf(t, "PS256"), keyOf(t, "EdDSA")
	n := elliptic.P256().Params().N
	pair := func(change func(r, s *big.Int) (*big.Int, *big.Int)) string {
		return withSignature(es, func(_, signature []byte) []byte {
			r, s := change(new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
			return es.Pair(r, s)
		})
	}
	all := []attack{
		{"ECDSA with r zero", pair(func(_, s *big.Int) (*big.Int, *big.Int) { return new(big.Int), s }), refusedSignature},
		{"ECDSA with s zero", pair(func(r, _ *big.Int) (*big.Int, *big.Int) { return r, new(big.Int) }), refusedSignature},
		{"ECDSA with both zero", pair(func(_, _ *big.Int) (*big.Int, *big.Int) { return new(big.Int), new(big.Int) }), refusedSignature},
		{"ECDSA with r the order", pair(func(_, s *big.Int) (*big.Int, *big.Int) { return n, s }), refusedSignature},
		{"ECDSA with s the order", pair(func(r, _ *big.Int) (*big.Int, *big.Int) { return r, n }), refusedSignature},
		{"ECDSA in DER", withSignature(es, func(signed, _ []byte) []byte { return der(es, signed) }), refusedSignature},
		{"PSS with a salt of nothing", withSignature(ps, func(signed, _ []byte) []byte { return ps.SignPSS(signed, 0) }), refusedSignature},
		{"PSS with a short salt", withSignature(ps, func(signed, _ []byte) []byte { return ps.SignPSS(signed, 20) }), refusedSignature},
		{"PSS with the longest salt", withSignature(ps, func(signed, _ []byte) []byte { return ps.SignPSS(signed, rsa.PSSSaltLengthAuto) }), refusedSignature},
		{"PKCS #1 where PSS is due", withSignature(ps, func(signed, _ []byte) []byte {
			return (&issuer.Key{Alg: "RS256", Private: ps.Private}).Sign(signed)
		}), refusedSignature},
	}
	for _, k := range []*issuer.Key{es, rs, ps, ed} {
		all = append(all,
			attack{k.Alg + " truncated", withSignature(k, func(_, s []byte) []byte { return s[:len(s)-1] }), refusedSignature},
			attack{k.Alg + " extended", withSignature(k, func(_, s []byte) []byte { return append(s, 0) }), refusedSignature},
			attack{k.Alg + " with a zero before it", withSignature(k, func(_, s []byte) []byte { return append([]byte{0}, s...) }), refusedSignature},
			attack{k.Alg + " of one byte", withSignature(k, func(_, _ []byte) []byte { return []byte{1} }), refusedSignature},
			attack{k.Alg + " with a bit flipped", withSignature(k, func(_, s []byte) []byte { s[len(s)-1] ^= 1; return s }), refusedSignature},
			attack{k.Alg + " of another payload", withSignature(k, func(signed, _ []byte) []byte { return k.Sign(append(signed, 'A')) }), refusedSignature},
			attack{k.Alg + " of another token", swapPayload(k), refusedSignature},
		)
	}
	return all
}

func der(k *issuer.Key, signed []byte) []byte {
	raw := k.Sign(signed)
	out, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])})
	if err != nil {
		panic(err)
	}
	return out
}

// swapPayload puts the payload of an admin's token into one of ann's.
func swapPayload(k *issuer.Key) string {
	parts := strings.Split(k.Token(good(nil)), ".")
	other := strings.Split(k.Token(good(func(c map[string]any) { c["sub"] = "admin" })), ".")
	return parts[0] + "." + other[1] + "." + parts[2]
}

func formAttacks(t *testing.T) []attack {
	k := keyOf(t, "ES256")
	token := k.Token(good(nil))
	parts := strings.Split(token, ".")
	// sloppy sets a bit that is beyond the last byte.
	sloppy := func(part string) string {
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		if len(part)%4 == 0 {
			t.Fatalf("a part of %d characters has no spare bits", len(part))
		}
		last := strings.IndexByte(alphabet, part[len(part)-1])
		return part[:len(part)-1] + alphabet[last|1:last|1+1]
	}
	header := `{"alg":"ES256","kid":"key-ES256" }` // its length leaves spare bits
	spare := strings.Split(withHeader(k, header), ".")
	return []attack{
		{"empty", "", refusedForm},
		{"one part", parts[0], refusedForm},
		{"two parts", parts[0] + "." + parts[1], refusedForm},
		{"four parts", token + "." + parts[2], refusedForm},
		{"five parts, as JWE", strings.Join(append(parts[:3:3], parts[0], parts[1]), "."), refusedForm},
		{"no header", "." + parts[1] + "." + parts[2], refusedForm},
		{"no payload", parts[0] + ".." + parts[2], refusedForm},
		{"no signature", parts[0] + "." + parts[1] + ".", refusedForm},
		{"thousands of dots", strings.Repeat(".", 8000), refusedForm},
		{"dots behind a good token", token + strings.Repeat(".", 1000), refusedForm},
		{"too long", token + strings.Repeat("A", maxToken), refusedSize},
		{"padding", parts[0] + "." + parts[1] + "." + parts[2] + "==", refusedForm},
		{"padding in the header", parts[0] + "=." + parts[1] + "." + parts[2], refusedForm},
		{"standard base64", strings.NewReplacer("-", "+", "_", "/").Replace(token) + "+", refusedForm},
		{"a line end", parts[0] + "." + parts[1] + "\n." + parts[2], refusedForm},
		{"a space", parts[0] + "." + parts[1] + " ." + parts[2], refusedForm},
		{"a NUL", token + "\x00", refusedForm},
		{"a character less in the signature", parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])-1], refusedBase64},
		{"spare bits in the header", sloppy(spare[0]) + "." + spare[1] + "." + spare[2], refusedBase64},
		{"spare bits in the signature", parts[0] + "." + parts[1] + "." + sloppy(parts[2]), refusedBase64},
		{"flattened JSON", `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`, refusedForm},
		{"general JSON", `{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`, refusedForm},
	}
}

func payloadAttacks(t *testing.T) []attack {
	k := keyOf(t, "EdDSA")
	with := func(member string) string {
		return withPayload(k, `{"iss":"`+testIssuer+`","aud":"shop","sub":"ann","exp":9999999999,`+member+`}`)
	}
	claim := func(name string, value any) string {
		return k.Token(good(func(c map[string]any) {
			if c[name] = value; value == nil {
				delete(c, name)
			}
		}))
	}
	exp := func(raw string) string {
		return withPayload(k, `{"iss":"`+testIssuer+`","aud":"shop","sub":"ann","exp":`+raw+`}`)
	}
	now := good(nil)["iat"].(int64)
	return []attack{
		{"payload no JSON", withPayload(k, "hello"), refusedClaims},
		{"payload an array", withPayload(k, `[{}]`), refusedClaims},
		{"payload a string", withPayload(k, `"a"`), refusedClaims},
		{"payload null", withPayload(k, `null`), refusedClaims},
		{"payload with trailing bytes", withPayload(k, `{"exp":9999999999}{}`), refusedClaims},
		{"payload with a trailing NUL", withPayload(k, "{\"exp\":9999999999}\x00"), refusedClaims},
		{"payload with a byte order mark", withPayload(k, "\ufeff{}"), refusedClaims},
		{"payload of bad UTF-8", with("\"a\":\"\xc3\x28\""), refusedClaims},
		{"payload with a lone surrogate", with(`"a":"\udc00"`), refusedClaims},
		{"claim twice", with(`"sub":"admin"`), refusedClaims},
		{"claim twice, one escaped", with(`"\u0073ub":"admin"`), refusedClaims},
		{"claim twice, deep inside", with(`"a":{"b":[{"c":1,"c":2}]}`), refusedClaims},
		{"claims nested deep", with(`"a":` + strings.Repeat(`{"a":`, 500) + "1" + strings.Repeat("}", 500)), refusedClaims},
		{"NaN", with(`"a":NaN`), refusedClaims},
		{"number with a zero before it", with(`"a":01`), refusedClaims},
		{"a comma too many", with(`"a":1,`), refusedClaims},
		{"a comment", with(`"a":1/**/`), refusedClaims},
		{"exp missing", claim("exp", nil), refusedMissing},
		{"exp null", exp("null"), refusedMissing},
		{"exp a string", exp(`"9999999999"`), refusedTime},
		{"exp true", exp(`true`), refusedTime},
		{"exp a list", exp(`[9999999999]`), refusedTime},
		{"exp huge", exp(`99999999999999999999`), refusedTime},
		{"exp beyond the numbers", exp(`1e999`), refusedTime},
		{"exp of 64 bits and more", exp(`18446744073709551617`), refusedTime},
		{"exp below zero", exp(`-1`), refusedTime},
		{"expired", claim("exp", now-31), refusedExpired},
		{"expired at the second", claim("exp", now-30), refusedExpired},
		{"nbf a string", claim("nbf", "0"), refusedTime},
		{"nbf in the future", claim("nbf", now+60), refusedEarly},
		{"iat a string", claim("iat", "0"), refusedTime},
		{"iat in the future", claim("iat", now+60), refusedIssued},
		{"iss missing", claim("iss", nil), refusedIssuer},
		{"iss of another", claim("iss", testIssuer+"/"), refusedIssuer},
		{"iss a list", claim("iss", []string{testIssuer}), refusedClaim},
		{"aud missing", claim("aud", nil), refusedAudience},
		{"aud of another", claim("aud", "shop2"), refusedAudience},
		{"aud in other case", claim("aud", "Shop"), refusedAudience},
		{"aud a list of others", claim("aud", []string{"a", "b"}), refusedAudience},
		{"aud a number", claim("aud", 7), refusedClaim},
		{"aud a list with a number", claim("aud", []any{"shop", 7}), refusedClaim},
		{"aud an object", claim("aud", map[string]any{"shop": true}), refusedClaim},
		{"sub missing", claim("sub", nil), refusedMissing},
		{"sub empty", claim("sub", ""), refusedMissing},
		{"sub a number", claim("sub", 7), refusedClaim},
		{"scope a number", claim("scope", 7), refusedClaim},
	}
}

func TestAttacksAreRefused(t *testing.T) {
	t.Parallel()
	h := policy(t, environment(t, nil, nil), config(func(c *Config) { c.Keys = keyFile(t) }))
	seen := map[string]bool{}
	for _, list := range [][]attack{headerAttacks(t), signatureAttacks(t), formAttacks(t), payloadAttacks(t)} {
		for _, a := range list {
			if seen[a.name] {
				t.Errorf("two attacks are called %s", a.name)
			}
			seen[a.name] = true
			for range 2 { // the second may come from a cache
				if got := why(h, a.token); got != a.want {
					t.Errorf("%s: %q, want %q", a.name, got, a.want)
				}
			}
			err := h.Serve(exchange(a.token))
			if want := h.answers.invalid; a.token != "" && err != want {
				t.Errorf("%s: the answer is %v, want the one of all bad tokens", a.name, err)
			}
		}
	}
	t.Logf("%d attacks", len(seen))
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
		"exp in the skew":   k.Token(good(func(c map[string]any) { c["exp"] = now - 25 })),
		"nbf in the skew":   k.Token(good(func(c map[string]any) { c["nbf"] = now + 25 })),
		"iat in the skew":   k.Token(good(func(c map[string]any) { c["iat"] = now + 25 })),
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
		"trailing bytes":        issuer.Set(es.JWK()) + "x",
		"cut off":               issuer.Set(es.JWK())[:50],
	} {
		if set, _, err := parseJWKS([]byte(text), nil); err == nil || set != nil {
			t.Errorf("%s is taken", name)
		}
	}
	if set, _, err := parseJWKS([]byte(issuer.Set(hundred[:100]...)), nil); err != nil || set.size != 100 {
		t.Errorf("100 keys: %v", err)
	}
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
