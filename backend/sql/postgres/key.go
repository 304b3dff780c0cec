package postgres

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
)

// A key is one value of a row by which rows are ordered, for a client to give back: a byte that says what it is, and the
// value as the server sends it, behind its length where that varies. So it is exact, and the type of the parameter that
// it is bound to can be checked.

// class is the first byte of a key. Its upper half is the version of the format.
type class byte

const (
	keyNull      class = 0x10 + iota
	keyInt             // 8 bytes
	keyFloat           // 8 bytes
	keyNumeric         // sized: numeric's binary format
	keyText            // sized
	keyOther           // sized: a type of no class of its own, in text format
	keyBytes           // sized
	keyBool            // 1 byte
	keyUUID            // 16 bytes
	keyDate            // 4 bytes
	keyClock           // 8 bytes
	keyTimestamp       // 8 bytes
	keyTimestamptz
)

// AppendKey appends the value of a column of the row as a key; Column.Keys says of which columns there are keys.
func (r *row) AppendKey(dst []byte, i int) []byte {
	v := r.values[i]
	if v == nil || !r.stmt.Columns[i].Keys() {
		return append(dst, byte(keyNull))
	}
	dst, ok := appendKey(dst, r.columns[i].kind, v)
	if !ok {
		r.bad = i + 1
	}
	return dst
}

func appendKey(dst []byte, k kind, v []byte) (_ []byte, ok bool) {
	c := classOf(k)
	dst = append(dst, byte(c))
	switch {
	case c == keyInt:
		n, ok := intOf(k, v)
		return binary.BigEndian.AppendUint64(dst, uint64(n)), ok
	case k == float4 && len(v) == 4:
		f := float64(math.Float32frombits(binary.BigEndian.Uint32(v)))
		return binary.BigEndian.AppendUint64(dst, math.Float64bits(f)), true
	case c.size() == 0:
		dst = binary.AppendUvarint(dst, uint64(len(v)))
	case len(v) != c.size():
		return dst, false
	}
	return append(dst, v...), true
}

// classOf is the class of a kind's keys.
func classOf(k kind) class {
	switch k {
	case int2, int4, int8, oid:
		return keyInt
	case float4, float8:
		return keyFloat
	case numeric:
		return keyNumeric
	case text:
		return keyText
	case bytea:
		return keyBytes
	case boolean:
		return keyBool
	case uuid:
		return keyUUID
	case date:
		return keyDate
	case clock:
		return keyClock
	case timestamp:
		return keyTimestamp
	case timestamptz:
		return keyTimestamptz
	}
	return keyOther
}

// size is that of a key of the class; zero if it varies.
func (c class) size() int {
	switch c {
	case keyInt, keyFloat, keyClock, keyTimestamp, keyTimestamptz:
		return 8
	case keyDate:
		return 4
	case keyBool:
		return 1
	case keyUUID:
		return 16
	}
	return 0
}

// nextKey splits the first key from those that data holds.
func nextKey(data []byte) (c class, value, rest []byte, ok bool) {
	if len(data) == 0 {
		return 0, nil, nil, false
	}
	c, data = class(data[0]), data[1:]
	if c < keyNull || c > keyTimestamptz {
		return 0, nil, nil, false
	}
	size := uint64(c.size())
	if size == 0 && c != keyNull {
		n := 0
		if size, n = binary.Uvarint(data); n <= 0 {
			return 0, nil, nil, false
		}
		data = data[n:]
	}
	if size > uint64(len(data)) {
		return 0, nil, nil, false
	}
	value, rest = data[:size], data[size:]
	if c == keyNumeric {
		if _, ok := parseDecimal(value); !ok {
			return 0, nil, nil, false
		}
	}
	return c, value, rest, true
}

// ValidKeys tells whether data is so many keys.
func ValidKeys(data []byte, keys int) bool {
	for range keys {
		_, _, rest, ok := nextKey(data)
		if !ok {
			return false
		}
		data = rest
	}
	return len(data) == 0
}

// appendBoundKey appends the first of the keys for a parameter, and returns those behind it.
func appendBoundKey(dst []byte, f form, keys []byte) (_, rest []byte, how bound) {
	c, v, rest, ok := nextKey(keys)
	if !ok {
		return dst, nil, notKey
	}
	switch c {
	case keyNull:
		return dst, rest, isNull
	case keyInt:
		switch f.kind {
		case int2, int4, int8, oid:
			dst, how = appendInt(dst, f.kind, int64(binary.BigEndian.Uint64(v)))
			return dst, rest, how
		}
	case keyFloat:
		if f.kind == float4 || f.kind == float8 {
			dst, how = appendFloat(dst, f.kind, math.Float64frombits(binary.BigEndian.Uint64(v)))
			return dst, rest, how
		}
	case keyText, keyOther:
		if (f.kind == text || f.kind == other) && fitText(v) {
			return append(dst, v...), rest, isText
		}
	}
	if c == keyText || c == keyOther || c != classOf(f.kind) {
		return dst, rest, notKey
	}
	return append(dst, v...), rest, isBinary
}

// CompareKeys orders the keys of two rows as the server orders the rows, for columns of which Column.Merges says that it
// can; desc tells of each key whether it goes down. NULL comes before everything, and behind it where the order goes
// down. Keys that are none are equal.
func CompareKeys(a, b []byte, desc ...bool) int {
	for _, down := range desc {
		ca, va, restA, okA := nextKey(a)
		cb, vb, restB, okB := nextKey(b)
		if !okA || !okB {
			return 0
		}
		if c := compareKey(ca, va, cb, vb); c != 0 {
			if down {
				return -c
			}
			return c
		}
		a, b = restA, restB
	}
	return 0
}

func compareKey(ca class, a []byte, cb class, b []byte) int {
	if ca != cb {
		return cmp.Compare(ca, cb) // NULL is the lowest; others are of one class
	}
	switch ca {
	case keyInt, keyClock, keyTimestamp, keyTimestamptz:
		return cmp.Compare(int64(binary.BigEndian.Uint64(a)), int64(binary.BigEndian.Uint64(b)))
	case keyDate:
		return cmp.Compare(int32(binary.BigEndian.Uint32(a)), int32(binary.BigEndian.Uint32(b)))
	case keyFloat:
		return compareFloats(math.Float64frombits(binary.BigEndian.Uint64(a)), math.Float64frombits(binary.BigEndian.Uint64(b)))
	case keyNumeric:
		x, _ := parseDecimal(a)
		y, _ := parseDecimal(b)
		return x.compare(&y)
	}
	return bytes.Compare(a, b)
}

// compareFloats has NaN above all, as the server does.
func compareFloats(a, b float64) int {
	switch {
	case math.IsNaN(a) && math.IsNaN(b):
		return 0
	case math.IsNaN(a):
		return 1
	case math.IsNaN(b):
		return -1
	}
	return cmp.Compare(a, b)
}

// intOf is the integer that a value in binary format is.
func intOf(k kind, v []byte) (n int64, ok bool) {
	switch {
	case k == int8 && len(v) == 8:
		return int64(binary.BigEndian.Uint64(v)), true
	case k == int4 && len(v) == 4:
		return int64(int32(binary.BigEndian.Uint32(v))), true
	case k == int2 && len(v) == 2:
		return int64(int16(binary.BigEndian.Uint16(v))), true
	case k == oid && len(v) == 4:
		return int64(binary.BigEndian.Uint32(v)), true
	case k == numeric:
		if d, valid := parseDecimal(v); valid {
			return d.int()
		}
	}
	return 0, false
}
