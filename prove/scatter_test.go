package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestDiffer(t *testing.T) {
	t.Parallel()
	ok := func(parts ...string) result { return result{200, parts} }
	for _, c := range []struct {
		one, three result
		same       bool
	}{
		{ok(`[{"a":1.50,"b":null}]`), ok(`[{"b":null,"a":15e-1}]`), true},
		{ok(`[{"a":9007199254740993}]`), ok(`[{"a":9007199254740992}]`), false},
		{ok(`[{"a":1},{"a":2}]`), ok(`[{"a":2},{"a":1}]`), false},
		{ok(`[{"a":1}]`), ok(`[{"a":"1"}]`), false},
		{ok(`[{"a":null}]`), ok(`[{}]`), false},
		{ok(`[1]`, `[2]`), ok(`[1]`), false},
		{ok(`[1]`, `[2]`), ok(`[1]`, `[3]`), false},
		{result{404, []string{"x"}}, ok("x"), false},
		{result{404, []string{"x"}}, result{404, []string{"x"}}, true},
	} {
		if got := differ(c.one, c.three); (got == "") != c.same {
			t.Errorf("%v and %v: %q", c.one, c.three, got)
		}
	}
}

// The same seed makes the same, and every shape comes.
func TestGenerated(t *testing.T) {
	t.Parallel()
	generate := func(seed uint64) (all []string, shapes map[string]int) {
		d := dice{rand.New(rand.NewPCG(seed, 0))}
		tables := []*table{makeTable(d, "t0", keySorts()[0], false, 20)}
		shapes = make(map[string]int)
		for n := range 100 {
			q := makeQuery(d, n, tables)
			shapes[q.shape]++
			all = append(all, q.endpoint("one", false), q.path("one", q.asks[0], ""))
		}
		return append(all, fmt.Sprint(tables[0].rows)), shapes
	}
	first, shapes := generate(7)
	again, _ := generate(7)
	other, _ := generate(8)
	if strings.Join(first, "") != strings.Join(again, "") || strings.Join(first, "") == strings.Join(other, "") {
		t.Error("what is generated does not follow the seed")
	}
	if len(shapes) != 8 {
		t.Errorf("the shapes are %v, want 8", shapes)
	}
}
