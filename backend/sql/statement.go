package sql

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluiceapi/sluice"
)

// SQL is the text of a statement in which references stand behind "$": `$id`, `$body.sku`, `$"header.x-tenant"`. What
// stands in string literals, quoted names, comments and between PostgreSQL's dollar quotes is left as it is.
type SQL struct {
	text   string
	refs   []sluice.Reference // each once, in the order of their first places
	places []place
}

// place is where a reference stands in the text, and which it is.
type place struct{ start, end, ref int }

// UnmarshalText finds the references. It checks their grammar; whether the rest is SQL the database says.
func (s *SQL) UnmarshalText(text []byte) error {
	*s = SQL{text: string(text)}
	for l := (lexer{text: s.text}); ; {
		start, end, ok := l.reference()
		if !ok {
			return nil
		}
		name := strings.Trim(s.text[start+1:end], `"`)
		i := slices.IndexFunc(s.refs, func(r sluice.Reference) bool { return r.String() == name })
		if i < 0 {
			r, err := sluice.ParseReference(name)
			if err != nil {
				return fmt.Errorf("behind $: %w", err)
			}
			r.SetOffset(start + 1)
			i = len(s.refs)
			s.refs = append(s.refs, r)
		}
		s.places = append(s.places, place{start, end, i})
	}
}

// MarshalText is the statement as it was written.
func (s SQL) MarshalText() ([]byte, error) { return []byte(s.text), nil }

func (s SQL) String() string { return s.text }

// IsZero tells whether the field was left out.
func (s *SQL) IsZero() bool { return s.text == "" }

// References makes SQL a Referrer: each reference once, however often it stands there.
func (s *SQL) References(yield func(*sluice.Reference)) {
	for i := range s.refs {
		yield(&s.refs[i])
	}
}

// numbered is the statement with each reference as a numbered parameter: the first for the first, however often it comes.
func (s *SQL) numbered(d *dialect) string {
	var b strings.Builder
	last := 0
	for _, p := range s.places {
		b.WriteString(s.text[last:p.start])
		b.WriteString(d.parameter(p.ref + 1))
		last = p.end
	}
	b.WriteString(s.text[last:])
	return b.String()
}

// written is the byte of the text as it was written for a byte of the numbered text.
func (s *SQL) written(d *dialect, at int) int {
	shift := 0
	for _, p := range s.places {
		start, size := p.start-shift, len(d.parameter(p.ref+1))
		switch {
		case at < start:
			return at + shift
		case at < start+size:
			return p.start
		}
		shift = p.end - (start + size)
	}
	return min(at+shift, len(s.text))
}

// words calls f for each word of the text that is SQL's own or a name, with the place where it starts and how many
// parentheses it stands in, until f says false.
func (s *SQL) words(f func(word string, at, depth int) bool) {
	for l := (lexer{text: s.text}); ; {
		start, end, ok := l.word()
		if !ok || !f(s.text[start:end], start, l.depth) {
			return
		}
	}
}

// verb is what the statement does: its first word that says so outside of parentheses.
func (s *SQL) verb() string {
	verb := "SQL"
	s.words(func(word string, _, depth int) bool {
		if depth > 0 {
			return true
		}
		switch word = strings.ToUpper(word); word {
		case "SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "VALUES":
			verb = word
			return false
		}
		return true
	})
	return verb
}

// find is where a name stands in the text first, or -1.
func (s *SQL) find(name string) int {
	found := -1
	s.words(func(word string, at, _ int) bool {
		if strings.EqualFold(word, name) {
			found = at
		}
		return found < 0
	})
	return found
}

// trimStatement is a statement without the semicolons at its end, and what comments follow them.
func trimStatement(sql string) string {
	end := 0
	for l := (lexer{text: sql}); l.at < len(sql); {
		start := l.at
		l.skip()
		switch token := sql[start:l.at]; {
		case strings.HasPrefix(token, "--"), strings.HasPrefix(token, "/*"), strings.TrimSpace(token) == "", token == ";":
		default:
			end = l.at
		}
	}
	return sql[:end]
}

// subquery is a statement in brackets. The line break ends a comment that it may end with.
func subquery(sql string) string { return "(" + trimStatement(sql) + "\n)" }

// quoteName is a name as both databases quote it.
func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// stray is where a parameter stands that is none of ours, such as "?" or ":name", or -1.
func (s *SQL) stray() int {
	next := 0
	for l := (lexer{text: s.text}); l.at < len(l.text); {
		at := l.at
		if next < len(s.places) && s.places[next].start == at {
			l.at = s.places[next].end
			next++
			continue
		}
		l.skip()
		switch c := s.text[at]; {
		case c == '?' || c == '$' && l.at == at+1:
			return at
		case (c == ':' || c == '@') && l.at < len(s.text) && isWord(s.text[l.at]) && (at == 0 || s.text[at-1] != ':'):
			return at
		}
	}
	return -1
}
