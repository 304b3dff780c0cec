package tag

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/sluiceapi/sluice"
)

// ID is of one generation and never used twice. The zero ID is of none.
type ID [16]byte

func newID() (id ID) {
	binary.BigEndian.PutUint64(id[:8], rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], rand.Uint64()|1)
	return id
}

// The keys hold one word in braces, by which a cluster keeps them on one server: so they are read at one moment.
const (
	prefix  = "{cache}tag:"
	counter = "{cache}purges"
	records = "{cache}purge:"
	topic   = "cache"
)

// everything is a tag that all tagged things have besides their own.
const everything = ""

func keyOf(name string) string { return prefix + name }

// maxName bounds the name of a tag in the store: a longer one stands there as its hash.
const maxName = 200

func short(name string) string {
	if len(name) <= maxName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:maxName-2*len(sum)] + hex.EncodeToString(sum[:])
}

var (
	errForm      = errors.New("what stands in the store for a tag cannot be read")
	errOvertaken = errors.New("purges have overtaken the reading of tags")
)

// version begins all that is stored.
const version = 1

// origin says how a generation began.
type origin byte

const (
	born   origin = 'b' // something was kept under a tag without one
	purged origin = 'p'
)

// maxFloors bounds what is stored of what a writer had made.
const maxFloors = 32

// floorSize is the size of a stored version of data.
const floorSize = 8 + 4 + 8 + 1

// encodeGeneration is the stored form: version, origin, id, and the floors with a fixed size each.
func encodeGeneration(now *generation, o origin) []byte {
	b := append([]byte{version, byte(o)}, now.id[:]...)
	for _, v := range now.floors[:min(len(now.floors), maxFloors)] {
		b = binary.BigEndian.AppendUint64(b, v.Source)
		b = binary.BigEndian.AppendUint32(b, v.Timeline)
		b = binary.BigEndian.AppendUint64(b, v.Position)
		timed := byte(0)
		if v.Timed {
			timed = 1
		}
		b = append(b, timed)
	}
	return b
}

const generationHead = 2 + len(ID{})

func originOf(b []byte) origin {
	if len(b) < 2 || b[0] != version {
		return 0
	}
	return origin(b[1])
}

func decodeGeneration(b []byte) (*generation, error) {
	if o := originOf(b); o != born && o != purged || len(b) < generationHead || (len(b)-generationHead)%floorSize != 0 {
		return nil, errForm
	}
	now := &generation{id: ID(b[2:generationHead])}
	if now.id == (ID{}) || (len(b)-generationHead)/floorSize > maxFloors {
		return nil, errForm
	}
	for b = b[generationHead:]; len(b) > 0; b = b[floorSize:] {
		if b[20] > 1 {
			return nil, errForm
		}
		now.floors = append(now.floors, sluice.Version{Source: binary.BigEndian.Uint64(b), Timeline: binary.BigEndian.Uint32(b[8:]),
			Position: binary.BigEndian.Uint64(b[12:]), Timed: b[20] == 1})
	}
	return now, nil
}

// maxNames bounds the tags of one purge.
const maxNames = 64

// encodeRecord is the stored form of a purge: version, when it was made, and the tags, each with its length before it.
func encodeRecord(names []string, at time.Time) []byte {
	b := binary.BigEndian.AppendUint64([]byte{version}, uint64(at.UnixMicro()))
	for _, name := range names {
		b = append(binary.AppendUvarint(b, uint64(len(name))), name...)
	}
	return b
}

func decodeRecord(b []byte) (names []string, at time.Time, err error) {
	if len(b) < 9 || b[0] != version {
		return nil, at, errForm
	}
	at = time.UnixMicro(int64(binary.BigEndian.Uint64(b[1:])))
	for b = b[9:]; len(b) > 0; {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > maxName || uint64(len(b)-n) < size || len(names) == maxNames {
			return nil, at, errForm
		}
		names = append(names, string(b[n:n+int(size)]))
		b = b[n+int(size):]
	}
	return names, at, nil
}
