package sql

import (
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/sqlite"
)

func TestReturns(t *testing.T) {
	t.Parallel()
	n := setup(t, nil)
	for _, tt := range []struct{ name, query, returns, body, want string }{
		{"one", "SELECT id, email, admin FROM users WHERE id = $body.id", "one", `{"id": 1}`, `{"id":1,"email":"ada@x","admin":true}`},
		{"one by text", "SELECT age FROM users WHERE id = $body.id", "one", `{"id": "2"}`, `{"age":null}`},
		{"many", "SELECT id, email FROM users ORDER BY id LIMIT 2", "many", ``, `[{"id":1,"email":"ada@x"},{"id":2,"email":"bob@x"}]`},
		{"many by default", "SELECT id FROM users WHERE admin", "", ``, `[{"id":1}]`},
		{"many of none", "SELECT id FROM users WHERE id > 5", "many", ``, `[]`},
		{"count of a read", "SELECT count(*) FROM users", "count", ``, `{"count":3}`},
		{"nothing", "SELECT id FROM users", "none", ``, ``},
		{"insert", "INSERT INTO users (email) VALUES ($body.email) RETURNING *", "one", `{"email": "new@x"}`,
			`{"id":4,"email":"new@x","age":null,"admin":null}`},
		{"update by default", "UPDATE users SET age = $body.age WHERE id IN (1, 2)", "", `{"age": 40}`, `{"count":2}`},
		{"update of none", "UPDATE users SET age = 41 WHERE id = 77", "count", ``, `{"count":0}`},
		{"write of many", "UPDATE users SET admin = $body.is WHERE id < 3 RETURNING id, admin", "many", `{"is": true}`,
			`[{"id":1,"admin":true},{"id":2,"admin":true}]`},
		{"delete", "DELETE FROM users WHERE id = 4", "none", ``, ``},
		{"with", "WITH u AS (SELECT * FROM users) SELECT count(*) AS n FROM u", "one", ``, `{"n":3}`},
	} {
		h, err := n.handle("POST /x", &Use{Query: query(t, tt.query), Returns: tt.returns})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		n.wants(h, tt.body, tt.want)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	n := setup(t, nil)
	h := n.must("DELETE /x", &Use{Query: query(t, "DELETE FROM orders"), Returns: "none"})
	x := exchange("")
	if err := h.Serve(x); err != nil || x.Response.Status != 204 {
		t.Errorf("status %d, %v; want 204", x.Response.Status, err)
	}
	h = n.must("GET /x", &Use{Query: query(t, "SELECT 1 AS one")})
	x = exchange("")
	if err := h.Serve(x); err != nil || string(x.Response.Header.Value("content-type")) != "application/json" {
		t.Errorf("the header is %v, %v; want JSON", x.Response.Header.Fields(), err)
	}
}

func TestNotOne(t *testing.T) {
	t.Parallel()
	n := setup(t, nil)
	h := n.must("GET /x", &Use{Query: query(t, "SELECT id FROM users WHERE id > $body.id"), Returns: "one"})
	n.fails(h, `{"id": 9}`, sluice.NotFound, "")
	n.fails(h, `{"id": 1}`, sluice.Internal, "")
	n.wants(h, `{"id": 2}`, `{"id":3}`)
	write := n.must("POST /x", &Use{Query: query(t, "UPDATE users SET age = 99 WHERE id > $body.id RETURNING id"), Returns: "one"})
	n.fails(write, `{"id": 9}`, sluice.NotFound, "")
	n.fails(write, `{"id": 1}`, sluice.Internal, "")
	count := n.must("GET /x", &Use{Query: query(t, "SELECT count(*) FROM users WHERE age = 99"), Returns: "count"})
	n.wants(count, ``, `{"count":0}`)
}

func TestTypes(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) {
		w.Schema = `CREATE TABLE v (i INTEGER, r REAL, t TEXT, b BLOB, f BOOLEAN, d DATE, at TIMESTAMP, dt DATETIME(3), j JSON, n NUMERIC(10,2));`
	})
	insert := func(values string) {
		n.wants(n.must("POST /x", &Use{Query: query(t, "INSERT INTO v "+values), Returns: "none"}), "", "")
	}
	h := n.must("GET /x", &Use{Query: query(t, "SELECT * FROM v"), Returns: "many"})
	for values, want := range map[string]string{
		"VALUES (9007199254740993, 1.5, 'a\"b\nü', x'00ff10', 1, '2026-01-31', '2026-01-31 12:00:00', '2026-01-31 12:00:00.123', '{\"a\": [1]}', 12.50)": `[{"i":9007199254740993,"r":1.5,"t":"a\"b\nü","b":"AP8Q","f":true,"d":"2026-01-31","at":"2026-01-31T12:00:00Z","dt":"2026-01-31T12:00:00.123Z","j":{"a": [1]},"n":12.5}]`,
		"(r, f, at, dt, j) VALUES (9e999, 0, 1700000000, '2026-01-31 12:00:00+02:00', '{broken')":                                                        `[{"i":null,"r":null,"t":null,"b":null,"f":false,"d":null,"at":1700000000,"dt":"2026-01-31T12:00:00+02:00","j":"{broken","n":null}]`,
		"(r, b, at, dt, t) VALUES (-2.0, x'', '2026-01-31', 'yesterday at noon or so', cast(x'ff41' AS TEXT))":                                           `[{"i":null,"r":-2,"t":"�A","b":"","f":null,"d":null,"at":"2026-01-31","dt":"yesterday at noon or so","j":null,"n":null}]`,
		"(at, dt, f) VALUES ('2026-01-31T12:00:00Z', '2026-01-31 12:00', 'yes')":                                                                         `[{"i":null,"r":null,"t":null,"b":null,"f":"yes","d":null,"at":"2026-01-31T12:00:00Z","dt":"2026-01-31 12:00","j":null,"n":null}]`,
	} {
		insert(values)
		n.wants(h, "", want)
		n.wants(n.must("DELETE /x", &Use{Query: query(t, "DELETE FROM v"), Returns: "count"}), "", `{"count":1}`)
	}
}

