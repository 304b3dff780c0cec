package static

import (
	"bytes"
	"math"
)

// part is a part of a file: its first byte and its last, counted from zero.
type part struct{ first, last int64 }

// kindOfRange is what a Range field asks for.
type kindOfRange uint8

const (
	// whole is no range, or one that RFC 9110, section 14.2, leaves a server free to pay no heed to: several, of
	// another unit, or none that can be read.
	whole kindOfRange = iota
	inside
	outside
)

// parseRange reads a Range of one part (RFC 9110, section 14.1.2) of a file of that size.
func parseRange(value []byte, size int64) (part, kindOfRange) {
	const unit = "bytes="
	if len(value) <= len(unit) || !bytes.EqualFold(value[:len(unit)], []byte(unit)) {
		return part{}, whole
	}
	from, to, found := bytes.Cut(bytes.Trim(value[len(unit):], " \t"), []byte{'-'})
	if !found {
		return part{}, whole
	}
	last, lastOK := parseNumber(to)
	if len(from) == 0 {
		switch {
		case !lastOK:
			return part{}, whole
		case last == 0 || size == 0:
			return part{}, outside
		}
		return part{first: max(0, size-last), last: size - 1}, inside
	}
	first, ok := parseNumber(from)
	switch {
	case !ok || len(to) > 0 && (!lastOK || last < first):
		return part{}, whole
	case first >= size:
		return part{}, outside
	case len(to) == 0 || last >= size:
		last = size - 1
	}
	return part{first: first, last: last}, inside
}

// parseNumber reads digits. A number too large for any file is the largest there is.
func parseNumber(text []byte) (int64, bool) {
	n := int64(0)
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n > (math.MaxInt64-9)/10 {
			n = math.MaxInt64
			continue
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(text) > 0
}
