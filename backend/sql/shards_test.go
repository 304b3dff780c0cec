package sql

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

// databases are so many new databases, each to be used as a shard of any name.
func (s *store) databases(t testing.TB, count int) []Servers {
	t.Helper()
	of := *s
	of.shards = count
	w := Kind.NewWhere().(*Where)
	of.where(t)(w)
	if count == 1 {
		return []Servers{w.URL}
	}
	var all []Servers
	for _, e := range w.Shards {
		all = append(all, e.Value)
	}
	return all
}

// named puts databases under names, in that order.
func under(by *ShardBy, names string, all map[string]Servers) func(*Where) {
	return func(w *Where) {
		w.URL, w.Shards, w.ShardBy = Servers{}, nil, by
		for _, name := range strings.Fields(names) {
			w.Shards = append(w.Shards, sluice.Entry[Servers]{Name: name, Value: all[name]})
		}
	}
}

const tenants = "CREATE TABLE IF NOT EXISTS tenants (k {key} PRIMARY KEY, v TEXT)"

// keyed are the tables of a shard key of some type.
func (s *store) keyed(by *ShardBy) func(*Where) {
	typ := map[string]string{"int8": "BIGINT", "text": "TEXT", "uuid": "UUID", "": "TEXT"}[by.Hash]
	if s.dialect == sqliteDialect && by.Hash == "uuid" {
		typ = "TEXT"
	}
	return func(w *Where) { w.Schema = strings.Replace(tenants, "{key}", typ, 1) }
}

// shardStores are the sorts of databases that can be shards.
var shardStores = stores[2:4]

// TestSlotMap deals the slots out evenly at the first start, and keeps to that whatever is edited later.
func TestSlotMap(t *testing.T) {
	t.Parallel()
	for _, s := range shardStores {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			by := &ShardBy{Hash: "int8"}
			all := map[string]Servers{}
			for i, one := range s.databases(t, 5) {
				all[string(rune('a'+i))] = one
			}
			first, err := s.start(t, under(by, "a b c", all), s.keyed(by))
			if err != nil {
				t.Fatal(err)
			}
			counts := func(n *node) (lines []string) {
				t.Helper()
				for _, shard := range n.backend().shards {
					found, err := shard.query(t.Context(), "SELECT shard, count(*), min(slot), max(slot), sum(CASE WHEN owned THEN 1 ELSE 0 END), max(epoch) FROM sluice_slot GROUP BY shard ORDER BY shard")
					if err != nil {
						t.Fatal(err)
					}
					lines = append(lines, shard.name+" "+fmt.Sprint(found))
				}
				return lines
			}
			want := "[a [[a 1366 0 1365 1366 1] [b 1365 1366 2730 0 1] [c 1365 2731 4095 0 1]] b [[a 1366 0 1365 0 1] [b 1365 1366 2730 1365 1] [c 1365 2731 4095 0 1]] c [[a 1366 0 1365 0 1] [b 1365 1366 2730 0 1] [c 1365 2731 4095 1365 1]]]"
			if got := fmt.Sprint(counts(first)); got != want {
				t.Errorf("the slots are %s\nwant %s", got, want)
			}
			put := first.must("POST /x", &Use{Query: query(t, "INSERT INTO tenants VALUES ($body.k, 'x')"), Shard: reference(t, "body.k")})
			for k := range 40 {
				first.wants(put, fmt.Sprintf(`{"k": %d}`, k), `{"count":1}`)
			}
			// In another order, and with one more, which gets no slots: every row is where it was.
			for _, names := range []string{"c a b", "d c b a"} {
				n, err := s.start(t, under(by, names, all), s.keyed(by))
				if err != nil {
					t.Fatal(err)
				}
				get := n.must("GET /x", &Use{Query: query(t, "SELECT v FROM tenants WHERE k = $body.k"), Shard: reference(t, "body.k"), Returns: "one"})
				for k := range 40 {
					n.wants(get, fmt.Sprintf(`{"k": %d}`, k), `{"v":"x"}`)
				}
				if names[0] == 'd' {
					found, err := n.backend().shards[0].query(t.Context(), "SELECT count(*) FROM sluice_slot WHERE shard = 'd' OR owned")
					if err != nil || found[0][0] != "0" {
						t.Errorf("the added shard owns %v slots, %v; want none", found, err)
					}
				}
			}
			// One that owns slots is missed by its name.
			if _, err := s.start(t, under(by, "a b", all), s.keyed(by)); err == nil || !strings.Contains(err.Error(), `is on the shard "c", which the config does not name`) {
				t.Errorf("%v; want that shard c is missed", err)
			}
			// So is a shard under the name of another, and one whose map is not that of the others.
			swapped := map[string]Servers{"a": all["b"], "b": all["a"], "c": all["c"]}
			if _, err := s.start(t, under(by, "a b c", swapped), s.keyed(by)); err == nil || !strings.Contains(err.Error(), `shards.a: it is the shard "b", as its slot map`) {
				t.Errorf("%v; want that a and b are seen to be swapped", err)
			}
			if err := first.backend().shards[1].transact(t.Context(), []script{{text: "UPDATE sluice_slot SET shard = 'c' WHERE slot = 7"}}, false); err != nil {
				t.Fatal(err)
			}
			_, err = s.start(t, under(by, "a b c", all), s.keyed(by))
			if err == nil || !strings.Contains(err.Error(), "is not that of the other shards") {
				t.Errorf("%v; want that the maps differ", err)
			}
			if err := first.backend().shards[1].transact(t.Context(), []script{{text: "DELETE FROM sluice_slot WHERE slot = 7"}}, false); err != nil {
				t.Fatal(err)
			}
			_, err = s.start(t, under(by, "a b c", all), s.keyed(by))
			if err == nil || !strings.Contains(err.Error(), "shards.b: its slot map (table sluice_slot) has no row, or two, for slot 7") {
				t.Errorf("%v; want that a slot is missed", err)
			}
		})
	}
}

