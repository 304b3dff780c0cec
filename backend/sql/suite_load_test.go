package sql

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/sluicetest"
)

// misprint is a mistake, and what each database says of it and where.
type misprint struct {
	text         string
	at, lite     string
	pgAt, postgs string
}

// TestSuiteOffsets wants each mistake at its place in the text as it was written.
func TestSuiteOffsets(t *testing.T) {
	each(t, people, func(t *testing.T, n *node) {
		for _, tt := range []misprint{
			{"SELECT $body.sku AS sku, nmae FROM users WHERE id = $body.id", "nmae", "no such column: nmae", "nmae", `column "nmae" does not exist`},
			{"SELECT $body.sku AS sku, id FORM users", "users", `near "users": syntax error`, "users", `syntax error at or near "users"`},
			{"SELECT 'ü', id FROM user_s WHERE id = $body.id", "user_s", "no such table: user_s; did you mean users?", "user_s", `relation "user_s" does not exist; did you mean users?`},
			{"SELECT id FROM users WHERE id = ?", "?", "a parameter that nothing is bound to; want a reference behind $, such as $id", "?", "a parameter that nothing is bound to; want a reference behind $, such as $id"},
			{"SELECT id FROM users WHERE id = $body.id OR id = :name", ":name", "a parameter that nothing is bound to; want a reference behind $, such as $id", ":name", "a parameter that nothing is bound to; want a reference behind $, such as $id"},
			{"SELECT $body.x AS x; DELETE FROM users", " DELETE", "there is more than one statement", "", "cannot insert multiple commands into a prepared statement"},
			{"SELECT $body.long.name AS x, noow() AS now", "noow()", "no such function: noow", "noow()", "function noow() does not exist"},
			{"BEGIN", "", "BEGIN is not allowed in a statement", "BEGIN", "BEGIN is not allowed in a statement"},
			{"SELECT id, email AS id FROM users", "", `two columns are called "id"; want AS to give one of them another name`, "", `two columns are called "id"; want AS to give one of them another name`},
		} {
			at, message := tt.at, tt.lite
			if n.isPG() {
				at, message = tt.pgAt, tt.postgs
			}
			for _, steps := range []bool{false, true} {
				use, field := &Use{Query: query(t, tt.text)}, "query"
				if steps {
					use, field = &Use{TX: []Step{{Query: query(t, "SELECT 1 AS one")}, {Query: query(t, tt.text)}}}, "tx[1].query"
				}
				use.Shard = reference(t, "body.tenant")
				_, err := n.handle("POST /x", use)
				var e *sluice.FieldError
				if !errors.As(err, &e) || e.Field != field || e.Err.Error() != message {
					t.Errorf("%s: %v\nwant %s", tt.text, err, message)
					continue
				}
				if at != "" && (e.Offset < 1 || !strings.HasPrefix(tt.text[e.Offset-1:], at)) {
					t.Errorf("%s: the mistake is at byte %d; want %s", tt.text, e.Offset, at)
				}
			}
		}
	})
}

