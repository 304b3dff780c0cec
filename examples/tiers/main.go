// Program tiers serves the example on this machine: three data nodes and the edge before them, with certificates that it
// makes, in temporary folders. It takes everything down again when it is interrupted.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/sluiceapi/sluice/examples/tiers/tiers"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

func main() {
	port := flag.Int("port", 8080, "where the edge listens; 0 is a free `port`")
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
		fmt.Fprintln(os.Stderr, "tiers:", err)
		os.Exit(1)
	}
}

// serve runs the tiers until ctx ends.
func serve(ctx context.Context, o servers.Owner, port int, out io.Writer) error {
	fmt.Fprintln(out, "building sluice; starting three data nodes, each of which fills its database, and the edge")
	t, err := tiers.Start(ctx, o, tiers.Options{Data: 3, Port: port})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "edge    %s, metrics at %s/metrics\n", t.Edge.HTTP, t.Edge.Admin)
	for i, n := range t.Data {
		fmt.Fprintf(out, "data %d  %s, metrics at %s/metrics\n", i+1, n.HTTPS, n.Admin)
	}
	fmt.Fprintf(out, "try     curl %s/user/42\nCtrl-C ends all of it\n", t.Edge.HTTP)
	<-ctx.Done()
	return ctx.Err()
}
