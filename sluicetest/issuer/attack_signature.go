package issuer

import (
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/asn1"
	"math/big"
	"strings"
)

func (f *forger) signatureAttacks() []Attack {
	es, rs, ps, ed := f.keys["ES256"], f.keys["RS256"], f.keys["PS256"], f.keys["EdDSA"]
	n := elliptic.P256().Params().N
	pair := func(change func(r, s *big.Int) (*big.Int, *big.Int)) string {
		return f.withSignature(es, func(_, signature []byte) []byte {
			r, s := change(new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
			return es.Pair(r, s)
		})
	}
	all := []Attack{
		{"ECDSA with r zero", pair(func(_, s *big.Int) (*big.Int, *big.Int) { return new(big.Int), s })},
		{"ECDSA with s zero", pair(func(r, _ *big.Int) (*big.Int, *big.Int) { return r, new(big.Int) })},
		{"ECDSA with both zero", pair(func(_, _ *big.Int) (*big.Int, *big.Int) { return new(big.Int), new(big.Int) })},
		{"ECDSA with r the order", pair(func(_, s *big.Int) (*big.Int, *big.Int) { return n, s })},
		{"ECDSA with s the order", pair(func(r, _ *big.Int) (*big.Int, *big.Int) { return r, n })},
		{"ECDSA in DER", f.withSignature(es, func(signed, _ []byte) []byte { return der(es, signed) })},
		{"PSS with a salt of nothing", f.withSignature(ps, func(signed, _ []byte) []byte { return ps.SignPSS(signed, 0) })},
		{"PSS with a short salt", f.withSignature(ps, func(signed, _ []byte) []byte { return ps.SignPSS(signed, 20) })},
		{"PSS with the longest salt", f.withSignature(ps, func(signed, _ []byte) []byte { return ps.SignPSS(signed, rsa.PSSSaltLengthAuto) })},
		{"PKCS #1 where PSS is due", f.withSignature(ps, func(signed, _ []byte) []byte {
			return (&Key{Alg: "RS256", Private: ps.Private}).Sign(signed)
		})},
	}
	for _, k := range []*Key{es, rs, ps, ed} {
		all = append(all,
			Attack{k.Alg + " truncated", f.withSignature(k, func(_, s []byte) []byte { return s[:len(s)-1] })},
			Attack{k.Alg + " extended", f.withSignature(k, func(_, s []byte) []byte { return append(s, 0) })},
			Attack{k.Alg + " with a zero before it", f.withSignature(k, func(_, s []byte) []byte { return append([]byte{0}, s...) })},
			Attack{k.Alg + " of one byte", f.withSignature(k, func(_, _ []byte) []byte { return []byte{1} })},
			Attack{k.Alg + " with a bit flipped", f.withSignature(k, func(_, s []byte) []byte { s[len(s)-1] ^= 1; return s })},
			Attack{k.Alg + " of another payload", f.withSignature(k, func(signed, _ []byte) []byte { return k.Sign(append(signed, 'A')) })},
			Attack{k.Alg + " of another token", f.swapPayload(k)},
		)
	}
	return all
}

func der(k *Key, signed []byte) []byte {
	raw := k.Sign(signed)
	return must(asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])}))
}

// swapPayload puts the payload of an admin's token into one of ann's.
func (f *forger) swapPayload(k *Key) string {
	parts := strings.Split(k.Token(f.good(nil)), ".")
	other := strings.Split(k.Token(f.good(func(c map[string]any) { c["sub"] = "admin" })), ".")
	return parts[0] + "." + other[1] + "." + parts[2]
}
