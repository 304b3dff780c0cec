package sql

import (
	"testing"
	"time"

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
