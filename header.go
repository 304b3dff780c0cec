package sluice

import (
	"strconv"
	"unsafe"
)

// Field is one header field. Both parts are borrowed from the exchange that carries them.
type Field struct{ Name, Value []byte }

// Header is the ordered list of a message's header or trailer fields. Names compare without case (RFC 9110,
// section 5.1) and keep the case they came with. The zero Header is empty and ready to use.
//
// Bytes given to a Header are borrowed, not copied: they must stay as they are until the exchange ends.
// CopyField and what has Copy in its name take a copy instead.
type Header struct {
	fields []Field
	arena  []byte
	// names has the mark of every field's name, and may have more: most of what is asked for is not there.
	names uint64
}

// mark is one of 64 bits that stand for a name without regard to case. Its parts are such that of the usual fields of
// requests few have the mark of one that is looked for on the way of each.
func mark[N string | []byte](name N) uint64 {
	n := len(name)
	if n == 0 {
		return 1
	}
	return 1 << ((uint(n)*8 + uint(name[0]&31)*11 + uint(name[n-1]&31)) & 63)
}

// Len is the number of fields; a name that comes twice counts twice.
func (h *Header) Len() int { return len(h.fields) }

// Fields are the fields in their order. The slice is valid until the next change of the header.
func (h *Header) Fields() []Field { return h.fields }

// Value is the value of the first field of that name, nil when there is none, and not nil when it is empty.
func (h *Header) Value(name string) []byte {
	if h.names&mark(name) == 0 {
		return nil
	}
	for i := range h.fields {
		if SameToken(h.fields[i].Name, name) {
			if v := h.fields[i].Value; v != nil {
				return v
			}
			return []byte{}
		}
	}
	return nil
}

// Has tells whether a field of that name is there, also an empty one.
func (h *Header) Has(name string) bool { return h.names&mark(name) != 0 && h.has(name) }

func (h *Header) has(name string) bool {
	for i := range h.fields {
		if SameToken(h.fields[i].Name, name) {
			return true
		}
	}
	return false
}

// Count is the number of fields of that name.
func (h *Header) Count(name string) int {
	if h.names&mark(name) == 0 {
		return 0
	}
	n := 0
	for i := range h.fields {
		if SameToken(h.fields[i].Name, name) {
			n++
		}
	}
	return n
}

// Add appends a field. Strings are immutable, so nothing is copied.
func (h *Header) Add(name, value string) { h.AddBytes(aliasBytes(name), aliasBytes(value)) }

// AddBytes appends a field whose bytes are borrowed until the exchange ends.
func (h *Header) AddBytes(name, value []byte) {
	h.names |= mark(name)
	h.fields = append(h.fields, Field{Name: name, Value: value})
}

// AddFields appends fields whose bytes are borrowed until the exchange ends.
func (h *Header) AddFields(fields []Field) {
	for i := range fields {
		h.names |= mark(fields[i].Name)
	}
	h.fields = append(h.fields, fields...)
}

// CopyField appends a field and copies its bytes, for a value that lives shorter than the exchange.
func (h *Header) CopyField(name, value []byte) {
	h.AddBytes(h.copy(name), h.copy(value))
}

// AddCopy is Add for a value that lives shorter than the exchange.
func (h *Header) AddCopy(name string, value []byte) { h.AddBytes(aliasBytes(name), h.copy(value)) }

// Set replaces all fields of that name by one, in the place of the first.
func (h *Header) Set(name, value string) { h.SetBytes(name, aliasBytes(value)) }

// SetBytes is Set for a borrowed value.
func (h *Header) SetBytes(name string, value []byte) {
	if h.names&mark(name) != 0 {
		for i := range h.fields {
			if SameToken(h.fields[i].Name, name) {
				h.fields[i].Value = value
				h.delFrom(i+1, name)
				return
			}
		}
	}
	h.AddBytes(aliasBytes(name), value)
}

// SetCopy is Set for a value that lives shorter than the exchange.
func (h *Header) SetCopy(name string, value []byte) { h.SetBytes(name, h.copy(value)) }

// SetInt sets a decimal number.
func (h *Header) SetInt(name string, n int64) {
	start := len(h.arena)
	h.arena = strconv.AppendInt(h.arena, n, 10)
	h.SetBytes(name, h.arena[start:len(h.arena):len(h.arena)])
}

// Del removes every field of that name.
func (h *Header) Del(name string) {
	if h.names&mark(name) != 0 {
		h.delFrom(0, name)
	}
}

// DelFunc removes every field for which drop says so.
func (h *Header) DelFunc(drop func(Field) bool) {
	first := 0
	for first < len(h.fields) && !drop(h.fields[first]) {
		first++
	}
	if first == len(h.fields) {
		return
	}
	kept := h.fields[:first]
	for _, f := range h.fields[first+1:] {
		if !drop(f) {
			kept = append(kept, f)
		}
	}
	h.retain(kept)
}

// retain makes kept, filtered in place, the fields, and lets go of the others.
func (h *Header) retain(kept []Field) {
	clear(h.fields[len(kept):])
	h.fields = kept
}

// restore makes fields that the header had before what it has. Their bytes are there still, so the arena is kept.
func (h *Header) restore(fields []Field) {
	n := len(h.fields)
	h.fields = append(h.fields[:0], fields...)
	if len(fields) < n {
		clear(h.fields[len(fields):n])
	}
	for _, f := range fields {
		h.names |= mark(f.Name)
	}
}

// Reset empties the header and keeps its memory.
func (h *Header) Reset() {
	clear(h.fields)
	h.fields = h.fields[:0]
	h.arena = h.arena[:0]
	h.names = 0
}

// CopyFrom makes h a copy of other that shares no memory with it.
func (h *Header) CopyFrom(other *Header) {
	h.Reset()
	for _, f := range other.fields {
		h.CopyField(f.Name, f.Value)
	}
}

func (h *Header) delFrom(start int, name string) {
	kept := h.fields[:start]
	for _, f := range h.fields[start:] {
		if !SameToken(f.Name, name) {
			kept = append(kept, f)
		}
	}
	h.retain(kept)
}

// copy keeps b in the arena. Growing the arena leaves earlier copies where they are, so they stay valid.
func (h *Header) copy(b []byte) []byte {
	start := len(h.arena)
	h.arena = append(h.arena, b...)
	return h.arena[start:len(h.arena):len(h.arena)]
}

// aliasBytes views a string as bytes that must not be written.
func aliasBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// aliasString views bytes as a string that lives only as long as they stay unchanged.
func aliasString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
