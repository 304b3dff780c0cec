package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"math/big"
	"slices"
)

// keyKind is what sort of key an algorithm takes.
type keyKind uint8

const (
	symmetric keyKind = iota
	rsaKey
	ecKey
	edKey
)

// algorithm is one way of signing, of RFC 7518, section 3.1 or RFC 8037.
type algorithm struct {
	name  string
	kind  keyKind
	hash  crypto.Hash
	curve elliptic.Curve // of ecKey
	pss   bool           // of rsaKey
}

// algorithms are all that there are here, in the order in which they are told.
var algorithms = []*algorithm{
	{name: "HS256", kind: symmetric, hash: crypto.SHA256},
	{name: "HS384", kind: symmetric, hash: crypto.SHA384},
	{name: "HS512", kind: symmetric, hash: crypto.SHA512},
	{name: "RS256", kind: rsaKey, hash: crypto.SHA256},
	{name: "RS384", kind: rsaKey, hash: crypto.SHA384},
	{name: "RS512", kind: rsaKey, hash: crypto.SHA512},
	{name: "PS256", kind: rsaKey, hash: crypto.SHA256, pss: true},
	{name: "PS384", kind: rsaKey, hash: crypto.SHA384, pss: true},
	{name: "PS512", kind: rsaKey, hash: crypto.SHA512, pss: true},
	{name: "ES256", kind: ecKey, hash: crypto.SHA256, curve: elliptic.P256()},
	{name: "ES384", kind: ecKey, hash: crypto.SHA384, curve: elliptic.P384()},
	{name: "ES512", kind: ecKey, hash: crypto.SHA512, curve: elliptic.P521()},
	{name: "EdDSA", kind: edKey},
}

// algorithmOf is the algorithm of that name, or nil. Names are compared to the letter. Ed25519 is the newer name of
// EdDSA with that curve (RFC 9864).
func algorithmOf[T string | []byte](name T) *algorithm {
	if string(name) == "Ed25519" {
		return algorithms[len(algorithms)-1]
	}
	for _, a := range algorithms {
		if a.name == string(name) {
			return a
		}
	}
	return nil
}

// names are those of the algorithms that are wanted.
func names(want func(*algorithm) bool) []string {
	var all []string
	for _, a := range algorithms {
		if want(a) {
			all = append(all, a.name)
		}
	}
	return all
}

// allowed are the algorithms that a config names; none are all.
type allowed []*algorithm

func (list allowed) has(a *algorithm) bool { return len(list) == 0 || slices.Contains(list, a) }

// choose is the algorithm of a key that names none: the first that is named and fits, else the usual one. It is nil
// when none that is named fits.
func (list allowed) choose(kind keyKind, curve elliptic.Curve) *algorithm {
	if len(list) == 0 {
		list = algorithms
	}
	for _, a := range list {
		if a.kind == kind && a.curve == curve {
			return a
		}
	}
	return nil
}

// sum is the hash of what was signed.
func (a *algorithm) sum(signed []byte) []byte {
	h := a.hash.New()
	h.Write(signed)
	return h.Sum(nil)
}

// verify tells whether the key of the algorithm has signed. It takes one form of each signature only.
func (a *algorithm) verify(k *key, signed, signature []byte) bool {
	switch public := k.public.(type) {
	case []byte:
		mac := hmac.New(a.newHash(), public)
		mac.Write(signed)
		return hmac.Equal(mac.Sum(nil), signature)
	case *rsa.PublicKey:
		if len(signature) != public.Size() {
			return false
		}
		if a.pss {
			exact := &rsa.PSSOptions{SaltLength: a.hash.Size()} // RFC 7518, section 3.5
			return rsa.VerifyPSS(public, a.hash, a.sum(signed), signature, exact) == nil
		}
		return rsa.VerifyPKCS1v15(public, a.hash, a.sum(signed), signature) == nil
	case *ecdsa.PublicKey:
		return a.verifyEC(public, signed, signature)
	case ed25519.PublicKey:
		return len(signature) == ed25519.SignatureSize && ed25519.Verify(public, signed, signature)
	}
	return false
}

// verifyEC takes r and s, each as long as the curve's order, and between zero and it (RFC 7518, section 3.4).
func (a *algorithm) verifyEC(public *ecdsa.PublicKey, signed, signature []byte) bool {
	size := (a.curve.Params().BitSize + 7) / 8
	if len(signature) != 2*size {
		return false
	}
	r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
	n := a.curve.Params().N
	if r.Sign() == 0 || s.Sign() == 0 || r.Cmp(n) >= 0 || s.Cmp(n) >= 0 {
		return false
	}
	return ecdsa.Verify(public, a.sum(signed), r, s)
}

// newHash makes hashes for HMAC; naming the packages links them in, for crypto.Hash too.
func (a *algorithm) newHash() func() hash.Hash {
	switch a.hash {
	case crypto.SHA384:
		return sha512.New384
	case crypto.SHA512:
		return sha512.New
	}
	return sha256.New
}
