package jwt

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of what is read.
const (
	maxDepth   = 16 // of objects and arrays within each other
	maxMembers = 64 // of a token's header, for their names are compared with each other before anything is verified
)

// objects reads JSON objects strictly: as RFC 8259 has them, in valid UTF-8, without a member that comes twice,
// without lone surrogates and of a bounded depth, so that every reader takes them for the same. It is used for one
// object at a time, and what it gives is valid until the next.
type objects struct {
	text []byte
	at   int
	// most is how many members there may be in all; zero is any number.
	most, count int
	// names are those of the objects that are being read, unescaped.
	names [][]byte
	// members are those of the outermost object.
	members []member
	// space holds what was unescaped.
	space []byte
}

// member is a member of an object: its name unescaped, and its value as it stands there.
type member struct{ name, value []byte }

// read reads a text that is one object and nothing more. Its members are o.members. It tells whether the text is as
// it must be.
func (o *objects) read(text []byte, most int) bool {
	o.text, o.at, o.most, o.count = text, 0, most, 0
	o.names, o.members, o.space = o.names[:0], o.members[:0], o.space[:0]
	o.skipSpace()
	if o.peek() != '{' || !o.object(1) {
		return false
	}
	o.skipSpace()
	return o.at == len(text)
}

// peek is the next byte, zero at the end: no value starts with it.
func (o *objects) peek() byte {
	if o.at < len(o.text) {
		return o.text[o.at]
	}
	return 0
}

func (o *objects) skipSpace() {
	for o.at < len(o.text) {
		switch o.text[o.at] {
		case ' ', '\t', '\n', '\r':
			o.at++
		default:
			return
		}
	}
}

// next skips space, and then c if it is there.
func (o *objects) next(c byte) bool {
	o.skipSpace()
	if o.peek() != c {
		return false
	}
	o.at++
	return true
}

func (o *objects) object(depth int) bool {
	o.at++
	first := len(o.names)
	if o.next('}') {
		return true
	}
	for {
		o.skipSpace()
		name, ok := o.string()
		if !ok || o.has(first, name) || !o.next(':') {
			return false
		}
		if o.count++; o.most > 0 && o.count > o.most {
			return false
		}
		o.names = append(o.names, name)
		o.skipSpace()
		start := o.at
		if !o.value(depth) {
			return false
		}
		if depth == 1 {
			o.members = append(o.members, member{name, o.text[start:o.at]})
		}
		if o.next('}') {
			o.names = o.names[:first]
			return true
		}
		if !o.next(',') {
			return false
		}
	}
}

// has tells whether a name came before in the object whose names start at first.
func (o *objects) has(first int, name []byte) bool {
	for _, other := range o.names[first:] {
		if bytes.Equal(other, name) {
			return true
		}
	}
	return false
}

func (o *objects) array(depth int) bool {
	o.at++
	if o.next(']') {
		return true
	}
	for {
		o.skipSpace()
		if !o.value(depth) {
			return false
		}
		if o.next(']') {
			return true
		}
		if !o.next(',') {
			return false
		}
	}
}

// value skips a value that stands at that depth.
func (o *objects) value(depth int) bool {
	switch c := o.peek(); {
	case c == '"':
		return o.skipString()
	case c == '{':
		return depth < maxDepth && o.object(depth+1)
	case c == '[':
		return depth < maxDepth && o.array(depth+1)
	case c == 't':
		return o.word("true")
	case c == 'f':
		return o.word("false")
	case c == 'n':
		return o.word("null")
	}
	return o.number()
}

func (o *objects) word(w string) bool {
	if !bytes.HasPrefix(o.text[o.at:], []byte(w)) {
		return false
	}
	o.at += len(w)
	return true
}

// number skips a number (RFC 8259, section 6).
func (o *objects) number() bool {
	if o.peek() == '-' {
		o.at++
	}
	if o.peek() == '0' {
		o.at++
	} else if !o.digits() {
		return false
	}
	if o.peek() == '.' {
		o.at++
		if !o.digits() {
			return false
		}
	}
	if c := o.peek(); c == 'e' || c == 'E' {
		o.at++
		if c := o.peek(); c == '+' || c == '-' {
			o.at++
		}
		return o.digits()
	}
	return true
}

