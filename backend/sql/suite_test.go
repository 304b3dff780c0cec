package sql

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest"
)

// people are the tables of most tests of the suite. In shards each has these rows.
const people = `
CREATE TABLE IF NOT EXISTS users (id {serial}, email TEXT NOT NULL UNIQUE, age INT CONSTRAINT grown_up CHECK (age >= 18), admin BOOLEAN);
CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users (id), total DOUBLE PRECISION, created_at TIMESTAMP, note JSON);
CREATE TABLE IF NOT EXISTS pairs (a INT, b INT, UNIQUE (a, b), CHECK (a + b < 100));
INSERT INTO users (id, email, age, admin) VALUES (101, 'ada@x', 36, true), (102, 'bob@x', NULL, false), (103, 'eve "e"@x', 20, NULL) ON CONFLICT DO NOTHING;
`

// tenant is a body that names a shard; more follows it.
func tenant(more string) string {
	if more != "" {
		more = ", " + more
	}
	return `{"tenant": "acme"` + more + `}`
}

func TestSuiteReturns(t *testing.T) {
	each(t, people, func(t *testing.T, n *node) {
		for _, tt := range []struct{ name, query, returns, body, want string }{
			{"one", "SELECT id, email, admin FROM users WHERE id = $body.id", "one", `"id": 101`, `{"id":101,"email":"ada@x","admin":true}`},
			{"one by text", "SELECT age FROM users WHERE id = $body.id", "one", `"id": "102"`, `{"age":null}`},
			{"many", "SELECT id, email FROM users ORDER BY id LIMIT 2", "many", ``, `[{"id":101,"email":"ada@x"},{"id":102,"email":"bob@x"}]`},
			{"many by default", "SELECT id FROM users WHERE admin", "", ``, `[{"id":101}]`},
			{"many of none", "SELECT id FROM users WHERE id > 500", "many", ``, `[]`},
			{"count of a read", "SELECT count(*) FROM users", "count", ``, `{"count":3}`},
			{"nothing", "SELECT id FROM users", "none", ``, ``},
			{"insert", "INSERT INTO users (id, email) VALUES (4, $body.email) RETURNING *", "one", `"email": "new@x"`, `{"id":4,"email":"new@x","age":null,"admin":null}`},
			{"update by default", "UPDATE users SET age = $body.age WHERE id IN (101, 102)", "", `"age": 40`, `{"count":2}`},
			{"update of none", "UPDATE users SET age = 41 WHERE id = 77", "count", ``, `{"count":0}`},
			{"write of many", "UPDATE users SET admin = $body.is WHERE id IN (101, 102) RETURNING id, admin", "many", `"is": true`,
				`[{"id":101,"admin":true},{"id":102,"admin":true}]`},
			{"delete", "DELETE FROM users WHERE id = 4", "none", ``, ``},
			{"upsert", "INSERT INTO users (id, email) VALUES (101, 'ada@y') ON CONFLICT (id) DO UPDATE SET email = excluded.email RETURNING email", "one", ``, `{"email":"ada@y"}`},
			{"with", "WITH u AS (SELECT * FROM users) SELECT count(*) AS n FROM u", "one", ``, `{"n":3}`},
			{"values that are none", "SELECT count(*) AS n FROM users WHERE age = $body.nothing OR admin = $body.null", "one", `"null": null`, `{"n":0}`},
			{"pasted nowhere", "SELECT email FROM users WHERE email = $body.email", "many", `"email": "' OR 1 = 1 --"`, `[]`},
			{"names", `SELECT id AS "user-id", '$body.id' AS "quoted $body.id" FROM users WHERE id = 103`, "one", ``, `{"user-id":103,"quoted $body.id":"$body.id"}`},
			{"letters", `SELECT $body.text AS text FROM users WHERE email <> $body.text AND id = 103`, "one", `"text": "\u00fc\n\"\\\u2028"`, "{\"text\":\"ü\\n\\\"\\\\\u2028\"}"},
		} {
			h, err := n.handle("POST /x", &Use{Query: query(t, tt.query), Returns: tt.returns, Shard: reference(t, "body.tenant")})
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			n.wants(h, tenant(tt.body), tt.want)
		}
		one := n.use("GET /x", n.ask("SELECT id FROM users WHERE id > $body.id", "one"))
		n.fails(one, tenant(`"id": 109`), sluice.NotFound, "")
		n.fails(one, tenant(`"id": 101`), sluice.Internal, "")
		n.wants(one, tenant(`"id": 102`), `{"id":103}`)
		write := n.use("POST /x", n.ask("UPDATE users SET age = 99 WHERE id > $body.id RETURNING id", "one"))
		n.fails(write, tenant(`"id": 109`), sluice.NotFound, "")
		n.fails(write, tenant(`"id": 101`), sluice.Internal, "")
		n.wants(n.use("GET /x", n.ask("SELECT count(*) FROM users WHERE age = 99", "count")), tenant(""), `{"count":0}`)
		none := exchange(tenant(""))
		if _, err := run(n.use("POST /x", n.ask("DELETE FROM orders", "none")), none); err != nil || none.Response.Status != 204 {
			t.Errorf("answered %d, %v; want 204", none.Response.Status, err)
		}
	})
}

