package postgres

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestKeys holds that the key of a row comes back as it was, and that CompareKeys orders keys as the server orders rows.
func TestKeys(t *testing.T) {
	t.Parallel()
	c := open(t, "CREATE TYPE mood AS ENUM ('sad', 'ok')")
	for typ, list := range map[string][]string{
		"int2":        {"-32768", "-1", "0", "32767"},
		"int4":        {"-2147483648", "-1", "0", "2147483647"},
		"int8":        {"-9223372036854775808", "-1", "0", "9223372036854775807"},
		"oid":         {"0", "4294967295"},
		"float4":      {"-Infinity", "-1e30", "-0.1", "0", "0.1", "1e30", "Infinity", "NaN"},
		"float8":      {"-Infinity", "-1e300", "-0.1", "0", "1e-320", "0.1", "1e300", "Infinity", "NaN"},
		"numeric":     {"-Infinity", "-1e200", "-10000", "-9999.9999", "-0.00001", "0.000", "1e-200", "0.1", "0.10001", "1", "9999", "10000", "10000.0001", "1e200", "Infinity", "NaN"},
		"text":        {"", "Z", "a", "a ", "ab", "ä", "日"},
		"varchar":     {"", "a"},
		"bool":        {"false", "true"},
		"uuid":        {"00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "ffffffff-ffff-ffff-ffff-ffffffffffff"},
		"date":        {"-infinity", "4713-01-01 BC", "1999-12-31", "2000-01-01", "infinity"},
		"time":        {"00:00", "00:00:00.000001", "24:00"},
		"timestamp":   {"-infinity", "1999-12-31 23:59:59.999999", "2000-01-01", "infinity"},
		"timestamptz": {"-infinity", "1999-12-31 23:59:59.999999Z", "2026-01-31 12:00:00.123456+02", "infinity"},
		"bytea":       {"", `\x00`, `\x00ff`, `\xff`},
		"mood":        {"sad", "ok"},
		"inet":        {"10.0.0.0/8", "10.0.0.1"},
		"interval":    {"1 day", "1 mon"},
	} {
		collate := ""
		if typ == "text" || typ == "varchar" {
			collate = ` COLLATE "C"`
		}
		s := describe(t, c, fmt.Sprintf("SELECT v FROM unnest($1::text[]::%s[]) AS v ORDER BY v%s NULLS FIRST", typ, collate))
		in := values(t, `["`+strings.Join(list, `","`)+`", null]`)
		if typ == "bytea" {
			in = values(t, `["", "\\x00", "\\x00ff", "\\xff", null]`)
		}
		r, err := c.Query(s, in, later(), nil)
		must(t, err)
		var keys [][]byte
		for r.Step() {
			keys = append(keys, r.AppendKey(nil, 0))
		}
		must(t, r.Err())
		r.Close()
		if !s.Columns[0].Keys() || len(keys) != len(list)+1 {
			t.Fatalf("%s: %d keys", typ, len(keys))
		}
		for i, key := range keys[1:] {
			if !ValidKeys(key, 1) || ValidKeys(key, 2) || ValidKeys(key[:len(key)-1], 1) {
				t.Errorf("%s %s: not one key", typ, list[i])
			}
			back := describe(t, c, "SELECT $1::"+typ+" AS v")
			want := run(t, c, describe(t, c, "SELECT '"+list[i]+"'::"+typ+" AS v"), Input{})
			if got := run(t, c, back, Input{Keys: key}); got != want {
				t.Errorf("%s: got %s back, want %s", typ, got, want)
			}
			if !s.Columns[0].Merges() {
				continue
			}
			for j := range keys {
				if got, want := CompareKeys(key, keys[j], false), sign(i+1-j); got != want {
					t.Errorf("%s: %s and the %d. compare as %d, want %d", typ, list[i], j, got, want)
				}
				if got, want := CompareKeys(key, keys[j], true), sign(j-i-1); got != want {
					t.Errorf("%s: %s and the %d. compare as %d when they go down, want %d", typ, list[i], j, got, want)
				}
			}
		}
	}
}

func sign(n int) int { return min(1, max(-1, n)) }

// TestKeysPage goes through a table page by page.
func TestKeysPage(t *testing.T) {
	t.Parallel()
	c := open(t, "CREATE TABLE t (a numeric, b timestamptz NOT NULL, c text NOT NULL); INSERT INTO t SELECT n % 3 / 7.0, now() + n % 5 * interval '1 us', n::text FROM generate_series(1, 60) n")
	first := describe(t, c, "SELECT * FROM t ORDER BY a, b DESC, c LIMIT 7")
	next := describe(t, c, "SELECT * FROM t WHERE a > $1 OR a = $1 AND (b < $2 OR b = $2 AND c > $3) ORDER BY a, b DESC, c LIMIT 7")
	all := strings.Split(run(t, c, describe(t, c, "SELECT * FROM t ORDER BY a, b DESC, c"), Input{}), "\n")
	var got []string
	var last []byte
	for page := first; ; page = next {
		r, err := c.Query(page, Input{Keys: last}, later(), nil)
		must(t, err)
		n := len(got)
		for r.Step() {
			got = append(got, string(r.AppendRow(nil)))
			last = r.AppendKey(r.AppendKey(r.AppendKey(last[:0], 0), 1), 2)
		}
		must(t, r.Err())
		r.Close()
		if len(got) == n {
			break
		}
	}
	if !slices.Equal(got, all) {
		t.Errorf("got %d rows in pages, want the %d in their order", len(got), len(all))
	}
}

// TestKeysUnfit holds that a key is not bound to what it is no key of.
func TestKeysUnfit(t *testing.T) {
	t.Parallel()
	c := open(t)
	r, err := c.Query(describe(t, c, "SELECT 70000::int8 AS a, 'x'::text AS b, now() AS c"), Input{}, later(), nil)
	must(t, err)
	r.Step()
	number, word, when := r.AppendKey(nil, 0), r.AppendKey(nil, 1), r.AppendKey(nil, 2)
	r.Close()
	for _, tt := range []struct {
		typ  string
		keys []byte
	}{
		{"int2", number}, {"text", number}, {"int4", word}, {"timestamp", when}, {"uuid", when}, {"int8", nil}, {"int8", []byte{0}},
		{"int8", append(slices.Clone(number), number...)}, {"int8", number[:3]}, {"int8", []byte{byte(keyText), 200}},
	} {
		if got, err := try(c, describe(t, c, "SELECT $1::"+tt.typ+" AS v"), Input{Keys: tt.keys}); !IsUnfit(err) {
			t.Errorf("% x for %s: got %s, %v", tt.keys, tt.typ, got, err)
		}
	}
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte{byte(keyNull)}, []byte{byte(keyInt), 0, 0, 0, 0, 0, 0, 0, 1})
	f.Add([]byte{byte(keyText), 1, 'a'}, []byte{byte(keyNumeric), 10, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if got, want := CompareKeys(a, b, false, true), -CompareKeys(b, a, false, true); got != want {
			t.Errorf("% x and % x: %d one way, %d the other", a, b, got, -want)
		}
		if CompareKeys(a, a, false, false) != 0 {
			t.Errorf("% x is not equal to itself", a)
		}
		for k := other; k <= textArray; k++ {
			out, rest, how := appendBoundKey(nil, form{kind: k}, a)
			if how <= isBinary && !ValidKeys(a[:len(a)-len(rest)], 1) {
				t.Errorf("% x is bound to % x, and is no key", a, out)
			}
		}
	})
}
