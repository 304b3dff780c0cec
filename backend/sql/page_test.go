package sql

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

func keyset(t testing.TB, size int, keys ...string) *Page {
	t.Helper()
	p := &Page{Size: size}
	for _, text := range keys {
		var k Key
		if err := k.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		p.Keyset = append(p.Keyset, k)
	}
	return p
}

// turn reads one page: the ids in it and the next cursor.
func turn(t testing.TB, h sluice.Handler, cursor string) (ids []int, next string) {
	t.Helper()
	x := exchange("{}")
	if cursor != "" {
		x.Request.Query = []byte("cursor=" + cursor)
	}
	body, err := run(h, x)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Items []struct{ ID int }
		Next  *string
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	for _, item := range got.Items {
		ids = append(ids, item.ID)
	}
	if got.Next == nil {
		return ids, ""
	}
	return ids, *got.Next
}

func allPages(t testing.TB, h sluice.Handler) (ids []int) {
	t.Helper()
	for cursor := ""; ; {
		page, next := turn(t, h, cursor)
		if ids = append(ids, page...); next == "" {
			return ids
		}
		cursor = next
	}
}

const manyRows = `CREATE TABLE IF NOT EXISTS r (id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b TEXT NOT NULL, c REAL, d BLOB);
	CREATE INDEX IF NOT EXISTS r_a ON r (a DESC, id);
	INSERT INTO r WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
	SELECT i, i * 7919 % 10, 'b' || (i * 104729 % 13), CASE WHEN i % 3 = 0 THEN NULL ELSE i % 7 / 2.0 END,
		CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN x'00' WHEN 2 THEN x'' ELSE i END FROM n WHERE NOT EXISTS (SELECT 1 FROM r);`

// TestPages reads 1,000 rows in pages by keysets of all kinds: each row comes once, in the order that SQLite gives.
func TestPages(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) { w.Schema = manyRows })
	for _, keys := range [][]string{
		{"id"}, {"id desc"}, {"a", "id"}, {"a desc", "id desc"}, {"a desc", "id"}, {"a", "b desc", "id"},
		{"c", "id"}, {"c desc", "id"}, {"c", "d desc", "id desc"}, {"d", "id desc"}, {"d desc", "c", "id"},
	} {
		order := strings.Join(keys, ", ")
		want, _ := run(n.must("GET /all", &Use{Query: query(t, "SELECT json_group_array(id) AS ids FROM (SELECT id FROM r ORDER BY "+order+")"), Returns: "one"}), exchange(""))
		for _, size := range []int{1000, 999, 333, 64} {
			h := n.must("GET /x", &Use{Query: query(t, "SELECT id, a, b, c, d FROM r; -- all"), Page: keyset(t, size, keys...)})
			ids := allPages(t, h)
			got, _ := json.Marshal(ids)
			if quoted, _ := json.Marshal(string(got)); fmt.Sprintf(`{"ids":%s}`, quoted) != want {
				t.Errorf("by %s, %d a page: %d rows, not those of ORDER BY", order, size, len(ids))
			}
		}
	}
}

// TestPagesShift inserts and deletes between pages: no other row is missed or comes twice.
func TestPagesShift(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) { w.Schema = manyRows })
	h := n.must("GET /x", &Use{Query: query(t, "SELECT id, a FROM r WHERE id <= 1000 OR a > $body.none OR id > 1000"), Page: keyset(t, 100, "a desc", "id")})
	insert := n.must("POST /x", &Use{Query: query(t, "INSERT INTO r (a, b) VALUES (9, 'new')"), Returns: "none"})
	remove := n.must("DELETE /x", &Use{Query: query(t, "DELETE FROM r WHERE id = (SELECT min(id) FROM r WHERE a = 9)"), Returns: "none"})
	var ids []int
	for cursor := ""; ; {
		page, next := turn(t, h, cursor)
		if ids = append(ids, page...); next == "" {
			break
		}
		cursor = next
		n.wants(insert, "", "")
		n.wants(remove, "", "")
	}
	slices.Sort(ids)
	if len(ids) != len(slices.Compact(slices.Clone(ids))) {
		t.Error("a row came twice")
	}
	for id := 1; id <= 1000; id++ {
		if _, found := slices.BinarySearch(ids, id); !found && id%10*7919%10 != 9 {
			t.Errorf("row %d was missed", id)
		}
	}
}

func TestCursorForged(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) { w.Schema = manyRows })
	use := func() *Use { return &Use{Query: query(t, "SELECT id, a FROM r"), Page: keyset(t, 10, "a", "id")} }
	h := n.must("GET /x", use())
	_, next := turn(t, h, "")
	_, other := turn(t, n.must("GET /y", use()), "")
	for _, cursor := range []string{"x", next + "x", next[1:], other, next + "&cursor=" + next, n.env.Keys.Seal("cursor:GET /x a id", []byte("\x01\x01"))} {
		x := exchange("")
		x.Request.Query = []byte("cursor=" + cursor)
		_, err := run(h, x)
		e := sluice.ErrorOf(err)
		if err == nil || e.Code != sluice.BadRequest || len(e.Fields) != 1 || e.Fields[0].Name != "query.cursor" {
			t.Errorf("%s: %v; want a 400 that names query.cursor", cursor, err)
		}
	}
	if ids, _ := turn(t, h, next); len(ids) != 10 {
		t.Errorf("the true cursor gave %v", ids)
	}
}

