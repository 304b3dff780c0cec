package stack

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/program"
)

// Status writes a table of what runs, where, and how it is at the moment.
func (s *Stack) Status(ctx context.Context, out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(what, where, state string) { fmt.Fprintf(t, "%s\t%s\t%s\n", what, where, state) }
	ready := 0
	for _, n := range s.Nodes {
		if state(ctx, n) == "ready" {
			ready++
		}
	}
	row("nginx", s.URL(), fmt.Sprintf("%d of %d nodes are ready", ready, len(s.Nodes)))
	for i, n := range s.Nodes {
		row(fmt.Sprintf("node %d", i+1), n.HTTP, fmt.Sprintf("%s; metrics at %s/metrics", state(ctx, n), n.Admin))
	}
	for i, n := range s.Users {
		row(fmt.Sprintf("users %d", i+1), n.HTTPS, fmt.Sprintf("%s; metrics at %s/metrics", state(ctx, n), n.Admin))
	}
	row("catalog", s.Fleet.Catalog.URL("shop"), "jobs and users are databases of it too")
	for i, shard := range s.Fleet.Shards {
		row(fmt.Sprintf("shard %c", 'a'+i), shard.Primary.URL("shop"), replicas(len(shard.Replicas)))
	}
	row("Redis", s.Fleet.Redis.URL(), "counters, cached answers, notices")
	row("RabbitMQ", s.RabbitMQ.URL(), "wakes those who work on jobs")
	row("Prometheus", s.Prometheus.URL(), s.scraped(ctx))
	switch {
	case s.Collector != nil:
		row("collector", s.traces, "writes traces into "+s.Collector.Folder())
	case s.traces != "":
		row("traces", s.traces, "of all nodes")
	}
	return t.Flush()
}

func replicas(n int) string {
	switch n {
	case 0:
		return "a primary"
	case 1:
		return "a primary and a replica"
	}
	return fmt.Sprintf("a primary and %d replicas", n)
}

func state(ctx context.Context, n *program.Node) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	select {
	case <-n.Ended():
		return "ended"
	default:
	}
	if n.IsReady(ctx) {
		return "ready"
	}
	return "not ready"
}

func (s *Stack) scraped(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	up, err := s.Prometheus.Query(ctx, "up == 1")
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("scrapes %d of %d", len(up), len(s.Nodes)+len(s.Users))
}
