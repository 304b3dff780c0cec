package postgres

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"

	"github.com/sluiceapi/sluice"
)

// encoder writes values as JSON. Binary formats are those of the types' send functions in PostgreSQL's source,
// src/backend/utils/adt.
type encoder struct {
	int64Text bool // integers of 64 bits and numerics as strings
}

// appendValue appends a value in the format of its kind; ok is false of one that is not of that format.
func (e encoder) appendValue(dst []byte, f form, v []byte) (_ []byte, ok bool) {
	switch f.kind {
	case array:
		return e.appendArray(dst, f.elem, v)
	case textArray:
		return e.appendTextArray(dst, f.elem, v), true
	}
	return e.appendScalar(dst, f.kind, v)
}

func (e encoder) appendScalar(dst []byte, k kind, v []byte) (_ []byte, ok bool) {
	switch k {
	case text, other:
		return sluice.AppendJSONString(dst, v), true
	case void:
		return append(dst, "null"...), true
	case number:
		return appendNumber(dst, v), true
	case boolean, int2, int4, int8, oid, float4, float8:
		return e.appendFixed(dst, k, v)
	case numeric:
		return e.appendNumeric(dst, v)
	case json:
		return appendDocument(dst, v), len(v) > 0
	case jsonb:
		if len(v) < 2 || v[0] != 1 {
			return dst, false
		}
		return append(dst, v[1:]...), true
	case bytea:
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), v)
		return append(dst, '"'), true
	case uuid:
		if len(v) != 16 {
			return dst, false
		}
		return append(appendUUID(append(dst, '"'), v), '"'), true
	}
	return appendTimes(dst, k, v)
}

// appendFixed appends a value of so many bytes that an integer can hold it.
func (e encoder) appendFixed(dst []byte, k kind, v []byte) ([]byte, bool) {
	switch {
	case k == int4 && len(v) == 4:
		return strconv.AppendInt(dst, int64(int32(binary.BigEndian.Uint32(v))), 10), true
	case k == int8 && len(v) == 8:
		n := int64(binary.BigEndian.Uint64(v))
		if e.int64Text {
			return append(strconv.AppendInt(append(dst, '"'), n, 10), '"'), true
		}
		return strconv.AppendInt(dst, n, 10), true
	case k == int2 && len(v) == 2:
		return strconv.AppendInt(dst, int64(int16(binary.BigEndian.Uint16(v))), 10), true
	case k == boolean && len(v) == 1:
		return strconv.AppendBool(dst, v[0] != 0), true
	case k == float8 && len(v) == 8:
		return sluice.NumberValue(math.Float64frombits(binary.BigEndian.Uint64(v))).AppendJSON(dst), true
	case k == float4 && len(v) == 4:
		return appendFloat4(dst, math.Float32frombits(binary.BigEndian.Uint32(v))), true
	case k == oid && len(v) == 4:
		return strconv.AppendUint(dst, uint64(binary.BigEndian.Uint32(v)), 10), true
	}
	return dst, false
}

// appendFloat4 appends the shortest number that is this one in 32 bits; what JSON has no word for is null.
func appendFloat4(dst []byte, f float32) []byte {
	wide := float64(f)
	switch a := math.Abs(wide); {
	case math.IsNaN(wide), math.IsInf(wide, 0):
		return append(dst, "null"...)
	case a != 0 && (a < 1e-6 || a >= 1e21):
		return strconv.AppendFloat(dst, wide, 'e', -1, 32)
	}
	return strconv.AppendFloat(dst, wide, 'f', -1, 32)
}

// appendNumber appends a number in PostgreSQL's text format, which is JSON's but for what is none.
func appendNumber(dst, v []byte) []byte {
	for _, b := range v {
		if b == 'N' || b == 'I' {
			return append(dst, "null"...)
		}
	}
	return append(dst, v...)
}

// appendDocument appends JSON text, which the server has checked, on one line: a line break can only stand between
// values.
func appendDocument(dst, v []byte) []byte {
	at := len(dst)
	dst = append(dst, v...)
	if bytes.IndexByte(v, '\n') < 0 && bytes.IndexByte(v, '\r') < 0 {
		return dst
	}
	for i := at; i < len(dst); i++ {
		if dst[i] == '\n' || dst[i] == '\r' {
			dst[i] = ' '
		}
	}
	return dst
}

func appendUUID(dst, v []byte) []byte {
	at := 0
	for i, end := range [...]int{4, 6, 8, 10, 16} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, v[at:end])
		at = end
	}
	return dst
}
