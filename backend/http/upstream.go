package http

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
)

// upstream is one address of a service, with its connections.
type upstream struct {
	address
	tls     *tls.Config // nil without TLS
	connect time.Duration
	pool    pool
	// restsUntil is when the address may be tried again after it took no connection, in Unix nanoseconds of Env's
	// clock.
	restsUntil atomic.Int64
}

// rest is how long an address is passed over that took no connection. It is short: a service that comes back is
// missed no longer than a client notices.
const rest = time.Second

var errFull = errors.New("every connection that the pool may open is in use")

// dial opens a connection. ctx ends the attempt early.
func (u *upstream) dial(ctx context.Context) (*conn, error) {
	if n := u.pool.open.Add(1); u.pool.max > 0 && n > u.pool.max {
		u.pool.open.Add(-1)
		return nil, errFull
	}
	ctx, cancel := context.WithTimeout(ctx, u.connect)
	defer cancel()
	raw, stream, err := u.handshake(ctx)
	if err != nil {
		u.pool.open.Add(-1)
		return nil, fmt.Errorf("connecting to %s: %w", u.socket, err)
	}
	return newConn(u, raw, stream), nil
}

func (u *upstream) handshake(ctx context.Context) (raw, stream net.Conn, err error) {
	var d net.Dialer
	if raw, err = d.DialContext(ctx, "tcp", u.socket); err != nil || u.tls == nil {
		return raw, raw, err
	}
	secure := tls.Client(raw, u.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, nil, fmt.Errorf("handshake: %w", err)
	}
	return raw, secure, nil
}

func (u *upstream) resting(now time.Time) bool { return now.UnixNano() < u.restsUntil.Load() }

func (u *upstream) passOver(now time.Time) { u.restsUntil.Store(now.Add(rest).UnixNano()) }

// config is the TLS configuration for one address.
func (t *TLS) config(name string) (*tls.Config, error) {
	c := &tls.Config{
		ServerName: name, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		ClientSessionCache: tls.NewLRUClientSessionCache(0),
	}
	if t.ServerName != "" {
		c.ServerName = t.ServerName
	}
	if t.CA != "" {
		pem, err := os.ReadFile(string(t.CA))
		if err != nil {
			return nil, sluice.At("tls.ca", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, sluice.At("tls.ca", fmt.Errorf("%s holds no certificate in PEM", t.CA))
		}
	}
	if t.Cert != "" {
		cert, err := tls.LoadX509KeyPair(string(t.Cert), string(t.Key))
		if err != nil {
			return nil, sluice.At("tls.cert", err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}
