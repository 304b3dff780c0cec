package http

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/upstream"
)

// backend is an open HTTP service.
type backend struct {
	targets  []*target
	hosts    *upstream.Hosts[*link]
	timeouts Timeouts
	now      func() time.Time
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
	spec := upstream.Spec[*link]{Config: w.Config}
	for _, text := range w.URLs {
		a, err := parseAddress(text)
		if err != nil {
			return nil, sluice.At("urls", err)
		}
		b.targets = append(b.targets, &target{address: a, connect: w.Timeouts.Connect, log: env.Log, links: map[*link]struct{}{}})
		spec.Targets = append(spec.Targets, upstream.Target{Name: a.name, Port: a.port})
	}
	if slices.ContainsFunc(b.targets, func(t *target) bool { return t.secure }) {
		if err := b.secure(env, &w.TLS); err != nil {
			return nil, err
		}
	}
	spec.Link = func(h *upstream.Host[*link]) *link { return b.targets[h.Target].link(env, &w.Pool, h.Address) }
	spec.Close = func(h *upstream.Host[*link]) { h.Link.close() }
	if w.Health != nil {
		spec.Checks = &w.Health.Checks
		spec.Check = func(ctx context.Context, h *upstream.Host[*link]) error { return h.Link.check(ctx, w.Health.Path) }
	}
	var err error
	if b.hosts, err = upstream.Open(env, spec); err != nil {
		return nil, err
	}
	b.measure(env)
	return b, nil
}

func (b *backend) measure(env *sluice.Env) {
	name := sluice.Label{Name: "backend", Value: env.Name}
	b.duration = env.Metrics.Histogram("sluice_http_duration_seconds",
		"Time from asking an HTTP service to the last byte of its answer.", name)
	b.retries = env.Metrics.Counter("sluice_http_resends_total",
		"Requests sent once more because a kept connection to an HTTP service had been closed.", name)
	env.Metrics.Gauge("sluice_http_connections", "Open connections to an HTTP service, idle ones too.", func() float64 {
		n := int64(0)
		for h := range b.hosts.All() {
			n += h.Link.pool.open.Load()
		}
		return float64(n)
	}, name)
}

func pseudonym() string {
	var raw [8]byte
	rand.Read(raw[:]) // never fails, crypto/rand says
	return "sluice-" + hex.EncodeToString(raw[:])
}

// Ping connects to every host and closes the connection again.
func (b *backend) Ping(ctx context.Context) error {
	var errs []error
	for h := range b.hosts.All() {
		c, err := h.Link.dial(ctx)
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
