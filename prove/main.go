// Program prove holds Sluice to its claims from outside, as clients see it: that no request fails while its config is
// reloaded or its process stopped, that limits, tokens, caches and consistency hold over several nodes while what they
// share is killed, stopped and replaced. It works in a temporary folder and on free loopback ports, takes down all it set
// up when it ends, prints its figures last, and fails when a claim does not hold.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
)

// claim is one thing that the program can be asked to prove.
type claim struct {
	name  string
	about string
	run   func(ctx context.Context, args []string) error
}

func claims() []claim {
	return []claim{
		{"reload", "1,000 reloads, and 20 stops, under load: no request fails", reload},
		{"slow", "500 slow connections of each sort are cut off and do not stop ordinary clients", slow},
		{"limits", "4 nodes and a Redis let through what one bucket would, and go on when Redis is gone", limits},
		{"tokens", "no forged token is taken and no good one refused, while keys rotate, floods run and the issuer is away", tokens},
		{"freshness", "no node serves an old answer later than 100 ms after a write, and its writer never; a cold key costs one query", freshness},
		{"scatter", "500 generated queries over 3 shards have the answers of one database", scatter},
		{"failover", "replicas and primaries are killed and frozen: no read fails, and writes go on within 5 s, none lost and none made twice", failover},
		{"grpc", "the conformance suite of Connect and the interop cases of grpc-go pass through a node, and 60 cases of transcoding", proveGRPC},
		{"jobs", "20,000 jobs end exactly once each, and were done, while workers, API nodes, the broker and the database are killed, frozen and emptied", proveJobs},
		{"rolling", "three nodes behind nginx are restarted 5 times and reloaded 20 times under mixed load, and one is killed: no request and no job is lost but what that one had in hand", rolling},
		{"sessions", "50,000 writes are read at once on another node, while replicas lag and the primary is replaced: no read is stale, no write lost", sessions},
		{"http", "what a node reads and writes is HTTP to the letter: a battery of cases, bytes that pass, hostile answers, h1spec, h2spec, slowhttptest, WebSockets", proveHTTP},
		{"upstreams", "of three hosts one is killed, one slow and one failing: no idempotent request fails once that is known, and no other is sent twice", upstreams},
	}
}

func main() {
	// The signal that ends children with their parent hangs on a thread, so all children are started from this one.
	runtime.LockOSThread()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	err := run(ctx, os.Args[1:])
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "prove: interrupted")
		os.Exit(130)
	case errors.Is(err, flag.ErrHelp), err == nil:
	default:
		fmt.Fprintln(os.Stderr, "prove:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var usage strings.Builder
	usage.WriteString("usage: go run ./prove NAME [flags]; NAME -h tells the flags")
	for _, c := range claims() {
		if len(args) > 0 && args[0] == c.name {
			return c.run(ctx, args[1:])
		}
		fmt.Fprintf(&usage, "\n  %-10s %s", c.name, c.about)
	}
	return errors.New(usage.String())
}
