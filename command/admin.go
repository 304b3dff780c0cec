package command

import (
	"context"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/admin"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/server"
)

// adminHandler is what the admin listener of one node serves.
func (r *runner) adminHandler(guard sluice.Policy) sluice.Handler {
	return admin.New(admin.Options{Log: r.log, Metrics: r.metrics, Guard: guard, Version: version(), Health: r.report})
}

// report is the state of the process, for /readyz.
func (r *runner) report() admin.Health {
	h := admin.Health{Status: admin.Ready, Checks: r.health.checks()}
	switch {
	case r.draining.Load():
		h.Status = admin.Draining
	case r.nodes.Node() == nil:
		h.Status = admin.Starting
	default:
		if h.Waits = r.holds.pending(); len(h.Waits) > 0 {
			h.Status = admin.Starting
		}
	}
	return h
}

// adminConfig is how the admin listener is served: with the limits of the others, and without a delay at the end,
// since it tells until the last that the node is draining.
func adminConfig(f *config.File) server.Config {
	c := serverConfig(f)
	c.HTTP, c.HTTPS, c.Drain = f.Listen.Admin.Address, nil, server.Drain{}
	return c
}

// applyAdmin has the admin listener follow a config.
func (r *runner) applyAdmin(f *config.File) error {
	switch {
	case f.Listen.Admin == nil && r.admin != nil:
		s := r.admin
		r.admin = nil
		return s.Shutdown(context.Background())
	case f.Listen.Admin != nil && r.admin == nil:
		return r.startAdmin(f)
	case r.admin != nil:
		return r.admin.Apply(adminConfig(f))
	}
	return nil
}

func (r *runner) startAdmin(f *config.File) error {
	s, err := server.New(adminConfig(f), r.nodes.Admin(), r.log)
	if err != nil {
		return err
	}
	if err := s.Listen(); err != nil {
		return err
	}
	r.admin = s
	r.serve(s)
	return nil
}

// serve serves until the server is shut down; an address that fails ends the process.
func (r *runner) serve(s *server.Server) {
	go func() {
		if err := s.Serve(); err != nil {
			r.failed <- err
		}
	}()
}
