package postgres

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/sluiceapi/sluice"
)

// Input is what is bound to a statement's parameters.
type Input struct {
	// Refs are the references of the first parameters, and X the exchange that their values are of.
	Refs []sluice.Reference
	X    *sluice.Exchange
	// Keys are those of a row, as AppendKey wrote them, for the parameters behind.
	Keys []byte
}

// bound says how a value was written.
type bound uint8

const (
	isNull bound = iota
	isText
	isBinary
	// What follows says why it was not.
	notWhole
	notNumber
	notInRange
	notArray
	notBase64
	notText
	notKey
	tooLong
)

// unfit is what is said of a value that was not bound, without the value.
func (b bound) unfit() (code, message string) {
	switch b {
	case notWhole:
		return "22P02", "want a whole number"
	case notNumber:
		return "22P02", "want a number"
	case notInRange:
		return "22003", "the number is out of range"
	case notArray:
		return "22P02", "want an array"
	case notBase64:
		return "22P02", "want bytes in base64"
	case notText:
		return "22021", "want text in UTF-8 without the character NUL"
	case tooLong:
		return codeTooBig, "the value is longer than is sent"
	}
	return codeValue, "want the key of a row, as it came"
}

// maxValue is how long a value may be: the server takes 1 GB, and memory on both sides several times that.
const maxValue = 64 << 20

// binder writes values as messages have them. It is for one goroutine at a time.
type binder struct {
	server  string // for errors; empty while it is not known
	scratch []byte
}

// appendBind appends the message that binds values to the unnamed portal.
func (b *binder) appendBind(dst []byte, p *prepared, in *Input) ([]byte, error) {
	dst, start := openMessage(dst, 'B')
	dst, err := b.appendValues(append(dst, p.head...), p.params, in)
	if err != nil {
		return dst, err
	}
	return closeMessage(append(dst, p.formats...), start), nil
}

// appendValues appends what the message has for its parameters: their formats, and their values.
func (b *binder) appendValues(dst []byte, params []form, in *Input) ([]byte, error) {
	if len(params) < len(in.Refs) {
		return dst, &Error{Server: b.server, Code: codeMisuse, Message: "there are more values than parameters", Offset: -1, Outcome: NotSent}
	}
	n := uint16(len(params))
	dst = binary.BigEndian.AppendUint16(dst, n)
	formats := len(dst)
	for range params {
		dst = append(dst, 0, 0)
	}
	dst = binary.BigEndian.AppendUint16(dst, n)
	keys := in.Keys
	for i, f := range params {
		at := len(dst)
		dst = append(dst, 0, 0, 0, 0)
		var how bound
		if i < len(in.Refs) {
			dst, how = b.appendValue(dst, f, in.Refs[i].Value(in.X))
		} else {
			dst, keys, how = appendBoundKey(dst, f, keys)
		}
		size := len(dst) - at - 4
		if size > maxValue {
			how = tooLong
		}
		switch {
		case how > isBinary:
			code, message := how.unfit()
			return dst, &Error{Server: b.server, Code: code, Message: message, Param: i + 1, Offset: -1, Outcome: NotSent}
		case how == isNull:
			size = -1
		}
		binary.BigEndian.PutUint32(dst[at:], uint32(int32(size)))
		if how == isBinary {
			dst[formats+2*i+1] = 1
		}
	}
	if len(keys) > 0 {
		_, message := notKey.unfit()
		return dst, &Error{Server: b.server, Code: codeValue, Message: message, Offset: -1, Outcome: NotSent}
	}
	return dst, nil
}

// appendValue appends a value of a request for a parameter. What the server reads from text as well goes as text.
func (b *binder) appendValue(dst []byte, f form, v sluice.Value) ([]byte, bound) {
	typ := v.Type()
	if typ == sluice.Absent || typ == sluice.Null {
		return dst, isNull
	}
	switch f.kind {
	case int2, int4, int8, oid:
		return appendIntValue(dst, f.kind, v)
	case float4, float8:
		return appendFloatValue(dst, f.kind, v)
	case numeric:
		if typ == sluice.Boolean {
			return append(dst, '0'+bit(v)), isText
		}
	case boolean:
		if typ == sluice.Boolean {
			return append(dst, bit(v)), isBinary
		}
	case json, jsonb:
		return v.AppendJSON(dst), notNUL(v)
	case bytea:
		if typ == sluice.Text {
			return appendBase64Value(dst, v.Bytes())
		}
	case array, textArray:
		if typ == sluice.JSON {
			return b.appendArrayValue(dst, f.elem, v.Bytes())
		}
	}
	if typ == sluice.Text && !fitText(v.Bytes()) {
		return dst, notText
	}
	return v.AppendText(dst), isText
}

