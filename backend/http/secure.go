package http

import (
	"crypto/tls"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/internal/pemfile"
)

// versions are the lowest versions of TLS that can be asked for.
var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// secure makes the addresses that speak TLS ready for it, and again whenever a file changes, until the block is closed.
func (b *backend) secure(env *sluice.Env, t *TLS) error {
	follower, err := pemfile.Follow(env.Log, []string{string(t.CA), string(t.Cert), string(t.Key)}, func(content pemfile.Content) error {
		config, err := t.config(content)
		if err != nil {
			return err
		}
		for _, target := range b.targets {
			if target.secure {
				target.speak(config, t.ServerName)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	env.Cleanup(follower.Close)
	return nil
}

// config is what is the same for all addresses.
func (t *TLS) config(content pemfile.Content) (c *tls.Config, err error) {
	c = &tls.Config{MinVersion: versions[t.MinVersion], NextProtos: []string{"http/1.1"}}
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

// speak has new connections use a config of TLS. Those that were kept are closed, and those in use after their answer;
// sessions are not resumed either, so that nobody is trusted any more who is not trusted now.
func (t *target) speak(config *tls.Config, name string) {
	own := config.Clone()
	if own.ServerName = name; name == "" {
		own.ServerName = t.name
	}
	own.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	if t.tls.Swap(own) == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for l := range t.links {
		l.pool.empty()
	}
}

// stale tells whether a connection was made with another config of TLS than that of now.
func (c *conn) stale() bool { return c.tls != c.up.tls.Load() }