// TestSuiteFaults tells of broken constraints in the same words.
func TestSuiteFaults(t *testing.T) {
	each(t, people, func(t *testing.T, n *node) {
		for _, tt := range []struct {
			query   string
			code    sluice.Code
			message string
		}{
			{"INSERT INTO users (email) VALUES ('ada@x')", sluice.Conflict, "there is one with this email already"},
			{"INSERT INTO pairs VALUES (1, 2), (1, 2)", sluice.Conflict, "there is one with this a and b already"},
			{"INSERT INTO users (id, email) VALUES (101, 'x')", sluice.Conflict, "there is one with this id already"},
			{"INSERT INTO users (id, email) VALUES (101, 'x') RETURNING id", sluice.Conflict, "there is one with this id already"},
			{"INSERT INTO users (email) VALUES (NULL)", sluice.Unprocessable, "email must be given"},
			{"INSERT INTO users (email, age) VALUES ('x', 3)", sluice.Unprocessable, "a value breaks the rule grown_up"},
			{"INSERT INTO orders (id, user_id) VALUES ('o', 99)", sluice.Unprocessable, msgForeignKey},
			{"UPDATE users SET age = NULL, email = 'bob@x' WHERE id = 101", sluice.Conflict, "there is one with this email already"},
		} {
			n.fails(n.use("POST /x", n.ask(tt.query, "")), tenant(""), tt.code, tt.message)
			n.fails(n.use("POST /x", &Use{TX: []Step{{Query: query(t, "INSERT INTO users (email) VALUES ('fine@x')")}, {Query: query(t, tt.query)}}}), tenant(""), tt.code, tt.message)
		}
		n.wants(n.use("GET /x", n.ask("SELECT count(*) FROM users", "count")), tenant(""), `{"count":3}`)
		// A value that does not fit is the client's mistake, here as there.
		for _, tt := range []struct{ query, body string }{
			{"SELECT id FROM users ORDER BY id LIMIT $body.v", `"v": "abc"`},
			{"SELECT id FROM users ORDER BY id LIMIT 1 OFFSET $body.v", `"v": 1.5`},
			{"INSERT INTO users (id, email) VALUES ($body.v, 'x')", `"v": "abc"`},
			{"INSERT INTO users (id, email) VALUES ($body.v, 'x')", `"v": 1.5`},
			{"INSERT INTO users (id, email) VALUES ($body.v, 'x')", `"v": {"a": 1}`},
		} {
			_, err := run(n.use("POST /x", n.ask(tt.query, "")), exchange(tenant(tt.body)))
			if e := sluice.ErrorOf(err); err == nil || e.Code != sluice.Unprocessable || strings.Contains(e.Message, "abc") {
				t.Errorf("%s with %s: %v; want unprocessable", tt.query, tt.body, err)
			}
		}
	})
}

// TestSuiteCommitRefused makes the answer and then cannot commit: the client gets the error.
func TestSuiteCommitRefused(t *testing.T) {
	const tables = people + "CREATE TABLE IF NOT EXISTS late (user_id INT REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED);"
	each(t, tables, func(t *testing.T, n *node) {
		for _, returns := range []string{"one", "none", "count"} {
			h := n.use("POST /x", n.ask("INSERT INTO late VALUES ($body.user) RETURNING user_id", returns))
			x := exchange(tenant(`"user": 7`))
			x.Response.Header.Set("RateLimit", "1")
			if _, err := run(h, x); sluice.ErrorOf(err).Code != sluice.Unprocessable || x.Response.Header.Value("RateLimit") == nil {
				t.Errorf("returns %s: %v with %v; want a refusal, and the header that stood there", returns, err, x.Response.Header.Fields())
			}
		}
		n.wants(n.use("GET /x", n.ask("SELECT count(*) FROM late", "count")), tenant(""), `{"count":0}`)
	})
}

