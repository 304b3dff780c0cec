package sql_test

import (
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/sluicetest"
)

// TestWhereMistakes names what is wrong with a database of a file, where, and what is wanted. No password is shown.
func TestWhereMistakes(t *testing.T) {
	t.Parallel()
	const (
		two  = "shards:\n        a: postgres://u:hunter2@h1/shop\n        b: postgres://u:hunter2@h2/shop\n      "
		hash = "shard_by:\n        hash: int8\n      "
	)
	for _, tt := range []struct{ where, want string }{
		{"url: sqlite:x.db\n      shards:\n        a: sqlite:a.db", "6:7: backends.b.sql.shards: a backend is one database or several shards; want url or shards"},
		{"pool:\n        max: 3", "backends.b.sql: there is no database; want url or shards"},
		{"url: sqlite:x.db\n      " + hash, "backends.b.sql.shard_by: one database has no shards; want shards, or url alone"},
		{two, "backends.b.sql.shards: it is not told which rows stand where; want shard_by"},
		{two + "shard_by: {}", "backends.b.sql.shard_by: rows are spread by a hash or by a list; want one of the two"},
		{two + "shard_by:\n        hash: int8\n        list:\n          EU: a", "backends.b.sql.shard_by: rows are spread by a hash or by a list; want one of the two"},
		{two + "shard_by:\n        hash: int4", `9:15: backends.b.sql.shard_by.hash: `},
		{two + "shard_by:\n        hash: int8\n        default: a", "backends.b.sql.shard_by.default: a hash leaves no key out; want it with list"},
		{two + "shard_by:\n        list:\n          EU: a\n          US: bb", `11:15: backends.b.sql.shard_by.list.US: there is no shard "bb"; did you mean b?`},
		{two + "shard_by:\n        list:\n          EU: west", `10:15: backends.b.sql.shard_by.list.EU: there is no shard "west"; want one of [a b]`},
		{two + "shard_by:\n        list:\n          EU: a\n        default: c", `backends.b.sql.shard_by.default: there is no shard "c"; `},
		{"shards:\n        a: postgres://u:hunter2@h1/shop\n        b: sqlite:b.db\n      " + hash, "7:12: backends.b.sql.shards.b: it is of another sort than the shards above; want PostgreSQL for all"},
		{"url: postgres://u:hunter2@h/shop\n      pool:\n        max: 8\n        lines: 4", "8:16: backends.b.sql.pool.lines: more than half of the connections must be left for what can not be shared; want at most 3 where max is 8"},
		{"url: postgres://u:hunter2@h/shop\n      pool:\n        max: 2\n        min_idle: 3", "8:19: backends.b.sql.pool.min_idle: it is more than max, which is 2"},
		{"url: postgres://u:hunter2@h/shop\n      pool:\n        max: 0", "backends.b.sql.pool.max: 0 is below 1; want at least 1"},
		{"url: postgres://u:hunter2@h/shop\n      pool:\n        acquire_timeout: 0s", "backends.b.sql.pool.acquire_timeout: "},
		{"url: postgres://u:hunter2@h/shop\n      pool:\n        size: 3", "7:9: backends.b.sql.pool.size: unknown key"},
		{"url: postgres://u:hunter2@h/shop\n      replicas:\n        max_lag: 29s", `7:18: backends.b.sql.replicas.max_lag: "29s" is above 20s; want at most 20s`},
		{"url: postgres://u:hunter2@h/shop\n      replicas:\n        probe_interval: 1ms", "backends.b.sql.replicas.probe_interval: "},
		{"url: postgres://u:hunter2@h,h2/shop\n      replicas:\n        max_lag: 20s\n        probe_interval: 5s", "7:18: backends.b.sql.replicas.max_lag: with it a replica may be 32s late, and callers' own writes are remembered for 30s; want a lower max_lag or probe_interval"},
		{"url:\n        replicas: [postgres://u:hunter2@h/shop]", "backends.b.sql.url.primary: replicas alone can only be read; want primary too, or url"},
		{"url:\n        url: postgres://u:hunter2@h/shop\n        primary: postgres://u:hunter2@h/shop", "backends.b.sql.url: the servers stand in one address or have one each; want url, or primary and replicas"},
		{"url:\n        primary: sqlite:x.db", "backends.b.sql.url.primary: a SQLite file has no replicas; want url"},
		{"url:\n        primary: postgres://u:hunter2@h/shop\n        replicas: [postgres://u:hunter2@h2/shop, sqlite:x.db]", "backends.b.sql.url.replicas[1]: a SQLite file is no replica; want postgres://…"},
		{"url: postgres://u:hunter2@h:port/shop", "5:12: backends.b.sql.url: "},
		{"url: postgres://u:hunter2@h", "5:12: backends.b.sql.url: "},
		{"url: postgres://:hunter2@h/shop", "5:12: backends.b.sql.url: "},
		{"url: postgres://u:hunter2@h/shop?sslmode=some", "5:12: backends.b.sql.url: "},
		{"url: postgres://u:hunter2@h/shop?sslrootcert=nowhere.pem", "5:12: backends.b.sql.url: "},
		{"url: postgres://u@h/shop?password=hunter2", "5:12: backends.b.sql.url: "},
		{"url: mysql://u:hunter2@h/shop", `5:12: backends.b.sql.url: unknown scheme "mysql"; want sqlite:FILE`},
		{"url: u:hunter2@h/shop", "5:12: backends.b.sql.url: "},
		{"url: hunter2", "5:12: backends.b.sql.url: it has no scheme; want sqlite:FILE"},
		{"url: sqlite:x.db\n      migrate: later", "6:16: backends.b.sql.migrate: "},
		{"url: postgres://u:hunter2@h/shop\n      migrations: nowhere/", "6:19: backends.b.sql.migrations: there is no folder "},
		{"url: postgres://u:hunter2@h/shop\n      seed: nowhere/", "6:13: backends.b.sql.seed: there is no folder "},
		{"shards:\n        a b: sqlite:a.db", "backends.b.sql.shards"},
	} {
		text := "sluice: 1\nbackends:\n  b:\n    sql:\n      " + strings.TrimRight(tt.where, " \n") + "\nendpoints:\n  e:\n    route: GET /e\n    sql:\n      query: SELECT 1 AS one\n      shard: query.k\n"
		_, err := build.Make(sluicetest.Document(t, text), build.Options{Kinds: []sluice.Kind{sql.Kind}, Dry: true}, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Count(err.Error(), "\n") > 1 {
			t.Errorf("%s:\n%v\nwant %s", tt.where, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s shows the password:\n%v", tt.where, err)
		}
	}
}

// TestOneConnection holds that who wants one connection need not say how many of it are kept.
func TestOneConnection(t *testing.T) {
	t.Parallel()
	text := "sluice: 1\nbackends:\n  b:\n    sql:\n      url: postgres://u@h/shop\n      pool:\n        max: 1\nendpoints:\n  e:\n    route: GET /e\n    sql:\n      query: SELECT 1 AS one\n"
	node, err := build.Make(sluicetest.Document(t, text), build.Options{Kinds: []sluice.Kind{sql.Kind}, Dry: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	node.Retire()
}
