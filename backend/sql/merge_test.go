package sql

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

// merging makes a use that merges the columns of a statement: "n count, most max".
func merging(t testing.TB, text, how string) *Use {
	t.Helper()
	u := &Use{Query: query(t, text), Scatter: &Scatter{Timeout: 1e10, Partial: "fail"}}
	for word := range strings.SplitSeq(how, ", ") {
		name, merge, _ := strings.Cut(word, " ")
		*u.Scatter.Merge.AppendEntry(name).(*Merge) = Merge(merge)
	}
	return u
}

// Values are merged as the database orders them, whatever they look like as JSON.
func TestMerge(t *testing.T) {
	t.Parallel()
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			n := s.setup(t, "CREATE TABLE IF NOT EXISTS m (k TEXT PRIMARY KEY, v TEXT, at TIMESTAMP, f DOUBLE PRECISION)", nil)
			put := n.must("POST /m", &Use{Query: query(t, "INSERT INTO m VALUES ($body.k, $body.v, $body.at, $body.f)"), Shard: reference(t, "body.k")})
			for i, v := range []string{"9", "10", "-1", "1e3", "é", "Z", "a"} {
				n.wants(put, fmt.Sprintf(`{"k": "%d", "v": %q, "at": "2026-01-01 12:00:00", "f": %d.5}`, i, v, i), `{"count":1}`)
			}
			for i := range 9 {
				n.wants(put, fmt.Sprintf(`{"k": "x%d"}`, i), `{"count":1}`)
			}
			n.wants(put, `{"k": "late", "at": "2026-01-01 12:00:00.25"}`, `{"count":1}`)
			h := n.must("GET /m", merging(t, "SELECT count(*) AS n, min(v) AS least, max(v) AS most, sum(f) AS total FROM m", "n count, least min, most max, total sum"))
			n.wants(h, ``, `{"n":17,"least":"-1","most":"é","total":24.5}`)
			h = n.must("GET /none", merging(t, "SELECT count(v) AS n, min(v) AS least, sum(f) AS total FROM m WHERE k = 'none'", "n count, least min, total sum"))
			n.wants(h, ``, `{"n":0,"least":null,"total":null}`)
			if !n.isPG() {
				return // whose min of a TIMESTAMP is a text without a sort
			}
			h = n.must("GET /times", merging(t, "SELECT min(at) AS first, max(at) AS last FROM m", "first min, last max"))
			n.wants(h, ``, `{"first":"2026-01-01T12:00:00Z","last":"2026-01-01T12:00:00.25Z"}`)
			h = n.must("GET /nan", merging(t, "SELECT sum(CASE k WHEN '1' THEN 'NaN' ELSE f END) AS total, max(CASE k WHEN '1' THEN 'NaN' ELSE f END) AS most FROM m", "total sum, most max"))
			n.wants(h, ``, `{"total":null,"most":null}`)
		})
	}
}

func TestMergeRefused(t *testing.T) {
	t.Parallel()
	n := stores[3].setup(t, "CREATE TABLE IF NOT EXISTS m (k TEXT PRIMARY KEY, v TEXT, j JSON)", nil)
	for text, want := range map[string]string{
		"SELECT (array_agg(j))[1] AS a FROM m":     "scatter.merge.a: the order of its values is known to its database alone",
		"SELECT '1 day'::interval AS a":            "scatter.merge.a: the order of its values is known to its database alone",
		"SELECT count(*) AS a, 1 AS b FROM m":      "it is not told what becomes of the column b",
		"SELECT count(*) AS b, sum(1) AS c FROM m": "scatter.merge.a: the query gives no such column",
	} {
		if _, err := n.handle("GET /x", merging(t, text, "a min")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", text, err, want)
		}
	}
}

// A database that orders texts as people do has another least text than one that goes by bytes.
func TestMergeCollation(t *testing.T) {
	t.Parallel()
	_, seed := newDatabase(t) // starts the server
	n := stores[3].setup(t, "", func(w *Where) {
		w.Schema = "CREATE TABLE IF NOT EXISTS m (k TEXT PRIMARY KEY)"
		for i := range w.Shards {
			name := fmt.Sprintf("%s_%d", seed, i)
			shared.server.Exec("CREATE DATABASE " + name + " TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
			w.Shards[i].Value = Servers{URL: URL{Server: sluice.Secret(shared.server.URL(name))}}
		}
	})
	put := n.must("POST /m", &Use{Query: query(t, "INSERT INTO m VALUES ($body.k)"), Shard: reference(t, "body.k")})
	for _, k := range []string{"a", "B", "c", "é", "Z", "apple", "Apple", "co-op", "coop"} {
		n.wants(put, fmt.Sprintf(`{"k": %q}`, k), `{"count":1}`)
	}
	if _, err := n.handle("GET /x", merging(t, "SELECT min(k) AS least FROM m", "least min")); err == nil || !strings.Contains(err.Error(), `want COLLATE "C" behind the column`) {
		t.Errorf("%v", err)
	}
	h := n.must("GET /m", merging(t, `SELECT min(k COLLATE "C") AS least, max(k COLLATE "C") AS most, count(k) AS n FROM m`, "least min, most max, n count"))
	n.wants(h, ``, `{"least":"Apple","most":"é","n":9}`)
	ordered := n.must("GET /o", &Use{Query: query(t, "SELECT k FROM m"), Scatter: &Scatter{Order: []Key{{Column: "k"}}, Limit: 4, Timeout: 1e10, Partial: "fail"}})
	n.wants(ordered, ``, `[{"k":"Apple"},{"k":"B"},{"k":"Z"},{"k":"a"}]`)
}
