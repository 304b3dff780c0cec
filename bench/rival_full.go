package main

import (
	"context"
	"fmt"
)

// Paths of the servers of the benchmark full.
const (
	readyPath = "/ready" // asks for no token
	fewPath   = "/few"   // is answered once an hour, or a minute
)

// fullAnswers passes a GET on for callers with a token, each within a rate
// that nobody reaches.
func fullAnswers(upstream, keys string) string {
	return fmt.Sprintf(`backends:
  upstream:
    http:
      urls: ["http://%[1]s"]
      pool: {max_idle: 1024}
policies:
  signed_in:
    - jwt: {issuer: %[2]q, audience: %[3]q, keys: %[4]q}
endpoints:
  get:
    route: GET /api/{rest...}
    policies:
      - use: signed_in
      - rate_limit: {rate: 1000000/s, by: caller.subject}
    http:
      backend: upstream
      path: "/api/{rest}"
  few:
    route: GET %[5]s
    policies:
      - use: signed_in
      - rate_limit: {rate: 1/h, by: caller.subject}
    static: {body: few}
  ready:
    route: GET %[6]s
    static: {body: ready}
`, upstream, tokenIssuer, tokenAudience, keys, fewPath, readyPath)
}

// nginxLimited is an nginx that passes requests on within a rate by client
// that nobody reaches. It cannot verify tokens.
type nginxLimited struct {
	upstream  string
	accessLog bool
}

func (nginxLimited) name() string { return "nginx" }

func (nginxLimited) prepare(ctx context.Context, b *bench) (string, error) {
	return nginx{}.prepare(ctx, b)
}

func (n nginxLimited) start(b *bench, address string) (*process, error) {
	log := "off"
	if n.accessLog {
		log = b.path("nginx.log")
	}
	p, err := b.startNginx("nginx", b.serverCores, fmt.Sprintf(`
	access_log %[1]s;
	limit_req_zone $binary_remote_addr zone=many:10m rate=1000000r/s;
	limit_req_zone $binary_remote_addr zone=few:10m rate=1r/m;
	limit_req_status 429;
	upstream origin {
		server %[2]s;
		keepalive 1024;
		keepalive_requests 1000000000;
		keepalive_timeout 1h;
	}
	server {
		listen %[3]s;
		location / {
			limit_req zone=many burst=1000000 nodelay;
			proxy_pass http://origin;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $host;
			proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
		}
		location = %[4]s {
			limit_req zone=few;
			proxy_pass http://origin%[6]s;
		}
		location = %[5]s { return 200 ready; }
	}`, log, n.upstream, address, fewPath, readyPath, originPath))
	if err != nil {
		return nil, err
	}
	p.log = log
	return p, nil
}