const trade = `CREATE TABLE IF NOT EXISTS stock (sku TEXT PRIMARY KEY, quantity INTEGER NOT NULL CHECK (quantity >= 0), price INTEGER NOT NULL);
	CREATE TABLE IF NOT EXISTS sales (id {serial}, sku TEXT NOT NULL, total INTEGER NOT NULL, gift BOOLEAN);
	INSERT INTO stock VALUES ('a', 300, 7), ('b', 0, 9) ON CONFLICT DO NOTHING;`

func TestSuiteTX(t *testing.T) {
	const refused = "a condition of the request does not hold, and nothing was changed"
	each(t, trade, func(t *testing.T, n *node) {
		step := func(text, as string, expect *Expect) Step { return Step{Query: query(t, text), As: as, Expect: expect} }
		sale := n.use("POST /sales", &Use{TX: []Step{
			step("UPDATE stock SET quantity = quantity - $body.count WHERE sku = $body.sku AND quantity >= $body.count RETURNING price * $body.count AS total", "sold", &Expect{Rows: 1, Else: 409}),
			step("INSERT INTO sales (sku, total, gift) VALUES ($body.sku, $sold.total, $body.gift) RETURNING *", "placed", nil),
		}})
		n.wants(sale, tenant(`"sku": "a", "count": 100, "gift": true`), `{"id":1,"sku":"a","total":700,"gift":true}`)
		n.fails(sale, tenant(`"sku": "a", "count": 201`), sluice.Conflict, refused)
		n.fails(sale, tenant(`"sku": "nothing", "count": 1`), sluice.Conflict, refused)
		left := n.use("GET /stock", n.ask("SELECT sum(quantity) AS left_over, (SELECT count(*) FROM sales) AS sales FROM stock", "one"))
		n.wants(left, tenant(""), `{"left_over":200,"sales":1}`)

		undone := n.use("POST /x", &Use{TX: []Step{step("UPDATE stock SET price = 1", "", nil), step("UPDATE stock SET quantity = -1 WHERE sku = 'a'", "", nil)}})
		_, err := run(undone, exchange(tenant("")))
		if e := sluice.ErrorOf(err); err == nil || e.Code != sluice.Unprocessable {
			t.Errorf("%v; want unprocessable", err)
		}
		n.wants(n.use("GET /x", n.ask("SELECT min(price) AS price FROM stock", "one")), tenant(""), `{"price":7}`)

		h := n.use("POST /x", &Use{TX: []Step{
			step("SELECT sku FROM stock WHERE sku = $body.sku", "found", nil),
			step("UPDATE stock SET price = price + 1 WHERE sku = $found.sku", "", &Expect{Rows: 0, Else: 422}),
		}})
		n.wants(h, tenant(`"sku": "z"`), "null")
		n.fails(h, tenant(`"sku": "a"`), sluice.Unprocessable, refused)
		x := exchange(tenant(""))
		if got, err := run(n.use("POST /x", &Use{TX: []Step{step("UPDATE stock SET price = 7", "", nil)}}), x); err != nil || got != "" || x.Response.Status != 204 {
			t.Errorf("answered %q with %d, %v; want 204", got, x.Response.Status, err)
		}
		reads := n.use("GET /x", &Use{TX: []Step{
			step("SELECT sku FROM stock ORDER BY sku", "first", &Expect{Rows: 2, Else: 404}),
			step("SELECT price, sku FROM stock WHERE sku = $first.sku", "price", nil),
		}})
		n.wants(reads, tenant(""), `{"price":7,"sku":"a"}`)

		// Sold at once to many, each sale is whole, and none is sold twice.
		var wait sync.WaitGroup
		var mu sync.Mutex
		sold, refusals, ids := 0, 0, make(map[string]bool)
		for range 8 {
			wait.Go(func() {
				for range 30 {
					got, err := run(sale, exchange(tenant(`"sku": "a", "count": 1, "gift": false`)))
					mu.Lock()
					if err == nil {
						sold++
						ids[got] = true
					} else if sluice.ErrorOf(err).Code == sluice.Conflict {
						refusals++
					} else {
						t.Error(err)
					}
					mu.Unlock()
				}
			})
		}
		wait.Wait()
		if sold != 200 || refusals != 40 || len(ids) != 200 {
			t.Errorf("%d sold, %d refused, %d different; want 200, 40, 200", sold, refusals, len(ids))
		}
	})
}

