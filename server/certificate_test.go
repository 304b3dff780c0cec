package server_test

import (
	"crypto/tls"
	"path/filepath"
	"testing"

	"github.com/sluiceapi/sluice/server"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// authority issues certificates whose files can be replaced.
type authority struct {
	*servers.Authority
	dir string
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	return &authority{servers.NewAuthority(t, "authority"), t.TempDir()}
}

// server writes a certificate of that name for those hosts, in the place of the one before.
func (a *authority) server(t testing.TB, name string, hosts ...string) server.Certificate {
	t.Helper()
	c := a.Issue(servers.Leaf{CommonName: name, DNS: hosts, IPs: []string{"127.0.0.1"}, Server: true})
	files := server.Certificate{Cert: filepath.Join(a.dir, name+".pem"), Key: filepath.Join(a.dir, name+".key")}
	replace(t, files.Cert, c.CertPEM)
	replace(t, files.Key, c.KeyPEM)
	return files
}

// client is the config of a client that trusts the authority and has a certificate of it.
func (a *authority) client(t testing.TB) *tls.Config {
	t.Helper()
	config := a.stranger()
	config.Certificates = []tls.Certificate{a.Issue(servers.Leaf{CommonName: "client", Client: true}).TLS()}
	return config
}

// stranger is the config of a client without a certificate.
func (a *authority) stranger() *tls.Config {
	return &tls.Config{RootCAs: a.Pool(), ServerName: "localhost"}
}
