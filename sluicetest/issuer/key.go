package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"math/big"
)

// Algorithms are all that keys can be made for, of RFC 7518, section 3.1 and RFC 8037.
func Algorithms() []string {
	return []string{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// Key signs tokens with one algorithm.
type Key struct {
	// ID is the kid, in tokens and in sets; "" leaves it out.
	ID  string
	Alg string
	// Private is []byte, *rsa.PrivateKey, *ecdsa.PrivateKey or ed25519.PrivateKey.
	Private any
}

// NewKey makes a key for an algorithm.
func NewKey(alg, id string) (*Key, error) {
	k := &Key{ID: id, Alg: alg}
	var err error
	switch alg {
	case "HS256", "HS384", "HS512":
		secret := make([]byte, k.hash().Size())
		rand.Read(secret) // never fails, crypto/rand says
		k.Private = secret
	case "RS256", "RS384", "RS512", "PS256", "PS384", "PS512":
		k.Private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256", "ES384", "ES512":
		k.Private, err = ecdsa.GenerateKey(k.curve(), rand.Reader)
	case "EdDSA":
		_, k.Private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("no algorithm %q", alg)
	}
	return k, err
}

func (k *Key) hash() crypto.Hash {
	switch k.Alg[2:] {
	case "384":
		return crypto.SHA384
	case "512":
		return crypto.SHA512
	}
	return crypto.SHA256
}

func (k *Key) curve() elliptic.Curve {
	switch k.Alg {
	case "ES384":
		return elliptic.P384()
	case "ES512":
		return elliptic.P521()
	}
	return elliptic.P256()
}

// Public is the public key; of a secret the secret itself.
func (k *Key) Public() any {
	if signer, is := k.Private.(crypto.Signer); is {
		return signer.Public()
	}
	return k.Private
}

// Sign is the signature, as it stands in a token, but not in base64url.
func (k *Key) Sign(signed []byte) []byte {
	switch private := k.Private.(type) {
	case []byte:
		mac := hmac.New(map[crypto.Hash]func() hash.Hash{crypto.SHA256: sha256.New, crypto.SHA384: sha512.New384, crypto.SHA512: sha512.New}[k.hash()], private)
		mac.Write(signed)
		return mac.Sum(nil)
	case *rsa.PrivateKey:
		if k.Alg[0] == 'P' {
			return k.SignPSS(signed, k.hash().Size())
		}
		return must(rsa.SignPKCS1v15(rand.Reader, private, k.hash(), k.sum(signed)))
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, k.sum(signed))
		if err != nil {
			panic("issuer: " + err.Error())
		}
		return k.Pair(r, s)
	case ed25519.PrivateKey:
		return ed25519.Sign(private, signed)
	}
	panic(fmt.Sprintf("issuer: a key of type %T", k.Private))
}

// SignPSS is a signature of RSA with a salt of that length.
func (k *Key) SignPSS(signed []byte, salt int) []byte {
	return must(rsa.SignPSS(rand.Reader, k.Private.(*rsa.PrivateKey), k.hash(), k.sum(signed), &rsa.PSSOptions{SaltLength: salt}))
}

// Pair is r and s of ECDSA as they stand in a token (RFC 7518, section 3.4).
func (k *Key) Pair(r, s *big.Int) []byte {
	size := (k.curve().Params().BitSize + 7) / 8
	pair := make([]byte, 2*size)
	r.FillBytes(pair[:size])
	s.FillBytes(pair[size:])
	return pair
}

func (k *Key) sum(signed []byte) []byte {
	h := k.hash().New()
	h.Write(signed)
	return h.Sum(nil)
}

// Header is the header of the key's tokens.
func (k *Key) Header() string {
	header := map[string]string{"alg": k.Alg, "typ": "JWT"}
	if k.ID != "" {
		header["kid"] = k.ID
	}
	return string(must(json.Marshal(header)))
}

// Token is a token with these claims, given as anything that marshals to a JSON object.
func (k *Key) Token(claims any) string {
	return Join(k.Header(), string(must(json.Marshal(claims))), k.Sign)
}

// Join is a token of a header and a payload, whatever they are, with what sign makes of them.
func Join(header, payload string, sign func(signed []byte) []byte) string {
	signed := Encode([]byte(header)) + "." + Encode([]byte(payload))
	return signed + "." + Encode(sign([]byte(signed)))
}

// Encode is base64url as tokens have it.
func Encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// JWK is the public key as it stands in a set (RFC 7517). It may be changed.
func (k *Key) JWK() map[string]any {
	jwk := map[string]any{"use": "sig", "alg": k.Alg}
	if k.ID != "" {
		jwk["kid"] = k.ID
	}
	switch public := k.Public().(type) {
	case []byte:
		jwk["kty"], jwk["k"] = "oct", Encode(public)
	case *rsa.PublicKey:
		jwk["kty"], jwk["n"], jwk["e"] = "RSA", Encode(public.N.Bytes()), Encode(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		point := must(public.Bytes())
		half := len(point) / 2
		jwk["kty"], jwk["crv"], jwk["x"], jwk["y"] = "EC", public.Curve.Params().Name, Encode(point[1:1+half]), Encode(point[1+half:])
	case ed25519.PublicKey:
		jwk["kty"], jwk["crv"], jwk["x"] = "OKP", "Ed25519", Encode(public)
	}
	return jwk
}

// Set is a key set of keys that JWK gave.
func Set(jwks ...map[string]any) string {
	if jwks == nil {
		jwks = []map[string]any{}
	}
	return string(must(json.Marshal(map[string]any{"keys": jwks})))
}

// must is for what fails only when the caller is wrong.
func must[T any](v T, err error) T {
	if err != nil {
		panic("issuer: " + err.Error())
	}
	return v
}
