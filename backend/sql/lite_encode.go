package sql

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/sqlite"
)

// encoder writes rows of one statement of SQLite as JSON objects, straight into a buffer.
type encoder struct {
	fields    []field
	int64Text bool
}

// field is one column: how its member starts, such as `{"id":` or `,"name":`, and how its values are read.
type field struct {
	head []byte
	as   form
}

// form is what the declared type of a column makes of its values; else a value's own type decides.
type form uint8

const (
	plain form = iota
	boolean
	timestamp
	document
)

// newEncoder quotes the names of the columns, once. Two columns of one name are an error.
func newEncoder(columns []sqlite.Column, int64Text bool) (encoder, error) {
	e := encoder{int64Text: int64Text}
	seen := make(map[string]bool)
	for i, c := range columns {
		if seen[c.Name] {
			return e, fmt.Errorf("two columns are called %q; want AS to give one of them another name", c.Name)
		}
		seen[c.Name] = true
		head := []byte{','}
		if i == 0 {
			head[0] = '{'
		}
		head = append(sluice.AppendJSONString(head, []byte(c.Name)), ':')
		e.fields = append(e.fields, field{head: head, as: formOf(c.Type)})
	}
	return e, nil
}

func formOf(declared string) form {
	name, _, _ := strings.Cut(strings.ToUpper(declared), "(")
	words := strings.Fields(name)
	if len(words) == 0 {
		return plain
	}
	switch words[0] {
	case "BOOLEAN", "BOOL":
		return boolean
	case "TIMESTAMP", "TIMESTAMPTZ", "DATETIME":
		return timestamp
	case "JSON", "JSONB":
		return document
	}
	return plain
}

// appendRow appends the row that r stands on as an object.
func (e *encoder) appendRow(dst []byte, r *sqlite.Rows) []byte {
	for i := range e.fields {
		f := &e.fields[i]
		dst = e.appendValue(append(dst, f.head...), r, i, f.as)
	}
	return append(dst, '}')
}

func (e *encoder) appendValue(dst []byte, r *sqlite.Rows, i int, as form) []byte {
	switch r.Type(i) {
	case sqlite.Integer:
		return e.appendInt(dst, r.Int(i), as)
	case sqlite.Float:
		return sluice.NumberValue(r.Float(i)).AppendJSON(dst)
	case sqlite.Text:
		return appendText(dst, r.Text(i), as)
	case sqlite.Blob:
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), r.Blob(i))
		return append(dst, '"')
	}
	return append(dst, "null"...)
}

func (e *encoder) appendInt(dst []byte, n int64, as form) []byte {
	switch {
	case as == boolean:
		return strconv.AppendBool(dst, n != 0)
	case e.int64Text:
		return append(strconv.AppendInt(append(dst, '"'), n, 10), '"')
	}
	return strconv.AppendInt(dst, n, 10)
}

func appendText(dst, text []byte, as form) []byte {
	switch as {
	case timestamp:
		if len(text) > len("2026-01-31 ") && text[10] == ' ' {
			if zone, ok := timeZone(text); ok {
				dst = append(append(dst, '"'), text[:10]...)
				dst = append(append(dst, 'T'), text[11:]...)
				return append(append(dst, zone...), '"')
			}
		}
	case document:
		if json.Valid(text) {
			return append(dst, text...)
		}
	}
	return sluice.AppendJSONString(dst, text)
}

// timeZone tells whether text is a time as SQLite's functions write it, 2026-01-31 12:00:00 with or without a fraction
// and a zone, and what it lacks to be one of RFC 3339: SQLite's times are UTC where they do not say otherwise.
func timeZone(text []byte) (missing string, ok bool) {
	const layout = "0000-00-00 00:00:00"
	if len(text) < len(layout) {
		return "", false
	}
	for i := range layout {
		if c := text[i]; layout[i] == '0' && (c < '0' || c > '9') || layout[i] != '0' && c != layout[i] {
			return "", false
		}
	}
	rest := text[len(layout):]
	if len(rest) > 1 && rest[0] == '.' {
		rest = rest[1:]
		for len(rest) > 0 && '0' <= rest[0] && rest[0] <= '9' {
			rest = rest[1:]
		}
	}
	switch {
	case len(rest) == 0:
		return "Z", true
	case string(rest) == "Z":
		return "", true
	}
	return "", len(rest) == len("+00:00") && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':'
}