// notNUL refuses a text with a NUL, which JSON has and PostgreSQL's text has not, unless the server is to say so.
func notNUL(v sluice.Value) bound {
	if v.Type() == sluice.Text && !fitText(v.Bytes()) {
		return notText
	}
	return isText
}

func fitText(b []byte) bool {
	for _, c := range b {
		if c == 0 || c >= utf8.RuneSelf {
			return fitLong(b)
		}
	}
	return true
}

func fitLong(b []byte) bool {
	for _, c := range b {
		if c == 0 {
			return false
		}
	}
	return utf8.Valid(b)
}

func bit(v sluice.Value) byte {
	if v.Bool() {
		return 1
	}
	return 0
}

func appendIntValue(dst []byte, k kind, v sluice.Value) ([]byte, bound) {
	n := int64(0)
	switch v.Type() {
	case sluice.Integer:
		n = v.Int()
	case sluice.Number:
		f := v.Float()
		if f != math.Trunc(f) || f != f {
			return dst, notWhole
		}
		if f < -1<<63 || f >= 1<<63 {
			return dst, notInRange
		}
		n = int64(f)
	case sluice.Boolean:
		n = int64(bit(v))
	case sluice.Text:
		var err error
		if n, err = strconv.ParseInt(string(v.Bytes()), 10, 64); err != nil {
			if ne, ok := err.(*strconv.NumError); ok && ne.Err == strconv.ErrRange {
				return dst, notInRange
			}
			return dst, notWhole
		}
	default:
		return dst, notWhole
	}
	return appendInt(dst, k, n)
}

// appendInt appends an integer in the binary format of its type.
func appendInt(dst []byte, k kind, n int64) ([]byte, bound) {
	switch {
	case k == int8:
		return binary.BigEndian.AppendUint64(dst, uint64(n)), isBinary
	case k == int4 && n == int64(int32(n)), k == oid && n == int64(uint32(n)):
		return binary.BigEndian.AppendUint32(dst, uint32(n)), isBinary
	case k == int2 && n == int64(int16(n)):
		return binary.BigEndian.AppendUint16(dst, uint16(n)), isBinary
	}
	return dst, notInRange
}

func appendFloatValue(dst []byte, k kind, v sluice.Value) ([]byte, bound) {
	switch v.Type() {
	case sluice.Integer, sluice.Number:
		return appendFloat(dst, k, v.Float())
	case sluice.Boolean:
		return appendFloat(dst, k, float64(bit(v)))
	case sluice.Text:
		if !fitText(v.Bytes()) {
			return dst, notText
		}
		return append(dst, v.Bytes()...), isText
	}
	return dst, notNumber
}

func appendFloat(dst []byte, k kind, f float64) ([]byte, bound) {
	if k == float8 {
		return binary.BigEndian.AppendUint64(dst, math.Float64bits(f)), isBinary
	}
	narrow := float32(f)
	if math.IsInf(float64(narrow), 0) && !math.IsInf(f, 0) {
		return dst, notInRange
	}
	return binary.BigEndian.AppendUint32(dst, math.Float32bits(narrow)), isBinary
}

// appendBase64Value appends the bytes that a text stands for: base64, as they are answered, or \x and hexadecimal, as
// PostgreSQL writes them.
func appendBase64Value(dst, s []byte) ([]byte, bound) {
	var err error
	at := len(dst)
	if len(s) > 1 && s[0] == '\\' && s[1] == 'x' {
		dst, err = hex.AppendDecode(dst, s[2:])
	} else {
		dst, err = base64.StdEncoding.AppendDecode(dst, s)
	}
	if err != nil {
		return dst[:at], notBase64
	}
	return dst, isBinary
}
