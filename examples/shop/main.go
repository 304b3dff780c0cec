// Program shop serves the shop on all that a fleet has: a catalog on PostgreSQL, users and orders on three shards, one of
// them with two replicas, Redis, and three nodes. It starts the servers itself, on free ports of this machine and with
// their files in temporary folders, runs the nodes with sluice.yaml and fleet.yaml, and takes everything down again when it
// is interrupted.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/sluiceapi/sluice/examples/shop/fleet"
	"github.com/sluiceapi/sluice/sluicetest/program"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

func main() {
	port := flag.Int("port", 8080, "where the first node listens; the others follow it, and 0 is free `ports`")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	err := servers.Within(os.Stderr, func(o servers.Owner) error {
		if err := serve(ctx, o, *port, os.Stdout); ctx.Err() == nil {
			return err
		}
		return nil // what is cut off by an interrupt is no failure
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

// nodeCount is how many nodes are run; fleet.yaml says so too.
const nodeCount = 3

// serve runs the shop until ctx ends, or a node does.
func serve(ctx context.Context, o servers.Owner, port int, out io.Writer) error {
	fmt.Fprintln(out, "building sluice")
	p, err := program.Build(ctx, o)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "starting PostgreSQL and Redis")
	f := fleet.Start(o)
	variables := f.Variables("shop")
	fmt.Fprintln(out, "starting the nodes; the databases are made and filled first")
	ended := make(chan error, nodeCount)
	var nodes []*program.Node
	for i := range nodeCount {
		at := 0
		if port > 0 {
			at = port + i
		}
		n, err := p.Start(ctx, program.Run{Name: fmt.Sprintf("node%d", i+1), Files: []string{"examples/shop/sluice.yaml", "examples/shop/fleet.yaml"},
			Variables: append([]string{fmt.Sprintf("SHOP_HTTP=127.0.0.1:%d", at), "SHOP_ADMIN=127.0.0.1:0"}, variables...)})
		if err != nil {
			return err
		}
		nodes = append(nodes, n)
	}
	for i, n := range nodes {
		if err := n.Ready(ctx); err != nil {
			return err
		}
		go func() {
			<-n.Ended()
			ended <- fmt.Errorf("node %d has ended:\n%s", i+1, n.Log())
		}()
	}
	describe(out, f, nodes)
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func describe(out io.Writer, f *fleet.Fleet, nodes []*program.Node) {
	for i, n := range nodes {
		fmt.Fprintf(out, "node %d   %s, metrics at %s/metrics\n", i+1, n.HTTP, n.Admin)
	}
	fmt.Fprintf(out, "catalog  %s\n", f.Catalog.URL("shop"))
	for i, s := range f.Shards {
		fmt.Fprintf(out, "shard %c  %s\n", 'a'+i, s.URL("shop"))
	}
	fmt.Fprintf(out, "redis    %s\n", f.Redis.URL())
	fmt.Fprintf(out, "try      curl %s/api/products/7\nCtrl-C ends all of it\n", nodes[0].HTTP)
}
