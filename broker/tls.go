package broker

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/sluiceapi/sluice"
)

// Encrypted is how a connection to an address is encrypted: ca is the file of the authorities that vouch for the broker, cert and key are those
// of the certificate to show it, which are read again for each connection. What is "" is left out; without any it is nil. Errors name the key
// that is wrong: ca or cert.
func (a Address) Encrypted(ca, cert, key string) (*tls.Config, error) {
	switch {
	case ca == "" && cert == "":
		return nil, nil
	case !a.TLS && ca != "":
		return nil, sluice.At("ca", errNoTLS)
	case !a.TLS:
		return nil, sluice.At("cert", errNoTLS)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, sluice.At("ca", fmt.Errorf("reading the authorities: %w", err))
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, sluice.At("ca", fmt.Errorf("%s holds no certificate in PEM", ca))
		}
	}
	if cert == "" {
		return c, nil
	}
	load := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("reading the certificate: %w", err)
		}
		return &pair, nil
	}
	if _, err := load(nil); err != nil {
		return nil, sluice.At("cert", err)
	}
	c.GetClientCertificate = load
	return c, nil
}

var errNoTLS = errors.New("certificates are for TLS; want an address with an s after its scheme, such as amqps://, or no certificates")

// Encryption is TLS of the options, or what stands for it.
func (o *Options) Encryption() *tls.Config {
	if o.TLS == nil {
		return &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return o.TLS.Clone()
}
