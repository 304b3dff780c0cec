package http

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
)

// target is one of the service's addresses as the config names it. A name may have several hosts.
type target struct {
	address
	connect time.Duration
	log     *slog.Logger
	// tls is for connections that are made from now on; nil without TLS.
	tls atomic.Pointer[tls.Config]

	mu    sync.Mutex
	links map[*link]struct{} // guarded by mu
}

// link is one host of the service, with its connections.
type link struct {
	*target
	host string // host and port to connect to
	pool pool
	// told is when it was last logged that the host gave no answer, in Unix nanoseconds of Env's clock.
	told atomic.Int64
}

// link makes what is kept for a host of the target.
func (t *target) link(env *sluice.Env, p *Pool, host string) *link {
	l := &link{target: t, host: host, pool: pool{max: int64(p.Max), maxIdle: p.MaxIdle, idle: p.IdleTimeout, now: env.Now}}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.links[l] = struct{}{}
	return l
}

// close lets the host's connections go: those in use after their answer.
func (l *link) close() {
	l.mu.Lock()
	delete(l.links, l)
	l.mu.Unlock()
	l.pool.close()
}

var errFull = errors.New("every connection that the pool may open is in use")

// dial opens a connection. ctx ends the attempt early.
func (l *link) dial(ctx context.Context) (*conn, error) {
	if n := l.pool.open.Add(1); l.pool.max > 0 && n > l.pool.max {
		l.pool.open.Add(-1)
		return nil, errFull
	}
	ctx, cancel := context.WithTimeout(ctx, l.connect)
	defer cancel()
	config := l.tls.Load()
	raw, stream, err := l.handshake(ctx, config)
	if err != nil {
		l.pool.open.Add(-1)
		return nil, fmt.Errorf("connecting to %s: %w", l.host, err)
	}
	c := newConn(l, raw, stream)
	c.tls = config
	return c, nil
}

func (l *link) handshake(ctx context.Context, config *tls.Config) (raw, stream net.Conn, err error) {
	var d net.Dialer
	if raw, err = d.DialContext(ctx, "tcp", l.host); err != nil || config == nil {
		return raw, raw, err
	}
	secure := tls.Client(&records{Conn: raw}, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, nil, fmt.Errorf("handshake: %w", err)
	}
	return raw, secure, nil
}

// tellEvery is how often it is logged that an address gives no answer, so that a log is not filled while it does not.
const tellEvery = 10 * time.Second

// tell logs why an address gave no answer, for clients do not learn it.
func (l *link) tell(now time.Time, err error) {
	last := l.told.Load()
	if now.UnixNano()-last >= int64(tellEvery) && l.told.CompareAndSwap(last, now.UnixNano()) {
		l.log.Warn("the service gave no usable answer", "host", l.host, "error", err)
	}
}
