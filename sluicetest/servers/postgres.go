package servers

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
)

// Options are how a PostgreSQL is set up. The zero value is a server for tests: anyone may connect from this machine as
// the superuser postgres, nothing is synced to the disk, and the log is written for logical replication too.
type Options struct {
	// Settings are lines of postgresql.conf, values quoted as they must stand there.
	Settings map[string]string
	// HBA are lines of pg_hba.conf, before those that let everyone in: "host all eve 127.0.0.1/32 scram-sha-256".
	HBA []string
	// Fsync has commits reach the disk, as where it is measured what they cost.
	Fsync bool
	// TLS is the certificate with which the server takes encrypted connections too.
	TLS *Certificate
}

// settings are those of every server. Standbys must not have less of some of them than their primary, and whoever was
// away for a while must find the log that it missed.
var settings = map[string]string{
	"listen_addresses":             "'127.0.0.1'",
	"dynamic_shared_memory_type":   "mmap", // below the data directory, so that nothing stays after a kill
	"shared_buffers":               "32MB",
	"max_connections":              "100",
	"wal_level":                    "logical",
	"max_wal_senders":              "20",
	"max_replication_slots":        "20",
	"wal_keep_size":                "256MB",
	"wal_receiver_status_interval": "1s",
	"wal_retrieve_retry_interval":  "100ms",
	"log_line_prefix":              "'%m [%p] '",
	"log_timezone":                 "'UTC'",
	"timezone":                     "'UTC'",
}

// Postgres is a PostgreSQL server. Its methods may be called from any goroutine, those that start and stop it by one at a
// time. What goes wrong is fatal for its owner, so those without an error belong into the test's own goroutine.
type Postgres struct {
	server
	install     *installation
	options     Options
	application string // application_name to its primary; empty for a first primary
	replicas    atomic.Int32
}

// StartPostgres starts a primary and waits until it takes connections. It is stopped, and its folder removed, when the
// owner's work is done.
func StartPostgres(o Owner, options Options) *Postgres {
	o.Helper()
	p, err := startPostgres(o, options)
	if err != nil {
		lacking(o, err)
	}
	return p
}

func startPostgres(o Owner, options Options) (*Postgres, error) {
	p, err := newPostgres(o, options)
	if err != nil {
		return nil, err
	}
	if err := p.install.fresh(p.data()); err != nil {
		return nil, err
	}
	return p, p.begin()
}

// newPostgres has a folder, and nothing in it.
func newPostgres(o Owner, options Options) (*Postgres, error) {
	i, err := findPostgres()
	if err != nil {
		return nil, err
	}
	in := memory()
	if options.Fsync {
		in = disk()
	}
	f, err := makeFolder(in, i.account)
	if err != nil {
		return nil, err
	}
	p := &Postgres{install: i, options: options}
	p.server = server{owner: o, name: "PostgreSQL", folder: f, serve: p.serve, down: syscall.SIGINT, gone: syscall.SIGQUIT}
	o.Cleanup(p.end)
	return p, nil
}

// Name is a replica's application_name, as synchronous_standby_names and pg_stat_replication call it.
func (p *Postgres) Name() string { return p.application }

// URL is how to connect to a database of it, as the superuser; postgres is there from the start.
func (p *Postgres) URL(database string) string { return urlOf(database, p) }

// urlOf names several servers in one URL, as libpq and pgx take it.
func urlOf(database string, all ...*Postgres) string {
	var hosts []string
	for _, p := range all {
		hosts = append(hosts, p.Address())
	}
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: strings.Join(hosts, ","), Path: "/" + database,
		RawQuery: "sslmode=disable"}
	return u.String()
}

func (p *Postgres) data() string { return p.folder.join("data") }

// begin starts it for the first time.
func (p *Postgres) begin() error {
	if err := p.configure(); err != nil {
		return err
	}
	return p.open()
}

// configure writes its settings down, behind those that initdb has written.
func (p *Postgres) configure() error {
	all := maps.Clone(settings)
	all["unix_socket_directories"] = "'" + p.folder.path + "'"
	if !p.options.Fsync {
		all["fsync"] = "off"
	}
	if p.options.TLS != nil {
		all["ssl"], all["ssl_cert_file"], all["ssl_key_file"] = "on", "'server.crt'", "'server.key'"
		if err := errors.Join(p.write("server.crt", p.options.TLS.CertPEM), p.write("server.key", p.options.TLS.KeyPEM)); err != nil {
			return err
		}
	}
	maps.Copy(all, p.options.Settings)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&text, "%s = %s\n", name, all[name])
	}
	hba := strings.Join(p.options.HBA, "\n") + "\nlocal all,replication all trust\nhost all,replication all 127.0.0.1/32 trust\n"
	return errors.Join(p.write("postgresql.conf", []byte(text.String())), p.write("pg_hba.conf", []byte(hba)))
}

// write makes a file of the data directory.
func (p *Postgres) write(name string, text []byte) error {
	path := filepath.Join(p.data(), name)
	return errors.Join(os.WriteFile(path, text, 0o600), p.install.account.own(path))
}

// serve starts the server on a port and waits until it takes connections. What it says of itself is in the file that
// pg_ctl looks at too.
func (p *Postgres) serve(port int) (*process, error) {
	process, err := command{program: filepath.Join(p.install.bin, "postgres"), account: p.install.account,
		args: []string{"-D", p.data(), "-p", fmt.Sprint(port)}, dir: p.folder.path, log: p.folder.join("log"),
		death: syscall.SIGQUIT, // ends its children too, and frees its shared memory
	}.start()
	if err != nil {
		return nil, err
	}
	err = process.ready(func() (bool, error) {
		pid, err := postmaster(p.data())
		if err != nil || pid != process.cmd.Process.Pid {
			return false, nil // not yet written anew
		}
		status, err := pidFile(p.data(), 7)
		return err == nil && status == "ready", nil
	})
	if err != nil {
		process.kill()
	}
	return process, err
}

// Mode is how a server is told to stop.
type Mode syscall.Signal

const (
	// Fast ends all sessions and writes what is in memory.
	Fast = Mode(syscall.SIGINT)
	// Immediate leaves off at once; the next start recovers from the log.
	Immediate = Mode(syscall.SIGQUIT)
)

// Stop stops it and waits for that. Its port is refused until it starts again.
func (p *Postgres) Stop(m Mode) {
	p.owner.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.stop(syscall.Signal(m)); err != nil {
		p.owner.Fatalf("stopping PostgreSQL: %v", err)
	}
}
