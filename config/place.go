package config

import (
	"strconv"
	"strings"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v4"
)

// placeOf is where a byte of a scalar's text, counted from one, stands in the file: that character for what is
// written out, the ${ for what was expanded. It is the start of the scalar when the byte cannot be found.
func (n *node) placeOf(offset int) place {
	offset = n.rawOffset(offset - 1)
	if offset < 0 || offset > len(n.raw) {
		return n.place()
	}
	w := n.walk()
	for w.at < offset {
		if !w.next() {
			return n.place()
		}
	}
	w.settle()
	return place{n.source, w.line, w.column}
}

// rawOffset is the byte before expansion that a byte after expansion comes from.
func (n *node) rawOffset(offset int) int {
	shift := 0
	for _, p := range n.pieces {
		if offset < p.start {
			break
		}
		if offset < p.end {
			return p.rawStart
		}
		shift = p.rawEnd - p.end
	}
	return offset + shift
}

// end is the place behind a plain scalar.
func (n *node) end() (place, bool) {
	w := n.walk()
	for w.at < len(n.raw) {
		if !w.next() {
			return place{}, false
		}
	}
	return place{n.source, w.line, w.column}, true
}

// walker goes through the text of a scalar and through the file at once. Runs of white space, which YAML folds,
// count as equal whatever they are made of.
type walker struct {
	n            *node
	at           int
	line, column int
	// left is what the line has from the column on.
	left   string
	indent int
}

func (n *node) walk() *walker {
	w := &walker{n: n, line: n.line, column: n.column, left: n.source.rest(n.line, n.column)}
	switch {
	case n.style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		w.indent = n.indent()
		w.newLine()
		w.skipIndent()
	case !n.isPlain():
		w.forward(1)
	}
	return w
}

// forward goes on by some characters of the line.
func (w *walker) forward(columns int) {
	for ; columns > 0; columns-- {
		_, size := utf8.DecodeRuneInString(w.left)
		w.left = w.left[size:]
		w.column++
	}
}

// newLine goes to the start of the next line.
func (w *walker) newLine() {
	w.line, w.column, w.left = w.line+1, 1, ""
	if w.line <= len(w.n.source.lines) {
		w.left = w.n.source.lines[w.line-1]
	}
}

// settle moves from white space to what the text has next, where a scalar goes on below.
func (w *walker) settle() {
	if w.at < len(w.n.raw) && !isSpace(w.n.raw[w.at]) {
		w.skipSpace()
	}
}

// next goes on by one character of the text.
func (w *walker) next() bool {
	c, size := utf8.DecodeRuneInString(w.n.raw[w.at:])
	if isSpace(w.n.raw[w.at]) && w.n.style&(yaml.LiteralStyle) != 0 {
		return w.literalSpace(c)
	}
	if c == ' ' || c == '\n' {
		w.at++
		if strings.HasPrefix(w.left, " ") {
			w.forward(1)
		}
		return true
	}
	w.skipSpace()
	got, width := w.read()
	if got != c {
		return false
	}
	w.at += size
	w.forward(width)
	return true
}

func (w *walker) literalSpace(c rune) bool {
	w.at++
	if c == '\n' {
		w.newLine()
		w.skipIndent()
	} else {
		w.forward(1)
	}
	return true
}

// read is the character that the file has next, and how many columns it takes.
func (w *walker) read() (c rune, width int) {
	c, _ = utf8.DecodeRuneInString(w.left)
	switch {
	case w.left == "":
		return utf8.RuneError, 0
	case w.n.style&yaml.SingleQuotedStyle != 0 && c == '\'':
		return c, 2
	case w.n.style&yaml.DoubleQuotedStyle != 0 && c == '\\':
		return escaped(w.left)
	}
	return c, 1
}

// escaped reads an escape of a double-quoted scalar.
func escaped(text string) (c rune, width int) {
	if len(text) < 2 {
		return utf8.RuneError, 1
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[text[1]]
	if digits > 0 && len(text) >= 2+digits {
		n, err := strconv.ParseUint(text[2:2+digits], 16, 32)
		if err != nil {
			return utf8.RuneError, 1
		}
		return rune(n), 2 + digits
	}
	if c, found := escapes[text[1]]; found {
		return c, 2
	}
	c, _ = utf8.DecodeRuneInString(text[1:])
	return c, 2
}

// escapes are those of YAML 1.2, section 5.7 that do not stand for the character itself.
var escapes = map[byte]rune{'0': 0, 'a': 7, 'b': 8, 't': '\t', 'n': '\n', 'v': 11, 'f': 12, 'r': '\r', 'e': 27, 'N': 0x85, '_': 0xa0, 'L': 0x2028, 'P': 0x2029}

// skipSpace goes to the next character that is no white space, on a later line too.
func (w *walker) skipSpace() {
	for {
		switch {
		case w.left == "" && w.line < len(w.n.source.lines):
			w.newLine()
		case w.left != "" && isSpace(w.left[0]):
			w.forward(1)
		default:
			return
		}
	}
}

// skipIndent goes to where the text of a line in a block scalar starts.
func (w *walker) skipIndent() {
	for strings.HasPrefix(w.left, " ") && w.column <= w.indent {
		w.forward(1)
	}
}

// indent is the indentation of a block scalar: that of its first line with text, less the blanks that are text.
func (n *node) indent() int {
	for line := n.line; line < len(n.source.lines); line++ {
		text := n.source.lines[line]
		spaces := leading(text)
		if spaces < len(text) {
			return spaces - leading(trimBreaks(n.raw))
		}
	}
	return 0
}

func leading(s string) int {
	i := 0
	for i < len(s) && s[i] == ' ' {
		i++
	}
	return i
}

func trimBreaks(s string) string {
	for s != "" && s[0] == '\n' {
		s = s[1:]
	}
	return s
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
