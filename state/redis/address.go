package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/sluiceapi/sluice"
)

// address is what a URL says. No error tells a part of the URL, since it may be one of the password, in the wrong place.
type address struct {
	hosts          []string // with ports
	user, password string
	database       int
	secure         bool
}

// parseAddress reads a URL. Those of package net/url cannot hold several hosts, and its errors hold the password.
func parseAddress(text string) (a address, err error) {
	scheme, rest, found := strings.Cut(text, "://")
	if a.secure = scheme == "rediss"; !found || !a.secure && scheme != "redis" {
		return a, errors.New("not the address of a Redis; want one such as redis://host:6379 or rediss://user:password@host:6379/0")
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		if err := a.parseUser(rest[:i]); err != nil {
			return a, err
		}
		rest = rest[i+1:]
	}
	hosts, database, found := strings.Cut(rest, "/")
	if found && database != "" {
		n, err := strconv.ParseUint(database, 10, 16)
		if err != nil {
			return a, errors.New("what stands after the slash is no database; want a number")
		}
		a.database = int(n)
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if err := a.addHost(host); err != nil {
			return a, err
		}
	}
	if a.database != 0 && len(a.hosts) > 1 {
		return a, errors.New("a cluster has one database, which is 0")
	}
	return a, nil
}

func (a *address) parseUser(text string) (err error) {
	user, password, _ := strings.Cut(text, ":")
	if a.user, err = url.PathUnescape(user); err == nil {
		a.password, err = url.PathUnescape(password)
	}
	if err != nil {
		return errors.New("user or password hold a % that escapes nothing; want %25 for it")
	}
	return nil
}

func (a *address) addHost(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"), "6379"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" || strings.ContainsAny(host, "/?#[] ") {
		return errors.New("a host or a port is none; want one such as redis.example.org:6379, and commas between several")
	}
	a.hosts = append(a.hosts, net.JoinHostPort(host, port))
	return nil
}

const (
	// connectTimeout is for a connection to be there and greeted. No request waits for it.
	connectTimeout = time.Second
	// pingEvery is how often an idle connection is looked after; one that does not answer is given up after
	// connectTimeout.
	pingEvery = time.Second
	// buffer is that of each direction of a connection. It does not bound what is sent.
	buffer = 64 << 10
)

// clientOption is how rueidis is to connect. It neither tries again nor caches: what fails must fail in time.
func clientOption(c *Config) (rueidis.ClientOption, error) {
	a, err := parseAddress(c.URL.Reveal())
	if err != nil {
		return rueidis.ClientOption{}, sluice.At("url", err)
	}
	option := rueidis.ClientOption{
		InitAddress: a.hosts, Username: a.user, Password: a.password, SelectDB: a.database, ClientName: "sluice",
		Dialer:           net.Dialer{Timeout: connectTimeout, KeepAlive: pingEvery},
		ConnWriteTimeout: connectTimeout, ReadBufferEachConn: buffer, WriteBufferEachConn: buffer,
		DisableCache: true, DisableRetry: true, ClusterOption: rueidis.ClusterOption{MaxMovedRedirections: 5},
	}
	if !a.secure {
		if c.CA != "" || c.Cert != "" {
			return option, sluice.At("url", errors.New("certificates are for TLS; want rediss:// in place of redis://"))
		}
		return option, nil
	}
	option.TLSConfig, err = tlsConfig(c)
	return option, err
}

func tlsConfig(c *Config) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, sluice.At("ca", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, sluice.At("ca", fmt.Errorf("%s holds no certificate in PEM", c.CA))
		}
	}
	if c.Cert == "" {
		return t, nil
	}
	// The files are read again for each connection, so that a certificate can be renewed.
	load := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		return &pair, err
	}
	if _, err := load(); err != nil {
		return nil, sluice.At("cert", err)
	}
	t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	return t, nil
}
