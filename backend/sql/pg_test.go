package sql

import (
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

// pgTables are the tables of most tests, on PostgreSQL.
const pgTables = `
CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, age INT CONSTRAINT grown_up CHECK (age >= 18), admin BOOLEAN);
CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users (id), total DOUBLE PRECISION, created_at TIMESTAMP, note JSON);
INSERT INTO users VALUES (1, 'ada@x', 36, true), (2, 'bob@x', NULL, false), (3, 'eve "e"@x', 20, NULL) ON CONFLICT DO NOTHING;
`

// setupPG opens a database of a server of the test's own.
func setupPG(t testing.TB, change func(*Where)) *node {
	t.Helper()
	url, _ := newDatabase(t)
	return setup(t, func(w *Where) {
		w.URL = Servers{URL: URL{Server: sluice.Secret(url)}}
		w.Schema = pgTables
		if change != nil {
			change(w)
		}
	})
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	n := setupPG(t, nil)
	one := n.must("GET /users/{id}", &Use{Query: query(t, "SELECT id, email, admin FROM users WHERE id = $body.id"), Returns: "one"})
	n.wants(one, `{"id": 1}`, `{"id":1,"email":"ada@x","admin":true}`)
	n.fails(one, `{"id": 9}`, sluice.NotFound, "")
	many := n.must("GET /users", &Use{Query: query(t, "SELECT id, age FROM users ORDER BY id")})
	n.wants(many, ``, `[{"id":1,"age":36},{"id":2,"age":null},{"id":3,"age":20}]`)
	count := n.must("GET /users", &Use{Query: query(t, "SELECT count(*) FROM users"), Returns: "count"})
	n.wants(count, ``, `{"count":3}`)
	add := n.must("POST /users", &Use{Query: query(t, "INSERT INTO users (id, email, age) VALUES ($body.id, $body.email, $body.age) RETURNING id"), Returns: "one"})
	n.wants(add, `{"id": 4, "email": "d@x", "age": 20}`, `{"id":4}`)
	n.fails(add, `{"id": 5, "email": "d@x", "age": 20}`, sluice.Conflict, "there is one with this email already")
	n.fails(add, `{"id": 5, "email": "e@x", "age": 17}`, sluice.Unprocessable, "a value breaks the rule grown_up")
	n.fails(add, `{"id": 5, "age": 20}`, sluice.Unprocessable, "email must be given")
	n.fails(add, `{"id": "x", "email": "e@x", "age": 20}`, sluice.Unprocessable, msgUnfit)
	drop := n.must("DELETE /users", &Use{Query: query(t, "DELETE FROM users WHERE id = $body.id")})
	n.wants(drop, `{"id": 4}`, `{"count":1}`)
	order := n.must("POST /orders", &Use{TX: []Step{
		{Query: query(t, "UPDATE users SET age = age + 1 WHERE id = $body.id RETURNING age"), As: "u", Expect: &Expect{Rows: 1, Else: 409}},
		{Query: query(t, "INSERT INTO orders (id, user_id, total) VALUES ($body.order, $body.id, $u.age) RETURNING id, total"), As: "o"},
	}})
	n.wants(order, `{"id": 1, "order": "a"}`, `{"id":"a","total":37}`)
	n.fails(order, `{"id": 1, "order": "a"}`, sluice.Conflict, "there is one with this id already")
	n.fails(order, `{"id": 7, "order": "b"}`, sluice.Conflict, "a condition of the request does not hold, and nothing was changed")
	n.wants(one, `{"id": 1}`, `{"id":1,"email":"ada@x","admin":true}`)
	pages := n.must("GET /pages", &Use{Query: query(t, "SELECT id, age FROM users"), Page: keyset(t, 2, "age desc", "id")})
	got, err := run(pages, exchange(``))
	if err != nil || !strings.HasPrefix(got, `{"items":[{"id":1,"age":37},{"id":3,"age":20}],"next":"`) {
		t.Errorf("%s, %v", got, err)
	}
	_, err = n.handle("GET /x", &Use{Query: query(t, "SELECT nmae FROM users")})
	if err == nil || !strings.Contains(err.Error(), `column "nmae" does not exist`) {
		t.Errorf("%v", err)
	}
	_, err = n.handle("GET /x", &Use{Query: query(t, "SELECT * FROM user_s")})
	if err == nil || !strings.Contains(err.Error(), `did you mean users?`) {
		t.Errorf("%v", err)
	}
	_, err = n.handle("GET /x", &Use{Query: query(t, "WITH d AS (DELETE FROM users RETURNING id) SELECT * FROM d")})
	if err == nil || !strings.Contains(err.Error(), `a GET endpoint only reads`) {
		t.Errorf("%v", err)
	}
}
