package servers

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestCluster(t *testing.T) {
	t.Parallel()
	start := time.Now()
	c := StartCluster(t, Options{}, 2, ReplicaOptions{}, ReplicaOptions{Name: "late", Delay: 300 * time.Millisecond})
	t.Logf("a primary and two replicas in %v", time.Since(start))
	p, r, late := c.Primary, c.Replicas[0], c.Replicas[1]
	p.Exec("CREATE TABLE t (n int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
	r.WaitReplay(p.LSN())
	if got := r.Value("SELECT n FROM t"); got != "1" {
		t.Errorf("the replica has %q, want 1", got)
	}
	if _, err := late.value("SELECT n FROM t"); err == nil {
		t.Error("the delayed replica shows the table at once")
	}
	c.Sync()
	if got := late.Value("SELECT n FROM t"); got != "1" {
		t.Errorf("the delayed replica has %q, want 1", got)
	}
	names := p.Rows("postgres", "SELECT application_name FROM pg_stat_replication ORDER BY 1")
	if want := [][]string{{"late"}, {"r1"}}; !slices.EqualFunc(names, want, slices.Equal) {
		t.Errorf("replicas are called %v, want %v", names, want)
	}

	r.Pause()
	p.Exec("INSERT INTO t VALUES (2)")
	late.WaitReplay(p.LSN())
	if got := r.Value("SELECT count(*) FROM t"); got != "1" {
		t.Errorf("a paused replica has %s rows, want 1", got)
	}
	r.Resume()
	c.Sync()
	if got := r.Value("SELECT count(*) FROM t"); got != "2" {
		t.Errorf("a replica that goes on has %s rows, want 2", got)
	}
}

func TestFailover(t *testing.T) {
	t.Parallel()
	c := StartCluster(t, Options{}, 2)
	p, r1, r2 := c.Primary, c.Replicas[0], c.Replicas[1]
	p.Exec("CREATE TABLE t (n int PRIMARY KEY)")
	c.Sync()
	p.Kill()
	if _, err := p.value("SELECT 1"); err == nil {
		t.Fatal("a killed server answers")
	}
	r1.Promote()
	r2.Follow(r1)
	r1.Exec("INSERT INTO t VALUES (1)")
	r2.WaitReplay(r1.LSN())
	p.Restart() // the old primary comes back and knows nothing
	if got := p.Value("SELECT pg_is_in_recovery()"); got != "f" {
		t.Fatalf("the old primary is in recovery: %s", got)
	}
	p.Rejoin(r1, "r0")
	p.WaitReplay(r1.LSN())
	for _, s := range []*Postgres{p, r2} {
		if got := s.Value("SELECT count(*) FROM t"); got != "1" {
			t.Errorf("%s has %s rows, want 1", s.Name(), got)
		}
	}
}

func TestReplica(t *testing.T) {
	t.Parallel()
	p := StartPostgres(t, Options{})
	p.Exec("CREATE TABLE t (n int PRIMARY KEY)")
	r := p.Replica(ReplicaOptions{Name: "sync"})
	p.Set("synchronous_standby_names", "'sync'")
	p.Exec("INSERT INTO t VALUES (1)")
	if got := p.Value("SELECT sync_state FROM pg_stat_replication"); got != "sync" {
		t.Errorf("the replica is %q, want sync", got)
	}
	r.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := p.Run(ctx, "postgres", "INSERT INTO t VALUES (2)"); err == nil {
		t.Error("a commit did not wait for its synchronous standby")
	}
	r.Thaw()
	p.Exec("INSERT INTO t VALUES (3)")
}

func TestFrozen(t *testing.T) {
	t.Parallel()
	p := StartPostgres(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := pgconn.Connect(ctx, p.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	p.Freeze()
	const moment = 100 * time.Millisecond
	short, cancel := context.WithTimeout(t.Context(), moment)
	defer cancel()
	if _, err := pgconn.Connect(short, p.URL("postgres")); err == nil {
		t.Error("a frozen server lets in")
	}
	answered := make(chan error, 1)
	go func() {
		_, err := c.Exec(ctx, "SELECT 1").ReadAll()
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Fatalf("a frozen server answers: %v", err)
	case <-time.After(moment):
	}
	p.Thaw()
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestShards(t *testing.T) {
	t.Parallel()
	var ids []string
	for _, c := range StartShards(t, Options{}, 3, 0) {
		ids = append(ids, c.Primary.Value("SELECT system_identifier FROM pg_control_system()"))
	}
	slices.Sort(ids)
	if ids = slices.Compact(ids); len(ids) != 3 {
		t.Errorf("three shards have the identifiers %v", ids)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	a := NewAuthority(t, "root")
	p := StartPostgres(t, Options{Fsync: true, TLS: a.Issue(Leaf{}), Settings: map[string]string{"max_connections": "7"},
		HBA: []string{"host all eve 127.0.0.1/32 scram-sha-256"}})
	if got := p.Value("SHOW fsync") + p.Value("SHOW max_connections"); got != "on7" {
		t.Errorf("fsync and connections are %q", got)
	}
	p.Exec("CREATE USER eve PASSWORD 'apple'")
	for password, want := range map[string]bool{"apple": true, "pear": false} {
		url := strings.Replace(p.Database(password), "postgres@", "eve:"+password+"@", 1)
		url = strings.Replace(url, "sslmode=disable", "sslmode=verify-full&sslrootcert="+a.CertFile, 1)
		c, err := pgconn.Connect(t.Context(), url)
		if (err == nil) != want {
			t.Errorf("with the password %s: %v", password, err)
		}
		if err == nil {
			c.Close(t.Context())
		}
	}
}
