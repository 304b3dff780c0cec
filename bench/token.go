package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"time"
)

// Whom the token is from, and for.
const (
	tokenIssuer   = "https://id.example.org"
	tokenAudience = "shop"
)

// newToken signs a token that is good for an hour, by ES256 (RFC 7518), and
// returns the key that verifies it, in PEM.
func newToken() (token, public string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return "", "", err
	}
	now := time.Now().Unix()
	claims, err := json.Marshal(map[string]any{
		"iss": tokenIssuer, "aud": tokenAudience, "sub": "4711", "iat": now, "exp": now + 3600, "scope": "products:read", "tenant": "eu-17",
	})
	if err != nil {
		return "", "", err
	}
	encoded := base64.RawURLEncoding.EncodeToString
	signed := encoded([]byte(`{"alg":"ES256","typ":"JWT"}`)) + "." + encoded(claims)
	hash := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, hash[:])
	if err != nil {
		return "", "", err
	}
	const half = 32
	signature := append(r.FillBytes(make([]byte, half)), s.FillBytes(make([]byte, half))...)
	return signed + "." + encoded(signature), string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}
