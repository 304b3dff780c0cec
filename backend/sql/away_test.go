package sql

import (
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// TestPrimaryAwayAtStart starts a node while the first shard has a replica and no primary: the others wait for its
// migrations, and the start must not wait with them.
func TestPrimaryAwayAtStart(t *testing.T) {
	t.Parallel()
	pg := servers.StartCluster(t, servers.Options{}, 1)
	other, _ := newDatabase(t)
	pg.Sync()
	pg.Primary.Stop(servers.Fast)
	_, change := folders(t)
	started := make(chan *node, 1)
	go func() {
		n, err := stores[3].begin(t, at(pg.URL("postgres"), other), change)
		if err != nil {
			t.Error(err)
		}
		started <- n
	}()
	var n *node
	select {
	case n = <-started:
	case <-time.After(20 * time.Second):
		t.Error("the start waits for a database that has no primary")
	}
	pg.Primary.Restart()
	if n == nil {
		n = <-started
	}
	eventually(t, "ready", func() bool { _, open := n.held.state(); return open == 0 })
}

// TestLostWriteInScatter tells a caller whose write is lost, whichever shard it was on.
func TestLostWriteInScatter(t *testing.T) {
	t.Parallel()
	n := stores[3].setup(t, "CREATE TABLE IF NOT EXISTS kv (k TEXT PRIMARY KEY)", nil)
	all := n.must("GET /x", &Use{Query: query(t, "SELECT k FROM kv"), Scatter: &Scatter{Timeout: 30 * time.Second, Partial: "fail"}})
	for _, s := range n.backend().shards {
		x := exchange("")
		// A timeline that no server has had has ended before that of the shard.
		x.Seen.SetFloor(sluice.Version{Source: s.database.(*pg).source, Timeline: 0, Position: 1})
		if _, err := run(all, x); err != nil || string(x.Response.Header.Value("Consistency-Lost")) != "1" {
			t.Errorf("shard %s: %v, and nothing of a loss", s.name, err)
		}
	}
}

// TestScatterGivesUp holds that when one shard has failed the others are not waited for.
func TestScatterGivesUp(t *testing.T) {
	t.Parallel()
	n := stores[3].setup(t, "CREATE TABLE IF NOT EXISTS kv (n INT PRIMARY KEY)", nil)
	for i, number := range []string{"0", "60", "60"} {
		if err := n.backend().shards[i].transact(t.Context(), []script{{text: "INSERT INTO kv VALUES (" + number + ")"}}, false); err != nil {
			t.Fatal(err)
		}
	}
	h := n.must("GET /x", &Use{Query: query(t, "SELECT 1 / n AS v, pg_sleep(n) AS slept FROM kv"), Scatter: &Scatter{Timeout: 20 * time.Second, Partial: "fail"}})
	begun := time.Now()
	if _, err := run(h, exchange("")); sluice.ErrorOf(err).Code != sluice.Internal {
		t.Errorf("got %v; want the mistake", err)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("the answer took %v", took)
	}
}

// TestFrozenWhilePreparing holds that a statement which is checked is not waited for without end: a reload would be.
func TestFrozenWhilePreparing(t *testing.T) {
	t.Parallel()
	p := serverOf(t)
	n, err := stores[1].start(t, at(p.URL("postgres")), nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Freeze()
	made := make(chan error, 1)
	go func() {
		_, err := n.handle("GET /x", n.ask("SELECT 1 AS n", "one"))
		made <- err
	}()
	select {
	case err := <-made:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(2 * prepareWait):
		t.Error("it is still waited for")
	}
	p.Thaw()
}
