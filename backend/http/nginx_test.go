package http

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nginx starts nginx with these directives in its server block, and waits until it takes connections.
func nginx(t *testing.T, server string) string {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/nginx") // which is not on the PATH of everyone
	}
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	address := strings.TrimPrefix(deadAddress(t), "http://")
	dir := t.TempDir()
	config := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
		events {}
		http {
			access_log off; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;
			fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
			server { listen %[2]s; root %[1]s; %[3]s }
		}`, dir, address, server)
	if err := os.WriteFile(dir+"/nginx.conf", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/large", []byte(strings.Repeat("0123456789abcdef", 1<<16)), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), path, "-p", dir, "-c", dir+"/nginx.conf")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(dir + "/error.log")
			t.Logf("%s", text)
		}
	})
	for deadline := time.Now().Add(10 * time.Second); ; {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return "http://" + address
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestNginx(t *testing.T) {
	t.Parallel()
	url := nginx(t, `
		keepalive_requests 3;
		location /echo { default_type text/plain; return 200 "$request_method $request_uri $http_x_forwarded_for"; }
		location /gone { return 410; }
		location /none { return 204; }
		location /through { proxy_pass `+answering(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3\r\n, n\r\n2\r\now\r\n0\r\n\r\n", true)+`; proxy_http_version 1.1; }`)
	s := openService(t, []string{url})
	for range 3 { // over more than one connection: each serves three requests
		if a := s.ask(request(nil, "GET", "/echo?a=1;b")); a.err != nil || a.status != 200 || a.body != "GET /echo?a=1;b 192.0.2.7" {
			t.Fatalf("%+v %v", a, a.err)
		}
		if a := s.ask(request(nil, "GET", "/gone")); a.err != nil || a.status != 410 {
			t.Fatalf("%+v %v", a, a.err)
		}
		if a := s.ask(request(nil, "DELETE", "/none")); a.err != nil || a.status != 204 || a.body != "" {
			t.Fatalf("%+v %v", a, a.err)
		}
		if a := s.ask(request(nil, "GET", "/through")); a.err != nil || a.body != "ok, now" {
			t.Fatalf("%+v %v", a, a.err)
		}
		a := s.ask(request(nil, "GET", "/large"))
		if a.err != nil || len(a.body) != 1<<20 {
			t.Fatalf("%d, %d bytes, %v", a.status, len(a.body), a.err)
		}
		if a := s.ask(request(nil, "HEAD", "/large")); a.err != nil || a.body != "" || a.header["content-length"][0] != "1048576" {
			t.Fatalf("%+v %v", a, a.err)
		}
		if a := s.ask(request(nil, "GET", "/large", "If-None-Match", a.header["etag"][0])); a.err != nil || a.status != 304 || a.body != "" {
			t.Fatalf("%+v %v", a, a.err)
		}
		if a := s.ask(request(nil, "GET", "/large", "Range", "bytes=10-19")); a.err != nil || a.status != 206 || a.body != "abcdef0123" {
			t.Fatalf("%+v %v", a, a.err)
		}
	}
}
