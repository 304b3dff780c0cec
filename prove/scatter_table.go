package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// dice are what is generated from: the same for the same seed.
type dice struct{ *rand.Rand }

func (d dice) chance(of float64) bool { return d.Float64() < of }

func pick[T any](d dice, from []T) T { return from[d.IntN(len(from))] }

// some are so many of them at most, in an order of their own.
func some[T any](d dice, from []T, most int) (few []T) {
	for _, i := range d.Perm(len(from))[:min(len(from), d.IntN(most+1))] {
		few = append(few, from[i])
	}
	return few
}

// cell is a value of a row or a parameter: as JSON, and as the text of a query parameter.
type cell struct {
	json, text string
	null       bool
}

func null() cell { return cell{json: "null", null: true} }

func number(text string) cell { return cell{json: text, text: text} }

func quoted(text string) cell {
	raw, err := json.Marshal(text)
	if err != nil {
		panic(err) // no string is without a form in JSON
	}
	return cell{json: string(raw), text: text}
}

// sort of a column: what it is in both sorts of databases, how it is declared as an input, and the values in it.
type columnSort struct {
	postgres, sqlite string // "" where it is not there
	input            string
	make             func(dice) cell
	// sums: sums of it are exact, in whatever order they are made. least: it has min and max. byBytes: it is text, which each
	// database orders in its own way unless it is told.
	sums, least, byBytes bool
	pattern              bool // LIKE is for it
}

// columnSorts are the sorts of columns. Their values are few, so that many rows have the same and the next column
// decides; among them are the limits of each type.
func columnSorts() []columnSort {
	digits := func(d dice, text ...string) cell { return number(pick(d, text)) }
	return []columnSort{
		{postgres: "integer", sqlite: "INTEGER", input: "integer", sums: true, least: true, make: func(d dice) cell {
			if d.chance(0.1) {
				return digits(d, "-2147483648", "2147483647", "0")
			}
			return number(fmt.Sprint(d.IntN(20) - 10))
		}},
		{postgres: "bigint", sqlite: "INTEGER", input: "integer", least: true, make: func(d dice) cell {
			return digits(d, "-9223372036854775808", "9223372036854775807", "9007199254740993", "9007199254740992", "-9007199254740993", "0", "7", "-7", "10", "9")
		}},
		{postgres: "bigint", input: "integer", sums: true, make: func(d dice) cell {
			return digits(d, "-9223372036854775808", "9223372036854775807", "9007199254740993", "1") // sum is a numeric
		}},
		{postgres: "text", sqlite: "TEXT", input: "string", least: true, byBytes: true, pattern: true, make: makeText},
		{postgres: "varchar(40)", sqlite: "TEXT", input: "string", least: true, byBytes: true, pattern: true, make: makeText},
		{postgres: "numeric", input: "string", sums: true, least: true, make: func(d dice) cell {
			text := pick(d, []string{"0", "0.0", "-0.5", "0.50", "10", "9.99", "9.990", "123456789012345678901234567890.123", "-1e-20", "1e20", "99999999999999999999"})
			return cell{json: `"` + text + `"`, text: text}
		}},
		{postgres: "numeric(12,3)", input: "string", sums: true, least: true, make: func(d dice) cell {
			text := fmt.Sprintf("%d.%03d", d.IntN(7)-3, d.IntN(3)*250)
			return cell{json: `"` + text + `"`, text: text}
		}},
		{postgres: "double precision", sqlite: "REAL", input: "number", sums: true, least: true, make: func(d dice) cell {
			return number(fmt.Sprint(float64(d.IntN(64)-32) / 8)) // whose sums are exact
		}},
		{postgres: "double precision", sqlite: "REAL", input: "number", least: true, make: func(d dice) cell {
			return digits(d, "1e300", "-1e300", "5e-324", "-0.0", "0.0", "0.1", "1e21", "123456789.125", "-1e-7")
		}},
		{postgres: "real", input: "number", least: true, make: func(d dice) cell { return digits(d, "0.1", "-0.1", "16777216", "1e-20", "3e38", "0") }},
		{postgres: "timestamp", sqlite: "TIMESTAMP", input: "string", least: true, make: makeTime("2006-01-02 15:04:05.999999")},
		{postgres: "timestamptz", input: "string", least: true, make: makeTime("2006-01-02T15:04:05.999999Z")},
		{postgres: "date", input: "string", least: true, make: makeTime("2006-01-02")},
		{postgres: "time", input: "string", least: true, make: makeTime("15:04:05.999999")},
		{postgres: "boolean", sqlite: "BOOLEAN", input: "boolean", make: func(d dice) cell { return digits(d, "true", "false") }},
		{postgres: "uuid", input: "string", make: func(d dice) cell {
			return quoted(fmt.Sprintf("%02x000000-0000-4000-8000-0000000000%02x", d.IntN(4)*85, d.IntN(3)))
		}},
	}
}

