package sql

import (
	"strings"
)

// lexer goes through SQL, of SQLite and of PostgreSQL, and tells apart what is code and what is not. Square brackets
// quote a name in SQLite and index an array in PostgreSQL: here they quote when nothing of note stands between them.
type lexer struct {
	text  string
	at    int
	depth int
}

// reference finds the next reference: where its "$" stands and where it ends.
func (l *lexer) reference() (start, end int, ok bool) {
	for l.at < len(l.text) {
		if l.text[l.at] == '$' && l.dollarQuote() == 0 {
			start = l.at
			if end = l.referenceEnd(); end > start+1 {
				l.at = end
				return start, end, true
			}
		}
		l.skip()
	}
	return 0, 0, false
}

// word finds the next bare word: a keyword or a name.
func (l *lexer) word() (start, end int, ok bool) {
	for l.at < len(l.text) {
		start = l.at
		if isLetter(l.text[start]) {
			if l.skip(); l.text[l.at-1] != '\'' { // not E'…'
				return start, l.at, true
			}
			continue
		}
		if l.text[start] == '$' && l.dollarQuote() == 0 {
			if end := l.referenceEnd(); end > start+1 {
				l.at = end
				continue
			}
		}
		l.skip()
	}
	return 0, 0, false
}

// referenceEnd is where the reference behind the "$" here ends; a "$" alone ends at itself.
func (l *lexer) referenceEnd() int {
	i := l.at + 1
	if i < len(l.text) && l.text[i] == '"' {
		if end := strings.IndexByte(l.text[i+1:], '"'); end >= 0 {
			return i + 1 + end + 1
		}
		return i
	}
	for i < len(l.text) && (isWord(l.text[i]) || l.text[i] == '.' && i > l.at+1 && i+1 < len(l.text) && isWord(l.text[i+1])) {
		i++
	}
	return i
}

// skip goes past what stands here: a literal, a quoted name, a comment, a word, or one byte.
func (l *lexer) skip() {
	rest := l.text[l.at:]
	switch c := rest[0]; {
	case c == '\'' || c == '"' || c == '`':
		l.at += quoted(rest, c)
	case c == '[':
		l.at += bracketed(rest)
	case strings.HasPrefix(rest, "--"):
		l.at += until(rest, "\n")
	case strings.HasPrefix(rest, "/*"):
		l.at += 2 + until(rest[2:], "*/")
	case c == '$' && l.dollarQuote() > 0:
		tag := rest[:l.dollarQuote()]
		l.at += len(tag) + until(rest[len(tag):], tag)
	case isLetter(c):
		l.skipWord()
	case isWord(c): // a number, with what hangs on it
		for l.at < len(l.text) && isWord(l.text[l.at]) {
			l.at++
		}
	default:
		switch c {
		case '(':
			l.depth++
		case ')':
			l.depth--
		}
		l.at++
	}
}

// skipWord goes past a word, which may hold "$" behind its first letter, and past the literal of E'…'.
func (l *lexer) skipWord() {
	start := l.at
	for l.at < len(l.text) && (isWord(l.text[l.at]) || l.text[l.at] == '$') {
		l.at++
	}
	if l.at-start == 1 && (l.text[start] == 'e' || l.text[start] == 'E') && l.at < len(l.text) && l.text[l.at] == '\'' {
		l.at += escapedLiteral(l.text[l.at:])
	}
}

// dollarQuote is the length of the opening $tag$ or $$ here, or 0.
func (l *lexer) dollarQuote() int {
	rest := l.text[l.at:]
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '$':
			return i + 1
		case !isWord(c) || i == 1 && !isLetter(c):
			return 0
		}
	}
	return 0
}

// quoted is the length of the literal or name that starts here; the quote within is written twice.
func quoted(text string, quote byte) int {
	for i := 1; i < len(text); i++ {
		if text[i] != quote {
			continue
		}
		if i+1 < len(text) && text[i+1] == quote {
			i++
			continue
		}
		return i + 1
	}
	return len(text)
}

// escapedLiteral is the length of a literal in which a backslash escapes.
func escapedLiteral(text string) int {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case text[i] == '\'' && i+1 < len(text) && text[i+1] == '\'':
			i++
		case text[i] == '\'':
			return i + 1
		}
	}
	return len(text)
}

// bracketed is the length of a name in square brackets, or 1 when what follows is no name.
func bracketed(text string) int {
	end := strings.IndexAny(text[1:], "]$'\"`[\n")
	if end < 0 || text[1+end] != ']' {
		return 1
	}
	return end + 2
}

// until is the length of text up to the end of what ends it.
func until(text, end string) int {
	if i := strings.Index(text, end); i >= 0 {
		return i + len(end)
	}
	return len(text)
}

// isLetter tells whether a byte can start a word. Bytes above ASCII are letters, as both databases have it.
func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= 0x80
}

func isWord(c byte) bool { return isLetter(c) || '0' <= c && c <= '9' }
