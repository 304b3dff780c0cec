package postgres

import (
	"slices"
	"testing"
)

func TestSpread(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"SELECT $1, $2, $1":                       "SELECT $1, $2, $3",
		"$2 IS NULL OR a = $2 -- $1\n AND b = $1": "$1 IS NULL OR a = $2 -- $1\n AND b = $3",
		`'$1' "$1" E'\'$1' /* $1 /* */ $1 */ $1`:  `'$1' "$1" E'\'$1' /* $1 /* */ $1 */ $1`,
		"$$ $1 $$ $x$ $1 $x$ a$1 $12":             "$$ $1 $$ $x$ $1 $x$ a$1 $1",
		"no parameter":                            "no parameter",
	} {
		if got, _ := spread(sql); got != want {
			t.Errorf("%q became %q, want %q", sql, got, want)
		}
	}
	if _, of := spread("$2 $1 $2"); !slices.Equal(of, []int{2, 1, 2}) {
		t.Errorf("the places are of %v", of)
	}
}

func FuzzSpread(f *testing.F) {
	f.Add("SELECT $1, '$2', $$ $3 $$, $1")
	f.Add("$")
	f.Fuzz(func(t *testing.T, sql string) {
		apart, of := spread(sql)
		again, same := spread(apart)
		if again != apart || len(same) != len(of) {
			t.Fatalf("%q became %q, and that %q", sql, apart, again)
		}
	})
}

// TestInfer holds that parameters have the type that any of their places has.
func TestInfer(t *testing.T) {
	t.Parallel()
	c := open(t, "CREATE TABLE a (id bigint, name text, price int, at timestamptz)",
		"INSERT INTO a VALUES (1, 'x', 5, '2026-01-01Z'), (2, 'y', 10, '2026-02-01Z')")
	s := describe(t, c, `SELECT id FROM a WHERE ($1 IS NULL OR name = $1) AND ($2 IS NULL OR price <= $2) AND ($3 IS NULL OR at < $3) ORDER BY id`)
	for _, tt := range []struct {
		values []string
		want   string
	}{
		{[]string{"null", "null", "null"}, "{\"id\":1}\n{\"id\":2}"},
		{[]string{`"y"`, "null", "null"}, `{"id":2}`},
		{[]string{"null", "7", "null"}, `{"id":1}`},
		{[]string{"null", "20", `"2026-01-15T00:00:00Z"`}, `{"id":1}`},
	} {
		for range 2 { // prepared, and used again
			if got := run(t, c, s, values(t, tt.values...)); got != tt.want {
				t.Errorf("%v: %s, want %s", tt.values, got, tt.want)
			}
		}
	}
	only := describe(t, c, "SELECT $1 IS NULL AS missing")
	if got := run(t, c, only, values(t, `"x"`)); got != `{"missing":false}` {
		t.Errorf("%s", got)
	}
	if _, err := c.Describe(t.Context(), "SELECT 1 FROM a WHERE $1 IS NULL OR nope = $1"); err == nil || !c.Usable() {
		t.Errorf("%v; want the column named, and a connection that is usable", err)
	}
}
