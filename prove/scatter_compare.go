package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// scatterCounts are what came of the comparisons.
type scatterCounts struct {
	answers, exact, different int
	mixed, empty, errors      int
	rows, pages               int
	differences               []string // the first few
}

func (c *scatterCounts) add(o scatterCounts) {
	c.answers, c.exact, c.different = c.answers+o.answers, c.exact+o.exact, c.different+o.different
	c.mixed, c.empty, c.errors = c.mixed+o.mixed, c.empty+o.empty, c.errors+o.errors
	c.rows, c.pages = c.rows+o.rows, c.pages+o.pages
}

// result is what a query gave: one answer, or that of each page.
type result struct {
	status int
	parts  []string
}

// maxPages is more than any walk takes.
const maxPages = 1000

// compare asks a query of both backends. An error is one of asking, not that they differ.
func (r *scatterRound) compare(c *client, q *query, values []cell) error {
	var results []result
	for _, b := range backends() {
		got, err := q.ask(c, b, values)
		if err != nil {
			return fmt.Errorf("%s: %w", q.path(b, values, ""), err)
		}
		results = append(results, got)
	}
	one, three := results[0], results[1]
	r.answers++
	r.look(q, one)
	what := differ(one, three)
	switch {
	case what == "" && slices.Equal(one.parts, three.parts):
		r.exact++
	case what != "":
		const most = 5
		if r.different++; len(r.differences) < most {
			r.differences = append(r.differences, fmt.Sprintf("%s\n  %s\n  %s\n%s", q.text(r.sqlite), strings.Join(q.block, "\n  "), q.path("three", values, ""), what))
		}
	}
	return nil
}

// look counts what there is in an answer.
func (r *scatterRound) look(q *query, got result) {
	if got.status >= 400 {
		r.errors++
		return
	}
	places, rows := make(map[int]bool), 0
	_, rest, _ := strings.Cut(q.sql, " FROM ")
	table, _, _ := strings.Cut(rest, " ")
	for _, part := range got.parts {
		if q.shape == "page" {
			r.pages++
		}
		var all []struct{ ID int }
		if json.Unmarshal([]byte(part), &all) == nil {
			rows += len(all)
			for _, row := range all {
				places[r.places[fmt.Sprint(table, " ", row.ID)]] = true
			}
		}
	}
	r.rows += rows
	switch {
	case len(places) > 1:
		r.mixed++
	case rows == 0 && slices.Contains([]string{"order", "limit", "page", "rows"}, q.shape):
		r.empty++
	}
}

// ask is the whole answer of a backend, of pages all of them.
func (q *query) ask(c *client, backend string, values []cell) (got result, err error) {
	cursor := ""
	for range maxPages {
		a, err := c.do(get(q.path(backend, values, cursor)))
		if err != nil {
			return got, err
		}
		got.status = a.status
		switch {
		case a.status >= 400:
			got.parts = append(got.parts, problem(a.body))
			return got, nil
		case q.shape == "page":
			var page struct {
				Items json.RawMessage
				Next  string
			}
			if err := json.Unmarshal(a.body, &page); err != nil {
				return got, fmt.Errorf("%w: %.200s", err, a.body)
			}
			got.parts = append(got.parts, string(page.Items))
			if cursor = page.Next; cursor == "" {
				return got, nil
			}
		case q.shape == "rows":
			var rows []json.RawMessage
			if err := json.Unmarshal(a.body, &rows); err != nil {
				return got, fmt.Errorf("%w: %.200s", err, a.body)
			}
			slices.SortFunc(rows, func(x, y json.RawMessage) int { return bytes.Compare(x, y) })
			body, err := json.Marshal(rows)
			got.parts = append(got.parts, string(body))
			return got, err
		default:
			got.parts = append(got.parts, string(a.body))
			return got, nil
		}
	}
	return got, fmt.Errorf("more than %d pages, and no end", maxPages)
}

// differ tells in what two results differ, other than in how JSON is written; "" is in nothing.
func differ(one, three result) string {
	if one.status != three.status {
		return fmt.Sprintf("one database: status %d %.300s\nthree shards: status %d %.300s", one.status, one.parts, three.status, three.parts)
	}
	if len(one.parts) != len(three.parts) {
		return fmt.Sprintf("one database: %d pages\nthree shards: %d pages", len(one.parts), len(three.parts))
	}
	for i := range one.parts {
		if a, b := one.parts[i], three.parts[i]; a != b && !equalJSON(a, b) {
			at := 0
			for at < min(len(a), len(b)) && a[at] == b[at] {
				at++
			}
			from := max(0, at-60)
			return fmt.Sprintf("one database: …%.200s\nthree shards: …%.200s\n(answer %d of %d)", a[from:], b[from:], i+1, len(one.parts))
		}
	}
	return ""
}

// equalJSON tells whether two texts are the same JSON: numbers count by their exact value, members in any order.
func equalJSON(a, b string) bool {
	x, errX := decodeExact(a)
	y, errY := decodeExact(b)
	return errX == nil && errY == nil && equalValues(x, y)
}

func decodeExact(text string) (v any, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	return v, d.Decode(&v)
}

func equalValues(a, b any) bool {
	switch x := a.(type) {
	case json.Number:
		y, ok := b.(json.Number)
		if !ok {
			return false
		}
		r, okR := new(big.Rat).SetString(x.String())
		s, okS := new(big.Rat).SetString(y.String())
		return okR && okS && r.Cmp(s) == 0
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, equalValues)
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for name, v := range x {
			if w, found := y[name]; !found || !equalValues(v, w) {
				return false
			}
		}
		return true
	}
	return a == b
}