// countUp gives so many rows, alike on both databases.
const countUp = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $body.n)
	SELECT i AS id, i * 2.5 AS half, 'a name that is the same in each row, for length' AS name, i % 2 AS odd FROM n`

// TestSuiteStream sends short answers whole and long ones as streams: valid JSON on both sides of where one begins.
func TestSuiteStream(t *testing.T) {
	each(t, people, func(t *testing.T, n *node) {
		h := n.use("GET /x", &Use{Query: query(t, countUp)})
		streamed := 0
		for _, rows := range []int{1, 300, 310, 320, 330, 340, 1000, 50000} {
			x := exchange(tenant(fmt.Sprintf(`"n": %d`, rows)))
			err := h.Serve(x)
			if err != nil {
				t.Fatal(err)
			}
			body := x.Response.Body.Bytes
			if s := x.Response.Body.Stream; s != nil {
				streamed++
				if body, err = io.ReadAll(s); err != nil || x.Response.Body.Len() != -1 {
					t.Errorf("%v, length %d", err, x.Response.Body.Len())
				}
			}
			var got []struct {
				ID   int
				Half float64
			}
			if err := json.Unmarshal(body, &got); err != nil || len(got) != rows || got[rows-1].Half != 2.5*float64(rows) {
				t.Errorf("%d rows became %d, %v", rows, len(got), err)
			}
			x.End(sluice.Outcome{})
		}
		if streamed == 0 || streamed == 8 {
			t.Errorf("%d of 8 were streamed; want the long ones only", streamed)
		}
		// A row that fails midway cuts the answer off: it never ends as if it were whole.
		broken := n.use("GET /x", &Use{Query: query(t, n.store.sql(strings.Replace(countUp, "i % 2 AS odd", "abs(CASE WHEN i = 4000 THEN CAST($body.least AS {any}) ELSE i END) AS a", 1)))})
		got, err := run(broken, exchange(tenant(`"n": 5000, "least": -9223372036854775808`)))
		if e := sluice.ErrorOf(err); err == nil || e.Code != sluice.Unprocessable || strings.HasSuffix(got, "]") || len(got) < 32<<10 {
			t.Errorf("%d bytes ending in %q, %v; want an error midway", len(got), got[max(0, len(got)-5):], err)
		}
		n.idle()
	})
}

// idle wants that no connection is lent.
func (n *node) idle() {
	n.t.Helper()
	for _, s := range n.backend().shards {
		eventually(n.t, "all connections come back", func() bool { return s.inUse() == 0 && len(s.long) == 0 })
	}
}

func (s *shard) inUse() int {
	switch d := s.database.(type) {
	case *lite:
		return int(d.db.Stats().InUse)
	case *pg:
		used := 0
		for _, one := range d.cluster.Status() {
			used += int(one.InFlight)
		}
		return used
	}
	return 0
}

// TestSuiteBackend is the suite that every backend passes.
func TestSuiteBackend(t *testing.T) {
	t.Parallel()
	url, _ := newDatabase(t)
	one, _ := newDatabase(t)
	two, _ := newDatabase(t)
	for name, where := range map[string]string{
		"PostgreSQL":           "sql:\n  url: " + url,
		"PostgreSQL in shards": "sql:\n  shards:\n    a: " + one + "\n    b: " + two + "\n  shard_by:\n    hash: int8",
	} {
		for kind, use := range map[string]string{
			"one":  "sql:\n  query: SELECT 'a' AS a\n  returns: one\n  shard: query.k",
			"page": "sql:\n  query: SELECT 1 AS id\n  shard: query.k\n  page:\n    keyset: [id]",
			"tx":   "sql:\n  shard: query.k\n  tx:\n    - query: SELECT 1 AS id\n      as: a",
			// 100 kB, which 8 clients read at once.
			"long": "sql:\n  shard: query.k\n  query: SELECT i AS id, lpad(i::text, 90, '0') AS text FROM generate_series(1, 1000) AS i",
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				sluicetest.Backend(t, sluicetest.BackendCase{Kind: Kind, Where: where, Use: use, Route: "POST /e", Line: "POST /e?k=7"})
			})
		}
	}
}
