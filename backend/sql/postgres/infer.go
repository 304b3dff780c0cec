package postgres

import (
	"slices"
	"strconv"
	"strings"
)

// PostgreSQL types a parameter where it stands first. Where nothing there has a type, as in `$1 IS NULL OR name = $1`, it
// refuses the statement, though the second place has one. So what it refuses for that reason is asked about once more
// with a parameter of its own at each place, and then prepared with the types that were found.

// The codes of statements whose parameters have no type, or several.
const (
	codeIndeterminate = "42P18"
	codeAmbiguous     = "42P08"
)

// oidText is what a parameter is told to be of which nothing depends on a type.
const oidText = 25

// untyped tells whether an error says that a parameter has no type.
func untyped(err error) bool {
	e, ok := err.(*Error)
	return ok && (e.Code == codeIndeterminate || e.Code == codeAmbiguous)
}

// infer finds the types of a statement's parameters by all places where they stand. It gives nil where that does not
// help.
func (c *Conn) infer(sql string) []uint32 {
	apart, of := spread(sql)
	told := make([]uint32, len(of))
	for range len(of) + 1 {
		params, _, err := c.describe("", apart, told)
		switch {
		case err == nil:
			return typesOf(of, told, params)
		case !untyped(err):
			return nil
		}
		at := numberIn(err.(*Error).Message)
		if at < 1 || at > len(told) || told[at-1] != 0 {
			return nil
		}
		told[at-1] = oidText
	}
	return nil
}

// typesOf is the type of each parameter: the first that one of its places has by itself, else text.
func typesOf(of []int, told, params []uint32) []uint32 {
	var types []uint32
	for i, n := range of {
		for len(types) < n {
			types = append(types, 0)
		}
		if types[n-1] == 0 && i < len(params) && told[i] == 0 {
			types[n-1] = params[i]
		}
	}
	for i := range types {
		switch {
		case types[i] != 0:
		case slices.Contains(of, i+1):
			types[i] = oidText
		default:
			return nil // it stands nowhere
		}
	}
	return types
}

// spread gives each place of a parameter a number of its own, and tells which one stood there.
func spread(sql string) (apart string, of []int) {
	var b strings.Builder
	last := 0
	for at := 0; at < len(sql); {
		rest := sql[at:]
		switch c := rest[0]; {
		case c == '\'' || c == '"':
			at += quotedSize(rest, false)
		case (c == 'e' || c == 'E') && len(rest) > 1 && rest[1] == '\'':
			at += 1 + quotedSize(rest[1:], true)
		case strings.HasPrefix(rest, "--"):
			at += lineSize(rest)
		case strings.HasPrefix(rest, "/*"):
			at += commentSize(rest)
		case isWordStart(c):
			for at < len(sql) && (isWordStart(sql[at]) || '0' <= sql[at] && sql[at] <= '9' || sql[at] == '$') {
				at++
			}
		case c == '$':
			digits := 1
			for digits < len(rest) && '0' <= rest[digits] && rest[digits] <= '9' {
				digits++
			}
			n, err := strconv.Atoi(rest[1:digits])
			if err != nil || n < 1 || n > 1<<16 {
				at += dollarSize(rest)
				continue
			}
			of = append(of, n)
			b.WriteString(sql[last:at] + "$" + strconv.Itoa(len(of)))
			at += digits
			last = at
		default:
			at++
		}
	}
	b.WriteString(sql[last:])
	return b.String(), of
}

// numberIn is the number behind the first $ of a message, which names a parameter in every language; 0 if there is none.
func numberIn(message string) int {
	_, rest, _ := strings.Cut(message, "$")
	end := 0
	for end < len(rest) && end < 6 && '0' <= rest[end] && rest[end] <= '9' {
		end++
	}
	n, _ := strconv.Atoi(rest[:end])
	return n
}
