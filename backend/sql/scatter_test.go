package sql

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

// sharded opens three SQLite files as shards by a hash of int8.
func sharded(t testing.TB, change func(*Where)) *node {
	t.Helper()
	return setup(t, func(w *Where) {
		dir := filepath.Dir(w.URL.URL.Path)
		w.URL = Servers{}
		for _, name := range []string{"a", "b", "c"} {
			w.Shards = append(w.Shards, sluice.Entry[Servers]{Name: name, Value: Servers{URL: URL{Path: filepath.Join(dir, name+".db")}}})
		}
		w.ShardBy = &ShardBy{Hash: "int8"}
		w.Schema = "CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY, v TEXT, n REAL)"
		if change != nil {
			change(w)
		}
	})
}

func reference(t testing.TB, text string) sluice.Reference {
	t.Helper()
	r, err := sluice.ParseReference(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestShards(t *testing.T) {
	t.Parallel()
	n := sharded(t, nil)
	put := n.must("POST /t", &Use{Query: query(t, "INSERT INTO t VALUES ($body.k, $body.v, $body.n)"), Shard: reference(t, "body.k")})
	for k := range 60 {
		n.wants(put, fmt.Sprintf(`{"k": %d, "v": "v%02d", "n": 0.5}`, k, k), `{"count":1}`)
	}
	get := n.must("GET /t", &Use{Query: query(t, "SELECT v FROM t WHERE k = $body.k"), Shard: reference(t, "body.k"), Returns: "one"})
	n.wants(get, `{"k": 17}`, `{"v":"v17"}`)
	n.wants(get, `{"k": "17"}`, `{"v":"v17"}`)
	for _, bad := range []string{`{}`, `{"k": null}`, `{"k": "x"}`, `{"k": 1.5}`, `{"k": [1]}`, `{"k": "9223372036854775808"}`, `{"k": " 1"}`} {
		e := n.fails(get, bad, sluice.BadRequest, "the request does not say what it is about")
		if len(e.Fields) != 1 || e.Fields[0].Name != "body.k" {
			t.Errorf("%s: %v; want the key named", bad, e.Fields)
		}
	}
	for _, s := range n.opened.Backend.(*backend).shards {
		found, err := s.query(t.Context(), "SELECT count(*) FROM t")
		if err != nil || found[0][0] == "0" || found[0][0] == "60" {
			t.Errorf("shard %s has %v rows, %v; want some of 60", s.name, found, err)
		}
	}
	count := n.must("GET /count", &Use{Query: query(t, "SELECT count(*) FROM t"), Returns: "count", Scatter: &Scatter{Timeout: 1e9, Partial: "fail"}})
	n.wants(count, ``, `{"count":60}`)
	var merge sluice.Map[Merge]
	*merge.AppendEntry("n").(*Merge) = "count"
	*merge.AppendEntry("total").(*Merge) = "sum"
	*merge.AppendEntry("least").(*Merge) = "min"
	*merge.AppendEntry("most").(*Merge) = "max"
	merged := n.must("GET /merged", &Use{Query: query(t, "SELECT count(*) AS n, sum(n) AS total, min(v) AS least, max(k) AS most FROM t"),
		Scatter: &Scatter{Merge: merge, Timeout: 1e9, Partial: "fail"}})
	n.wants(merged, ``, `{"n":60,"total":30.0,"least":"v00","most":59}`)
	top := n.must("GET /top", &Use{Query: query(t, "SELECT k FROM t WHERE k < 40"), Scatter: &Scatter{Order: []Key{{Column: "k", Descending: true}}, Limit: 3, Timeout: 1e9, Partial: "fail"}})
	n.wants(top, ``, `[{"k":39},{"k":38},{"k":37}]`)
	one := n.must("GET /one", &Use{Query: query(t, "SELECT k FROM t WHERE v = $body.v"), Returns: "one", Scatter: &Scatter{Timeout: 1e9, Partial: "fail"}})
	n.wants(one, `{"v": "v33"}`, `{"k":33}`)
	n.fails(one, `{"v": "x"}`, sluice.NotFound, "")
	pages := n.must("GET /pages", &Use{Query: query(t, "SELECT k, v FROM t"), Page: keyset(t, 7, "v desc"), Scatter: &Scatter{Timeout: 1e9, Partial: "fail"}})
	seen, cursor := 60, ""
	for rounds := 0; ; rounds++ {
		x := exchange(``)
		x.Request.Query = []byte("cursor=" + cursor)
		got, err := run(pages, x)
		if err != nil || rounds > 20 {
			t.Fatal(got, err)
		}
		for strings.Contains(got, fmt.Sprintf(`"v":"v%02d"`, seen-1)) {
			seen--
		}
		_, after, more := strings.Cut(got, `"next":"`)
		if !more {
			break
		}
		cursor = strings.TrimSuffix(after, `"}`)
	}
	if seen != 0 {
		t.Errorf("the pages end before row %d", seen)
	}
	tx := n.must("POST /tx", &Use{Shard: reference(t, "body.k"), TX: []Step{{Query: query(t, "UPDATE t SET v = 'x' WHERE k = $body.k"), Expect: &Expect{Rows: 1, Else: 404}}}})
	if _, err := run(tx, exchange(`{"k": 3}`)); err != nil {
		t.Error(err)
	}
	n.fails(tx, `{"k": 99}`, sluice.NotFound, "a condition of the request does not hold, and nothing was changed")
}

func TestScatterRefused(t *testing.T) {
	t.Parallel()
	n := sharded(t, nil)
	for text, want := range map[string]string{
		"SELECT k FROM t LIMIT 3":                          "query: LIMIT would hold for each shard",
		"SELECT * FROM (SELECT k FROM t LIMIT 1 OFFSET 2)": "OFFSET counts rows",
		"SELECT DISTINCT v FROM t":                         "DISTINCT would hold",
		"SELECT count(DISTINCT v) AS n FROM t":             "DISTINCT would hold",
		"SELECT v, count(*) AS n FROM t GROUP BY v":        "GROUP BY would make a row",
		"SELECT k FROM t UNION SELECT k FROM t":            "UNION would hold",
	} {
		_, err := n.handle("GET /x", &Use{Query: query(t, text), Scatter: &Scatter{Timeout: 1e9}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", text, err, want)
		}
	}
	if _, err := n.handle("POST /x", &Use{Query: query(t, "DELETE FROM t"), Scatter: &Scatter{Timeout: 1e9}}); err == nil || !strings.Contains(err.Error(), "writes; want shard") {
		t.Errorf("%v", err)
	}
	if _, err := n.handle("GET /x", &Use{Query: query(t, "SELECT 1 AS one")}); err == nil || !strings.Contains(err.Error(), "want shard: and what names it, or scatter") {
		t.Errorf("%v", err)
	}
}

func TestSlotsStay(t *testing.T) {
	t.Parallel()
	n := sharded(t, nil)
	get := func() *Use {
		return &Use{Query: query(t, "SELECT v FROM t WHERE k = $body.k"), Shard: reference(t, "body.k"), Returns: "one"}
	}
	put := n.must("POST /t", &Use{Query: query(t, "INSERT INTO t VALUES ($body.k, 'x', 1)"), Shard: reference(t, "body.k")})
	for k := range 30 {
		n.wants(put, fmt.Sprintf(`{"k": %d}`, k), `{"count":1}`)
	}
	reopen := func(names ...string) (*node, error) {
		return start(t, n.dir, func(w *Where) {
			w.URL, w.Shards, w.ShardBy = Servers{}, nil, &ShardBy{Hash: "int8"}
			w.Schema = "CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY, v TEXT, n REAL)"
			for _, name := range names {
				w.Shards = append(w.Shards, sluice.Entry[Servers]{Name: name, Value: Servers{URL: URL{Path: filepath.Join(n.dir, name+".db")}}})
			}
		})
	}
	for _, names := range [][]string{{"c", "a", "b"}, {"d", "c", "b", "a"}} {
		again, err := reopen(names...)
		if err != nil {
			t.Fatal(err)
		}
		h := again.must("GET /t", get())
		for k := range 30 {
			again.wants(h, fmt.Sprintf(`{"k": %d}`, k), `{"v":"x"}`)
		}
	}
	if _, err := reopen("a", "b"); err == nil || !strings.Contains(err.Error(), `"c"`) {
		t.Errorf("%v; want that shard c is missed", err)
	}
}
