package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// query is a generated endpoint: one statement, and how the answers of the shards become one.
type query struct {
	name, shape string
	sql         string
	params      []*column
	block       []string // lines of the block beside the statement
	asks        [][]cell // a value for each parameter, for each time that it is asked
}

// asksEach is how often each query is asked, each time with other values.
const asksEach = 2

// shapes are the forms of answers.
func shapes() []string {
	return []string{"order", "limit", "limit", "page", "page", "merge", "merge", "rows", "one", "count", "none"}
}

// makeQuery makes a query over one of the tables.
func makeQuery(d dice, number int, tables []*table) *query {
	q := &query{name: fmt.Sprintf("q%03d", number), shape: pick(d, shapes())}
	t := pick(d, tables)
	where := q.where(d, t)
	switch q.shape {
	case "merge":
		q.merge(d, t, where)
	case "one":
		q.params = append(q.params, &t.columns[0])
		q.sql = fmt.Sprintf("SELECT %s FROM %s WHERE id %s $p%d", q.list(d, t), t.name, pick(d, []string{"=", "=", "=", "<="}), len(q.params)-1)
		q.block = []string{"returns: one", "scatter: {}"}
	case "count":
		q.sql = fmt.Sprintf("SELECT count(%s) FROM %s%s", pick(d, []string{"*", pick(d, t.columns).name}), t.name, where)
		q.block = []string{"returns: count", "scatter: {}"}
	case "none":
		q.sql = fmt.Sprintf("SELECT %s FROM %s%s", q.list(d, t), t.name, where)
		q.block = []string{"returns: none", "scatter: {}"}
	case "rows": // in no order
		q.sql = fmt.Sprintf("SELECT %s FROM %s%s", q.list(d, t), t.name, where)
		q.block = []string{"scatter: {}"}
	default:
		q.ordered(d, t, where)
	}
	for range asksEach {
		var values []cell
		for _, c := range q.params {
			if c.name == "id" {
				values = append(values, cell{text: fmt.Sprint(d.IntN(len(t.rows) + 2))})
			} else {
				values = append(values, c.value(d))
			}
		}
		q.asks = append(q.asks, values)
	}
	return q
}

// where makes conditions with parameters, which leave most rows in.
func (q *query) where(d dice, t *table) string {
	var all []string
	for _, c := range some(d, t.columns[1:], 2) {
		p := fmt.Sprintf("$p%d", len(q.params))
		name := c.name
		if c.byBytes && d.chance(0.5) {
			name += collateMark
		}
		switch form := d.IntN(8); {
		case form == 0:
			all = append(all, c.name+" IS NOT NULL")
			continue
		case form == 1:
			all = append(all, fmt.Sprintf("(%s = %s OR %s IS NULL)", c.name, p, p))
		case form == 2 && c.pattern:
			all = append(all, fmt.Sprintf("(%s LIKE '%%' || %s || '%%' OR %s IS NULL)", c.name, p, c.name))
		case form == 3:
			all = append(all, fmt.Sprintf("NOT (%s = %s)", c.name, p))
		default:
			all = append(all, fmt.Sprintf("(%s %s %s OR %s IS NULL)", name, pick(d, []string{"<", "<=", ">", ">="}), p, p))
		}
		q.params = append(q.params, &c)
	}
	if len(all) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(all, pick(d, []string{" AND ", " OR "}))
}

// list are the columns of the result: the id among them, and what is made of others.
func (q *query) list(d dice, t *table) string {
	names := []string{"id"}
	for _, c := range some(d, t.columns[1:], len(t.columns)) {
		names = append(names, c.name)
	}
	d.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return strings.Join(names, ", ")
}

// ordered makes a query for rows in an order that the id completes: all of them, the first ones, or pages.
func (q *query) ordered(d dice, t *table, where string) {
	var keys []string
	given := map[string]bool{"id": true}
	for _, c := range append(some(d, t.columns[1:], 3), t.columns[0]) {
		given[c.name] = true
		keys = append(keys, c.name+pick(d, []string{"", " desc", " asc"}))
	}
	var list []string
	for _, c := range t.columns {
		if given[c.name] || d.chance(0.5) {
			list = append(list, c.name)
		}
	}
	q.sql = fmt.Sprintf("SELECT %s FROM %s%s", strings.Join(list, ", "), t.name, where)
	switch order := strings.Join(keys, ", "); q.shape {
	case "page":
		q.block = []string{fmt.Sprintf("page: {keyset: [%s], size: %d}", order, pick(d, []int{1 + len(t.rows)/10, 7, 20, 50})), "scatter: {}"}
	case "limit":
		q.block = []string{fmt.Sprintf("scatter: {order: [%s], limit: %d}", order, 1+d.IntN(len(t.rows)/2))}
	default:
		q.block = []string{fmt.Sprintf("scatter: {order: [%s]}", order)}
	}
}

// merge makes a query whose one row is made of one row of each shard.
func (q *query) merge(d dice, t *table, where string) {
	var list, how []string
	add := func(merge, of string) {
		name := fmt.Sprintf("m%d", len(list))
		list, how = append(list, of+" AS "+name), append(how, name+": "+merge)
	}
	add("count", "count(*)")
	for _, c := range append(some(d, t.columns[1:], 5), pick(d, t.columns)) {
		name := c.name
		if c.byBytes {
			name += collateMark
		}
		switch {
		case c.sums && d.chance(0.5):
			add("sum", "sum("+c.name+")")
		case c.least && d.chance(0.8):
			merge := pick(d, []string{"min", "max"})
			add(merge, merge+"("+name+")")
		default:
			add("count", "count("+c.name+")")
		}
	}
	q.sql = fmt.Sprintf("SELECT %s FROM %s%s", strings.Join(list, ", "), t.name, where)
	q.block = []string{fmt.Sprintf("scatter: {merge: {%s}}", strings.Join(how, ", "))}
}

// collateMark stands behind a column for what orders texts by their bytes, which SQLite does anyway.
const collateMark = "{bytes}"

// text is the statement for a sort of database.
func (q *query) text(sqlite bool) string {
	collate := ` COLLATE "C"`
	if sqlite {
		collate = ""
	}
	return strings.ReplaceAll(q.sql, collateMark, collate)
}

// endpoint is the query as an endpoint of a backend.
func (q *query) endpoint(backend string, sqlite bool) string {
	var y strings.Builder
	fmt.Fprintf(&y, "  %s_%s:\n    route: GET /%s/%s\n", backend, q.name, backend, q.name)
	if len(q.params) > 0 {
		y.WriteString("    input:\n")
	}
	for i, c := range q.params {
		fmt.Fprintf(&y, "      p%d: {in: query, type: %s}\n", i, c.input)
	}
	raw, err := json.Marshal(q.text(sqlite))
	if err != nil {
		panic(err) // no string is without a form in JSON
	}
	fmt.Fprintf(&y, "    sql:\n      backend: %s\n      query: %s\n", backend, raw)
	for _, line := range q.block {
		fmt.Fprintf(&y, "      %s\n", line)
	}
	return y.String()
}

// path is where the query is asked with such values; NULL is left out.
func (q *query) path(backend string, values []cell, cursor string) string {
	given := url.Values{}
	for i, v := range values {
		if !v.null {
			given.Set(fmt.Sprintf("p%d", i), v.text)
		}
	}
	if cursor != "" {
		given.Set("cursor", cursor)
	}
	return "/" + backend + "/" + q.name + "?" + given.Encode()
}
