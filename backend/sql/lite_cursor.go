package sql

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"math/big"

	"github.com/sluiceapi/sluice/backend/sql/sqlite"
)

func appendSized(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// nextKey splits the first key from the keys of a cursor.
func nextKey(data []byte) (typ sqlite.Type, value, rest []byte, ok bool) {
	if len(data) == 0 {
		return 0, nil, nil, false
	}
	typ, data = sqlite.Type(data[0]), data[1:]
	size := uint64(0)
	switch typ {
	case sqlite.Null:
	case sqlite.Integer, sqlite.Float:
		size = 8
	case sqlite.Text, sqlite.Blob:
		n := 0
		if size, n = binary.Uvarint(data); n <= 0 {
			return 0, nil, nil, false
		}
		data = data[n:]
	default:
		return 0, nil, nil, false
	}
	if size > uint64(len(data)) {
		return 0, nil, nil, false
	}
	return typ, data[:size], data[size:], true
}

// validLiteKeys tells whether data holds so many keys and nothing else.
func validLiteKeys(data []byte, n int) bool {
	for range n {
		_, _, rest, ok := nextKey(data)
		if !ok {
			return false
		}
		data = rest
	}
	return len(data) == 0
}

// bindKeys binds valid keys from a parameter on.
func bindKeys(r *sqlite.Rows, param int, data []byte) {
	for ; len(data) > 0; param++ {
		typ, value, rest, _ := nextKey(data)
		switch typ {
		case sqlite.Integer:
			r.BindInt(param, int64(binary.BigEndian.Uint64(value)))
		case sqlite.Float:
			r.BindFloat(param, math.Float64frombits(binary.BigEndian.Uint64(value)))
		case sqlite.Text:
			r.BindText(param, value)
		case sqlite.Blob:
			r.BindBlob(param, value)
		}
		data = rest
	}
}

// compareLiteKeys compares the keys of two rows in the order of a page, as SQLite does: NULL, then numbers, then text
// bytewise (the collation BINARY), then blobs (https://sqlite.org/datatype3.html, section 4.1).
func compareLiteKeys(a, b []byte, keys []Key) int {
	for i := range keys {
		typeA, valueA, restA, _ := nextKey(a)
		typeB, valueB, restB, _ := nextKey(b)
		order := compareLiteKey(typeA, valueA, typeB, valueB)
		if keys[i].Descending {
			order = -order
		}
		if order != 0 {
			return order
		}
		a, b = restA, restB
	}
	return 0
}

func compareLiteKey(typeA sqlite.Type, a []byte, typeB sqlite.Type, b []byte) int {
	if rankA, rankB := rank(typeA), rank(typeB); rankA != rankB {
		return rankA - rankB
	}
	switch {
	case typeA == sqlite.Integer && typeB == sqlite.Integer:
		return cmp.Compare(int64(binary.BigEndian.Uint64(a)), int64(binary.BigEndian.Uint64(b)))
	case rank(typeA) == rank(sqlite.Float):
		return exactly(typeA, a).Cmp(exactly(typeB, b))
	}
	return bytes.Compare(a, b)
}

// rank orders values of different types.
func rank(t sqlite.Type) int {
	return [...]int{sqlite.Null: 0, sqlite.Integer: 1, sqlite.Float: 1, sqlite.Text: 2, sqlite.Blob: 3}[t]
}

// exactly is a number without a rounding; infinities are beyond all numbers.
func exactly(t sqlite.Type, value []byte) *big.Float {
	if t == sqlite.Integer {
		return new(big.Float).SetInt64(int64(binary.BigEndian.Uint64(value)))
	}
	return new(big.Float).SetFloat64(math.Float64frombits(binary.BigEndian.Uint64(value)))
}
