// Program tour walks the thirteen parts of a scalable API on a running Sluice and prints, for each part that is there,
// evidence that it has measured just now. It builds Sluice and starts the stack of examples/stack: three nodes behind nginx, and
// PostgreSQL, Redis, RabbitMQ and Prometheus around them, in temporary folders and on free loopback ports. It takes down all
// it set up when it ends, and fails when a part does not do what it claims.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// parts are the thirteen, in their order. A part that is added has a file of its own, and its function here.
func parts() []part {
	return []part{
		{name: "stateless nodes", show: stateless},
		{name: "nodes behind a balancer", show: balancer},
		{name: "caching with Redis", show: caching},
		{name: "the gateway", show: gateway},
		{name: "gRPC between services", show: services},
		{name: "read replicas", show: replicas},
		{name: "sharding", show: sharding},
		{name: "connection pooling", show: pooling},
		{name: "message queues", show: queues},
		{name: "OpenTelemetry", show: traces},
		{name: "Prometheus, Grafana", show: metrics},
		{name: "rate limits", show: limits},
		{name: "JWT and mutual TLS", show: identity},
	}
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	err := run(ctx)
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "tour: interrupted")
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "tour:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	return servers.Within(os.Stderr, func(o servers.Owner) error {
		s, err := newSite(ctx, o)
		if err != nil {
			return err
		}
		return walk(ctx, s, parts(), os.Stdout)
	})
}
