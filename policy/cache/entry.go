package cache

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/tag"
)

// sort is what is kept under a key.
type sort uint8

const (
	// answered is an answer.
	answered sort = iota + 1
	// varied tells that answers are kept under variants of the key, by the fields of the request that they depend on.
	varied
	// passed tells that the answer could not be kept a moment ago, so that nobody waits for it.
	passed
)

// entry is what is kept under a key. It never changes, but for refresh; its bytes are shared by all who are answered
// from it.
type entry struct {
	sort   sort
	public bool
	// Times are in nanoseconds since 1970. born is when the answer was new: its age counts from there.
	born, fresh, stale int64
	fields             []sluice.Field
	body               []byte
	// etag and modified are the answer's validators; etag is one of the fields' values.
	etag     []byte
	modified time.Time
	// names are the fields of the request that answers depend on, where they are varied.
	names []string
	// reads are the versions of the data that the answer holds, stamps the generations of what it is made of.
	reads  []sluice.Version
	stamps []tag.Stamp
	// refresh is until when nobody needs to refresh it, because somebody does or has just failed to.
	refresh atomic.Int64
}

// passing is for how long nobody waits for an answer that could not be kept.
const passing = 5 * time.Second

func newPassed(now time.Time) *entry {
	return &entry{sort: passed, born: now.UnixNano(), fresh: now.Add(passing).UnixNano(), stale: now.Add(passing).UnixNano()}
}

// newVaried has what is kept under variants found for as long as they are.
func newVaried(names []string, until int64, now time.Time) *entry {
	return &entry{sort: varied, names: names, born: now.UnixNano(), fresh: until, stale: until}
}

// newEntry keeps a copy of the head of an answer; outer are the fields that were there before it was made.
func newEntry(r *sluice.Response, outer []sluice.Field, p plan, now time.Time) *entry {
	e := &entry{sort: answered, public: p.public}
	e.born, e.fresh = now.Add(-p.age).UnixNano(), now.Add(p.fresh).UnixNano()
	e.stale = now.Add(p.fresh + p.stale).UnixNano()
	h := &r.Header
	size := 0
	for _, f := range h.Fields() {
		size += len(f.Name) + len(f.Value)
	}
	arena := make([]byte, 0, size)
	own := func(b []byte) []byte {
		at := len(arena)
		arena = append(arena, b...)
		return arena[at:len(arena):len(arena)]
	}
	for _, f := range h.Fields() {
		if keeps(h, f.Name) && !holds(outer, f) {
			e.fields = append(e.fields, sluice.Field{Name: own(f.Name), Value: own(f.Value)})
		}
	}
	e.index()
	return e
}

// fill gives the entry its body, which becomes its own, and what the answer was read at. Where the backend gave no
// entity tag it makes one.
func (e *entry) fill(body []byte, reads []sluice.Version) {
	e.body, e.reads = body, slices.Clone(reads)
	if e.etag == nil {
		e.etag = appendETag(make([]byte, 0, etagSize), body)
		e.fields = append(e.fields, sluice.Field{Name: []byte("ETag"), Value: e.etag})
	}
}

// holds tells whether a field was there before the answer was made.
func holds(outer []sluice.Field, f sluice.Field) bool {
	for _, o := range outer {
		if string(o.Name) == string(f.Name) && string(o.Value) == string(f.Value) {
			return true
		}
	}
	return false
}

// index finds the validators among the fields.
func (e *entry) index() {
	for _, f := range e.fields {
		switch {
		case sluice.SameToken(f.Name, "ETag"):
			e.etag = f.Value
		case sluice.SameToken(f.Name, "Last-Modified"):
			e.modified, _ = parseTime(f.Value)
		}
	}
}

// etagSize is the length of an entity tag that is made here.
const etagSize = 24

// appendETag makes a strong entity tag of a body: 128 bits of its hash.
func appendETag(dst, body []byte) []byte {
	sum := sha256.Sum256(body)
	return append(base64.RawURLEncoding.AppendEncode(append(dst, '"'), sum[:16]), '"')
}

// overhead is what an entry takes besides its bytes, roughly, with what the table takes for it.
const overhead = int(unsafe.Sizeof(entry{})) + 200

// size is the memory that the entry takes.
func (e *entry) size() int {
	n := overhead + cap(e.body) + len(e.reads)*int(unsafe.Sizeof(sluice.Version{}))
	for _, f := range e.fields {
		n += len(f.Name) + len(f.Value) + int(unsafe.Sizeof(f))
	}
	for _, name := range e.names {
		n += len(name) + int(unsafe.Sizeof(name))
	}
	for _, s := range e.stamps {
		n += len(s.Name()) + int(unsafe.Sizeof(s))
	}
	return n
}

// question is what decides whether an entry answers a request.
type question struct {
	now time.Time
	// shows is set when the request shows who asks and the cache does not tell callers apart.
	shows bool
	// covered is set when the entry holds all that the caller has seen.
	covered bool
	tags    tag.Verdict
}

// verdict is what is done with a request.
type verdict uint8

const (
	// forward asks the backend.
	forward verdict = iota
	// serve answers from the entry.
	serve
	// serveStale answers from the entry and fetches a new one in the background.
	serveStale
)

// judge decides whether the entry answers a request; why says why not. It looks at nothing but what it is given.
func (e *entry) judge(q question) (v verdict, why reason) {
	now := q.now.UnixNano()
	switch {
	case e.sort != answered:
		return forward, missing
	case q.shows && !e.public:
		return forward, bypassed
	case now >= e.stale:
		return forward, expired
	case q.tags == tag.Purged:
		return forward, purged
	case q.tags == tag.Unknown:
		return forward, unsure
	case !q.covered:
		return forward, behind
	case now >= e.fresh:
		return serveStale, 0
	}
	return serve, 0
}
