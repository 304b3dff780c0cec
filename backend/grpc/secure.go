package grpc

import (
	"crypto/tls"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/internal/pemfile"
)

// versions are the lowest versions of TLS that can be asked for.
var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// secure has the links speak TLS, and again whenever a file changes, until the block is closed.
func (ls *links) secure(env *sluice.Env, t *TLS) error {
	follower, err := pemfile.Follow(env.Log, []string{string(t.CA), string(t.Cert), string(t.Key)}, func(content pemfile.Content) error {
		with, err := t.config(content)
		if err == nil {
			ls.speak(with)
		}
		return err
	})
	if err != nil {
		return err
	}
	env.Cleanup(follower.Close)
	return nil
}

// config is what is the same for all hosts.
func (t *TLS) config(content pemfile.Content) (c *tls.Config, err error) {
	c = &tls.Config{MinVersion: versions[t.MinVersion], NextProtos: []string{"h2"}}
	if t.CA != "" {
		if c.RootCAs, err = content.Authorities(string(t.CA)); err != nil {
			return nil, sluice.At("tls.ca", err)
		}
	}
	if t.Cert != "" {
		pair, err := content.Pair(string(t.Cert), string(t.Key))
		if err != nil {
			return nil, sluice.At("tls.cert", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
