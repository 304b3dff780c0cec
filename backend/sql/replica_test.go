package sql

import (
	"fmt"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// TestOwnWritesNotSynced holds that a caller sees its own writes where commits are answered before they are on disk: the
// place on disk, which is all that a replica gets, is then behind the commit.
func TestOwnWritesNotSynced(t *testing.T) {
	t.Parallel()
	pg := servers.StartCluster(t, servers.Options{Settings: map[string]string{"synchronous_commit": "off"}}, 1)
	n, err := stores[1].start(t, at(pg.URL("postgres")), func(w *Where) { w.Schema = "CREATE TABLE IF NOT EXISTS kv (k INT PRIMARY KEY)" })
	if err != nil {
		t.Fatal(err)
	}
	put := n.must("POST /x", n.ask("INSERT INTO kv VALUES ($body.k)", "count"))
	get := n.must("GET /x", n.ask("SELECT count(*) AS n FROM kv WHERE k = $body.k", "one"))
	for k := range 200 {
		body := fmt.Sprintf(`{"k": %d}`, k)
		x := exchange(body)
		if err := put.Serve(x); err != nil {
			t.Fatal(err)
		}
		got, err := run(get, after(x, body))
		if err != nil || got != `{"n":1}` {
			t.Fatalf("of write %d the caller was answered %s, %v", k, got, err)
		}
	}
}

// after is an exchange of a caller who has seen what an exchange before it did.
func after(x *sluice.Exchange, body string) *sluice.Exchange {
	y := exchange(body)
	for _, v := range x.Seen.Floors() {
		y.Seen.SetFloor(v)
	}
	return y
}

// TestUnknownWriteIsSeen holds that a caller who is told that nobody knows whether its write was made finds out by
// reading: not from a replica that has not heard of it.
func TestUnknownWriteIsSeen(t *testing.T) {
	t.Parallel()
	pg := servers.StartCluster(t, servers.Options{}, 1)
	n, err := stores[1].start(t, at(pg.URL("postgres")), func(w *Where) { w.Schema = "CREATE TABLE IF NOT EXISTS kv (k INT PRIMARY KEY)" })
	if err != nil {
		t.Fatal(err)
	}
	put := n.must("POST /x", n.ask("INSERT INTO kv VALUES ($body.k)", "count"))
	get := n.must("GET /x", n.ask("SELECT pg_is_in_recovery() AS replica, count(*) AS n FROM kv", "one"))
	const stale = `{"replica":true,"n":0}`
	eventually(t, "the replica serves", func() bool { got, _ := run(get, exchange("")); return got == stale })
	pg.Replicas[0].Pause()
	pg.Primary.Set("synchronous_standby_names", "'nobody'")
	var x *sluice.Exchange
	writes := 0
	eventually(t, "the server waits for a standby that there is not", func() bool {
		writes++
		x = exchange(fmt.Sprintf(`{"k": %d}`, writes))
		x.Deadline = time.Now().Add(500 * time.Millisecond)
		err := put.Serve(x)
		if err != nil && sluice.ErrorOf(err).Message != msgUnknown {
			t.Fatalf("got %v", err)
		}
		return err != nil
	})
	if got, err := run(get, exchange("")); got != stale {
		t.Fatalf("%s, %v; the test proves nothing", got, err)
	}
	for begun := time.Now(); time.Since(begun) < time.Second; {
		if got, err := run(get, after(x, "")); err != nil || got == stale {
			t.Fatalf("the caller was answered %s, %v", got, err)
		}
	}
	eventually(t, "the write is seen", func() bool {
		got, _ := run(get, after(x, ""))
		return got == fmt.Sprintf(`{"replica":false,"n":%d}`, writes)
	})
}