// makeText makes texts that people and bytes order in different ways.
func makeText(d dice) cell {
	if d.chance(0.3) {
		parts := []string{"a", "B", "é", "Z", "_", "-", " ", "~", "1", "ß", "\U0001f600", "\uffee", "e\u0301", "'", `"`, `\`, "%", "<", "\n", "\x7f", "日本"}
		var text strings.Builder
		for range 1 + d.IntN(4) {
			text.WriteString(pick(d, parts))
		}
		return quoted(text.String())
	}
	return quoted(pick(d, []string{"", " ", "apple", "Apple", "APPLE", "äpfel", "Äpfel", "zebra", "co-op", "coop", "co op", "10", "9", "-1", "1e3", "1.50", "null",
		"Ω", "ω", "ﬀ", "I", "ı", "i", "ΑΒ", "{}", "2026-01-31", "true"}))
}

func makeTime(layout string) func(dice) cell {
	return func(d dice) cell {
		t := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).AddDate(0, 0, pick(d, []int{0, 1, 31, -9000, 90000})).
			Add(pick(d, []time.Duration{0, time.Second, 500 * time.Millisecond, 120 * time.Millisecond, 1200 * time.Millisecond, time.Microsecond}))
		return quoted(t.Format(layout))
	}
}

// column is a column of a table.
type column struct {
	columnSort
	name    string
	notNull bool
}

// value is one for a row, or for a parameter.
func (c *column) value(d dice) cell {
	if !c.notNull && d.chance(0.15) {
		return null()
	}
	return c.make(d)
}

// keySort is what rows are spread by.
type keySort struct {
	hash string
	columnSort
}

func keySorts() []keySort {
	return []keySort{
		{"int8", columnSort{postgres: "bigint", sqlite: "INTEGER", input: "integer", make: func(d dice) cell { return number(fmt.Sprint(d.IntN(2000) - 1000)) }}},
		{"text", columnSort{postgres: "text", sqlite: "TEXT", input: "string", byBytes: true, pattern: true, make: makeText}},
		{"uuid", columnSort{postgres: "uuid", sqlite: "TEXT", input: "string", make: func(d dice) cell {
			return quoted(fmt.Sprintf("%08x-0000-4000-8000-%012x", d.Uint32(), d.IntN(1000)))
		}}},
	}
}

// table has a key k that says where a row stands, and a unique id.
type table struct {
	name    string
	columns []column // id and k are the first
	rows    [][]cell
}

// makeTable makes a table with so many rows of random columns.
func makeTable(d dice, name string, key keySort, sqlite bool, rows int) *table {
	t := &table{name: name, columns: []column{{columnSort{postgres: "bigint", sqlite: "INTEGER", input: "integer", least: true}, "id", true},
		{key.columnSort, "k", true}}}
	for i, s := range columnSorts() {
		if sqlite && s.sqlite == "" || d.chance(0.2) {
			continue
		}
		t.columns = append(t.columns, column{s, fmt.Sprintf("c%d", i), d.chance(0.4)})
	}
	ids := d.Perm(rows)
	for i := range rows {
		row := []cell{number(fmt.Sprint(ids[i] + 1))}
		for j := range t.columns[1:] {
			row = append(row, t.columns[1+j].value(d))
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// create is the statement that makes the table.
func (t *table) create(sqlite bool) string {
	var parts []string
	for i := range t.columns {
		c := &t.columns[i]
		part := c.name + " " + c.postgres
		if sqlite {
			part = c.name + " " + c.sqlite
		}
		if c.notNull {
			part += " NOT NULL"
		}
		parts = append(parts, part)
	}
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (%s, PRIMARY KEY (id, k))", t.name, strings.Join(parts, ", "))
}

// insert is the statement that writes a row of the body.
func (t *table) insert() string {
	var names, values []string
	for i := range t.columns {
		names = append(names, t.columns[i].name)
		values = append(values, "$body."+t.columns[i].name)
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", t.name, strings.Join(names, ", "), strings.Join(values, ", "))
}

// body is a row as the body of a request.
func (t *table) body(row []cell) string {
	var parts []string
	for i := range t.columns {
		parts = append(parts, fmt.Sprintf("%q: %s", t.columns[i].name, row[i].json))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
