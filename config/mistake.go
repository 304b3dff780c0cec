package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Mistake is one thing that is wrong in a file, and where.
type Mistake struct {
	// File is the name of the file as the user gave it.
	File string
	// Line and Column count from one; a column is a character.
	Line, Column int
	// Path is where it stands in the config, such as "endpoints.get.policies[0]"; it is empty for the file as a whole.
	Path string
	// Message says what is wrong and, after a semicolon, what is wanted.
	Message string

	order int
}

// String is the mistake on one line: file:line:column: path: message.
func (m Mistake) String() string {
	place := fmt.Sprintf("%s:%d:%d: ", m.File, m.Line, m.Column)
	if m.Path != "" {
		place += m.Path + ": "
	}
	return place + m.Message
}

// Mistakes is everything that is wrong in a config, in the order of files and lines.
type Mistakes []Mistake

// Error is all of them, one on a line.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, mistake := range m {
		lines[i] = mistake.String()
	}
	return strings.Join(lines, "\n")
}

func (m Mistakes) sort() {
	slices.SortStableFunc(m, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// place is a character in a file.
type place struct {
	source       *source
	line, column int
}

// String is the place as file:line:column.
func (p place) String() string { return fmt.Sprintf("%s:%d:%d", p.source.name, p.line, p.column) }

// clamp moves a place into its file.
func (p place) clamp() place {
	p.line = max(1, min(p.line, len(p.source.lines)))
	p.column = max(1, min(p.column, p.source.width(p.line)+1))
	return p
}

// add notes a mistake.
func (d *Document) add(at place, path, message string) {
	at = at.clamp()
	m := Mistake{
		File: at.source.name, Line: at.line, Column: at.column,
		Path: oneLine(path), Message: oneLine(d.redact(message)), order: at.source.order,
	}
	if !d.noted[m] {
		d.noted[m] = true
		d.mistakes = append(d.mistakes, m)
	}
}

// addAt notes a mistake in the value of a node, and shows nothing of a hidden one.
func (d *Document) addAt(n *node, path, message string) {
	if n.hidden && leaks(message, n.text) {
		message = withoutValue(message)
	}
	d.add(n.place(), path, message)
}

// redact replaces hidden texts wherever they stand. Those shorter than four bytes are left to addAt: they would be
// found within other words.
func (d *Document) redact(message string) string {
	for _, secret := range d.hidden {
		if len(secret) >= 4 {
			message = strings.ReplaceAll(message, secret, "***")
		}
	}
	return message
}

// leakSize is how many bytes of a hidden text in a row a message may not show.
const leakSize = 4

// leaks tells whether a message shows a part of a hidden text.
func leaks(message, text string) bool {
	if text == "" {
		return false
	}
	if len(text) <= leakSize {
		return strings.Contains(message, text)
	}
	for i := 0; i+leakSize <= len(message); i++ {
		if strings.Contains(text, message[i:i+leakSize]) {
			return true
		}
	}
	return false
}

// withoutValue keeps of a message only what is wanted.
func withoutValue(message string) string {
	if i := strings.LastIndex(message, "; want "); i >= 0 {
		return "*** does not fit" + message[i:]
	}
	return "*** does not fit"
}

// oneLine keeps a mistake on its line, and a terminal safe from what a file holds.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
}
