package postgres

import (
	"context"
	stdjson "encoding/json"
	"fmt"
	"strings"
)

// plan is what EXPLAIN shows of a statement; a step has those below it in Plans.
type plan struct {
	Plan *step
}

type step struct {
	Type     string `json:"Node Type"`
	Join     string `json:"Join Type"`
	Sets     []any  `json:"Grouping Sets"`
	Relation string `json:"Parent Relationship"`
	Plans    []step
}

// plans are those of one statement, which rules may make several of. Nil is a statement without.
type plans []plan

// explain asks how the server would run a prepared statement, whatever its parameters. A sort, or to read a whole table, is
// made to look costly: where one is left there is no index instead of it, however few rows there are now. Nothing runs.
func (c *Conn) explain(ctx context.Context, name string, params int) (plans, error) {
	text, err := c.explained(ctx, "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off; "+
		"SET LOCAL enable_bitmapscan = off; EXPLAIN (FORMAT JSON, COSTS OFF) "+executeNulls(name, params))
	if err != nil {
		return nil, err
	}
	var p plans
	if err := stdjson.Unmarshal(text, &p); err != nil {
		var utility []string
		if stdjson.Unmarshal(text, &utility) == nil {
			return nil, nil
		}
		return nil, fmt.Errorf("read the plan of a statement: %w", err)
	}
	return p, nil
}

// executeNulls runs a prepared statement with NULL for all parameters.
func executeNulls(name string, params int) string {
	if params == 0 {
		return "EXECUTE " + name
	}
	return "EXECUTE " + name + "(" + strings.TrimSuffix(strings.Repeat("NULL, ", params), ", ") + ")"
}

// explained is what EXPLAIN says, as JSON, in a transaction that is undone.
func (c *Conn) explained(ctx context.Context, explain string) (text []byte, err error) {
	err = c.ask(ctx, "BEGIN READ ONLY; "+explain+"; ROLLBACK", func(v [][]byte) {
		if len(v) == 1 {
			text = append(text, v[0]...)
		}
	})
	if err == nil {
		return text, nil
	}
	if c.err == nil && c.status != 'I' {
		if undo := c.ask(ctx, "ROLLBACK", nil); undo != nil {
			return nil, undo
		}
	}
	if e, ok := err.(*Error); ok {
		e.Offset = -1 // it is that in our text
	}
	return nil, err
}

// walk calls f with each step, those above first, until it says false.
func (s *step) walk(f func(*step) bool) bool {
	if !f(s) {
		return false
	}
	for i := range s.Plans {
		if !s.Plans[i].walk(f) {
			return false
		}
	}
	return true
}

func (p plans) walk(f func(*step) bool) bool {
	for i := range p {
		if s := p[i].Plan; s != nil && !s.walk(f) {
			return false
		}
	}
	return true
}

// writes tells whether a step changes or locks rows, or there is no plan at all.
func (p plans) writes() bool {
	found := len(p) == 0
	p.walk(func(s *step) bool {
		found = found || s.Type == "ModifyTable" || s.Type == "LockRows"
		return !found
	})
	return found
}

// sorts tells whether what the statement gives is sorted as a whole before its first row.
func (p plans) sorts() bool {
	for i := range p {
		for s := p[i].Plan; s != nil; s = s.outer() {
			if s.Type == "Sort" {
				return true
			}
		}
	}
	return false
}

// outer is the step whose rows this one passes on in their order; nil if it makes others.
func (s *step) outer() *step {
	switch s.Type {
	case "Limit", "LockRows", "Result", "ProjectSet", "Subquery Scan", "Gather Merge", "Unique":
	default:
		return nil
	}
	for i := range s.Plans {
		if r := s.Plans[i].Relation; r == "Outer" || r == "Subquery" {
			return &s.Plans[i]
		}
	}
	return nil
}

// plain tells whether no step makes a NULL of what its table holds: an outer join does, or one of rows that are not
// there, a set of groups, or tables put one behind the other.
func (p plans) plain() bool {
	return len(p) == 1 && p.walk(func(s *step) bool {
		switch s.Type {
		case "Nested Loop", "Hash Join", "Merge Join":
			return s.Join == "Inner" || s.Join == "Semi"
		case "Aggregate", "Group":
			return s.Sets == nil
		case "Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Bitmap Index Scan", "BitmapAnd", "BitmapOr", "Tid Scan",
			"Sort", "Incremental Sort", "Limit", "Hash", "Materialize", "Memoize", "Gather", "Gather Merge", "Unique", "Subquery Scan":
			return true
		}
		return false
	})
}

// lookUpNulls finds out which columns hold no NULL.
func (c *Conn) lookUpNulls(ctx context.Context, s *Stmt, p plans) error {
	var pairs []string
	for _, column := range s.Columns {
		if column.Table > 0 && column.Attr > 0 {
			pairs = append(pairs, fmt.Sprintf("(%d::oid, %d::int2)", column.Table, column.Attr))
		}
	}
	if len(pairs) == 0 || !p.plain() {
		return nil
	}
	return c.ask(ctx, "SELECT attrelid, attnum FROM pg_catalog.pg_attribute WHERE attnotnull AND (attrelid, attnum) IN ("+strings.Join(pairs, ", ")+")", func(v [][]byte) {
		for i := range s.Columns {
			if column := &s.Columns[i]; column.Table == parseNumber(v[0]) && uint32(column.Attr) == parseNumber(v[1]) {
				column.NotNull = true
			}
		}
	})
}
