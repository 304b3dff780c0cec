package servers

import (
	"fmt"
	"net/url"
	"syscall"
	"time"
)

// RedisOptions are how a Redis is set up. The zero value keeps nothing on the disk and lets everyone in from this machine.
type RedisOptions struct {
	Password string
	// TLS is the certificate with which it takes encrypted connections, and no others. Clients need none of their own
	// unless ClientCA is set.
	TLS *Certificate
	// ClientCA is the file of the authority whose certificates clients must have.
	ClientCA string
	// Persist keeps an append-only file, so that data is there after Kill and Restart; else it is gone.
	Persist bool
	// Settings are further lines of redis.conf: "maxmemory": "10mb".
	Settings map[string]string
}

// Redis is a Redis server. Its methods may be called from any goroutine, those that start and stop it by one at a time.
// What goes wrong is fatal for its owner, so those without an error belong into the test's own goroutine.
type Redis struct {
	server
	program string
	options RedisOptions
	cluster bool
	bus     int // the port that nodes of a cluster speak over
}

// StartRedis starts a Redis and waits until it answers. It is stopped, and its folder removed, when the owner's work is
// done.
func StartRedis(o Owner, options RedisOptions) *Redis {
	o.Helper()
	r, err := startRedis(o, options, false)
	if err != nil {
		lacking(o, err)
	}
	return r
}

func startRedis(o Owner, options RedisOptions, cluster bool) (*Redis, error) {
	program, err := find("redis-server")
	if err != nil {
		return nil, err
	}
	f, err := makeFolder(memory(), nil)
	if err != nil {
		return nil, err
	}
	r := &Redis{program: program, options: options, cluster: cluster}
	r.server = server{owner: o, name: "Redis", folder: f, serve: r.serve, down: syscall.SIGTERM, gone: syscall.SIGKILL}
	o.Cleanup(r.end)
	return r, r.open()
}

// URL is how to connect to it: redis://, or rediss:// with TLS, with the password if there is one.
func (r *Redis) URL() string {
	u := url.URL{Scheme: "redis", Host: r.Address(), Path: "/0"}
	if r.options.TLS != nil {
		u.Scheme = "rediss"
	}
	if r.options.Password != "" {
		u.User = url.UserPassword("default", r.options.Password)
	}
	return u.String()
}

// arguments are its settings; later ones win.
func (r *Redis) arguments(port int) []string {
	args := []string{"--bind", "127.0.0.1", "--dir", r.folder.path, "--unixsocket", r.socket(), "--save", "",
		"--daemonize", "no"}
	if r.options.TLS == nil {
		args = append(args, "--port", fmt.Sprint(port))
	} else {
		args = append(args, "--port", "0", "--tls-port", fmt.Sprint(port), "--tls-cert-file", r.options.TLS.CertFile,
			"--tls-key-file", r.options.TLS.KeyFile)
		if r.options.ClientCA == "" {
			args = append(args, "--tls-auth-clients", "no")
		} else {
			args = append(args, "--tls-auth-clients", "yes", "--tls-ca-cert-file", r.options.ClientCA)
		}
	}
	if r.options.Password != "" {
		args = append(args, "--requirepass", r.options.Password)
	}
	if r.options.Persist {
		args = append(args, "--appendonly", "yes", "--appendfsync", "always")
	}
	if r.cluster {
		args = append(args, "--cluster-enabled", "yes", "--cluster-port", fmt.Sprint(r.bus),
			"--cluster-node-timeout", "1000", "--cluster-config-file", r.folder.join("nodes.conf"))
	}
	for name, value := range r.options.Settings {
		args = append(args, "--"+name, value)
	}
	return args
}

func (r *Redis) socket() string { return r.folder.join("socket") }

// serve starts the server on a port and waits until it answers.
func (r *Redis) serve(port int) (_ *process, err error) {
	if r.cluster && port != r.port {
		if r.bus, err = freePort(); err != nil {
			return nil, err
		}
	}
	process, err := command{program: r.program, args: r.arguments(port), dir: r.folder.path, log: r.folder.join("log"),
		death: syscall.SIGKILL}.start()
	if err != nil {
		return nil, err
	}
	err = process.ready(func() (bool, error) {
		_, err := r.Run("PING") // over the socket, so that none but this server answers
		return err == nil, nil
	})
	if err != nil {
		process.kill()
	}
	return process, err
}

// Run runs a command on a connection of its own over the server's Unix socket. The answer is a line for each element.
func (r *Redis) Run(args ...string) ([]string, error) {
	const soon = 5 * time.Second
	c, err := dialRESP("unix", r.socket(), time.Now().Add(soon))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if r.options.Password != "" {
		if _, err := c.do("AUTH", r.options.Password); err != nil {
			return nil, err
		}
	}
	return c.do(args...)
}

// Do is Run with an error that is fatal, and the first line of the answer.
func (r *Redis) Do(args ...string) string {
	r.owner.Helper()
	lines, err := r.Run(args...)
	if err != nil {
		r.owner.Fatalf("%v: %v", args, err)
	}
	if len(lines) == 0 {
		return ""
	}
	return lines[0]
}

// FlushAll deletes all data.
func (r *Redis) FlushAll() {
	r.owner.Helper()
	r.Do("FLUSHALL")
}
