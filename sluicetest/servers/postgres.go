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
	"sync"
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
	owner   Owner
	install *installation
	folder  *folder
	options Options
	name    string // application_name to its primary; empty for a first primary
	port    int

	mu       sync.Mutex
	process  *process
	replicas int
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
	p := &Postgres{owner: o, install: i, folder: f, options: options}
	o.Cleanup(p.end)
	return p, nil
}

// Port is where it listens, on 127.0.0.1.
func (p *Postgres) Port() int { return p.port }

// Address is host and port.
func (p *Postgres) Address() string { return fmt.Sprintf("127.0.0.1:%d", p.port) }

// Name is a replica's application_name, as synchronous_standby_names and pg_stat_replication call it.
func (p *Postgres) Name() string { return p.name }

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

// Folder is where its files are: data and log.
func (p *Postgres) Folder() string { return p.folder.path }

func (p *Postgres) data() string { return p.folder.join("data") }

// begin starts it for the first time, on a free port.
func (p *Postgres) begin() error {
	if err := p.configure(); err != nil {
		return err
	}
	process, port, err := onFreePort(p.serve)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.process, p.port = process, port
	return err
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

// end stops it for good.
func (p *Postgres) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process != nil {
		if p.process.running() {
			p.process.thaw()
			p.process.stop(syscall.SIGQUIT)
		}
		if p.owner.Failed() {
			p.owner.Logf("PostgreSQL %s on port %d:\n%s", p.name, p.port, p.process.printed())
		}
	}
	if err := p.folder.remove(); err != nil {
		p.owner.Logf("removing PostgreSQL's folder: %v", err)
	}
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
	if err := p.process.stop(syscall.Signal(m)); err != nil {
		p.owner.Fatalf("stopping PostgreSQL: %v", err)
	}
}

// Kill ends it and every process of it with SIGKILL, as a machine ends that loses its power but for the disk, whose last
// writes are kept.
func (p *Postgres) Kill() {
	p.owner.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.process.kill(); err != nil {
		p.owner.Fatalf("killing PostgreSQL: %v", err)
	}
	forget(p.data())
}

// Freeze has every process of it stand still: connections stay open, are taken by the system, and nothing answers.
func (p *Postgres) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process.running() {
		p.process.freeze()
	}
}

// Thaw undoes Freeze.
func (p *Postgres) Thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process.running() {
		p.process.thaw()
	}
}

// Restart starts it again on the same port, after stopping it if it runs, and waits until it takes connections.
func (p *Postgres) Restart() {
	p.owner.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.restart(); err != nil {
		p.owner.Fatalf("restarting PostgreSQL: %v", err)
	}
}

func (p *Postgres) restart() error {
	if err := p.process.stop(syscall.SIGINT); err != nil {
		return err
	}
	process, err := p.serve(p.port)
	p.process = process
	return err
}
