package main

import (
	"math"
	"testing"
)

// A ratio is that of most rounds, whatever a busy neighbour did to one of them.
func TestRatio(t *testing.T) {
	t.Parallel()
	made := func(rates ...float64) *entry {
		e := &entry{}
		for _, r := range rates {
			e.runs = append(e.runs, result{load: load{perSecond: r}})
		}
		return e
	}
	for _, c := range []struct {
		own, other *entry
		want       float64
	}{
		{made(20, 8, 30), made(10, 8, 15), 2},
		{made(10, 40), made(10, 10), 2.5},
		{made(10, 40, 90), made(10), 1},
	} {
		if got := c.own.ratio(c.other, result.rate); got != c.want {
			t.Errorf("%v, want %v", got, c.want)
		}
	}
	if got := made().ratio(made(1), result.rate); !math.IsNaN(got) {
		t.Errorf("of nothing: %v", got)
	}
}
