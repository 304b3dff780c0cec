package sql

import (
	"slices"
	"testing"
)

// sparse are the tables of which a column that is never NULL becomes NULL on the way.
const sparse = `CREATE TABLE IF NOT EXISTS p (id INTEGER PRIMARY KEY);
	CREATE TABLE IF NOT EXISTS ch (id INTEGER PRIMARY KEY, v INTEGER NOT NULL, k INTEGER);
	CREATE INDEX IF NOT EXISTS ch_k ON ch (k);
	CREATE TABLE IF NOT EXISTS old (id INTEGER PRIMARY KEY DESC, n INTEGER NOT NULL);
	CREATE VIEW IF NOT EXISTS looked AS SELECT p.id, (SELECT ch.v FROM ch WHERE ch.id = p.id) AS v FROM p;
	CREATE VIEW IF NOT EXISTS joined AS SELECT p.id, ch.v FROM p LEFT JOIN ch ON ch.id = p.id OR ch.k = p.id;
	CREATE VIEW IF NOT EXISTS grouped AS SELECT id, v, count(*) AS n FROM ch WHERE id > 5;
	INSERT OR IGNORE INTO p VALUES (1), (2), (3), (4), (5), (6);
	INSERT OR IGNORE INTO ch VALUES (2, 1, NULL), (5, 1, NULL);
	INSERT INTO old SELECT CASE WHEN id > 2 THEN id END, id FROM p WHERE NOT EXISTS (SELECT 1 FROM old);`

// TestPageNull pages by a column that is NULL though its table allows none: no row is lost, and none is an error.
func TestPageNull(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) { w.Schema = sparse })
	for _, text := range []string{
		"SELECT p.id, (SELECT ch.v FROM ch WHERE ch.id = p.id) AS v FROM p",
		"SELECT p.id, (SELECT ch.v FROM ch WHERE ch.id = p.id) AS v FROM p WHERE EXISTS (SELECT 1 FROM ch) AND id > (SELECT min(id) - 2 FROM ch)",
		"SELECT p.id, (SELECT v FROM ch WHERE id = 77) AS v FROM p",
		"SELECT id, (SELECT * FROM (SELECT v FROM ch WHERE ch.id = p.id)) AS v FROM p",
		"SELECT id, (WITH c AS MATERIALIZED (SELECT * FROM ch) SELECT v FROM c WHERE c.id = p.id) AS v FROM p",
		"SELECT * FROM looked -- a view",
		"SELECT id, v FROM looked WHERE v IS NULL OR v > 0 ORDER BY v",
		"SELECT * FROM joined",
		"WITH c AS (SELECT * FROM looked) SELECT * FROM c",
		"WITH c AS MATERIALIZED (SELECT * FROM joined) SELECT c.id, c.v FROM c WHERE EXISTS (SELECT 1 FROM c)",
		"WITH RECURSIVE r (id, v) AS (SELECT id, v FROM looked WHERE id = 1 UNION ALL SELECT id + 1, (SELECT v FROM ch WHERE ch.id = r.id + 1) FROM r WHERE id < 6) SELECT * FROM r",
		"SELECT p.id, grouped.v FROM p, grouped",
		"SELECT p.id, x.v FROM p LEFT JOIN (SELECT * FROM ch) x ON x.id = p.id",
		"SELECT DISTINCT * FROM looked",
		"SELECT id, v, row_number() OVER (ORDER BY id) AS n FROM looked",
		"SELECT n AS id, id AS v FROM old",
	} {
		for _, order := range []string{"v", "v desc"} {
			h := n.must("GET /x", &Use{Query: query(t, text), Page: keyset(t, 2, order, "id")})
			ids := allPages(t, h)
			if slices.Sort(ids); !slices.Equal(ids, []int{1, 2, 3, 4, 5, 6}) {
				t.Errorf("%s by %s: %v; want 1 to 6", text, order, ids)
			}
		}
	}
	h := n.must("GET /x", &Use{Query: query(t, "SELECT id, v, n FROM grouped"), Page: keyset(t, 2, "v")})
	n.wants(h, "", `{"items":[{"id":null,"v":null,"n":0}],"next":null}`)
}

// TestNotNullable keeps the range of an index to the columns that are never NULL.
func TestNotNullable(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) { w.Schema = sparse })
	l := n.opened.Backend.(*backend).shards[0].database
	for _, text := range []string{
		"SELECT v FROM ch",
		"SELECT v FROM ch; -- all",
		"SELECT v FROM (SELECT id, v FROM ch ORDER BY id) WHERE id > 1",
		"WITH c AS (SELECT * FROM ch) SELECT v FROM c",
		"SELECT v FROM ch JOIN p ON p.id = ch.id",
		"SELECT v, (SELECT id FROM p WHERE p.id = ch.k) AS other FROM ch",
		"SELECT v FROM ch WHERE id IN (SELECT id FROM p)",
		"SELECT v FROM ch WHERE id IN (SELECT value FROM json_each('[1]'))",
		"SELECT v FROM ch WHERE EXISTS (SELECT 1 FROM p WHERE p.id = ch.k)",
		"SELECT v FROM ch WHERE k = (SELECT max(id) FROM p) OR NOT EXISTS (SELECT 1 FROM p WHERE p.id = ch.k)",
	} {
		stmt, err := l.prepare(t.Context(), text, false)
		if err != nil {
			t.Fatal(err)
		}
		if l.nullable(stmt, 0) {
			t.Errorf("%s: v may be NULL; want that it is never", text)
		}
	}
}
