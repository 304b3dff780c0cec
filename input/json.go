package input

import (
	"bytes"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/sluiceapi/sluice"
)

// maxDepth is how deep values may be nested: far above what people write, far below what fills a stack.
const maxDepth = 128

// maxNumber is the longest text of a number. No float of 64 bits needs more than 24 characters; exact decimals of
// databases have up to a few hundred; arithmetic on much longer ones takes a reader more time than is fair.
const maxNumber = 400

// scan reads one JSON text (RFC 8259) strictly: valid UTF-8, nothing after the value, and nothing that two readers
// could see as two values (RFC 7493, section 2): a name that comes twice in an object, half a surrogate pair, a number
// beyond the range of 64-bit floats. The zero scan is ready to use, again and again.
type scan struct {
	raw   []byte
	at    int
	depth int
	// names are the members of the objects that are open.
	names []name
	// arena holds names that were written with escapes.
	arena []byte
}

// name is the decoded name of a member, and where it stands.
type name struct {
	text []byte
	at   int
}

// check is what is wrong with raw and at which byte, counted from zero; fault is "" when nothing is.
func (s *scan) check(raw []byte) (at int, fault string) {
	s.raw = raw
	s.space()
	fault = s.value()
	if fault == "" {
		if s.space(); s.at < len(raw) {
			fault = "something after the value; want its end"
		}
	}
	at = s.at
	s.reset()
	return at, fault
}

// maxKept is the memory, in names and in bytes of names, that is kept for the next text.
const maxKept = 1024

// reset lets go of the text.
func (s *scan) reset() {
	names, arena := s.names[:0], s.arena[:0]
	clear(names[:cap(names)])
	if cap(names) > maxKept || cap(arena) > maxKept {
		names, arena = nil, nil
	}
	*s = scan{names: names, arena: arena}
}

func (s *scan) space() {
	for s.at < len(s.raw) {
		switch s.raw[s.at] {
		case ' ', '\n', '\t', '\r':
			s.at++
		default:
			return
		}
	}
}

// peek is the next byte, zero at the end.
func (s *scan) peek() byte {
	if s.at < len(s.raw) {
		return s.raw[s.at]
	}
	return 0
}

func (s *scan) value() (fault string) {
	switch c := s.peek(); {
	case c == '"':
		return s.text()
	case c == '{':
		return s.nested(s.object)
	case c == '[':
		return s.nested(s.array)
	case c == '-' || '0' <= c && c <= '9':
		return s.number()
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	case s.at == len(s.raw):
		return "the end; want a value"
	}
	return "want a value"
}

func (s *scan) word(word string) (fault string) {
	if !bytes.HasPrefix(s.raw[s.at:], []byte(word)) {
		return "want a value"
	}
	s.at += len(word)
	return ""
}

func (s *scan) nested(inner func() string) (fault string) {
	if s.depth == maxDepth {
		return "nested too deep; want at most " + strconv.Itoa(maxDepth) + " levels"
	}
	s.depth++
	s.at++
	s.space()
	fault = inner()
	s.depth--
	return fault
}

func (s *scan) array() (fault string) {
	if s.peek() == ']' {
		s.at++
		return ""
	}
	for {
		if fault := s.value(); fault != "" {
			return fault
		}
		s.space()
		switch s.peek() {
		case ']':
			s.at++
			return ""
		case ',':
			s.at++
			s.space()
		default:
			return "want a comma or a closing bracket"
		}
	}
}

func (s *scan) object() (fault string) {
	first := len(s.names)
	if s.peek() == '}' {
		s.at++
		return ""
	}
	for {
		if fault := s.member(); fault != "" {
			return fault
		}
		s.space()
		switch s.peek() {
		case '}':
			s.at++
			return s.closeObject(first)
		case ',':
			s.at++
			s.space()
		default:
			return "want a comma or a closing brace"
		}
	}
}

func (s *scan) member() (fault string) {
	start := s.at
	if s.peek() != '"' {
		return "want a name in double quotes"
	}
	if fault := s.text(); fault != "" {
		return fault
	}
	s.names = append(s.names, name{text: s.decode(s.raw[start:s.at]), at: start})
	s.space()
	if s.peek() != ':' {
		return "want a colon"
	}
	s.at++
	s.space()
	return s.value()
}

// decode is the text of a valid JSON string.
func (s *scan) decode(quoted []byte) []byte {
	return sluice.LookupJSON(quoted, nil, &s.arena).Bytes()
}

// fewNames is up to where comparing each with each is faster than sorting.
const fewNames = 8

