package servers

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// ReplicaOptions are how a standby is set up.
type ReplicaOptions struct {
	// Name is its application_name; left out: r1, r2 and so on. Where a primary's synchronous_standby_names has it, commits
	// wait for it.
	Name string
	// Delay holds every commit back for a while before it is replayed (recovery_min_apply_delay).
	Delay time.Duration
	// Settings are lines of its postgresql.conf, besides those of its primary.
	Settings map[string]string
}

// Replica makes a standby of this server from a backup, starts it and waits until it takes connections.
func (p *Postgres) Replica(options ReplicaOptions) *Postgres {
	p.owner.Helper()
	r, err := p.replica(options)
	if err == nil {
		err = p.backup(r)
	}
	if err == nil {
		err = r.begin()
	}
	if err != nil {
		lacking(p.owner, err)
	}
	return r
}

// replica is a standby without data.
func (p *Postgres) replica(options ReplicaOptions) (*Postgres, error) {
	if n := p.replicas.Add(1); options.Name == "" {
		options.Name = fmt.Sprintf("r%d", n)
	}
	o := p.options
	o.Settings = merged(p.options.Settings, options.Settings)
	delete(o.Settings, "synchronous_standby_names")
	if options.Delay > 0 {
		o.Settings["recovery_min_apply_delay"] = milliseconds(options.Delay)
	}
	r, err := newPostgres(p.owner, o)
	if err != nil {
		return nil, err
	}
	r.call(options.Name)
	return r, nil
}

// call gives a standby its name.
func (p *Postgres) call(name string) { p.application, p.name = name, "PostgreSQL "+name }

func merged(all ...map[string]string) map[string]string {
	m := map[string]string{}
	for _, one := range all {
		for k, v := range one {
			m[k] = v
		}
	}
	return m
}

// backup copies a running server's data for a standby of it.
func (p *Postgres) backup(r *Postgres) error {
	err := r.install.run(r.folder.path, "pg_basebackup", "-D", r.data(), "-d", p.conninfo("backup"), "-X", "stream", "-c", "fast", "--no-sync")
	if err != nil {
		return err
	}
	// What ALTER SYSTEM has said was said to the primary.
	if err := os.Remove(r.data() + "/postgresql.auto.conf"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return r.follow(p)
}

// follow has a server be a standby when it starts next.
func (p *Postgres) follow(primary *Postgres) error {
	p.options.Settings = merged(p.options.Settings, map[string]string{"primary_conninfo": "'" + primary.conninfo(p.application) + "'"})
	return p.write("standby.signal", nil)
}

func (p *Postgres) conninfo(name string) string {
	return fmt.Sprintf("host=127.0.0.1 port=%d user=postgres sslmode=disable application_name=%s", p.port, name)
}

// Follow has a standby take another primary, or a promoted standby, without a restart.
func (p *Postgres) Follow(primary *Postgres) {
	p.owner.Helper()
	p.Set("primary_conninfo", "'"+primary.conninfo(p.application)+"'")
}

// Rejoin brings a former primary, or any other server, back as a standby of another, under its name and on its port, with
// the other's data. It may run or not.
func (p *Postgres) Rejoin(primary *Postgres, name string) {
	p.owner.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.call(name)
	if err := p.rejoin(primary); err != nil {
		p.owner.Fatalf("rejoining PostgreSQL: %v", err)
	}
}

func (p *Postgres) rejoin(primary *Postgres) error {
	if p.process.running() {
		if err := p.process.kill(); err != nil {
			return err
		}
	}
	forget(p.data())
	if err := os.RemoveAll(p.data()); err != nil {
		return err
	}
	if err := primary.backup(p); err != nil {
		return err
	}
	if err := p.configure(); err != nil {
		return err
	}
	return p.restart()
}

// Pause stops a standby's replay, and returns when it stands: it still receives, and shows nothing new.
func (p *Postgres) Pause() {
	p.owner.Helper()
	p.Exec("SELECT pg_wal_replay_pause()")
	p.until("pausing replay", "SELECT pg_get_wal_replay_pause_state() = 'paused'")
}

// Resume undoes Pause.
func (p *Postgres) Resume() {
	p.owner.Helper()
	p.Exec("SELECT pg_wal_replay_resume()")
}

// Promote makes a standby a primary, on a new timeline, and returns when it takes writes.
func (p *Postgres) Promote() {
	p.owner.Helper()
	p.Exec("SELECT pg_promote(true, 60)")
	p.until("promoting", "SELECT NOT pg_is_in_recovery()")
}

// LSN is up to where the log is on the disk of a primary, or replayed on a standby.
func (p *Postgres) LSN() string {
	p.owner.Helper()
	return p.Value("SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END")
}

// WaitReplay waits until a standby has replayed the log up to a place in it.
func (p *Postgres) WaitReplay(lsn string) {
	p.owner.Helper()
	p.until("replaying up to "+lsn, "SELECT pg_last_wal_replay_lsn() >= '"+lsn+"'")
}