func TestPageErrors(t *testing.T) {
	t.Parallel()
	n := setup(t, nil)
	for _, tt := range []struct{ query, key, want string }{
		{"SELECT id, email FROM users", "mail", "page.keyset[0]: the query gives no column mail; did you mean email?"},
		{"SELECT id, email FROM users", "created_at", "page.keyset[0]: the query gives no column created_at; want one of id, email"},
		{"INSERT INTO users (email) VALUES ('z') RETURNING id", "id", "page: pages are read, and this INSERT writes"},
	} {
		_, err := n.handle("POST /x", &Use{Query: query(t, tt.query), Page: keyset(t, 10, tt.key)})
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s by %s: %v\nwant %s", tt.query, tt.key, err, tt.want)
		}
	}
}

// TestPageIndex warns where a page sorts all rows, and only there; and keeps to the index behind a cursor.
func TestPageIndex(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		where, keys string
		warns       bool
	}{
		{"", "id", false}, {"", "id desc", false}, {"", "a desc,id", false}, {"", "a,id desc", false}, {"", "a,id", true}, {"", "b,id", true},
		{"WHERE a = 3", "id", false},
	} {
		n := setup(t, func(w *Where) { w.Schema = manyRows })
		n.must("GET /x", &Use{Query: query(t, "SELECT id, a, b FROM r "+tt.where), Page: keyset(t, 10, strings.Split(tt.keys, ",")...)})
		if warned := strings.Contains(n.log.String(), "no index has the order"); warned != tt.warns {
			t.Errorf("%s by %s: warned is %v; want %v\n%s", tt.where, tt.keys, warned, tt.warns, n.log.String())
		}
	}
}

// TestPageCursorTaken refuses an input that stands where the page's own parameter does, and no other.
func TestPageCursorTaken(t *testing.T) {
	t.Parallel()
	n := setup(t, nil)
	for _, tt := range []struct{ name, in, want string }{
		{"cursor", "query", "page: the query parameter cursor is the page's own, and the endpoint declares it as an input; want another name for that"},
		{"cursor", "header", "<nil>"}, {"after", "query", "<nil>"},
	} {
		use := &Use{Query: query(t, "SELECT id FROM users"), Page: keyset(t, 10, "id")}
		_, err := n.handle("GET /x", use, sluice.Input{Name: tt.name, In: tt.in, Type: sluice.Text})
		if fmt.Sprint(err) != tt.want {
			t.Errorf("%s in %s: %v\nwant %s", tt.name, tt.in, err, tt.want)
		}
	}
}

func FuzzCursor(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x00\x07\x03\x02ab"), 2)
	f.Add([]byte("\x05"), 1)
	f.Add([]byte("\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a"), 1)
	f.Fuzz(func(t *testing.T, data []byte, keys int) {
		keys = keys & 7
		if !validLiteKeys(data, keys) {
			return
		}
		n := 0
		for rest := data; len(rest) > 0; n++ {
			_, _, after, ok := nextKey(rest)
			if !ok {
				t.Fatalf("%x is valid and key %d is not", data, n)
			}
			rest = after
		}
		if n != keys {
			t.Fatalf("%x is valid with %d keys and has %d", data, keys, n)
		}
	})
}

// TestPageOuter pages by a column that its table never leaves NULL, and an outer join and a union do: no row is lost.
func TestPageOuter(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) {
		w.Schema = manyRows + "CREATE TABLE IF NOT EXISTS names (id INTEGER PRIMARY KEY, name TEXT NOT NULL); INSERT OR IGNORE INTO names SELECT id, 'n' || id % 5 FROM r WHERE id % 3 = 0;"
	})
	for _, text := range []string{
		"SELECT r.id, name FROM r LEFT JOIN names ON names.id = r.id",
		"SELECT r.id, name FROM names RIGHT JOIN r ON names.id = r.id",
		"SELECT id, name FROM names UNION ALL SELECT id, NULL FROM r WHERE id % 3 > 0",
		"SELECT * FROM (SELECT r.id, name FROM r LEFT JOIN names ON names.id = r.id)",
	} {
		for _, order := range []string{"name", "name desc"} {
			h := n.must("GET /x", &Use{Query: query(t, text), Page: keyset(t, 90, order, "id")})
			ids := allPages(t, h)
			slices.Sort(ids)
			if ids = slices.Compact(ids); len(ids) != 1000 {
				t.Errorf("%s by %s: %d rows; want 1000", text, order, len(ids))
			}
		}
	}
}