// TestSeedHere fills each shard with the rows that belong there, and a database alone with all.
func TestSeedHere(t *testing.T) {
	t.Parallel()
	for _, s := range stores[:2] {
		for name, tt := range map[string]struct {
			by   *ShardBy
			seed string
			rows int
		}{
			"int8": {&ShardBy{Hash: "int8"}, "INSERT INTO tenants WITH RECURSIVE n (i) AS (SELECT -20 UNION ALL SELECT i + 1 FROM n WHERE i < 79) SELECT i, 'v' FROM n WHERE sluice_here(i)", 100},
			"text": {&ShardBy{Hash: "text"}, "INSERT INTO tenants WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT 'tenant ' || i, 'v' FROM n WHERE sluice_here('tenant ' || i)", 100},
			"uuid": {&ShardBy{Hash: "uuid"}, "INSERT INTO tenants WITH RECURSIVE n (i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 199) " +
				"SELECT {uuid}, 'v' FROM n WHERE sluice_here({uuid})", 100},
			"list": {&ShardBy{List: sluice.Map[string]{{Name: "EU", Value: "a"}, {Name: "it's", Value: "a"}, {Name: "US", Value: "b"}}, Default: "c"},
				"INSERT INTO tenants SELECT x.k, 'v' FROM (SELECT 'EU' AS k UNION SELECT 'US' UNION SELECT 'it''s' UNION SELECT 'Mars') AS x WHERE sluice_here(x.k)", 4},
			"list without others": {&ShardBy{List: sluice.Map[string]{{Name: "EU", Value: "a"}, {Name: "US", Value: "b"}}},
				"INSERT INTO tenants SELECT x.k, 'v' FROM (SELECT 'EU' AS k UNION SELECT 'US' UNION SELECT 'Mars') AS x WHERE sluice_here(x.k)", 2},
			"alone": {nil, "INSERT INTO tenants SELECT x.k, 'v' FROM (SELECT 'EU' AS k UNION SELECT 'US' UNION SELECT 'Mars') AS x WHERE sluice_here(x.k) AND sluice_here(1)", 3},
		} {
			t.Run(s.name+" "+name, func(t *testing.T) {
				t.Parallel()
				id := "'01890a5d-ac96-774b-bcce-b302099a8' || i"
				if s.dialect == postgresDialect {
					id = "(" + id + ")::uuid"
				}
				dir := t.TempDir()
				files(t, dir, map[string]string{"seed/1.sql": "-- sluice_here\n" + strings.ReplaceAll(tt.seed, "{uuid}", id)})
				where := s.where(t)
				schema := s.keyed(&ShardBy{})
				if tt.by != nil {
					all := map[string]Servers{}
					for i, one := range s.databases(t, 3) {
						all[string(rune('a'+i))] = one
					}
					where, schema = under(tt.by, "b a c", all), s.keyed(tt.by)
				}
				n, err := s.start(t, where, func(w *Where) { schema(w); w.Seed = sluice.Path(filepath.Join(dir, "seed")) })
				if err != nil {
					t.Fatal(err)
				}
				rows := 0
				get := n.must("GET /x", &Use{Query: query(t, "SELECT v FROM tenants WHERE k = $body.k"), Shard: reference(t, "body.k"), Returns: "one"})
				for _, shard := range n.backend().shards {
					found, err := shard.query(t.Context(), "SELECT k FROM tenants")
					if err != nil {
						t.Fatal(err)
					}
					if len(found) == 0 && tt.rows == 100 {
						t.Errorf("shard %s is empty", shard.name)
					}
					for _, row := range found {
						rows++
						k := fmt.Sprintf("%q", row[0])
						if tt.by != nil && tt.by.Hash == "int8" {
							k = row[0]
						}
						n.wants(get, `{"k": `+k+`}`, `{"v":"v"}`)
					}
				}
				if rows != tt.rows {
					t.Errorf("%d rows on all shards; want %d", rows, tt.rows)
				}
				if s.dialect == postgresDialect {
					if found, err := n.backend().shards[0].query(t.Context(), "SELECT 1 FROM pg_proc WHERE proname = 'sluice_here'"); err != nil || len(found) > 0 {
						t.Errorf("the function is left behind: %v, %v", found, err)
					}
				}
			})
		}
	}
}

