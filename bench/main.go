// Program bench measures Sluice beside its rivals on this machine, all in
// one sitting: see README.md for the method. It works in a temporary folder
// and on free loopback ports, and takes down all it set up when it ends.
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
	"time"
)

// subcommand is one thing that the program can be asked for.
type subcommand struct {
	name  string
	about string // empty for the servers that bench starts by running itself
	run   func(ctx context.Context, args []string) error
}

func subcommands() []subcommand {
	return []subcommand{
		{"proxy", "what a proxied request costs, beside nginx, HAProxy, Caddy, net/http and fasthttp", proxy},
		{"full", "a proxied request behind jwt, rate_limit, metrics and traces, beside nginx with limit_req", full},
		{"cache", "an answer from memory, beside nginx, Varnish and fasthttp", cache},
		{"edge", "system calls per request, memory for large bodies and for idle connections", edge},
		{"sqlite", "a row from SQLite as JSON, beside a server written by hand", sqlite},
		{"postgres", "rows from PostgreSQL as JSON, beside pgbench and a server written by hand", postgres},
		{"jobs", "jobs accepted and done per second with durable commits, beside River", jobs},
		{name: serveProxy, run: runReverseProxy},
		{name: serveProducts, run: runProducts},
		{name: serveStored, run: runStored},
		{name: serveCollector, run: runCollector},
		{name: serveBytes, run: runBytes},
		{name: holdConnections, run: runHold},
	}
}

func main() {
	// Affinity and the signal that ends children with their parent both hang
	// on a thread, so all children are started from this one.
	runtime.LockOSThread()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	err := run(ctx, os.Args[1:])
	switch {
	case err == nil:
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "bench: interrupted")
		os.Exit(130)
	case errors.Is(err, flag.ErrHelp):
	default:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var usage strings.Builder
	usage.WriteString("usage: go run ./bench NAME [flags]; NAME -h tells the flags")
	for _, c := range subcommands() {
		if len(args) > 0 && args[0] == c.name {
			return c.run(ctx, args[1:])
		}
		if c.about != "" {
			fmt.Fprintf(&usage, "\n  %-9s %s", c.name, c.about)
		}
	}
	return errors.New(usage.String())
}

// settings are the flags that all benchmarks share.
type settings struct {
	duration    time.Duration // of one measured run
	runs        int           // the best one counts
	connections int           // kept alive by wrk
	only        []string      // names of rivals; empty for all
	profile     string        // the file for Sluice's CPU profile; empty for none
}

// newFlags returns the shared flags, bound to the settings it returns, for
// the benchmark of that name.
func newFlags(name string) (*flag.FlagSet, *settings) {
	s := &settings{}
	flags := flag.NewFlagSet("bench "+name, flag.ContinueOnError)
	flags.DurationVar(&s.duration, "duration", 2*time.Second, "length of a measured run, in whole seconds")
	flags.IntVar(&s.runs, "runs", 7, "measured runs of each; the table has the one with the most requests, ratios are medians over all")
	flags.IntVar(&s.connections, "connections", 64, "keep-alive connections")
	flags.Func("only", "measure only these, by name, with commas between", func(text string) error {
		s.only = strings.Split(text, ",")
		return nil
	})
	return flags, s
}

func (s *settings) check() error {
	if s.duration < time.Second || s.duration%time.Second != 0 {
		return fmt.Errorf("-duration %v: wrk wants whole seconds", s.duration)
	}
	if s.runs < 1 || s.connections < 1 {
		return errors.New("-runs and -connections start at 1")
	}
	return nil
}
