package sql

import (
	"encoding/binary"
	"math"

	"github.com/sluiceapi/sluice/backend/sql/sqlite"
)

// cursorVersion is the first byte of every cursor.
const cursorVersion = 1

// A cursor holds, behind its version, the keys of a row: for each the type of the value, as SQLite numbers it, and the
// value, numbers in 8 bytes, big end first, and texts and blobs behind their length.

// appendCursor appends the cursor of the row that r stands on.
func (h *page) appendCursor(dst []byte, r *sqlite.Rows) []byte {
	dst = append(dst, cursorVersion)
	for i := range h.keys {
		column := h.keys[i].column
		typ := r.Type(column)
		dst = append(dst, byte(typ))
		switch typ {
		case sqlite.Integer:
			dst = binary.BigEndian.AppendUint64(dst, uint64(r.Int(column)))
		case sqlite.Float:
			dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(r.Float(column)))
		case sqlite.Text:
			dst = appendSized(dst, r.Text(column))
		case sqlite.Blob:
			dst = appendSized(dst, r.Blob(column))
		}
	}
	return dst
}

func appendSized(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// nextKey splits the first key from a cursor without its version.
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

// validCursor tells whether data is a cursor of so many keys.
func validCursor(data []byte, keys int) bool {
	if len(data) == 0 || data[0] != cursorVersion {
		return false
	}
	data = data[1:]
	for range keys {
		_, _, rest, ok := nextKey(data)
		if !ok {
			return false
		}
		data = rest
	}
	return len(data) == 0
}

// bindCursor binds the keys of a valid cursor from a parameter on; a nil cursor has none.
func bindCursor(r *sqlite.Rows, param int, cursor []byte) {
	if len(cursor) == 0 {
		return
	}
	for data := cursor[1:]; len(data) > 0; param++ {
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
