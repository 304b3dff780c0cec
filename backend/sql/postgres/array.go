package postgres

import (
	"encoding/hex"

	"github.com/sluiceapi/sluice"
)

// appendArrayValue appends a JSON array as PostgreSQL writes arrays: [1,null,"a"] is {1,NULL,"a"}, and arrays in it are
// further dimensions. Raw is valid JSON. https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
func (b *binder) appendArrayValue(dst []byte, elem kind, raw []byte) ([]byte, bound) {
	if len(raw) == 0 || raw[0] != '[' {
		return dst, notArray
	}
	depth := 0
	for i := 0; i < len(raw); {
		switch b := raw[i]; b {
		case '[':
			if depth > 0 && (elem == json || elem == jsonb) {
				break // an element
			}
			depth++
			dst = append(dst, '{')
			i++
			continue
		case ']':
			depth--
			dst = append(dst, '}')
			i++
			continue
		case ',':
			dst = append(dst, ',')
			i++
			continue
		case ' ', '\t', '\r', '\n':
			i++
			continue
		}
		end := skipJSON(raw, i)
		how := isText
		if dst, how = b.appendElement(dst, elem, raw[i:end]); how != isText {
			return dst, how
		}
		i = end
	}
	return dst, isText
}

// appendElement appends one element that is no array of elements.
func (b *binder) appendElement(dst []byte, elem kind, raw []byte) ([]byte, bound) {
	if raw[0] == 'n' {
		return append(dst, "NULL"...), isText
	}
	if elem == json || elem == jsonb {
		return appendQuoted(dst, raw), isText
	}
	if raw[0] != '"' {
		return appendQuoted(dst, raw), isText
	}
	b.scratch = b.scratch[:0]
	s := sluice.LookupJSON(raw, nil, &b.scratch).Bytes()
	if elem == bytea {
		b, how := appendBase64Value(nil, s)
		if how != isBinary {
			return dst, how
		}
		dst = hex.AppendEncode(append(dst, `"\\x`...), b)
		return append(dst, '"'), isText
	}
	if !fitText(s) {
		return dst, notText
	}
	return appendQuoted(dst, s), isText
}

// appendQuoted appends an element in quotes.
func appendQuoted(dst, s []byte) []byte {
	dst = append(dst, '"')
	for _, b := range s {
		if b == '"' || b == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, b)
	}
	return append(dst, '"')
}

// skipJSON is past the value that starts at i.
func skipJSON(raw []byte, i int) int {
	depth := 0
	for i < len(raw) {
		switch raw[i] {
		case '"':
			for i++; i < len(raw) && raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
			i++
		case '{', '[':
			depth++
			i++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
			i++
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
			i++
			continue
		default:
			i++
			for i < len(raw) && !delimits(raw[i]) {
				i++
			}
		}
		if depth == 0 {
			break
		}
	}
	return min(i, len(raw))
}

func delimits(b byte) bool {
	switch b {
	case ',', ':', '{', '}', '[', ']', '"', ' ', '\t', '\r', '\n':
		return true
	}
	return false
}
