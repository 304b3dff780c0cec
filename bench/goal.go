package main

import (
	"fmt"
	"io"
)

// goal is what Sluice is meant to reach.
type goal struct {
	what     string
	limit    float64
	least    bool   // the limit is the least that is wanted, else the most
	unit     string // after the figures, with a space before it; empty for ratios
	whole    bool   // figures are whole numbers
	measured bool
	got      float64
}

// cpuGoal is about CPU per request beside a rival's.
func cpuGoal(title string, entries []*entry, other string, most float64) goal {
	return ratioGoal(goal{what: title + ": CPU per request beside " + other, limit: most}, entries, other, result.cpuPerRequest)
}

// rateGoal is about requests per second beside a rival's.
func rateGoal(title string, entries []*entry, other string, least float64) goal {
	return ratioGoal(goal{what: title + ": requests/s beside " + other, limit: least, least: true}, entries, other,
		result.rate)
}

func ratioGoal(g goal, entries []*entry, other string, figure func(result) float64) goal {
	sluice, rival := find(entries, sluiceName), find(entries, other)
	if sluice != nil && rival != nil {
		g.measured, g.got = true, sluice.ratio(rival, figure)
	}
	return g
}

// verdict is taken on what is printed.
func (g goal) verdict() string {
	const printed = 0.005
	switch {
	case !g.measured:
		return "not measured"
	case g.least && g.got < g.limit-printed, !g.least && g.got >= g.limit+printed:
		return "missed"
	}
	return "met"
}

func (g goal) format(figure float64) string {
	digits := 2
	if g.whole {
		digits = 0
	}
	return fmt.Sprintf("%.*f%s", digits, figure, g.unit)
}

// writeGoals prints what is wanted beside what was measured. No figure makes
// the program fail.
func writeGoals(w io.Writer, goals ...goal) {
	t := &table{header: []string{"goal", "wanted", "measured", "verdict"}}
	for _, g := range goals {
		bound, got := "at most", "-"
		if g.least {
			bound = "at least"
		}
		if g.measured {
			got = g.format(g.got)
		}
		t.rows = append(t.rows, []string{g.what, bound + " " + g.format(g.limit), got, g.verdict()})
	}
	t.writeTo(w)
}