func (o *objects) digits() bool {
	start := o.at
	for c := o.peek(); '0' <= c && c <= '9'; c = o.peek() {
		o.at++
	}
	return o.at > start
}

// string reads a string and unescapes it.
func (o *objects) string() ([]byte, bool) {
	start := o.at
	if !o.skipString() {
		return nil, false
	}
	return o.unescape(o.text[start+1 : o.at-1]), true
}

// skipString skips a string (RFC 8259, section 7) of valid UTF-8.
func (o *objects) skipString() bool {
	if o.peek() != '"' {
		return false
	}
	for o.at++; o.at < len(o.text); {
		switch c := o.text[o.at]; {
		case c == '"':
			o.at++
			return true
		case c == '\\':
			if !o.skipEscape() {
				return false
			}
		case c < ' ':
			return false
		case c < utf8.RuneSelf:
			o.at++
		default:
			r, n := utf8.DecodeRune(o.text[o.at:])
			if r == utf8.RuneError && n == 1 {
				return false
			}
			o.at += n
		}
	}
	return false
}

func (o *objects) skipEscape() bool {
	rest := o.text[o.at:]
	if len(rest) < 2 {
		return false
	}
	switch rest[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		o.at += 2
		return true
	}
	_, n := unescapeRune(rest)
	o.at += n
	return n > 0
}

// unescapeRune reads \uXXXX, or a pair of surrogates of two, and tells how many bytes that took; none when it is no
// character.
func unescapeRune(text []byte) (rune, int) {
	r, ok := hexRune(text)
	if !ok || !utf16.IsSurrogate(r) {
		if !ok {
			return 0, 0
		}
		return r, 6
	}
	low, ok := hexRune(text[6:])
	if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
		return 0, 0
	}
	return r, 12
}

func hexRune(text []byte) (r rune, ok bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	for _, c := range text[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescape is the text of a string that was read, without its quotes.
func (o *objects) unescape(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	start := len(o.space)
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			o.space = append(o.space, raw[i])
			continue
		}
		i++
		switch c := raw[i]; c {
		case 'b':
			o.space = append(o.space, '\b')
		case 'f':
			o.space = append(o.space, '\f')
		case 'n':
			o.space = append(o.space, '\n')
		case 'r':
			o.space = append(o.space, '\r')
		case 't':
			o.space = append(o.space, '\t')
		case 'u':
			r, n := unescapeRune(raw[i-1:])
			o.space = utf8.AppendRune(o.space, r)
			i += n - 2
		default:
			o.space = append(o.space, c)
		}
	}
	return o.space[start:len(o.space):len(o.space)]
}

// textOf is the text of a value; ok is false when it is no string.
func (o *objects) textOf(value []byte) (text []byte, ok bool) {
	if len(value) == 0 || value[0] != '"' {
		return nil, false
	}
	return o.unescape(value[1 : len(value)-1]), true
}

// each calls yield for the elements of a value that is an array, until it returns false, and tells whether it is one
// and all were yielded.
func (o *objects) each(value []byte, yield func(element []byte) bool) bool {
	if len(value) == 0 || value[0] != '[' {
		return false
	}
	inner := objects{text: value, at: 1}
	if inner.next(']') {
		return true
	}
	for {
		inner.skipSpace()
		start := inner.at
		if !inner.value(1) || !yield(value[start:inner.at]) {
			return false
		}
		if inner.next(']') {
			return true
		}
		inner.at++ // past the comma
	}
}

// texts are the elements of an array of strings, as copies; ok is false when the value is none.
func (o *objects) texts(value []byte) (list []string, ok bool) {
	ok = o.each(value, func(element []byte) bool {
		text, is := o.textOf(element)
		list = append(list, string(text))
		return is
	})
	return list, ok
}
