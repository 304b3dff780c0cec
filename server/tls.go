package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/sluiceapi/sluice/internal/pemfile"
)

// TLS says where to listen with TLS, and as whom. Cipher suites and curves are those of crypto/tls, which are kept
// up to date there.
type TLS struct {
	// Address is host and port.
	Address string
	// Certificates are tried in their order: the first that fits the name that the client asks for is used, else
	// the first.
	Certificates []Certificate
	// ClientCA is a PEM file with the authorities whose clients are let in; empty asks no client for a certificate.
	ClientCA string
	// ClientOptional lets clients in that show no certificate. One that is shown must still be of ClientCA.
	ClientOptional bool
	// MinVersion is "1.2" or "1.3".
	MinVersion string
}

// Certificate names the PEM files of a certificate chain and its key.
type Certificate struct{ Cert, Key string }

func (t *TLS) check() error {
	if len(t.Certificates) == 0 {
		return errors.New("server: https needs at least one certificate")
	}
	if t.ClientOptional && t.ClientCA == "" {
		return errors.New("server: optional certificates of clients need the authorities to verify them with")
	}
	_, err := t.version()
	return err
}

// Check tells whether the certificates and authorities can be read as they are now.
func (t *TLS) Check() error {
	if err := t.check(); err != nil {
		return err
	}
	content, err := pemfile.Read(t.files()...)
	if err != nil {
		return err
	}
	_, err = t.config(content)
	return err
}

func (t *TLS) version() (uint16, error) {
	switch t.MinVersion {
	case "1.2":
		return tls.VersionTLS12, nil
	case "1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf("server: unknown lowest version of TLS %q; want 1.2 or 1.3", t.MinVersion)
}

func (t *TLS) equal(other *TLS) bool {
	if t == nil || other == nil {
		return t == other
	}
	return t.Address == other.Address && t.ClientCA == other.ClientCA && t.ClientOptional == other.ClientOptional &&
		t.MinVersion == other.MinVersion && slices.Equal(t.Certificates, other.Certificates)
}

// files are all files that the config is made of; the last is empty where there is no ClientCA.
func (t *TLS) files() []string {
	var files []string
	for _, c := range t.Certificates {
		files = append(files, c.Cert, c.Key)
	}
	return append(files, t.ClientCA)
}

// config makes the config of crypto/tls from what the files hold.
func (t *TLS) config(content pemfile.Content) (config *tls.Config, err error) {
	config = &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
	if config.MinVersion, err = t.version(); err != nil {
		return nil, err
	}
	for _, c := range t.Certificates {
		pair, err := content.Pair(c.Cert, c.Key)
		if err != nil {
			return nil, err
		}
		config.Certificates = append(config.Certificates, pair)
	}
	if t.ClientCA == "" {
		return config, nil
	}
	if config.ClientCAs, err = content.Authorities(t.ClientCA); err != nil {
		return nil, fmt.Errorf("client_ca: %w", err)
	}
	if config.ClientAuth = tls.RequireAndVerifyClientCert; t.ClientOptional {
		config.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return config, nil
}

// certificates keep the config of crypto/tls up to date with its files.
type certificates struct {
	current  atomic.Pointer[tls.Config]
	follower *pemfile.Follower
}

// openCertificates reads the files and follows them until close.
func openCertificates(spec TLS, log *slog.Logger) (c *certificates, err error) {
	c = &certificates{}
	c.follower, err = pemfile.Follow(log.With("address", spec.Address), spec.files(), func(content pemfile.Content) error {
		config, err := spec.config(content)
		if err != nil {
			return err
		}
		c.current.Store(config)
		return nil
	})
	return c, err
}

// config is for a listener; every handshake takes what the files held last. Connections that were made before stay.
//
// The key of session tickets outlives a change of the files, so clients go on resuming sessions. A session in which
// a client showed a certificate is resumed by crypto/tls only while nothing in the chain has expired and the authority
// at its end is one of ClientCAs as they are now; else the client must show its certificate anew.
func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current.Load(), nil },
	}
}

// close stops following the files and waits for that.
func (c *certificates) close() { c.follower.Close() }
