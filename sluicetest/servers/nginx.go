package servers

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// Nginx is an nginx. Its methods may be called from any goroutine, those that start and stop it by one at a time.
type Nginx struct {
	server
	program string
	http    string
}

// StartNginx starts an nginx with these directives in its http block, and waits until it takes connections. In them
// {address} stands for a free address, which every server block can listen on, and {dir} for its Folder, whose
// files can be served. With TLS, say ssl in the directives.
//
//	n := servers.StartNginx(t, `server { listen {address}; location / { return 200 "hello"; } }`)
func StartNginx(o Owner, http string) *Nginx {
	o.Helper()
	n, err := startNginx(o, http)
	if err != nil {
		lacking(o, err)
	}
	return n
}

func startNginx(o Owner, http string) (*Nginx, error) {
	program, err := find("nginx")
	if err != nil {
		return nil, err
	}
	f, err := makeFolder(disk(), nil)
	if err != nil {
		return nil, err
	}
	n := &Nginx{program: program, http: http}
	n.server = server{owner: o, name: "nginx", folder: f, serve: n.serve, down: syscall.SIGTERM, gone: syscall.SIGTERM}
	o.Cleanup(n.end)
	return n, n.open()
}

// URL is http:// with the address.
func (n *Nginx) URL() string { return "http://" + n.Address() }

// serve starts the server on a port and waits until it takes connections. As root its workers stay root, since they
// could not read the folder otherwise.
func (n *Nginx) serve(port int) (*process, error) {
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;"
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	text := fmt.Sprintf(`%[1]s daemon off; worker_processes 1; pid %[2]s/pid; error_log stderr warn;
events { worker_connections 1024; }
http {
	access_log off; client_body_temp_path %[2]s/body; proxy_temp_path %[2]s/proxy;
	fastcgi_temp_path %[2]s/fastcgi; uwsgi_temp_path %[2]s/uwsgi; scgi_temp_path %[2]s/scgi;
	%[3]s
}
`, user, n.folder.path, strings.NewReplacer("{address}", address, "{dir}", n.folder.path).Replace(n.http))
	if err := os.WriteFile(n.folder.join("nginx.conf"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	process, err := command{program: n.program, args: []string{"-p", n.folder.path, "-e", "stderr", "-c", n.folder.join("nginx.conf")},
		dir: n.folder.path, log: n.folder.join("log"), death: syscall.SIGTERM, // ends its workers too
	}.start()
	if err != nil {
		return nil, err
	}
	err = process.ready(func() (bool, error) {
		// The file is written when the sockets listen, so none but this server answers.
		if pid, err := os.ReadFile(n.folder.join("pid")); err != nil || strings.TrimSpace(string(pid)) != fmt.Sprint(process.cmd.Process.Pid) {
			return false, nil
		}
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return false, nil
		}
		return true, c.Close()
	})
	if err != nil {
		process.kill()
	}
	return process, err
}
