package main

import "context"

// rival is a server to be measured; Sluice is one among them.
type rival interface {
	name() string

	// prepare builds or installs what start needs, once per benchmark, and
	// returns the version. An error that is errNotHere leaves the rival out.
	prepare(ctx context.Context, b *bench) (version string, err error)

	// start starts the server on a loopback address and the server's core.
	start(b *bench, address string) (*process, error)
}
