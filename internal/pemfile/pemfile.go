// Package pemfile reads certificates, keys and authorities from PEM files, and again when the files change.
package pemfile

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// Content is what files held when they were read, by their names.
type Content map[string][]byte

// Read reads files, each once. An empty name is passed over.
func Read(files ...string) (Content, error) {
	content := Content{}
	for _, name := range files {
		if _, known := content[name]; known || name == "" {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		content[name] = text
	}
	return content, nil
}

// Authorities are the certificates of a bundle. A bundle without one is an error, and so is one that cannot be read to
// its end: half a bundle would turn away whoever the other half vouches for.
func (c Content) Authorities(file string) (*x509.CertPool, error) {
	certs, err := Certificates(c[file])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	pool := x509.NewCertPool()
	for _, cert := range certs {
		pool.AddCert(cert)
	}
	return pool, nil
}

// Pair is a certificate with its chain and its key.
func (c Content) Pair(cert, key string) (tls.Certificate, error) {
	pair, err := tls.X509KeyPair(c[cert], c[key])
	if err != nil {
		return pair, fmt.Errorf("certificate %s with key %s: %w", cert, key, err)
	}
	return pair, nil
}

// Certificates are all certificates of a PEM text, at least one. Blocks of other types are passed over.
func Certificates(text []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
		}
		certs = append(certs, cert)
	}
	// pem.Decode passes over what it cannot read.
	if begun := bytes.Count(text, []byte("-----BEGIN CERTIFICATE-----")); begun > len(certs) {
		return nil, fmt.Errorf("of %d certificates only %d can be read; want PEM", begun, len(certs))
	}
	if len(certs) == 0 {
		return nil, errors.New("no certificate in it; want certificates in PEM")
	}
	return certs, nil
}
