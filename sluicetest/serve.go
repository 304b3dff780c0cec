package sluicetest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/server"
)

// Serve serves a handler on a free port of loopback, without TLS, until the test ends, and returns the address.
func Serve(t testing.TB, h sluice.Handler) string {
	t.Helper()
	return ServeWith(t, server.Config{HTTP: "127.0.0.1:0"}, h).HTTP.String()
}

// ServeNode is Serve for a node, as a process serves it.
func ServeNode(t testing.TB, n *build.Node) string {
	t.Helper()
	var nodes build.Switch
	nodes.Swap(n)
	return Serve(t, &nodes)
}

// ServeWith is Serve for a server's config of the test's own.
func ServeWith(t testing.TB, c server.Config, h sluice.Handler) server.Addrs {
	t.Helper()
	s, err := server.New(c, h, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		const patience = 20 * time.Second
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return s.Addrs()
}
