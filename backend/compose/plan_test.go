package compose

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

// partsOf makes parts from lines such as "c: a b; a", which needs a and b and refers to a.
func partsOf(lines []string) *Use {
	use := &Use{}
	var names []string
	for _, line := range lines {
		name, _, _ := strings.Cut(line, ":")
		names = append(names, name)
	}
	for i, line := range lines {
		_, rest, _ := strings.Cut(line, ":")
		needs, refers, _ := strings.Cut(rest, ";")
		p := Part{As: names[i], Needs: strings.Fields(needs)}
		for _, name := range strings.Fields(refers) {
			p.Backend.Results = append(p.Backend.Results, slices.Index(names, name))
		}
		use.Parts = append(use.Parts, p)
	}
	return use
}

func TestPlan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		parts []string
		first []int
		needs []int
		want  string
	}{
		{"alone", []string{"a"}, []int{0}, []int{0}, ""},
		{"side by side", []string{"a", "b"}, []int{0, 1}, []int{0, 0}, ""},
		{"a chain against the order of the list", []string{"a: b", "b: c", "c"}, []int{2}, []int{1, 1, 0}, ""},
		{"a diamond", []string{"a", "b:; a", "c: a", "d: b; c"}, []int{0}, []int{0, 1, 1, 2}, ""},
		{"needed by word and by reference is needed once", []string{"a", "b: a a; a"}, []int{0}, []int{0, 1}, ""},
		{"two wait for each other", []string{"x", "a: b", "b:; a"}, nil, nil, "a, b wait for each other"},
		{"three do, and one for them", []string{"a: c", "b: a", "c: b", "d: a"}, nil, nil, "wait for each other"},
		{"its own answer", []string{"a:; a"}, nil, nil, "a part cannot refer to its own answer"},
	} {
		p, err := newPlan(partsOf(c.parts))
		switch {
		case c.want != "":
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: got %v, want %s", c.name, err, c.want)
			}
		case err != nil || !slices.Equal(p.first, c.first) || !slices.Equal(p.needs, c.needs):
			t.Errorf("%s: got %+v, %v", c.name, p, err)
		}
	}
}

// Of several required parts that fail before they are called off, the first in the list answers, whoever is heard first.
func TestFirstInTheList(t *testing.T) {
	t.Parallel()
	for _, heard := range [][]answer{
		{{part: 2}, {part: 1}, {part: 0, off: true}},
		{{part: 1}, {part: 2}, {part: 0, off: true}},
		{{part: 0, off: true}, {part: 2}, {part: 1}},
	} {
		x := sluice.NewExchange(nil)
		r := &run{handler: &handler{}, x: x}
		for range 3 {
			r.parts = append(r.parts, part{failed: sluice.NoMetrics{}.Counter("", "")})
			r.forks = append(r.forks, x.Fork(context.Background()))
		}
		for _, a := range heard {
			r.take(a)
		}
		if r.broken == nil || r.broken.part != 1 {
			t.Errorf("%+v: got %+v", heard, r.broken)
		}
	}
}

func TestForbids(t *testing.T) {
	t.Parallel()
	for control, want := range map[string]bool{"": false, "max-age=60, public": false, "No-Store": true, `max-age=1 ,private="set-cookie"`: true,
		"no-cache": true, "x-private": false, "public,": false} {
		if forbids([]byte(control)) != want {
			t.Errorf("%q: got %t", control, !want)
		}
	}
}