// TestSuiteReadOnly refuses writes on GET when they are loaded, and those that a function hides when they run.
func TestSuiteReadOnly(t *testing.T) {
	each(t, people, func(t *testing.T, n *node) {
		texts := []string{"DELETE FROM users", "INSERT INTO users (email) VALUES ('x') RETURNING id", "WITH a AS (SELECT 1) UPDATE users SET age = 20", "DROP TABLE users", "CREATE TABLE x (id INT)"}
		if n.isPG() {
			texts = append(texts, "WITH d AS (DELETE FROM users RETURNING id) SELECT * FROM d", "SELECT id FROM users FOR UPDATE", "SELECT id INTO copy FROM users")
		}
		for _, text := range texts {
			_, err := n.handle("GET /x", &Use{Query: query(t, text), Shard: reference(t, "body.tenant")})
			if err == nil || !strings.Contains(err.Error(), "query: a GET endpoint only reads, and this ") {
				t.Errorf("%s: %v; want an error that names it", text, err)
			}
			_, err = n.handle("GET /x", &Use{TX: []Step{{Query: query(t, text)}}, Shard: reference(t, "body.tenant")})
			if err == nil || !strings.Contains(err.Error(), "tx[0].query: a GET endpoint only reads") {
				t.Errorf("%s: %v; want an error that names it", text, err)
			}
		}
		if !n.isPG() {
			return
		}
		n.alter("CREATE FUNCTION hidden() RETURNS INT LANGUAGE sql AS $$ DELETE FROM users RETURNING id $$; CREATE SEQUENCE numbers")
		for _, text := range []string{"SELECT hidden() AS id", "SELECT nextval('numbers') AS n"} {
			n.fails(n.use("GET /x", n.ask(text, "many")), tenant(""), sluice.Internal, "")
			n.fails(n.use("GET /x", &Use{TX: []Step{{Query: query(t, text), As: "x"}}}), tenant(""), sluice.Internal, "")
		}
		n.wants(n.use("GET /x", n.ask("SELECT count(*) FROM users", "count")), tenant(""), `{"count":3}`)
		// Elsewhere they are allowed: that it writes is learned from the first exchange, which does not see it.
		next := n.use("POST /x", n.ask("SELECT nextval('numbers') AS n", "one"))
		n.wants(next, tenant(""), `{"n":1}`)
		n.wants(next, tenant(""), `{"n":2}`)
		n.wants(n.use("POST /x", n.ask("SELECT nextval('numbers')", "count")), tenant(""), `{"count":3}`)
		n.wants(n.use("POST /x", n.ask("SELECT nextval('numbers') AS n", "many")), tenant(""), `[{"n":4}]`)
		n.wants(n.use("POST /x", &Use{TX: []Step{{Query: query(t, "SELECT nextval('numbers') AS n"), As: "n"}}}), tenant(""), `{"n":5}`)
	})
}

// TestSuiteInputs refuses inputs of which no value is ever taken where they stand, and takes those of which some are.
func TestSuiteInputs(t *testing.T) {
	t.Parallel()
	s := stores[1]
	n := s.setup(t, "CREATE TABLE IF NOT EXISTS kinds (u UUID, i BIGINT, f DOUBLE PRECISION, b BOOLEAN, t TEXT, d DATE, at TIMESTAMPTZ, j JSONB, a INT[], n NUMERIC)", nil)
	for _, tt := range []struct {
		typ            sluice.ValueType
		refused, taken string
	}{
		{sluice.Boolean, "u a d at", "i f b t j n"},
		{sluice.Integer, "u a", "i f b t d at j n"},
		{sluice.Number, "u a", "i f b t d at j n"},
		{sluice.Text, "", "u i f b t d at j a n"},
	} {
		in := sluice.Input{Name: "v", In: "query", Type: tt.typ}
		for _, column := range strings.Fields(tt.taken) {
			if _, err := n.handle("GET /x", &Use{Query: query(t, "SELECT i FROM kinds WHERE "+column+" = $v")}, in); err != nil {
				t.Errorf("%s for %s: %v", tt.typ, column, err)
			}
		}
		for _, column := range strings.Fields(tt.refused) {
			text := "SELECT i FROM kinds WHERE i > $body.i AND " + column + " = $v"
			_, err := n.handle("GET /x", &Use{Query: query(t, text)}, in)
			var e *sluice.FieldError
			if !asField(err, &e) || e.Field != "query" || !strings.HasPrefix(text[max(0, e.Offset-1):], "$v") ||
				!strings.HasPrefix(e.Err.Error(), "v is declared as "+tt.typ.String()+", and stands here for a") {
				t.Errorf("%s for %s: %v; want it refused where it stands", tt.typ, column, err)
			}
		}
	}
}

