package sluice

import (
	"slices"
	"time"
)

// SeenFor is for how long it is known what a caller has seen: no source of data may be further behind than that.
const SeenFor = 30 * time.Second

// TokenCookie is the cookie of the consistency token, which a browser sends back after a write: it says what its caller has
// seen, and not who that is. The prefix holds it to this host and to TLS (RFC 6265bis, section 4.1.3.2).
const TokenCookie = "__Host-ct"

// Version is how far one source of data has come: a shard's servers, or what nodes share of a cache.
type Version struct {
	// Source names the source, the same on all nodes.
	Source uint64
	// Timeline tells histories of the source apart: it grows when a replica takes over. Zero is a source without.
	Timeline uint32
	// Position is a place in its log, such as a log sequence number of PostgreSQL; where Timed is set it is a time in
	// milliseconds since 1970.
	Position uint64
	Timed    bool
}

// Covers tells whether data of version v holds all that there was at o, of the same source.
func (v Version) Covers(o Version) bool {
	return v.Timeline > o.Timeline || v.Timeline == o.Timeline && v.Timed == o.Timed && v.Position >= o.Position
}

// Seen is what is known of the versions of an exchange's data: what the caller has seen before, which the answer must
// not fall behind, and what the answer was read at.
type Seen struct {
	floor []Version
	read  []Version
	grown bool
}

// Floor is the version of a source that the caller has seen: what it is answered must be as new.
func (s *Seen) Floor(source uint64) (Version, bool) { return find(s.floor, source) }

// Floors are all versions that the caller has seen. The slice is borrowed.
func (s *Seen) Floors() []Version { return s.floor }

// SetFloor notes what the caller has seen before this exchange.
func (s *Seen) SetFloor(v Version) { s.floor, _ = raise(s.floor, v) }

// Advance notes what the exchange itself has made or seen, which the caller's next must see too.
func (s *Seen) Advance(v Version) {
	grown := false
	s.floor, grown = raise(s.floor, v)
	s.grown = s.grown || grown
}

// Grown tells whether the caller has seen more than it said: it must be told.
func (s *Seen) Grown() bool { return s.grown }

// Read notes that the answer holds data of a source of at least that version. Of two reads the older counts.
func (s *Seen) Read(v Version) {
	for i := range s.read {
		if at := &s.read[i]; at.Source == v.Source {
			if at.Covers(v) {
				*at = v
			}
			return
		}
	}
	s.read = append(s.read, v)
}

// Reads are the versions that the answer was read at. The slice is borrowed.
func (s *Seen) Reads() []Version { return s.read }

// Covers tells whether an answer that was read at those versions holds all that the caller has seen of its sources.
func (s *Seen) Covers(reads []Version) bool {
	for _, v := range reads {
		if floor, ok := s.Floor(v.Source); ok && !v.Covers(floor) {
			return false
		}
	}
	return true
}

func (s *Seen) reset() { *s = Seen{floor: s.floor[:0], read: s.read[:0]} }

func find(list []Version, source uint64) (Version, bool) {
	for _, v := range list {
		if v.Source == source {
			return v, true
		}
	}
	return Version{}, false
}

// raise puts v at the end of a list in which it is newer than what stands there of its source.
func raise(list []Version, v Version) (_ []Version, raised bool) {
	i := slices.IndexFunc(list, func(o Version) bool { return o.Source == v.Source })
	if i < 0 {
		return append(list, v), true
	}
	if list[i].Covers(v) {
		return list, false
	}
	return append(slices.Delete(list, i, i+1), v), true
}
