package postgres

import (
	"bytes"
	"encoding/binary"

	"github.com/sluiceapi/sluice"
)

// maxDimensions is how many PostgreSQL's arrays have at most (MAXDIM).
const maxDimensions = 6

// appendArray appends an array in binary format (array_send) as JSON, one of more dimensions as arrays of arrays. Where
// its indexes begin is not told.
func (e encoder) appendArray(dst []byte, elem kind, v []byte) ([]byte, bool) {
	if len(v) < 12 {
		return dst, false
	}
	n := binary.BigEndian.Uint32(v)
	v = v[12:] // whether there are NULLs, and the type of the elements
	if n == 0 {
		return append(dst, '[', ']'), true
	}
	if n > maxDimensions || len(v) < int(n)*8 {
		return dst, false
	}
	var sizes, at [maxDimensions]uint32
	for i := range n {
		if sizes[i] = binary.BigEndian.Uint32(v); sizes[i] == 0 || sizes[i] > 1<<27 {
			return dst, false
		}
		v = v[8:]
	}
	for d := uint32(0); ; {
		for ; d < n; d++ {
			dst = append(dst, '[')
		}
		var ok bool
		if dst, v, ok = e.appendElement(dst, elem, v); !ok {
			return dst, false
		}
		for d = n; d > 0; d-- {
			if at[d-1]++; at[d-1] < sizes[d-1] {
				break
			}
			at[d-1] = 0
			dst = append(dst, ']')
		}
		if d == 0 {
			return dst, len(v) == 0
		}
		dst = append(dst, ',')
	}
}

// appendElement appends the first element of v, and returns what is behind it.
func (e encoder) appendElement(dst []byte, elem kind, v []byte) (_, rest []byte, ok bool) {
	if len(v) < 4 {
		return dst, nil, false
	}
	size := int32(binary.BigEndian.Uint32(v))
	v = v[4:]
	if size == -1 {
		return append(dst, "null"...), v, true
	}
	if size < 0 || int(size) > len(v) {
		return dst, nil, false
	}
	dst, ok = e.appendScalar(dst, elem, v[:size])
	return dst, v[size:], ok
}

// appendTextArray appends an array in text format, such as {a,"b c",NULL}, as JSON; what is none as a string.
func (e encoder) appendTextArray(dst []byte, elem kind, v []byte) []byte {
	list := v
	if len(list) > 0 && list[0] == '[' { // [2:3]={…}: where the indexes begin
		_, list, _ = bytes.Cut(list, []byte{'='})
	}
	start, depth := len(dst), 0
	for i := 0; i < len(list); {
		switch list[i] {
		case '{':
			depth++
			dst = append(dst, '[')
			i++
		case '}':
			depth--
			dst = append(dst, ']')
			i++
		case ',':
			dst = append(dst, ',')
			i++
		case '"':
			n := quotedEnd(list[i:])
			dst = e.appendQuotedElement(dst, elem, list[i:i+n])
			i += n
		default:
			n := bytes.IndexAny(list[i:], ",{}\"")
			if n < 0 {
				return sluice.AppendJSONString(dst[:start], v)
			}
			dst = e.appendBareElement(dst, elem, list[i:i+n])
			i += n
		}
		if depth <= 0 && i < len(list) {
			return sluice.AppendJSONString(dst[:start], v)
		}
	}
	if depth != 0 || len(list) == 0 {
		return sluice.AppendJSONString(dst[:start], v)
	}
	return dst
}

// quotedEnd is past the closing quote of the element that v begins with.
func quotedEnd(v []byte) int {
	for i := 1; i < len(v); i++ {
		switch v[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(v)
}

func (e encoder) appendBareElement(dst []byte, elem kind, v []byte) []byte {
	switch {
	case string(v) == "NULL":
		return append(dst, "null"...)
	case elem == boolean && string(v) == "t":
		return append(dst, "true"...)
	case elem == boolean && string(v) == "f":
		return append(dst, "false"...)
	case elem == number:
		return appendNumber(dst, v)
	}
	return sluice.AppendJSONString(dst, v)
}

func (e encoder) appendQuotedElement(dst []byte, elem kind, v []byte) []byte {
	v = bytes.TrimSuffix(v[1:], []byte{'"'})
	if bytes.IndexByte(v, '\\') >= 0 {
		plain := make([]byte, 0, len(v))
		for i := 0; i < len(v); i++ {
			if v[i] == '\\' && i+1 < len(v) {
				i++
			}
			plain = append(plain, v[i])
		}
		v = plain
	}
	return sluice.AppendJSONString(dst, v)
}
