package grpc

import (
	"fmt"
	"log/slog"
	"sync"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/internal/pemfile"
	"github.com/sluiceapi/sluice/rpc"
)

// schema is what the service's methods are known from, and those whose plans are made of it: they are made anew when it
// changes.
type schema struct {
	log *slog.Logger

	mu       sync.Mutex  // guards what follows
	now      *rpc.Schema // nil while it is not known
	handlers map[*handler]struct{}
}

func newSchema(env *sluice.Env) *schema {
	return &schema{log: env.Log, handlers: map[*handler]struct{}{}}
}

// openSchema finds what declares the service's methods.
func (b *backend) openSchema(env *sluice.Env) error {
	switch {
	case b.where.Reflection:
		b.reflect(env)
		return nil
	case len(b.where.Protos) == 0:
		return nil
	}
	loaded, err := rpc.Load(b.where.Protos)
	if err != nil {
		return err
	}
	b.schema = newSchema(env)
	b.schema.now = loaded
	var files []string
	for _, p := range b.where.Protos {
		files = append(files, string(p))
	}
	follower, err := pemfile.Follow(env.Log, files, func(pemfile.Content) error {
		loaded, err := rpc.Load(b.where.Protos)
		if err == nil {
			err = b.schema.change(loaded)
		}
		return err
	})
	if err != nil {
		return err
	}
	env.Cleanup(follower.Close)
	return nil
}

// change has all handlers go by another schema, or none, where one of them cannot.
func (s *schema) change(to *rpc.Schema) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	plans := map[*handler]*plan{}
	for h := range s.handlers {
		p, err := newPlan(to, h.ep, h.use)
		if err != nil {
			return fmt.Errorf("endpoint %s: %w", h.ep.Name, err)
		}
		plans[h] = p
	}
	for h, p := range plans {
		h.plan.Store(p)
	}
	s.now = to
	return nil
}

// replace has all handlers go by another schema. Those that cannot keep the plan that they have; one without says so to
// whoever asks.
func (s *schema) replace(to *rpc.Schema) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = to
	for h := range s.handlers {
		p, err := newPlan(to, h.ep, h.use)
		if err != nil {
			s.log.Error("what the service declares does not fit an endpoint", "endpoint", h.ep.Name, "error", err)
			if old := h.plan.Load(); old != nil && old.err == nil {
				continue
			}
			p = &plan{err: err}
		}
		h.plan.Store(p)
	}
}

// plan makes the plan of a handler, and again when the schema changes, until the endpoint's block is closed.
func (s *schema) plan(env *sluice.Env, h *handler) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now != nil {
		p, err := newPlan(s.now, h.ep, h.use)
		if err != nil {
			return err
		}
		h.plan.Store(p)
	}
	s.handlers[h] = struct{}{}
	env.Cleanup(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.handlers, h)
	})
	return nil
}
