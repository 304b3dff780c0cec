package sluice

import (
	"encoding/binary"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// LookupJSON finds the member at path in a JSON text and says what it is; names address members of objects,
// decimal numbers elements of arrays. An empty path is the whole text. The text must be valid JSON (json.Valid);
// where a name comes twice the last one counts, as in encoding/json. The value's bytes are those of raw, unless a
// string holds escapes: then they are appended to *arena.
func LookupJSON(raw []byte, path []string, arena *[]byte) Value {
	i := skipSpace(raw, 0)
	for _, name := range path {
		if i = member(raw, i, name); i < 0 {
			return Value{}
		}
	}
	if i >= len(raw) {
		return Value{}
	}
	return jsonValue(raw[i:skipValue(raw, i)], arena)
}

// member is where the value of a member or an element starts, or -1.
func member(raw []byte, i int, name string) int {
	if i >= len(raw) {
		return -1
	}
	switch raw[i] {
	case '{':
		return objectMember(raw, i, name)
	case '[':
		return arrayElement(raw, i, name)
	}
	return -1
}

func objectMember(raw []byte, i int, name string) int {
	found := -1
	i = skipSpace(raw, i+1)
	for i < len(raw) && raw[i] == '"' {
		end := skipString(raw, i)
		match := jsonNameEqual(raw[i+1:end-1], name)
		i = skipSpace(raw, end)
		i = skipSpace(raw, i+1) // past the colon
		if match {
			found = i
		}
		i = skipSpace(raw, skipValue(raw, i))
		if i >= len(raw) || raw[i] != ',' {
			break
		}
		i = skipSpace(raw, i+1)
	}
	return found
}

func arrayElement(raw []byte, i int, name string) int {
	want, err := strconv.Atoi(name)
	if err != nil || want < 0 {
		return -1
	}
	i = skipSpace(raw, i+1)
	for n := 0; i < len(raw) && raw[i] != ']'; n++ {
		if n == want {
			return i
		}
		i = skipSpace(raw, skipValue(raw, i))
		if i < len(raw) && raw[i] == ',' {
			i = skipSpace(raw, i+1)
		}
	}
	return -1
}

func jsonNameEqual(raw []byte, name string) bool {
	for _, c := range raw {
		if c == '\\' {
			var space [64]byte
			return string(unquoteJSON(space[:0], raw)) == name
		}
	}
	return string(raw) == name
}

func jsonValue(raw []byte, arena *[]byte) Value {
	switch c := raw[0]; {
	case c == '"':
		return TextValue(jsonText(raw[1:len(raw)-1], arena))
	case c == '{' || c == '[':
		return JSONValue(raw)
	case c == 't' || c == 'f':
		return BoolValue(c == 't')
	case c == 'n':
		return NullValue()
	}
	if n, err := strconv.ParseInt(aliasString(raw), 10, 64); err == nil {
		return IntValue(n)
	}
	f, err := strconv.ParseFloat(aliasString(raw), 64)
	if err != nil {
		return Value{}
	}
	return NumberValue(f)
}

func jsonText(raw []byte, arena *[]byte) []byte {
	for _, c := range raw {
		if c == '\\' {
			start := len(*arena)
			*arena = unquoteJSON(*arena, raw)
			return (*arena)[start:len(*arena):len(*arena)]
		}
	}
	return raw
}

func skipSpace(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\t' || raw[i] == '\r') {
		i++
	}
	return i
}

// skipString is past the closing quote of the string that starts at i.
func skipString(raw []byte, i int) int {
	for i++; i < len(raw); i++ {
		switch raw[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(raw)
}

// skipValue is past the value that starts at i.
func skipValue(raw []byte, i int) int {
	depth := 0
	for i < len(raw) {
		switch raw[i] {
		case '"':
			i = skipString(raw, i)
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\n', '\t', '\r':
			i++
			continue
		default:
			for i < len(raw) && !jsonDelimiter(raw[i]) {
				i++
			}
		}
		if depth <= 0 {
			return i
		}
	}
	return len(raw)
}

func jsonDelimiter(c byte) bool {
	switch c {
	case ',', ':', '}', ']', ' ', '\n', '\t', '\r', '"', '{', '[':
		return true
	}
	return false
}

// unquoteJSON appends the decoded inside of a JSON string. A lone surrogate becomes U+FFFD (RFC 8259, section 8.2,
// leaves it open).
func unquoteJSON(dst, raw []byte) []byte {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' || i+1 >= len(raw) {
			dst = append(dst, raw[i])
			continue
		}
		i++
		switch c := raw[i]; c {
		case 'n':
			dst = append(dst, '\n')
		case 't':
			dst = append(dst, '\t')
		case 'r':
			dst = append(dst, '\r')
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'u':
			r, n := unquoteRune(raw[i-1:])
			dst = utf8.AppendRune(dst, r)
			i += n - 2
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// unquoteRune decodes \uXXXX, or a surrogate pair of two, and tells how many bytes that took.
func unquoteRune(raw []byte) (rune, int) {
	r := hexRune(raw)
	if r < 0 {
		return utf8.RuneError, 2
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if low := hexRune(raw[6:]); low >= 0 {
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

func hexRune(raw []byte) rune {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range raw[2:6] {
		d := unhex(c)
		if d < 0 {
			return -1
		}
		r = r<<4 | rune(d)
	}
	return r
}

// AppendJSONString appends text as a JSON string (RFC 8259, section 7). Invalid UTF-8 becomes U+FFFD.
func AppendJSONString(dst, text []byte) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); {
		if len(text)-i >= 8 && plainJSON(binary.LittleEndian.Uint64(text[i:])) {
			i += 8
			continue
		}
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(text[i:])
			if r != utf8.RuneError || n != 1 {
				i += n
				continue
			}
			dst = append(append(dst, text[start:i]...), "\uFFFD"...)
			i++
			start = i
			continue
		}
		dst = appendJSONEscape(append(dst, text[start:i]...), c)
		i++
		start = i
	}
	return append(append(dst, text[start:]...), '"')
}

// plainJSON tells whether eight bytes stand for themselves in a string. It may say that they do not where they do.
func plainJSON(b uint64) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	quote, backslash := b^each*'"', b^each*'\\'
	return (b|(b-each*' ')|(quote-each)|(backslash-each))&high == 0
}

func appendJSONEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', upperHex[c>>4], upperHex[c&15])
}
