package http

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"
)

// upstream is one address of a service, with its connections.
type upstream struct {
	address
	// tls is for connections that are made from now on; nil without TLS.
	tls     atomic.Pointer[tls.Config]
	connect time.Duration
	pool    pool
	log     *slog.Logger
	// restsUntil is when the address may be tried again after it took no connection, in Unix nanoseconds of Env's
	// clock.
	restsUntil atomic.Int64
	// told is when it was last logged that the address gave no answer, in the same.
	told atomic.Int64
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
	config := u.tls.Load()
	raw, stream, err := u.handshake(ctx, config)
	if err != nil {
		u.pool.open.Add(-1)
		return nil, fmt.Errorf("connecting to %s: %w", u.socket, err)
	}
	c := newConn(u, raw, stream)
	c.tls = config
	return c, nil
}

func (u *upstream) handshake(ctx context.Context, config *tls.Config) (raw, stream net.Conn, err error) {
	var d net.Dialer
	if raw, err = d.DialContext(ctx, "tcp", u.socket); err != nil || config == nil {
		return raw, raw, err
	}
	secure := tls.Client(raw, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, nil, fmt.Errorf("handshake: %w", err)
	}
	return raw, secure, nil
}

func (u *upstream) resting(now time.Time) bool { return now.UnixNano() < u.restsUntil.Load() }

func (u *upstream) passOver(now time.Time) { u.restsUntil.Store(now.Add(rest).UnixNano()) }

// tellEvery is how often it is logged that an address gives no answer, so that a log is not filled while it does not.
const tellEvery = 10 * time.Second

// tell logs why an address gave no answer, for clients do not learn it.
func (u *upstream) tell(now time.Time, err error) {
	last := u.told.Load()
	if now.UnixNano()-last >= int64(tellEvery) && u.told.CompareAndSwap(last, now.UnixNano()) {
		u.log.Warn("the service gave no usable answer", "address", u.socket, "error", err)
	}
}