func TestInt64Text(t *testing.T) {
	t.Parallel()
	n := setup(t, nil)
	ep := &sluice.Endpoint{Name: "get", Routes: []string{"GET /x"}, Int64Text: true}
	for returns, want := range map[string]string{"one": `{"id":"1","admin":true,"r":1.5}`} {
		h, err := n.handleFor(ep, &Use{Query: query(t, "SELECT id, admin, 1.5 AS r FROM users WHERE id = 1"), Returns: returns})
		if err != nil {
			t.Fatal(err)
		}
		n.wants(h, "", want)
	}
	h, err := n.handleFor(ep, &Use{Query: query(t, "SELECT count(*) FROM users"), Returns: "count"})
	if err != nil {
		t.Fatal(err)
	}
	n.wants(h, "", `{"count":"3"}`)
}

// TestBinding binds a value of each type, twice, and pastes none.
func TestBinding(t *testing.T) {
	t.Parallel()
	n := setup(t, nil)
	h := n.must("POST /x", &Use{Query: query(t, `SELECT $body.v AS v, typeof($body.v) AS type, $"header.x-tenant" AS tenant, '$body.v' AS literal`), Returns: "one"})
	for value, want := range map[string]string{
		`7`:                        `{"v":7,"type":"integer"`,
		`7.5`:                      `{"v":7.5,"type":"real"`,
		`1e3`:                      `{"v":1000,"type":"real"`,
		`true`:                     `{"v":1,"type":"integer"`,
		`false`:                    `{"v":0,"type":"integer"`,
		`null`:                     `{"v":null,"type":"null"`,
		`"'; DROP TABLE users; "`:  `{"v":"'; DROP TABLE users; ","type":"text"`,
		`"\u00fc\n"`:               `{"v":"ü\n","type":"text"`,
		`""`:                       `{"v":"","type":"text"`,
		`{"a": [1, "x"]}`:          `{"v":"{\"a\": [1, \"x\"]}","type":"text"`,
		`123456789012345678901234`: `{"v":1.2345678901234569e+23,"type":"real"`,
	} {
		n.wants(h, `{"v": `+value+`}`, want+`,"tenant":null,"literal":"$body.v"}`)
	}
	n.wants(h, `{}`, `{"v":null,"type":"null","tenant":null,"literal":"$body.v"}`)
	x := exchange(`{"v": 1}`)
	x.Request.Header.Add("X-Tenant", "a")
	if got, err := run(h, x); err != nil || got != `{"v":1,"type":"integer","tenant":"a","literal":"$body.v"}` {
		t.Errorf("%s, %v", got, err)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) {
		w.Schema = tables + `CREATE TABLE IF NOT EXISTS pairs (a INT, b INT, UNIQUE (a, b), CHECK (a + b < 100));
			CREATE TRIGGER IF NOT EXISTS guard BEFORE INSERT ON pairs WHEN new.a = 13 BEGIN SELECT RAISE(ABORT, 'no luck today'); END;`
	})
	for _, tt := range []struct {
		query   string
		code    sluice.Code
		message string
	}{
		{"INSERT INTO users (email) VALUES ('ada@x')", sluice.Conflict, "there is one with this email already"},
		{"INSERT INTO pairs VALUES (1, 2), (1, 2)", sluice.Conflict, "there is one with this a and b already"},
		{"INSERT INTO users (id, email) VALUES (1, 'x')", sluice.Conflict, "there is one with this id already"},
		{"INSERT INTO users (email) VALUES (NULL)", sluice.Unprocessable, "email must be given"},
		{"INSERT INTO users (email, age) VALUES ('x', 3)", sluice.Unprocessable, "a value breaks the rule grown_up"},
		{"INSERT INTO pairs VALUES (99, 99)", sluice.Unprocessable, "a value breaks a rule of the data"},
		{"INSERT INTO pairs VALUES (13, 1)", sluice.Unprocessable, "no luck today"},
		{"INSERT INTO orders (id, user_id) VALUES ('o', 99)", sluice.Unprocessable, "it refers to something that is not there, or something that is there refers to it"},
		{"SELECT abs(-9223372036854775807 - 1) AS a", sluice.Internal, ""},
		{"SELECT zeroblob(200000000) AS b", sluice.TooLarge, "a value is larger than the database takes"},
	} {
		h := n.must("POST /x", &Use{Query: query(t, tt.query)})
		n.fails(h, "", tt.code, tt.message)
	}
}