// TestShardKeys finds the shard of a key, and refuses what is none: it is never asked of all shards.
func TestShardKeys(t *testing.T) {
	t.Parallel()
	for _, s := range shardStores {
		for name, tt := range map[string]struct {
			by        *ShardBy
			good, bad []string
		}{
			"int8": {&ShardBy{Hash: "int8"}, []string{`1`, `"2"`, `-3`, `9223372036854775807`},
				[]string{`null`, `""`, `"x"`, `1.5`, `"01"`, `"+1"`, `" 1"`, `true`, `[1]`, `{}`, `"9223372036854775808"`}},
			"text": {&ShardBy{Hash: "text"}, []string{`"acme"`, `"ü"`, `"7"`}, []string{`null`, `[1]`, `{}`, `1.5`}},
			"uuid": {&ShardBy{Hash: "uuid"}, []string{`"01890a5d-ac96-774b-bcce-b302099a8057"`}, []string{`null`, `""`, `"x"`, `7`, `"01890a5d-ac96-774b-bcce-b302099a805"`}},
			"list": {&ShardBy{List: sluice.Map[string]{{Name: "EU", Value: "a"}, {Name: "US", Value: "b"}}}, []string{`"EU"`, `"US"`}, []string{`null`, `""`, `"Mars"`, `"eu"`, `["EU"]`}},
			"list and others": {&ShardBy{List: sluice.Map[string]{{Name: "EU", Value: "a"}, {Name: "1", Value: "b"}}, Default: "c"}, []string{`"EU"`, `"Mars"`, `"1"`},
				[]string{`null`, `""`, `["EU"]`, `{}`}},
		} {
			t.Run(s.name+" "+name, func(t *testing.T) {
				t.Parallel()
				all := map[string]Servers{}
				for i, one := range s.databases(t, 3) {
					all[string(rune('a'+i))] = one
				}
				n, err := s.start(t, under(tt.by, "a b c", all), s.keyed(tt.by))
				if err != nil {
					t.Fatal(err)
				}
				put := n.must("POST /x", &Use{Query: query(t, "INSERT INTO tenants VALUES ($body.k, 'x')"), Shard: reference(t, "body.k")})
				get := n.must("GET /x", &Use{Query: query(t, "SELECT v FROM tenants WHERE k = $body.k"), Shard: reference(t, "body.k"), Returns: "one"})
				page := n.must("GET /x", &Use{Query: query(t, "SELECT k, v FROM tenants WHERE k = $body.k"), Shard: reference(t, "body.k"), Page: keyset(t, 2, "k")})
				list := n.must("GET /x", &Use{Query: query(t, "SELECT v FROM tenants WHERE k = $body.k"), Shard: reference(t, "body.k")})
				tx := n.must("POST /x", &Use{TX: []Step{{Query: query(t, "DELETE FROM tenants WHERE k = $body.k RETURNING v"), As: "v"}}, Shard: reference(t, "body.k")})
				for _, k := range tt.good {
					n.wants(put, `{"k": `+k+`}`, `{"count":1}`)
					n.wants(get, `{"k": `+k+`}`, `{"v":"x"}`)
					n.wants(tx, `{"k": `+k+`}`, `{"v":"x"}`)
				}
				bad := []string{`{}`}
				for _, k := range tt.bad {
					bad = append(bad, `{"k": `+k+`}`)
				}
				for _, h := range []sluice.Handler{put, get, page, list, tx} {
					for _, body := range bad {
						e := n.fails(h, body, sluice.BadRequest, "the request does not say what it is about")
						if len(e.Fields) != 1 || e.Fields[0].Name != "body.k" {
							t.Errorf("%s: %v; want the key named", body, e.Fields)
						}
					}
				}
			})
		}
	}
}

// TestShardInputs refuses inputs that are never a key.
func TestShardInputs(t *testing.T) {
	t.Parallel()
	s := shardStores[0]
	for hash, refused := range map[string]string{"int8": "number boolean", "text": "number", "uuid": "integer number boolean"} {
		by := &ShardBy{Hash: hash}
		all := map[string]Servers{}
		for i, one := range s.databases(t, 2) {
			all[string(rune('a'+i))] = one
		}
		n, err := s.start(t, under(by, "a b", all), s.keyed(by))
		if err != nil {
			t.Fatal(err)
		}
		for _, typ := range []sluice.ValueType{sluice.Text, sluice.Integer, sluice.Number, sluice.Boolean} {
			_, err := n.handle("GET /x/{k}", &Use{Query: query(t, "SELECT v FROM tenants WHERE k = $k"), Shard: reference(t, "k")}, sluice.Input{Name: "k", In: "path", Type: typ})
			if wants := strings.Contains(refused, typ.String()); wants != (err != nil) {
				t.Errorf("%s by %s: %v; want it refused: %v", typ, hash, err, wants)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "shard: the shards are found by "+hash+", and k is declared as "+typ.String()+"; want type: ") {
				t.Errorf("%s by %s: %v", typ, hash, err)
			}
		}
	}
}
