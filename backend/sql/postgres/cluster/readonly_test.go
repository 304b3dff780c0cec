package cluster

import (
	"testing"
	"time"

	"github.com/sluiceapi/sluice/backend/sql/postgres"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// TestReadOnlyDatabase holds that a primary which takes no writes, as services make it when its disk is full, loses no
// connection by those that come, and that a connection which was lent to read is no way around that.
func TestReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{})
	p.Exec("CREATE TABLE t (n int)", "ALTER DATABASE postgres SET default_transaction_read_only = on")
	s := open(t, func(o *Options) { o.Pool.Max = 1 }, p.URL("postgres"))
	s.states(map[*servers.Postgres]State{p: Leading})
	before := s.servers[0].generation.Load()
	for range 3 {
		if got := s.read("SELECT count(*) FROM t", Want{}); got.value != "0" {
			t.Errorf("got %+v", got)
		}
		l, err := s.Write(time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = run(l, "INSERT INTO t VALUES (1)")
		if l.Release(err); !postgres.IsReadOnly(err) {
			t.Errorf("got %v", err)
		}
	}
	if s.servers[0].generation.Load() != before || s.status(p).State != Leading {
		t.Error("the server was given up")
	}
}
