package jwt

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// parseFile reads a file with keys: a key set, or PEM.
func parseFile(text []byte, list allowed) (*keySet, []dropped, error) {
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		return parseJWKS(text, list)
	}
	return parsePEM(text, list)
}

// parsePEM reads public keys and certificates. They have no names, so each is tried, and one that cannot be used
// refuses the file: whoever wrote it can mend it.
func parsePEM(text []byte, list allowed) (*keySet, []dropped, error) {
	var keys []*key
	for place := 1; ; place++ {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		public, err := parseBlock(block)
		if err != nil {
			return nil, nil, fmt.Errorf("block %d: %w", place, err)
		}
		k, err := newKey(public, nil, list)
		if err != nil {
			return nil, nil, fmt.Errorf("block %d: %w", place, err)
		}
		keys, text = append(keys, k), rest
	}
	switch {
	case len(bytes.TrimSpace(text)) > 0 && bytes.Contains(text, []byte("-----BEGIN")):
		return nil, nil, errors.New("a block of PEM that cannot be read")
	case len(keys) == 0:
		return nil, nil, errors.New("neither a key set (JWKS) nor PEM")
	case len(keys) > maxSecrets:
		return nil, nil, fmt.Errorf("%d keys without names; want at most %d, or a key set (JWKS), which names them", len(keys), maxSecrets)
	}
	return newKeySet(keys, true), nil, nil
}

func parseBlock(block *pem.Block) (any, error) {
	switch {
	case block.Type == "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case block.Type == "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case block.Type == "CERTIFICATE":
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return cert.PublicKey, nil
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, errors.New("a private key, which only the issuer may have; want its public key")
	}
	return nil, fmt.Errorf("a %s; want a PUBLIC KEY or a CERTIFICATE", block.Type)
}
