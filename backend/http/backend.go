package http

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
)

// backend is an open HTTP service.
type backend struct {
	upstreams []*upstream
	turn      atomic.Uint32
	timeouts  Timeouts
	now       func() time.Time
	// pseudonym stands for this backend in Via (RFC 9110, section 7.6.3). It is random, so that it tells nothing of
	// the node and no other has it.
	pseudonym string

	duration sluice.Histogram
	retries  sluice.Counter

	calls   sync.Pool // of *call
	buffers sync.Pool // of *[]byte, for bodies that are pumped
}

// pumpBuffer is what is read of a request's body at once. Before it stands room for the size of a chunk.
const pumpBuffer = 32 << 10

func open(env *sluice.Env, w *Where) (*backend, error) {
	b := &backend{timeouts: w.Timeouts, now: env.Now, pseudonym: pseudonym()}
	b.calls.New = func() any { return new(call) }
	b.buffers.New = func() any { p := make([]byte, pumpBuffer); return &p }
	for _, text := range w.URLs {
		u, err := openUpstream(env, w, text)
		if err != nil {
			return nil, err
		}
		b.upstreams = append(b.upstreams, u)
	}
	if slices.ContainsFunc(b.upstreams, func(u *upstream) bool { return u.address.secure }) {
		if err := b.secure(env, &w.TLS); err != nil {
			return nil, err
		}
	}
	b.measure(env)
	env.Cleanup(func() {
		for _, u := range b.upstreams {
			u.pool.close()
		}
	})
	return b, nil
}

// openUpstream makes ready for an address. It opens no connection; the first request does.
func openUpstream(env *sluice.Env, w *Where, text string) (*upstream, error) {
	a, err := parseAddress(text)
	if err != nil {
		return nil, sluice.At("urls", err)
	}
	return &upstream{address: a, connect: w.Timeouts.Connect, log: env.Log, pool: pool{
		max: int64(w.Pool.Max), maxIdle: w.Pool.MaxIdle, idle: w.Pool.IdleTimeout, now: env.Now,
	}}, nil
}

func (b *backend) measure(env *sluice.Env) {
	name := sluice.Label{Name: "backend", Value: env.Name}
	b.duration = env.Metrics.Histogram("sluice_http_duration_seconds",
		"Time from asking an HTTP service to the last byte of its answer.", name)
	b.retries = env.Metrics.Counter("sluice_http_resends_total",
		"Requests sent once more because a kept connection to an HTTP service had been closed.", name)
	env.Metrics.Gauge("sluice_http_connections", "Open connections to an HTTP service, idle ones too.", func() float64 {
		n := int64(0)
		for _, u := range b.upstreams {
			n += u.pool.open.Load()
		}
		return float64(n)
	}, name)
}

func pseudonym() string {
	var raw [8]byte
	rand.Read(raw[:]) // never fails, crypto/rand says
	return "sluice-" + hex.EncodeToString(raw[:])
}

// Ping connects to every address and closes the connection again.
func (b *backend) Ping(ctx context.Context) error {
	var errs []error
	for _, u := range b.upstreams {
		c, err := u.dial(ctx)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		c.abort()
	}
	return errors.Join(errs...)
}

// Handle makes the handler of an endpoint.
func (b *backend) Handle(_ *sluice.Env, _ *sluice.Endpoint, use *Use) (sluice.Handler, error) {
	h := &handler{backend: b, use: use, passHost: use.Host == hostPass}
	for _, f := range use.Headers {
		h.set = append(h.set, []byte(f.Name))
	}
	return h, nil
}

// next are the addresses to try, from the one whose turn it is.
func (b *backend) next() int {
	if len(b.upstreams) == 1 {
		return 0
	}
	return int(b.turn.Add(1) % uint32(len(b.upstreams)))
}
