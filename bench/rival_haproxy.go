package main

import (
	"context"
	"fmt"
)

// haproxy shares its upstream connections among all clients, as the other
// gateways here do. It logs to its standard output, which is a file.
type haproxy struct {
	upstream  string
	accessLog bool
}

func (haproxy) name() string { return "haproxy" }

func (haproxy) prepare(ctx context.Context, _ *bench) (string, error) {
	program, err := tool(ctx, "haproxy", "haproxy")
	if err != nil {
		return "", err
	}
	return firstLine(ctx, program, "-v")
}

func (h haproxy) start(b *bench, address string) (*process, error) {
	log := ""
	if h.accessLog {
		log = "log stdout format raw local0\n\toption httplog"
	}
	config, err := b.write("haproxy.cfg", fmt.Sprintf(`global
	nbthread %d
	maxconn 4096
defaults
	mode http
	%s
	option forwardfor
	http-reuse always
	timeout connect 5s
	timeout client 1h
	timeout server 1h
frontend gateway
	bind %s
	default_backend origin
backend origin
	server one %s
`, b.serverCores.Count(), log, address, h.upstream))
	if err != nil {
		return nil, err
	}
	program, ok := findTool("haproxy")
	if !ok {
		return nil, errNotHere
	}
	return b.start("haproxy", b.serverCores, program, "-db", "-f", config)
}
