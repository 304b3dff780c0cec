package main

import (
	"context"
	"fmt"
	"os"
)

// cacheAnswers gives one answer of the upstream for an hour from memory.
func cacheAnswers(upstream string) string {
	return fmt.Sprintf(`backends:
  upstream:
    http:
      urls: ["http://%s"]
endpoints:
  get:
    route: GET /{rest...}
    policies:
      - cache: 1h
    http:
      backend: upstream
      path: "/{rest}"
`, upstream)
}

// nginxCache keeps answers in files that are in the page cache, on a tmpfs
// where there is one, and keeps the files open.
type nginxCache struct{ upstream string }

func (nginxCache) name() string { return "nginx" }

func (nginxCache) prepare(ctx context.Context, b *bench) (string, error) {
	return nginx{}.prepare(ctx, b)
}

func (n nginxCache) start(b *bench, address string) (*process, error) {
	folder, err := b.memoryFolder("nginx")
	if err != nil {
		return nil, err
	}
	return b.startNginx("nginx", b.serverCores, fmt.Sprintf(`
	access_log off;
	proxy_cache_path %s keys_zone=kept:16m inactive=1h use_temp_path=off;
	open_file_cache max=1000 inactive=1h;
	open_file_cache_valid 1h;
	server {
		listen %s;
		location / {
			proxy_pass http://%s;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_cache kept;
			proxy_cache_valid 200 1h;
		}
	}`, folder, address, n.upstream))
}

// varnish keeps answers with malloc. Its log in shared memory is on a tmpfs
// where there is one, as its manual wants it.
type varnish struct{ upstream string }

func (varnish) name() string { return "varnish" }

func (varnish) prepare(ctx context.Context, _ *bench) (string, error) {
	program, err := tool(ctx, "varnishd", "varnish")
	if err != nil {
		return "", err
	}
	return firstLine(ctx, program, "-V")
}

func (v varnish) start(b *bench, address string) (*process, error) {
	program, ok := findTool("varnishd")
	if !ok {
		return nil, errNotHere
	}
	folder, err := b.memoryFolder("varnish")
	if err != nil {
		return nil, err
	}
	return b.start("varnish", b.serverCores, program, "-F", "-j", "none", "-n", folder,
		"-a", address, "-b", v.upstream, "-s", "malloc,64m", "-t", "3600", "-p", fmt.Sprintf("thread_pools=%d", b.serverCores.Count()))
}

// fasthttpKept answers from a map of Go's, on fasthttp.
type fasthttpKept struct{}

func (fasthttpKept) name() string { return fasthttpName }

func (fasthttpKept) prepare(ctx context.Context, b *bench) (string, error) {
	return fasthttpProxy{}.prepare(ctx, b)
}

func (fasthttpKept) start(b *bench, address string) (*process, error) {
	return b.start(fasthttpName, b.serverCores, b.path(fasthttpName), "kept", address, originPath, originBody)
}

// memoryFolder makes a folder on a tmpfs if there is one, else in the
// temporary folder.
func (b *bench) memoryFolder(name string) (string, error) {
	const shared = "/dev/shm"
	if info, err := os.Stat(shared); err != nil || !info.IsDir() {
		return b.path(name), os.Mkdir(b.path(name), 0o755)
	}
	folder, err := os.MkdirTemp(shared, "sluice-bench-"+name+"-")
	if err == nil {
		b.folders = append(b.folders, folder)
	}
	return folder, err
}