// TestSuiteTypes answers values of the types that both databases have in the same form.
func TestSuiteTypes(t *testing.T) {
	const table = "CREATE TABLE IF NOT EXISTS v (i BIGINT, r DOUBLE PRECISION, t TEXT, b {blob}, f BOOLEAN, at TIMESTAMP, j JSON);"
	each(t, table, func(t *testing.T, n *node) {
		h := n.use("GET /x", n.ask("SELECT * FROM v", "one"))
		insert := n.use("POST /x", n.ask("INSERT INTO v VALUES ($body.i, $body.r, $body.t, NULL, $body.f, $body.at, $body.j)", "none"))
		remove := n.use("DELETE /x", n.ask("DELETE FROM v", "count"))
		for body, want := range map[string]string{
			`"i": 9007199254740993, "r": 1.5, "t": "a\"b\nü", "f": true, "at": "2026-01-31 12:00:00", "j": {"a": [1]}`: `{"i":9007199254740993,"r":1.5,"t":"a\"b\nü","b":null,"f":true,"at":"2026-01-31T12:00:00Z","j":{"a": [1]}}`,
			`"i": "-7", "r": 1e300, "f": false, "at": "2026-01-31 12:00:00.123", "j": [ ]`:                             `{"i":-7,"r":1e+300,"t":null,"b":null,"f":false,"at":"2026-01-31T12:00:00.123Z","j":[ ]}`,
			`"i": -9223372036854775808, "r": -2, "t": ""`:                                                              `{"i":-9223372036854775808,"r":-2,"t":"","b":null,"f":null,"at":null,"j":null}`,
			`"i": 1e3, "r": 0.1, "j": 7`: `{"i":1000,"r":0.1,"t":null,"b":null,"f":null,"at":null,"j":7}`,
		} {
			n.wants(insert, tenant(body), "")
			n.wants(h, tenant(""), want)
			n.wants(remove, tenant(""), `{"count":1}`)
		}
		blob := "x'00ff10'"
		if n.isPG() {
			blob = `'\x00ff10'::bytea`
		}
		n.wants(n.use("GET /x", n.ask("SELECT "+blob+" AS b", "one")), tenant(""), `{"b":"AP8Q"}`)
		texts := &sluice.Endpoint{Name: "get", Routes: []string{"POST /x"}, Int64Text: true}
		for _, tt := range []struct{ text, returns, want string }{
			{"INSERT INTO v (i, f, r) VALUES (12, true, 1.5) RETURNING i, f, r", "one", `{"i":"12","f":true,"r":1.5}`},
			{"SELECT count(*) FROM v", "count", `{"count":"1"}`},
		} {
			use := n.ask(tt.text, tt.returns)
			use.Shard = reference(t, "body.tenant")
			h, err := n.handleFor(texts, use)
			if err != nil {
				t.Fatal(err)
			}
			n.wants(h, tenant(""), tt.want)
		}
	})
}

// TestSuiteDialects runs the text that is for the database, and wants one.
func TestSuiteDialects(t *testing.T) {
	each(t, people, func(t *testing.T, n *node) {
		both := func() Query {
			return Query{Postgres: parse(t, "SELECT 'PostgreSQL' AS \"is\", $body.n::int AS n"), SQLite: parse(t, "SELECT 'SQLite' AS \"is\", $body.n AS n")}
		}
		n.wants(n.use("GET /x", &Use{Query: both(), Returns: "one"}), tenant(`"n": 3`), `{"is":"`+n.backend().dialect.name+`","n":3}`)
		n.wants(n.use("GET /x", &Use{TX: []Step{{Query: both(), As: "x"}}}), tenant(`"n": 3`), `{"is":"`+n.backend().dialect.name+`","n":3}`)
		one, want := Query{Postgres: parse(t, "SELECT 1")}, "query: there is no statement for SQLite; want one under sqlite"
		if n.isPG() {
			one, want = Query{SQLite: parse(t, "SELECT 1")}, "query: there is no statement for PostgreSQL; want one under postgres"
		}
		if _, err := n.handle("GET /x", &Use{Query: one, Shard: reference(t, "body.tenant")}); err == nil || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
		wrong := Query{Postgres: parse(t, "SELECT nope FROM users"), SQLite: parse(t, "SELECT nope FROM users")}
		_, err := n.handle("GET /x", &Use{Query: wrong, Shard: reference(t, "body.tenant")})
		var e *sluice.FieldError
		if !asField(err, &e) || e.Field != "query."+n.backend().dialect.key || e.Offset != len("SELECT ")+1 {
			t.Errorf("%v; want the field of the text, and the place in it", err)
		}
	})
}

