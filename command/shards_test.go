package command

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

func TestShards(t *testing.T) {
	t.Parallel()
	c := servers.StartCluster(t, servers.Options{}, 1)
	lone := servers.StartPostgres(t, servers.Options{})
	text := `sluice: 1
nodes: 3
listen:
  http: 127.0.0.1:0
state:
  keys: ["k"]
backends:
  shop:
    sql:
      shards:
        a: "` + c.URL("postgres") + `"
        b: "` + lone.URL("postgres") + `"
      shard_by:
        hash: int8
endpoints:
  get:
    route: GET /t/{id}
    sql:
      query: SELECT 1 AS one
      shard: id
`
	file := write(t, filepath.Join(t.TempDir(), "sluice.yaml"), text)
	code, out, errs := runTool(t, "shards", file)
	if code != 0 || !strings.Contains(out, "shard a: slots not dealt out yet") {
		t.Fatalf("%d\n%s%s", code, out, errs)
	}
	code, out, errs = runTool(t, "check", "--online", file)
	if code != 0 {
		t.Fatalf("%d\n%s%s", code, out, errs)
	}
	serve(t, text) // deals out the slots
	if code, out, errs = runTool(t, "shards", file); code != 0 {
		t.Fatalf("%d\n%s%s", code, out, errs)
	}
	for _, want := range []string{"shop\n", "  shard a: 2048 slots: 0-2047\n", "  shard b: 2048 slots: 2048-4095\n", "primary", "replica", "lag ", "3 nodes with 16 connections each, of 97"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s%s", want, out, errs)
		}
	}
	lone.Stop(servers.Fast)
	code, out, _ = runTool(t, "shards", file)
	if code == 0 || !strings.Contains(out, "unreachable") {
		t.Errorf("%d\n%s; want that shard b cannot be reached", code, out)
	}
}
