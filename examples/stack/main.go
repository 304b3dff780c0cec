// Program stack serves a whole system on this machine: the shop on three nodes behind nginx, PostgreSQL with replicas and
// shards, Redis, RabbitMQ, a user service and Prometheus. It starts them itself, on free ports and with their files in
// temporary folders, says where they are, and takes everything down again when it is interrupted.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/sluiceapi/sluice/examples/stack/stack"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

func main() {
	with := stack.Options{}
	flag.IntVar(&with.Port, "port", 8080, "where nginx listens; 0 is a free `port`")
	flag.StringVar(&with.Traces, "traces", os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"), "the OTLP `endpoint` for traces, such as http://127.0.0.1:4317")
	flag.BoolVar(&with.Collector, "collector", false, "build and start a collector for traces, instead of -traces")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	err := servers.Within(os.Stderr, func(o servers.Owner) error {
		if err := serve(ctx, o, with, os.Stdout); ctx.Err() == nil {
			return err
		}
		return nil // what is cut off by an interrupt is no failure
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "stack:", err)
		os.Exit(1)
	}
}

// serve runs the stack until ctx ends.
func serve(ctx context.Context, o servers.Owner, with stack.Options, out io.Writer) error {
	with.Say = func(text string) { fmt.Fprintln(out, text) }
	s, err := stack.Start(ctx, o, with)
	if err != nil {
		return err
	}
	fmt.Fprintln(out)
	if err := s.Status(ctx, out); err != nil {
		return err
	}
	fmt.Fprintf(out, `
try  curl %[1]s/api/products/7
     curl %[1]s/grpc/user/42
     curl -i -d '{"category": "books"}' -H 'content-type: application/json' %[1]s/api/process
Ctrl-C ends all of it
`, s.URL())
	return watch(ctx, s, out)
}

// watch tells of nodes that end, and no more, since the others go on, until ctx ends.
func watch(ctx context.Context, s *stack.Stack, out io.Writer) error {
	ended := make(chan int, len(s.Nodes))
	for i, n := range s.Nodes {
		end := n.Ended()
		go func() {
			select {
			case <-end:
				ended <- i + 1
			case <-ctx.Done():
			}
		}()
	}
	for {
		select {
		case i := <-ended:
			fmt.Fprintf(out, "\nnode %d has ended; nginx asks the others\n", i)
			if err := s.Status(ctx, out); err != nil {
				return err
			}
		case <-ctx.Done():
			fmt.Fprintln(out, "\nstopping everything")
			return ctx.Err()
		}
	}
}
