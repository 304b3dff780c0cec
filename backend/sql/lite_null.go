package sql

import (
	"fmt"
	"strings"

	"github.com/sluiceapi/sluice/backend/sql/sqlite"
)

// nullable tells whether a column of a result may be NULL. SQLite names the table's column that a value comes from, also
// where something that makes NULLs stands between the two: an outer join, a scalar subquery that finds no row, an
// aggregate over none, another part of a union. So a column that its table never leaves NULL may be NULL all the same,
// unless the plan of reading it shows nothing but tables, each read for itself, and what only conditions can hold.
func (l *lite) nullable(s *statement, column int) bool {
	c := s.native.(*liteStatement).Columns[column]
	if !c.NotNull {
		return true
	}
	name, from := quoteName(c.Name), subquery(s.text)
	once, plain := l.scalars("SELECT " + name + " FROM " + from)
	twice, same := l.scalars(fmt.Sprintf("SELECT %s, %s FROM %s", name, name, from))
	// A scalar subquery of a condition runs once, however often the column is asked for; one that gives it, as often.
	return !plain || !same || once != twice
}

// scalars counts the scalar subqueries in the plan of a statement, and tells whether else there are only plain reads.
func (l *lite) scalars(sql string) (count int, plain bool) {
	steps, err := l.db.Explain(sql)
	if err != nil {
		return 0, false
	}
	for _, s := range steps {
		switch {
		case strings.Contains(s.Detail, "SCALAR SUBQUERY"):
			count++
		case !isPlain(s):
			return 0, false
		}
	}
	return count, true
}

// isPlain tells whether a step of a plan makes no NULL of what is none. That of a virtual table does where it gives rows
// of the result, for nothing holds such a table to its NOT NULL.
func isPlain(s sqlite.Plan) bool {
	switch d := s.Detail; {
	case strings.HasPrefix(d, "SCAN "), strings.HasPrefix(d, "SEARCH "):
		return !strings.Contains(d, "-JOIN") && (s.Parent > 0 || !strings.Contains(d, "VIRTUAL TABLE"))
	case strings.HasPrefix(d, "USING "):
		return strings.HasSuffix(d, "FOR IN-OPERATOR")
	default:
		return strings.HasPrefix(d, "USE TEMP B-TREE") || strings.HasPrefix(d, "LIST SUBQUERY") || strings.HasPrefix(d, "CORRELATED LIST SUBQUERY")
	}
}
