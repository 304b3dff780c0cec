package postgres

import (
	"strings"
)

// statement is where in a script one stands: from its first word to behind its semicolon.
type statement struct{ start, end int }

// split finds the statements of a script as psql does: at semicolons outside of literals, quoted names, comments, brackets
// and function bodies (https://www.postgresql.org/docs/current/sql-syntax-lexical.html).
func split(script string) []statement {
	var all []statement
	s := splitter{text: script}
	for s.at < len(script) {
		s.at += leadingSpace(script[s.at:])
		start := s.at
		if s.statement(); s.at > start {
			all = append(all, statement{start, s.at})
		}
	}
	return all
}

type splitter struct {
	text  string
	at    int
	words [3]string // the first of the statement
	count int
	begun int // how many BEGIN and CASE of a function body are open
}

// statement goes past the next statement.
func (s *splitter) statement() {
	s.count, s.begun = 0, 0
	depth := 0
	for s.at < len(s.text) {
		rest := s.text[s.at:]
		switch c := rest[0]; {
		case c == ';':
			s.at++
			if depth <= 0 && s.begun == 0 {
				return
			}
		case c == '(':
			depth++
			s.at++
		case c == ')':
			depth--
			s.at++
		case c == '\'' || c == '"':
			s.at += quotedSize(rest, false)
		case (c == 'e' || c == 'E') && len(rest) > 1 && rest[1] == '\'':
			s.at += 1 + quotedSize(rest[1:], true)
		case strings.HasPrefix(rest, "--"):
			s.at += lineSize(rest)
		case strings.HasPrefix(rest, "/*"):
			s.at += commentSize(rest)
		case c == '$':
			s.at += dollarSize(rest)
		case isWordStart(c):
			s.word(depth)
		default:
			s.at++
		}
	}
}

// word goes past a word, and counts those that open and close the body of a function in SQL (BEGIN ATOMIC … END).
func (s *splitter) word(depth int) {
	start := s.at
	for s.at < len(s.text) && (isWordStart(s.text[s.at]) || '0' <= s.text[s.at] && s.text[s.at] <= '9' || s.text[s.at] == '$') {
		s.at++
	}
	word := strings.ToUpper(s.text[start:s.at])
	if s.count < len(s.words) {
		s.words[s.count] = word
	}
	s.count++
	if depth > 0 || !s.inFunction() {
		return
	}
	switch word {
	case "BEGIN":
		s.begun++
	case "CASE":
		if s.begun > 0 {
			s.begun++
		}
	case "END":
		s.begun = max(0, s.begun-1)
	}
}

// inFunction tells whether the statement makes a function.
func (s *splitter) inFunction() bool {
	if s.count < 2 || s.words[0] != "CREATE" {
		return false
	}
	what := s.words[1]
	if what == "OR" { // REPLACE comes third, and then what
		return s.count > 3 && s.words[2] == "REPLACE"
	}
	return what == "FUNCTION" || what == "PROCEDURE"
}

func isWordStart(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= 0x80
}

// quotedSize is the length of a literal or a quoted name; a quote in it is doubled or, in E'…', behind a backslash.
func quotedSize(s string, escapes bool) int {
	for i := 1; i < len(s); i++ {
		switch {
		case escapes && s[i] == '\\':
			i++
		case s[i] != s[0]:
		case i+1 < len(s) && s[i+1] == s[0]:
			i++
		default:
			return i + 1
		}
	}
	return len(s)
}

func lineSize(s string) int {
	if end := strings.IndexByte(s, '\n'); end >= 0 {
		return end + 1
	}
	return len(s)
}

// commentSize is the length of a comment; there may be comments in it.
func commentSize(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); {
		switch s[i : i+2] {
		case "/*":
			depth++
			i += 2
		case "*/":
			i += 2
			if depth--; depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return len(s)
}

// dollarSize is the length of a literal in dollar quotes, $$…$$ or $tag$…$tag$; of a dollar that begins none, 1.
func dollarSize(s string) int {
	i := 1
	for i < len(s) && (isWordStart(s[i]) || i > 1 && '0' <= s[i] && s[i] <= '9') {
		i++
	}
	if i >= len(s) || s[i] != '$' {
		return 1
	}
	tag := s[:i+1]
	end := strings.Index(s[len(tag):], tag)
	if end < 0 {
		return len(s)
	}
	return 2*len(tag) + end
}

// leadingSpace is how much of a statement comes before its first word: white space, comments and semicolons.
func leadingSpace(sql string) int {
	i := 0
	for i < len(sql) {
		switch rest := sql[i:]; {
		case strings.IndexByte(" \t\r\n\f\v;", rest[0]) >= 0:
			i++
		case strings.HasPrefix(rest, "--"):
			i += lineSize(rest)
		case strings.HasPrefix(rest, "/*"):
			i += commentSize(rest)
		default:
			return i
		}
	}
	return i
}