// TestSuiteTablesChange changes the tables below running endpoints, as a migration by another process does: their
// answers have the new columns, of the same exchange, and of one that is used again.
func TestSuiteTablesChange(t *testing.T) {
	each(t, people, func(t *testing.T, n *node) {
		one := n.use("GET /x", n.ask("SELECT * FROM users WHERE id = 101", "one"))
		all := n.use("GET /x", n.ask("SELECT * FROM users WHERE id = 101", ""))
		page := n.use("GET /x", &Use{Query: query(t, "SELECT * FROM users WHERE id = 101"), Page: keyset(t, 1, "id")})
		reads := n.use("GET /x", &Use{TX: []Step{{Query: query(t, "SELECT * FROM users WHERE id = 101"), As: "u"}}})
		write := n.use("POST /x", n.ask("UPDATE users SET id = id WHERE id = 101 RETURNING *", "one"))
		tx := n.use("POST /x", &Use{TX: []Step{{Query: query(t, "UPDATE users SET id = id WHERE id = 101 RETURNING *"), As: "u"}}})
		x := exchange("")
		wants := func(want string) {
			t.Helper()
			for i, h := range []sluice.Handler{one, all, page, reads, write, tx} {
				want := [...]string{0: want, 1: "[" + want + "]", 2: `{"items":[` + want + `],"next":null}`, 3: want, 4: want, 5: want}[i]
				for range 3 {
					x.Reset(nil)
					x.Request.Body.SetBytes([]byte(tenant("")))
					if got, err := run(h, x); err != nil || got != want {
						t.Errorf("handler %d answered %s, %v\nwant %s", i, got, err, want)
					}
				}
			}
		}
		wants(`{"id":101,"email":"ada@x","age":36,"admin":true}`)
		n.alter("ALTER TABLE users ADD COLUMN nick TEXT")
		wants(`{"id":101,"email":"ada@x","age":36,"admin":true,"nick":null}`)
		n.alter("ALTER TABLE users RENAME COLUMN nick TO handle")
		wants(`{"id":101,"email":"ada@x","age":36,"admin":true,"handle":null}`)
		if n.isPG() {
			n.alter("ALTER TABLE users ALTER COLUMN age TYPE BIGINT")
			wants(`{"id":101,"email":"ada@x","age":36,"admin":true,"handle":null}`)
		}
		n.alter("DROP TABLE orders; DROP TABLE users")
		for _, h := range []sluice.Handler{one, write, tx, all, page, reads} {
			n.fails(h, tenant(""), sluice.Internal, "")
		}
	})
}

