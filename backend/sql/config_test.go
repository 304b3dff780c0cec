package sql_test

import (
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/sluicetest"
)

// TestConfigMistakes names what is wrong in a file, and what is wanted.
func TestConfigMistakes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ where, use, want string }{
		{"readers: 0", "query: SELECT 1", "backends.b.sql.readers: 0 is below 1; want at least 1"},
		{"busy_timeout: 0s", "query: SELECT 1", `backends.b.sql.busy_timeout: "0s" is below 1ms; want at least 1ms`},
		{"busy_timeout: -1s", "query: SELECT 1", "backends.b.sql.busy_timeout: "},
		{`synchronous: ""`, "query: SELECT 1", "backends.b.sql.synchronous: "},
		{"readers: 1", "query: SELECT 1\n      returns: \"\"", "endpoints.e.sql.returns: "},
		{"readers: 1", "query: SELECT 1 AS id\n      page:\n        keyset: [id]\n        size: 0", "endpoints.e.sql.page.size: 0 is below 1; want at least 1"},
		{"readers: 1", "query: SELECT 1 AS id\n      page:\n        keyset: []", "endpoints.e.sql.page.keyset: "},
		{"readers: 1", "query:\n        mysql: SELECT 1", "endpoints.e.sql.query.mysql: unknown key"},
		{"readers: 1", "query: \"\"", "endpoints.e.sql: there is no statement; want query or tx"},
		{"readers: 1", "tx:\n        - query: \"\"", "endpoints.e.sql.tx[0].query: "},
		{"readers: 1", "tx:\n        - query: SELECT 1\n          expect:\n            rows: 1\n            else: 499", "endpoints.e.sql.tx[0].expect.else: 499 "},
		{"readers: 1", "tx:\n        - query: SELECT 1\n          expect:\n            rows: 1\n            else: 0", "endpoints.e.sql.tx[0].expect.else: 0 "},
	} {
		text := "sluice: 1\nbackends:\n  b:\n    sql:\n      url: sqlite:x.db\n      " + tt.where +
			"\nendpoints:\n  e:\n    route: GET /e\n    sql:\n      " + tt.use + "\n"
		_, err := build.Make(sluicetest.Document(t, text), build.Options{Kinds: []sluice.Kind{sql.Kind}, Dry: true}, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Count(err.Error(), "\n") > 1 {
			t.Errorf("%s, %s:\n%v\nwant %s", tt.where, tt.use, err, tt.want)
		}
	}
}

func TestSuite(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]string{
		"one":  "sql:\n  query: SELECT 'a' AS a\n  returns: one",
		"page": "sql:\n  query: SELECT 1 AS id\n  page:\n    keyset: [id]",
		"tx":   "sql:\n  tx:\n    - query: SELECT 1 AS id\n      as: a",
		// 40 kB, which 8 clients read at once.
		"long": "sql:\n  query: WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) SELECT i AS id, printf('%090d', i) AS text FROM n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sluicetest.Backend(t, sluicetest.BackendCase{Kind: sql.Kind, Where: "sql:\n  url: sqlite:x.db\n  readers: 64", Use: use, Route: "POST /e", Line: "POST /e"})
		})
	}
}
