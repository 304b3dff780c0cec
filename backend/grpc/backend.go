package grpc

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/upstream"
)

// backend is an open gRPC service.
type backend struct {
	where  *Where
	secure bool
	hosts  *upstream.Hosts[*link]
	links  links
	schema *schema // nil where no method is declared
	now    func() time.Time

	duration sluice.Histogram
}

func open(env *sluice.Env, w *Where) (*backend, error) {
	targets, err := parseTarget(w.Target)
	if err != nil {
		return nil, sluice.At("target", err)
	}
	b := &backend{where: w, secure: w.TLS != nil, links: links{all: map[*link]struct{}{}}, now: env.Now}
	if b.secure {
		if err := b.links.secure(env, w.TLS); err != nil {
			return nil, err
		}
	}
	spec := upstream.Spec[*link]{Targets: targets, Config: w.Config}
	spec.Link = func(h *upstream.Host[*link]) *link {
		l := newLink(w, targets[h.Target], h.Address, env.Log)
		b.links.add(l)
		return l
	}
	spec.Close = func(h *upstream.Host[*link]) { b.links.remove(h.Link) }
	if w.Health != nil {
		spec.Checks = &w.Health.Checks
		spec.Check = func(ctx context.Context, h *upstream.Host[*link]) error { return b.check(ctx, h.Link) }
	}
	if b.hosts, err = upstream.Open(env, spec); err != nil {
		return nil, err
	}
	if err := b.openSchema(env); err != nil {
		return nil, err
	}
	b.duration = env.Metrics.Histogram("sluice_grpc_duration_seconds",
		"Time from calling a gRPC service to the last byte of its answer.", sluice.Label{Name: "backend", Value: env.Name})
	env.Metrics.Gauge("sluice_grpc_connections", "Open connections to a gRPC service, idle ones too.", func() float64 {
		n := 0
		for h := range b.hosts.All() {
			n += h.Link.now().open()
		}
		return float64(n)
	}, sluice.Label{Name: "backend", Value: env.Name})
	return b, nil
}

// Ping connects to every host and closes the connection again.
func (b *backend) Ping(ctx context.Context) error {
	var mu sync.Mutex
	var errs []error
	var all sync.WaitGroup
	for h := range b.hosts.All() {
		all.Go(func() {
			if err := h.Link.now().ping(ctx); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// Handle makes the handler of an endpoint.
func (b *backend) Handle(env *sluice.Env, ep *sluice.Endpoint, use *Use) (sluice.Handler, error) {
	service := ""
	for _, route := range ep.Routes {
		if call, isCall := strings.CutPrefix(route, "grpc "); isCall && strings.HasSuffix(call, "/*") {
			service = call
		}
	}
	switch {
	case service != "" && use.Method != "":
		return nil, sluice.At("method", errors.New("the route takes all calls of a service, and they pass as they come; want no method"))
	case service != "":
		return &passing{backend: b, use: use}, nil
	case use.Method == "":
		return nil, sluice.At("method", errors.New("it is not told what to call; want a method such as user.v1.UserService/GetUser"))
	case b.schema == nil:
		return nil, sluice.At("method", errors.New("the backend does not declare it; want the .proto file or the descriptor set that does under protos of the backend, or reflection: true there"))
	}
	h := &handler{backend: b, ep: ep, use: use, maxBody: env.MaxBody}
	if err := b.schema.plan(env, h); err != nil {
		return nil, err
	}
	return h, nil
}
