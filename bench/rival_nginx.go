package main

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// nginx as a proxy, tuned as its manual says: connections to the upstream are
// kept, and never closed for their age.
type nginx struct {
	upstream  string
	accessLog bool
}

func (nginx) name() string { return "nginx" }

func (nginx) prepare(ctx context.Context, _ *bench) (string, error) {
	program, err := tool(ctx, "nginx", "nginx-light")
	if err != nil {
		return "", err
	}
	return firstLine(ctx, program, "-v")
}

func (n nginx) start(b *bench, address string) (*process, error) {
	log := "off"
	if n.accessLog {
		log = b.path("nginx.log")
	}
	p, err := b.startNginx("nginx", b.serverCores, fmt.Sprintf(`
	access_log %s;
	upstream origin {
		server %s;
		keepalive 1024;
		keepalive_requests 1000000000;
		keepalive_timeout 1h;
	}
	server {
		listen %s;
		location / {
			proxy_pass http://origin;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $host;
			proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
		}
	}`, log, n.upstream, address))
	if err != nil {
		return nil, err
	}
	p.log = log
	return p, nil
}

// originStatus is the path where the upstream tells how often it was asked.
const originStatus = "/status"

// startOrigin starts the server that gateways are put before: an nginx that
// answers one path with a body from memory, and everything else with 404, so
// that a gateway which asks for another path is found out.
func (b *bench) startOrigin(ctx context.Context, path, body string) (address string, err error) {
	if _, err := tool(ctx, "nginx", "nginx-light"); err != nil {
		return "", fmt.Errorf("the upstream: %w", err)
	}
	if address, err = freeAddress(); err != nil {
		return "", err
	}
	p, err := b.startNginx("origin", b.loadCores, fmt.Sprintf(`
	access_log off;
	server {
		listen %s;
		default_type application/json;
		location / { return 404; }
		location = %s { return 200 '%s'; }
		location = %s { stub_status; }
	}`, address, path, body, originStatus))
	if err != nil {
		return "", err
	}
	return address, p.waitReady(ctx, "http://"+address+path)
}

// startNginx starts an nginx with a worker for each core. As root its workers stay root,
// since they could not write below the temporary folder otherwise.
func (b *bench) startNginx(name string, cores unix.CPUSet, http string) (*process, error) {
	program, ok := findTool("nginx")
	if !ok {
		return nil, errNotHere
	}
	user, files := "", ""
	if b.files > 0 {
		files = fmt.Sprintf("worker_rlimit_nofile %d;\n", b.files)
	}
	if os.Geteuid() == 0 {
		user = "user root;\n"
	}
	config, err := b.write(name+".conf", fmt.Sprintf(`%[1]s%[6]sdaemon off;
worker_processes %[5]d;
pid %[2]s/%[3]s.pid;
error_log stderr error;
events { worker_connections %[7]d; }
http {
	client_body_temp_path %[2]s/%[3]s.body;
	proxy_temp_path %[2]s/%[3]s.proxy;
	fastcgi_temp_path %[2]s/%[3]s.fastcgi;
	uwsgi_temp_path %[2]s/%[3]s.uwsgi;
	scgi_temp_path %[2]s/%[3]s.scgi;
	keepalive_requests 1000000000;
	keepalive_timeout 1h;
%[4]s
}
`, user, b.dir, name, http, cores.Count(), files, max(4096, b.files)))
	if err != nil {
		return nil, err
	}
	return b.start(name, cores, program, "-p", b.dir, "-e", "stderr", "-c", config)
}
