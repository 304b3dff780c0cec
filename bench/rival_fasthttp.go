package main

import "context"

const fasthttpName = "fasthttp"

// fasthttpProxy is a gateway of that library alone, built from bench/fasthttp.
type fasthttpProxy struct{ upstream string }

func (fasthttpProxy) name() string { return fasthttpName }

func (fasthttpProxy) prepare(ctx context.Context, b *bench) (string, error) {
	return b.buildModule(ctx, fasthttpName, "github.com/valyala/fasthttp")
}

func (f fasthttpProxy) start(b *bench, address string) (*process, error) {
	return b.start(fasthttpName, b.serverCores, b.path(fasthttpName), "proxy", address, f.upstream)
}
