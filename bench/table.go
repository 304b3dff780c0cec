package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// table is printed with its first column to the left and the others to the
// right.
type table struct {
	header []string
	rows   [][]string
}

func (t *table) writeTo(w io.Writer) {
	all := append([][]string{t.header}, t.rows...)
	widths := make([]int, len(t.header))
	for _, row := range all {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range all {
		for i, cell := range row {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				fmt.Fprint(w, cell, space)
			} else {
				fmt.Fprint(w, "   ", space, cell)
			}
		}
		fmt.Fprintln(w)
	}
}

// results makes a table of what was measured. The database has a column if
// there is one.
func results(title string, entries []*entry) *table {
	database := false
	for _, e := range entries {
		database = database || e.best.database > 0
	}
	t := &table{header: []string{title, "CPU us/request", "requests/s", "p50", "p99", "core busy", "errors"}}
	if database {
		t.header = slices.Insert(t.header, 2, "database us/request")
	}
	for _, e := range entries {
		row := []string{
			e.name,
			fmt.Sprintf("%.1f", e.best.cpuPerRequest()),
			fmt.Sprintf("%.0f", e.best.perSecond),
			milliseconds(e.best.p50),
			milliseconds(e.best.p99),
			fmt.Sprintf("%.0f %%", 100*e.best.busy()),
			fmt.Sprint(e.best.errors),
		}
		if database {
			row = slices.Insert(row, 2, fmt.Sprintf("%.1f", e.best.perRequest(e.best.database)))
		}
		t.rows = append(t.rows, row)
	}
	return t
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
}

// writeRatios prints what Sluice needs and does beside each of the others
// that are named, as far as both were measured.
func writeRatios(w io.Writer, title string, entries []*entry, others ...string) {
	sluice := find(entries, sluiceName)
	for _, name := range others {
		other := find(entries, name)
		if sluice == nil || other == nil {
			fmt.Fprintf(w, "sluice/%s, %s: not both measured\n", name, title)
			continue
		}
		fmt.Fprintf(w, "sluice/%s, %s: CPU per request %.2f (less is better), requests/s %.2f (more is better)\n",
			name, title,
			sluice.ratio(other, result.cpuPerRequest), sluice.ratio(other, result.rate))
	}
}

// find returns the entry of a name, or nil.
func find(entries []*entry, name string) *entry {
	for _, e := range entries {
		if e.name == name {
			return e
		}
	}
	return nil
}

// writeRivals prints the version of each rival, and who is left out.
func (b *bench) writeRivals(w io.Writer) {
	for _, name := range slices.Sorted(maps.Keys(b.versions)) {
		fmt.Fprintf(w, "%s: %s\n", name, b.versions[name])
	}
	for _, name := range slices.Sorted(maps.Keys(b.leftOut)) {
		fmt.Fprintf(w, "%s: LEFT OUT: %s\n", name, b.leftOut[name])
	}
	fmt.Fprintln(w)
}