// TestSuiteSpans names the database in traces.
func TestSuiteSpans(t *testing.T) {
	each(t, people, func(t *testing.T, n *node) {
		span := trace{&strings.Builder{}, false}
		x := exchange(tenant(""))
		x.Span = span
		if _, err := run(n.use("GET /x", n.ask("SELECT 1 AS one", "one")), x); err != nil {
			t.Error(err)
		}
		want := "SELECT shop{db.system.name=" + n.backend().dialect.system + " db.namespace="
		if got := span.text.String(); !strings.HasPrefix(got, want) || !strings.Contains(got, "db.query.text=SELECT 1 AS one }<nil>") {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// TestSuiteOperators leaves PostgreSQL's operators as they are, which look like other databases' parameters.
func TestSuiteOperators(t *testing.T) {
	t.Parallel()
	n := stores[1].setup(t, people, nil)
	for text, want := range map[string]string{
		`SELECT '{"a": 1}'::jsonb ? 'a' AS x`:                        `{"x":true}`,
		`SELECT '{"a": 1}'::jsonb ? $body.key AS x`:                  `{"x":true}`,
		`SELECT '{"a": 1}'::jsonb ?| array['a', 'b'] AS x`:           `{"x":true}`,
		`SELECT '{"a": [1]}'::jsonb @? '$.a[*] ? (@ > 0)' AS x`:      `{"x":true}`,
		`SELECT (ARRAY[1, 2, 3])[2:3] AS x`:                          `{"x":[2,3]}`,
		`SELECT ('{1,2,3}'::int[])[$body.i:$body.i] AS x`:            `{"x":[2]}`,
		`SELECT @ -5 AS x, '[1]'::jsonb @> '1' AS y, '3'::text AS z`: `{"x":5,"y":true,"z":"3"}`,
	} {
		h, err := n.handle("GET /x", &Use{Query: query(t, text), Returns: "one"})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		n.wants(h, `{"key": "a", "i": 2}`, want)
	}
}

// TestSuiteKept serves an exchange that was kept, as a stored one is.
func TestSuiteKept(t *testing.T) {
	each(t, people, func(t *testing.T, n *node) {
		one := n.use("GET /x", n.ask("SELECT id, email FROM users WHERE email = $body.email", "one"))
		tx := n.use("POST /x", &Use{TX: []Step{{Query: query(t, "UPDATE users SET age = 50 WHERE email = $body.email RETURNING email"), As: "u"}}})
		x := exchange(tenant(`"email": "ada@x"`))
		kept, err := x.Keep(1 << 10)
		if err != nil {
			t.Fatal(err)
		}
		x.Reset(nil)
		for h, want := range map[sluice.Handler]string{one: `{"id":101,"email":"ada@x"}`, tx: `{"email":"ada@x"}`} {
			for range 2 {
				again, err := kept.Keep(1 << 10)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := run(h, again); err != nil || got != want {
					t.Errorf("answered %s, %v; want %s", got, err, want)
				}
			}
		}
	})
}

// TestSuiteOwnFaults are the server's: no value of a request is at fault.
func TestSuiteOwnFaults(t *testing.T) {
	t.Parallel()
	n := stores[1].setup(t, people, nil)
	for _, text := range []string{"SELECT 1 / (id - id) AS x FROM users", "SELECT email::int AS x FROM users"} {
		n.fails(n.must("GET /x", n.ask(text, "many")), "", sluice.Internal, "")
	}
	n.fails(n.must("GET /x", n.ask("SELECT 1 / $body.n::int AS x", "one")), `{"n": 0}`, sluice.Unprocessable, msgUnfit)
}

// TestSuiteMistakePlace says of a mistake that PostgreSQL finds in which file, line and column it stands.
func TestSuiteMistakePlace(t *testing.T) {
	t.Parallel()
	url, _ := newDatabase(t)
	text := "sluice: 1\nbackends:\n  b:\n    sql:\n      url: " + url + "\n      schema: CREATE TABLE IF NOT EXISTS users (id UUID, email TEXT)\n" +
		"endpoints:\n  one:\n    route: GET /one/{id}\n    input:\n      id:\n        type: integer\n    sql:\n      query: |\n        SELECT email\n        FROM users WHERE id = $id\n" +
		"  two:\n    route: GET /two\n    sql:\n      query: |\n        SELECT email, 'ü',\n          emial FROM users\n"
	_, err := build.Make(sluicetest.Document(t, text), build.Options{Kinds: []sluice.Kind{Kind}}, nil)
	for _, want := range []string{
		`sluice.yaml:16:31: endpoints.one.sql.query: id is declared as integer, and stands here for a uuid; want type: string`,
		`sluice.yaml:22:11: endpoints.two.sql.query: column "emial" does not exist`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}
