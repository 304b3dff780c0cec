package servers

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// RabbitMQOptions are how a RabbitMQ is set up. The zero value lets the user guest in, with the password guest.
type RabbitMQOptions struct {
	User, Password string
	// TLS is the certificate with which it takes encrypted connections, and no others.
	TLS *Certificate
}

// RabbitMQ is a RabbitMQ server of one node, with an Erlang port mapper of its own. Its methods may be called from any
// goroutine, those that start and stop it by one at a time.
type RabbitMQ struct {
	server
	program string
	options RabbitMQOptions
	mapper  *process
	// epmd is the port of the mapper, dist the one that nodes would speak over.
	epmd, dist int
}

// rabbitMQ is where Debian has the script that starts the server as whoever calls it; the one on the PATH wants to be root.
const rabbitMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"

// StartRabbitMQ starts a RabbitMQ and waits until it takes connections. It is stopped, and its folder removed, when the
// owner's work is done.
func StartRabbitMQ(o Owner, options RabbitMQOptions) *RabbitMQ {
	o.Helper()
	r, err := startRabbitMQ(o, options)
	if err != nil {
		lacking(o, err)
	}
	return r
}

func startRabbitMQ(o Owner, options RabbitMQOptions) (*RabbitMQ, error) {
	if options.User == "" {
		options.User, options.Password = "guest", "guest"
	}
	program, err := filepath.Abs(rabbitMQ)
	if err == nil {
		_, err = os.Stat(program)
	}
	if err != nil {
		return nil, &missingError{"rabbitmq-server", debian("rabbitmq-server")}
	}
	f, err := makeFolder(memory(), nil)
	if err != nil {
		return nil, err
	}
	r := &RabbitMQ{program: program, options: options}
	r.server = server{owner: o, name: "RabbitMQ", folder: f, serve: r.serve, down: syscall.SIGTERM, gone: syscall.SIGKILL}
	o.Cleanup(r.end)
	if err := r.startMapper(); err != nil {
		return nil, err
	}
	return r, r.open()
}

// startMapper starts the port mapper. Left to itself a node would start one for the whole machine, which nobody would end.
func (r *RabbitMQ) startMapper() error {
	program, err := find("epmd")
	if err != nil {
		return err
	}
	start := func(port int) (*process, error) {
		p, err := command{program: program, args: []string{"-port", fmt.Sprint(port), "-address", "127.0.0.1"}, dir: r.folder.path,
			log: r.folder.join("epmd.log"), death: syscall.SIGKILL}.start()
		if err != nil {
			return nil, err
		}
		err = p.ready(func() (bool, error) {
			c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err == nil {
				c.Close()
			}
			return err == nil, nil
		})
		if err != nil {
			p.kill()
		}
		return p, err
	}
	r.mapper, r.epmd, err = onFreePort(start)
	if err != nil {
		return err
	}
	r.owner.Cleanup(func() { r.mapper.kill() })
	r.dist, err = freePort()
	return err
}

// URL is how to connect to it: amqp://, with user and password.
func (r *RabbitMQ) URL() string {
	scheme := "amqp"
	if r.options.TLS != nil {
		scheme = "amqps"
	}
	u := url.URL{Scheme: scheme, Host: r.Address(), Path: "/", User: url.UserPassword(r.options.User, r.options.Password)}
	return u.String()
}

// config are its settings, as terms of Erlang.
func (r *RabbitMQ) config(port int) string {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	listeners := fmt.Sprintf(`{tcp_listeners, [{"127.0.0.1", %d}]}`, port)
	if c := r.options.TLS; c != nil {
		listeners = fmt.Sprintf(`{tcp_listeners, []}, {ssl_listeners, [{"127.0.0.1", %d}]}, {ssl_options, [{certfile, "%s"}, {keyfile, "%s"}]}`,
			port, quote.Replace(c.CertFile), quote.Replace(c.KeyFile))
	}
	return fmt.Sprintf(`[{rabbit, [%s, {default_user, <<"%s">>}, {default_pass, <<"%s">>},
  {loopback_users, []}, {disk_free_limit, 1000000}, {vm_memory_high_watermark, {absolute, 2000000000}}]},
 {ra, [{wal_max_size_bytes, 16777216}]}].
`, listeners, quote.Replace(r.options.User), quote.Replace(r.options.Password))
}

// serve starts the server on a port and waits until it speaks AMQP.
func (r *RabbitMQ) serve(port int) (*process, error) {
	for name, text := range map[string]string{"advanced.config": r.config(port), "enabled_plugins": "[].\n", "rabbitmq.conf": ""} {
		if err := os.WriteFile(r.folder.join(name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	f := r.folder
	p, err := command{program: r.program, dir: f.path, log: f.join("log"), death: syscall.SIGKILL, env: []string{
		fmt.Sprintf("RABBITMQ_NODENAME=sluice%d@localhost", r.epmd), fmt.Sprintf("RABBITMQ_DIST_PORT=%d", r.dist),
		fmt.Sprintf("ERL_EPMD_PORT=%d", r.epmd), "ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_CONF_ENV_FILE=" + f.join("none"), "RABBITMQ_CONFIG_FILE=" + f.join("rabbitmq.conf"),
		"RABBITMQ_ADVANCED_CONFIG_FILE=" + f.join("advanced.config"), "RABBITMQ_ENABLED_PLUGINS_FILE=" + f.join("enabled_plugins"),
		"RABBITMQ_MNESIA_BASE=" + f.join("data"), "RABBITMQ_LOG_BASE=" + f.path, "RABBITMQ_LOGS=-", "RABBITMQ_PID_FILE=" + f.join("pid"),
		"RABBITMQ_GENERATED_CONFIG_DIR=" + f.join("generated"), "RABBITMQ_FEATURE_FLAGS_FILE=" + f.join("feature_flags"),
		"ERL_CRASH_DUMP=/dev/null",
		// It replaces the shell, so that signals reach it, and it does not spin while it has nothing to do.
		"RUNNING_UNDER_SYSTEMD=true", "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
	}}.start()
	if err != nil {
		return nil, err
	}
	err = p.ready(func() (bool, error) { return speaksAMQP(port, r.options.TLS != nil), nil })
	if err != nil {
		p.kill()
	}
	return p, err
}

// speaksAMQP tells whether a greeting is answered with a method frame (AMQP 0-9-1, section 2.2.4).
func speaksAMQP(port int, encrypted bool) bool {
	const soon = 5 * time.Second
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), soon)
	if err != nil {
		return false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(soon))
	if encrypted {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true}) // whoever it is, it is not told anything
	}
	if _, err := c.Write([]byte("AMQP\x00\x00\x09\x01")); err != nil {
		return false
	}
	var first [1]byte
	_, err = io.ReadFull(c, first[:])
	return err == nil && first[0] == 1
}

// Stop stops it in good order. Its port is refused until Restart.
func (r *RabbitMQ) Stop() {
	r.owner.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.stop(r.down); err != nil {
		r.owner.Fatalf("stopping RabbitMQ: %v", err)
	}
}

// Empty kills it, deletes all that it keeps, queues and their messages, and starts it again.
func (r *RabbitMQ) Empty() {
	r.owner.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	err := errors.Join(r.process.kill(), os.RemoveAll(r.folder.join("data")), os.RemoveAll(r.folder.join("feature_flags")))
	if err == nil {
		err = r.restart()
	}
	if err != nil {
		r.owner.Fatalf("emptying RabbitMQ: %v", err)
	}
}
