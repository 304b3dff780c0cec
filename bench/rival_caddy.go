package main

import (
	"context"
	"encoding/json"
)

// caddy is built from bench/caddy, a module of its own.
type caddy struct {
	upstream  string
	accessLog bool
}

func (caddy) name() string { return "caddy" }

func (caddy) prepare(ctx context.Context, b *bench) (string, error) {
	return b.buildModule(ctx, "caddy", "github.com/caddyserver/caddy/v2")
}

func (c caddy) start(b *bench, address string) (*process, error) {
	log := b.path("caddy.log")
	text, err := json.Marshal(c.config(address, log))
	if err != nil {
		return nil, err
	}
	config, err := b.write("caddy.json", string(text))
	if err != nil {
		return nil, err
	}
	p, err := b.start("caddy", b.serverCores, b.path("caddy"), config)
	if err != nil {
		return nil, err
	}
	p.log = log
	return p, nil
}

// config keeps more idle connections to the upstream than Caddy's 32: with
// fewer than clients it would dial anew under load.
func (c caddy) config(address, log string) map[string]any {
	type object = map[string]any
	server := object{
		"listen":          []string{address},
		"protocols":       []string{"h1"},
		"automatic_https": object{"disable": true},
		"routes": []object{{"handle": []object{{
			"handler":   "reverse_proxy",
			"upstreams": []object{{"dial": c.upstream}},
			"transport": object{"protocol": "http", "keep_alive": object{"max_idle_conns_per_host": 1024}},
		}}}},
	}
	logs := object{"default": object{"level": "ERROR", "exclude": []string{"http.log.access"}}}
	if c.accessLog {
		server["logs"] = object{}
		logs["access"] = object{
			"include": []string{"http.log.access"},
			"writer":  object{"output": "file", "filename": log, "roll": false},
		}
	}
	return object{
		"admin":   object{"disabled": true, "config": object{"persist": false}},
		"logging": object{"logs": logs},
		"apps":    object{"http": object{"servers": object{"gateway": server}}},
	}
}
