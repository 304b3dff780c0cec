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
		n, err := stores[3].start(t, at(pg.URL("postgres"), other), change)
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
