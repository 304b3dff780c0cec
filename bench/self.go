package main

import (
	"context"
	"flag"
	"net/http"
	"os"
)

// startSelf has bench run itself, on the load's cores, as the subcommand of
// that name, and waits until it answers what is asked for by path.
func (b *bench) startSelf(ctx context.Context, subcommand, path string) (address string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if address, err = freeAddress(); err != nil {
		return "", err
	}
	p, err := b.start(subcommand, b.loadCores, self, subcommand, "-listen", address)
	if err != nil {
		return "", err
	}
	return address, p.waitReady(ctx, "http://"+address+path)
}

// runSelf is the process that startSelf starts; it ends by a signal.
func runSelf(ctx context.Context, subcommand string, args []string, handler http.Handler) error {
	flags := flag.NewFlagSet(subcommand, flag.ContinueOnError)
	listen := flags.String("listen", "", "address")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return serve(ctx, *listen, handler)
}