// TestFaultsOfValues are the client's, not the server's; the same faults in the statement itself are the server's.
func TestFaultsOfValues(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) {
		w.Schema = tables + "CREATE TABLE IF NOT EXISTS strict (n INTEGER) STRICT;"
	})
	const whole, unusable = "a value is missing, or is not the whole number that is wanted", "a value is not one that can be worked with"
	for _, tt := range []struct{ query, body, message string }{
		{"SELECT 1 AS x LIMIT $body.v", `{"v": "abc"}`, whole},
		{"SELECT 1 AS x LIMIT $body.v", `{}`, whole},
		{"SELECT 1 AS x LIMIT 1 OFFSET $body.v", `{"v": 1.5}`, whole},
		{"INSERT INTO users (id, email) VALUES ($body.v, 'x')", `{"v": "abc"}`, whole},
		{"INSERT INTO users (id, email) VALUES ($body.v, 'x')", `{"v": 1.5}`, whole},
		{"INSERT INTO strict VALUES ($body.v)", `{"v": "abc"}`, "a value breaks a rule of the data"},
		{"SELECT abs($body.v) AS x", `{"v": -9223372036854775808}`, unusable},
		{"SELECT sum(n) AS x FROM (SELECT $body.v AS n UNION ALL SELECT 1)", `{"v": 9223372036854775807}`, unusable},
		{"SELECT json_extract($body.v, '$.a') AS x", `{"v": "{a"}`, unusable},
		{"SELECT value FROM json_each($body.v)", `{"v": "[1"}`, unusable},
		{"SELECT json_extract('{}', $body.v) AS x", `{"v": "a"}`, unusable},
		{"SELECT 'a' LIKE 'b' ESCAPE $body.v AS x", `{"v": "ab"}`, unusable},
		{"SELECT 'a' LIKE $body.v AS x", `{"v": "` + strings.Repeat("%a", 30_000) + `"}`, unusable},
		{"SELECT sum(age) OVER (ORDER BY id ROWS $body.v PRECEDING) AS x FROM users", `{"v": -1}`, unusable},
		{"SELECT ntile($body.v) OVER () AS x FROM users", `{"v": 0}`, unusable},
	} {
		n.fails(n.must("POST /x", &Use{Query: query(t, tt.query)}), tt.body, sluice.Unprocessable, tt.message)
	}
	for _, text := range []string{"SELECT 1 AS x LIMIT 'abc'", "SELECT json_extract('{a', '$.a') AS x"} {
		n.fails(n.must("POST /x", &Use{Query: query(t, text)}), "", sluice.Internal, "")
	}
}

// TestFaultOfTables is the server's: a column that is gone is no value's fault.
func TestFaultOfTables(t *testing.T) {
	t.Parallel()
	n := setup(t, nil)
	h := n.must("GET /x", &Use{Query: query(t, "SELECT age FROM users WHERE id = $body.id")})
	if err := n.file().Write(t.Context(), func(c *sqlite.Conn) error {
		return c.Script("PRAGMA foreign_keys=OFF; DROP TABLE orders; CREATE TABLE u (id INTEGER PRIMARY KEY); DROP TABLE users; ALTER TABLE u RENAME TO users", nil)
	}); err != nil {
		t.Fatal(err)
	}
	_, err := run(h, exchange(`{"id": 1}`))
	if code := sluice.ErrorOf(err).Code; code != sluice.Internal {
		t.Errorf("%s: %v; want internal", code, err)
	}
}

// TestCommitRefused makes the answer and then cannot commit: the client gets the error, with what policies have set, and
// the next exchange an answer.
func TestCommitRefused(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) {
		w.Schema = tables + "CREATE TABLE IF NOT EXISTS late (user INT REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED);"
	})
	for _, returns := range []string{"one", "none", "count"} {
		h := n.must("POST /x", &Use{Query: query(t, "INSERT INTO late VALUES ($body.user) RETURNING user"), Returns: returns})
		x := exchange(`{"user": 7}`)
		x.Response.Header.Set("RateLimit", "1")
		if _, err := run(h, x); sluice.ErrorOf(err).Code != sluice.Unprocessable || x.Response.Header.Value("RateLimit") == nil {
			t.Errorf("returns %s: %v with %v; want a refusal, and the header that stood there", returns, err, x.Response.Header.Fields())
		}
	}
	n.wants(n.must("GET /x", &Use{Query: query(t, "SELECT count(*) FROM late"), Returns: "count"}), "", `{"count":0}`)
}
