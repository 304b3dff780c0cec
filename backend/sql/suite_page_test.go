package sql

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

const thousand = `CREATE TABLE IF NOT EXISTS r (id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b TEXT NOT NULL, c DOUBLE PRECISION, d TIMESTAMP);
	CREATE INDEX IF NOT EXISTS r_a ON r (a DESC, id);
	INSERT INTO r WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
	SELECT i, i * 7919 % 10, 'b' || (i * 104729 % 13), CASE WHEN i % 3 = 0 THEN NULL ELSE i % 7 / 2.0 END,
		CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN '2026-01-31 12:00:00' ELSE '2026-01-31 12:00:00.5' END {time} FROM n WHERE NOT EXISTS (SELECT 1 FROM r);`

func thousandRows(s *store) string {
	cast := ""
	if s.dialect == postgresDialect {
		cast = "::timestamp"
	}
	return strings.Replace(thousand, " {time}", cast, 1)
}

// nulls orders them first, as all pages do.
func nulls(keys []string) string {
	var words []string
	for _, k := range keys {
		if strings.HasSuffix(k, " desc") {
			words = append(words, k+" NULLS LAST")
		} else {
			words = append(words, k+" NULLS FIRST")
		}
	}
	return strings.Join(words, ", ")
}

func bodyTurn(t testing.TB, h sluice.Handler, cursor string) (ids []int, next string) {
	t.Helper()
	x := exchange(tenant(""))
	if cursor != "" {
		x.Request.Query = []byte("cursor=" + cursor)
	}
	body, err := run(h, x)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Items []struct{ ID int }
		Next  string
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	for _, item := range got.Items {
		ids = append(ids, item.ID)
	}
	return ids, got.Next
}

func bodyPages(t testing.TB, h sluice.Handler) (ids []int) {
	t.Helper()
	for cursor := ""; ; {
		page, next := bodyTurn(t, h, cursor)
		if ids = append(ids, page...); next == "" {
			return ids
		}
		cursor = next
	}
}

// TestSuitePages reads 1,000 rows in pages by keysets of all kinds: each row comes once, in the order that the database
// gives, NULLs first.
func TestSuitePages(t *testing.T) {
	t.Parallel()
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			n := s.setup(t, thousandRows(s), nil)
			for _, keys := range [][]string{
				{"id"}, {"id desc"}, {"a", "id"}, {"a desc", "id desc"}, {"a desc", "id"}, {"a", "b desc", "id"},
				{"c", "id"}, {"c desc", "id"}, {"c", "d desc", "id desc"}, {"d", "id desc"}, {"d desc", "c", "id"},
			} {
				all, err := run(n.use("GET /all", n.ask("SELECT id FROM r ORDER BY "+nulls(keys), "many")), exchange(tenant("")))
				var rows []struct{ ID int }
				if json.Unmarshal([]byte(all), &rows) != nil || err != nil {
					t.Fatal(all, err)
				}
				var want []int
				for _, r := range rows {
					want = append(want, r.ID)
				}
				for _, size := range []int{1000, 999, 333, 64} {
					use := &Use{Query: query(t, "SELECT id, a, b, c, d FROM r; -- all"), Page: keyset(t, size, keys...)}
					if ids := bodyPages(t, n.use("GET /x", use)); !slices.Equal(ids, want) {
						t.Errorf("by %v, %d a page: %d rows, not those of ORDER BY", keys, size, len(ids))
					}
				}
			}
		})
	}
}

// TestSuitePageNull pages by columns that are NULL though their table allows none: no row is lost.
func TestSuitePageNull(t *testing.T) {
	t.Parallel()
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			n := s.setup(t, thousandRows(s)+"CREATE TABLE IF NOT EXISTS names (id INTEGER PRIMARY KEY, name TEXT NOT NULL); INSERT INTO names SELECT id, 'n' || id % 5 FROM r WHERE id % 3 = 0 ON CONFLICT DO NOTHING;", nil)
			for _, text := range []string{
				"SELECT r.id, name FROM r LEFT JOIN names ON names.id = r.id",
				"SELECT r.id, name FROM names RIGHT JOIN r ON names.id = r.id",
				"SELECT id, name FROM names UNION ALL SELECT id, NULL FROM r WHERE id % 3 > 0",
				"SELECT * FROM (SELECT r.id, name FROM r LEFT JOIN names ON names.id = r.id) AS x",
				"SELECT id, (SELECT name FROM names WHERE names.id = r.id) AS name FROM r",
			} {
				for _, order := range []string{"name", "name desc"} {
					ids := bodyPages(t, n.use("GET /x", &Use{Query: query(t, text), Page: keyset(t, 90, order, "id")}))
					slices.Sort(ids)
					if ids = slices.Compact(ids); len(ids) != 1000 {
						t.Errorf("%s by %s: %d rows; want 1000", text, order, len(ids))
					}
				}
			}
		})
	}
}

func TestSuiteCursorForged(t *testing.T) {
	t.Parallel()
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			n := s.setup(t, thousandRows(s), nil)
			use := func() *Use { return &Use{Query: query(t, "SELECT id, a FROM r"), Page: keyset(t, 10, "a", "id")} }
			h := n.use("GET /x", use())
			_, next := bodyTurn(t, h, "")
			_, other := bodyTurn(t, n.use("GET /y", use()), "")
			for _, cursor := range []string{"x", next + "x", next[1:], other, next + "&cursor=" + next, n.env.Keys.Seal("cursor:GET /x a id", []byte("\x01\x01"))} {
				x := exchange(tenant(""))
				x.Request.Query = []byte("cursor=" + cursor)
				_, err := run(h, x)
				if e := sluice.ErrorOf(err); err == nil || e.Code != sluice.BadRequest || len(e.Fields) != 1 || e.Fields[0].Name != "query.cursor" {
					t.Errorf("%s: %v; want a 400 that names query.cursor", cursor, err)
				}
			}
			if ids, _ := bodyTurn(t, h, next); len(ids) != 10 {
				t.Errorf("the true cursor gave %v", ids)
			}
		})
	}
}
