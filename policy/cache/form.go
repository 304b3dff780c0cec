package cache

import (
	"encoding/binary"
	"errors"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/tag"
)

// formVersion begins every stored entry. A node that finds another asks the backend.
const formVersion = 1

var errForm = errors.New("what stands in the store is no cached answer of this version")

// maxFields bounds the fields, names, reads and tags of a stored entry.
const maxFields = 1 << 10

// encode is the stored form of an entry: version, sort, flags, the three times, and then fields, body, names, reads and
// stamps, all with their counts or lengths before them.
func (e *entry) encode() []byte {
	b := make([]byte, 0, e.size()+len(e.fields)*4+64)
	b = append(b, formVersion, byte(e.sort), flag(e.public))
	for _, at := range [...]int64{e.born, e.fresh, e.stale} {
		b = binary.BigEndian.AppendUint64(b, uint64(at))
	}
	b = binary.AppendUvarint(b, uint64(len(e.fields)))
	for _, f := range e.fields {
		b = appendPart(appendPart(b, f.Name), f.Value)
	}
	b = appendPart(b, e.body)
	b = binary.AppendUvarint(b, uint64(len(e.names)))
	for _, name := range e.names {
		b = appendPart(b, []byte(name))
	}
	b = binary.AppendUvarint(b, uint64(len(e.reads)))
	for _, v := range e.reads {
		b = binary.BigEndian.AppendUint64(b, v.Source)
		b = binary.BigEndian.AppendUint32(b, v.Timeline)
		b = append(binary.BigEndian.AppendUint64(b, v.Position), flag(v.Timed))
	}
	b = binary.AppendUvarint(b, uint64(len(e.stamps)))
	for _, s := range e.stamps {
		b = append(appendPart(b, []byte(s.Name())), s.ID[:]...)
	}
	return b
}

// decode reads a stored entry, whose bytes it goes on using. stamp finds the tag of a name.
func decode(b []byte, stamp func(name string, id tag.ID) tag.Stamp) (*entry, error) {
	r := reader{rest: b}
	if r.byte() != formVersion {
		return nil, errForm
	}
	e := &entry{sort: sort(r.byte()), public: r.bool()}
	e.born, e.fresh, e.stale = int64(r.uint64()), int64(r.uint64()), int64(r.uint64())
	for range r.count() {
		e.fields = append(e.fields, sluice.Field{Name: r.part(), Value: r.part()})
	}
	e.body = r.part()
	for range r.count() {
		e.names = append(e.names, string(r.part()))
	}
	for range r.count() {
		e.reads = append(e.reads, sluice.Version{Source: r.uint64(), Timeline: r.uint32(), Position: r.uint64(), Timed: r.bool()})
	}
	for range r.count() {
		name := string(r.part())
		e.stamps = append(e.stamps, stamp(name, tag.ID(r.take(len(tag.ID{})))))
	}
	if r.broken || len(r.rest) > 0 || e.sort < answered || e.sort > passed {
		return nil, errForm
	}
	if (e.sort == varied) != (len(e.names) > 0) || !validFields(e.fields) {
		return nil, errForm
	}
	e.index()
	return e, nil
}

// validFields keeps what was written by others from adding fields of its own to an answer.
func validFields(fields []sluice.Field) bool {
	for _, f := range fields {
		if !sluice.ValidFieldName(f.Name) || !sluice.ValidFieldValue(f.Value) {
			return false
		}
	}
	return true
}

// reader takes a stored form apart. What is not there is zero, and makes it broken.
type reader struct {
	rest   []byte
	broken bool
}

func (r *reader) take(n int) []byte {
	if r.broken || n > len(r.rest) { // here n is one of the sizes above, never one that was read
		r.broken = true
		return make([]byte, n)
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte     { return r.take(1)[0] }
func (r *reader) uint32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) uint64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }

func (r *reader) bool() bool {
	b := r.byte()
	r.broken = r.broken || b > 1
	return b == 1
}

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.rest)
	if r.broken || size <= 0 {
		r.broken = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) count() uint64 {
	n := r.uvarint()
	if n > maxFields {
		r.broken = true
		return 0
	}
	return n
}

func (r *reader) part() []byte {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.broken = true
		return nil
	}
	return r.take(int(n))
}