// closeObject looks for names that come twice among those from first on, and forgets them.
func (s *scan) closeObject(first int) (fault string) {
	names := s.names[first:]
	s.names = s.names[:first]
	if len(names) <= fewNames {
		for i := range names {
			for j := range i {
				if bytes.Equal(names[i].text, names[j].text) {
					return s.twice(names[i])
				}
			}
		}
		return ""
	}
	slices.SortFunc(names, func(a, b name) int {
		if order := bytes.Compare(a.text, b.text); order != 0 {
			return order
		}
		return a.at - b.at
	})
	for i := 1; i < len(names); i++ {
		if bytes.Equal(names[i].text, names[i-1].text) {
			return s.twice(names[i])
		}
	}
	return ""
}

func (s *scan) twice(n name) (fault string) {
	s.at = n.at
	return "a name that is in the object already; want each once"
}

// text passes over a string.
func (s *scan) text() (fault string) {
	for s.at++; s.at < len(s.raw); {
		switch c := s.raw[s.at]; {
		case c == '"':
			s.at++
			return ""
		case c == '\\':
			if fault := s.escape(); fault != "" {
				return fault
			}
		case c < ' ':
			return "a control character in a string; want it escaped"
		case c < utf8.RuneSelf:
			s.at++
		default:
			r, n := utf8.DecodeRune(s.raw[s.at:])
			if r == utf8.RuneError && n == 1 {
				return "not UTF-8"
			}
			s.at += n
		}
	}
	return "the end within a string; want a closing quote"
}

func (s *scan) escape() (fault string) {
	const bad = `a bad escape; want \", \\, \/, \b, \f, \n, \r, \t or \u with four hex digits`
	if s.at+1 >= len(s.raw) {
		return bad
	}
	switch s.raw[s.at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at += 2
		return ""
	case 'u':
	default:
		return bad
	}
	unit, ok := s.unit(s.at)
	switch {
	case !ok:
		return bad
	case unit < 0xd800 || unit > 0xdfff:
		s.at += 6
		return ""
	}
	if low, ok := s.unit(s.at + 6); unit > 0xdbff || !ok || low < 0xdc00 || low > 0xdfff {
		return "half of a surrogate pair; want both"
	}
	s.at += 12
	return ""
}

// unit is the value of \uXXXX at i.
func (s *scan) unit(i int) (unit int, ok bool) {
	if i+6 > len(s.raw) || s.raw[i] != '\\' || s.raw[i+1] != 'u' {
		return 0, false
	}
	for _, c := range s.raw[i+2 : i+6] {
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
		unit = unit<<4 | int(c)
	}
	return unit, true
}

func (s *scan) number() (fault string) {
	end := numberEnd(s.raw, s.at)
	if end == s.at {
		return "want a number"
	}
	text := s.raw[s.at:end]
	if len(text) > maxNumber {
		return "a number longer than any in use; want at most " + strconv.Itoa(maxNumber) + " characters"
	}
	if len(text) > 18 || bytes.ContainsAny(text, "eE") {
		if !fitsFloat(text) {
			return "a number beyond the range of 64-bit floats"
		}
	}
	s.at = end
	return ""
}

// fitsFloat tells whether a valid number is within the range of a 64-bit float, at both ends: what is too close to
// zero for one does not fit either, so that no reader has to count with thousands of digits.
func fitsFloat(text []byte) bool {
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return false
	}
	return f != 0 || !bytes.ContainsAny(mantissa(text), "123456789") && len(text)-len(mantissa(text)) <= len("e-999")
}

func mantissa(text []byte) []byte {
	if e := bytes.IndexAny(text, "eE"); e >= 0 {
		return text[:e]
	}
	return text
}

// numberEnd is past the JSON number (RFC 8259, section 6) that starts at i, or i when there is none.
func numberEnd(raw []byte, i int) int {
	end := integerEnd(raw, i)
	if end == i {
		return i
	}
	if end < len(raw) && raw[end] == '.' {
		fraction := digitsEnd(raw, end+1)
		if fraction == end+1 {
			return i
		}
		end = fraction
	}
	if end < len(raw) && (raw[end] == 'e' || raw[end] == 'E') {
		start := end + 1
		if start < len(raw) && (raw[start] == '+' || raw[start] == '-') {
			start++
		}
		if end = digitsEnd(raw, start); end == start {
			return i
		}
	}
	return end
}

// integerEnd is past the integer that starts at i, or i when there is none: no plus, no leading zeros.
func integerEnd(raw []byte, i int) int {
	start := i
	if start < len(raw) && raw[start] == '-' {
		start++
	}
	end := digitsEnd(raw, start)
	if end == start || raw[start] == '0' && end > start+1 {
		return i
	}
	return end
}

func digitsEnd(raw []byte, i int) int {
	for i < len(raw) && '0' <= raw[i] && raw[i] <= '9' {
		i++
	}
	return i
}
