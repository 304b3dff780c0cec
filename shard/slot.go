// Package shard places keys on shards: 4096 slots, the hash that finds a key's slot, and the map that says on which shard
// each slot lives. It knows no database.
//
// The hash is that of PostgreSQL's own PARTITION BY HASH with a modulus of 4096, so that a database can tell a row's slot
// in plain SQL, and a table that was sharded can be partitioned, with its data in place.
package shard

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// Slots is how many slots there are: enough for some hundreds of shards, few enough for a map that fits a cache.
const Slots = 4096

// Slot is one of the parts that keys fall into, 0 to 4095. It lives on one shard, and moves as a whole.
type Slot uint16

// combined is what combining a key's hash with that of no other column adds to it (hash_combine64 with 0), as far as it
// counts for a slot.
const combined = 0x49a0f4dd15e5a8e3 & (Slots - 1)

// slotOf is hash_combine64(0, hash) % Slots, as PostgreSQL's compute_partition_hash_value has it.
func slotOf(hash uint64) Slot { return Slot((hash + combined) & (Slots - 1)) }

// SlotOfInt is the slot of an int8, and of an int4 or int2 of the same value.
func SlotOfInt(key int64) Slot { return slotOf(hashInt(key)) }

// SlotOfText is the slot of a text or varchar in UTF-8, by its bytes: as PostgreSQL has it under every collation that is
// deterministic. A char(n) is another matter, since it ignores spaces at its end.
func SlotOfText[T ~string | ~[]byte](key T) Slot { return slotOf(hashBytes(key)) }

// SlotOfUUID is the slot of a uuid.
func SlotOfUUID(key [16]byte) Slot {
	return slotOf(hashBytes(key[:]))
}

// Type is the type of a sharded column, by the name that PostgreSQL gives it.
type Type string

// The types that can be hashed.
const (
	// Int8 is for int4 and int2 columns too: they hash alike. A numeric does not.
	Int8 Type = "int8"
	Text Type = "text"
	UUID Type = "uuid"
)

var types = []Type{Int8, Text, UUID}

// Check says whether it is one of the types.
func (t Type) Check() error {
	if slices.Contains(types, t) {
		return nil
	}
	return fmt.Errorf("%q is no type to hash; want one of int8, text, uuid", string(t))
}

// The errors of keys, which are made beforehand, since anyone may send what is no key.
var (
	errInt  = errors.New("the key is no int8; want a whole number in decimal digits, of 64 bits with its sign")
	errText = errors.New("the key is no text of PostgreSQL's; want UTF-8 without a zero byte")
	errUUID = errors.New("the key is no uuid; want 32 hexadecimal digits, in groups with dashes between them or without")
	errType = errors.New("there are no keys of this type; want one of int8, text, uuid")
)

// Slot is the slot of a key that is written as text. It allocates nothing. A key that does not parse is an error: the
// caller must not ask all shards instead.
func (t Type) Slot(key []byte) (Slot, error) {
	switch t {
	case Int8:
		n, ok := parseInt(key)
		if !ok {
			return 0, errInt
		}
		return SlotOfInt(n), nil
	case Text:
		if bytes.IndexByte(key, 0) >= 0 || !utf8.Valid(key) {
			return 0, errText
		}
		return SlotOfText(key), nil
	case UUID:
		id, err := ParseUUID(key)
		if err != nil {
			return 0, err
		}
		return SlotOfUUID(id), nil
	default:
		return 0, errType
	}
}

// parseInt reads what strconv.ParseInt reads in base 10, without its errors, which allocate.
func parseInt(key []byte) (int64, bool) {
	negative := len(key) > 0 && key[0] == '-'
	if negative || len(key) > 0 && key[0] == '+' {
		key = key[1:]
	}
	limit := uint64(math.MaxInt64)
	if negative {
		limit++
	}
	n := uint64(0)
	for _, c := range key {
		digit := uint64(c - '0')
		if digit > 9 || n > (limit-digit)/10 {
			return 0, false
		}
		n = n*10 + digit
	}
	if negative {
		n = -n
	}
	return int64(n), len(key) > 0
}

// ParseUUID reads a uuid in all the ways that PostgreSQL does: digits of either case, with a dash after any four of them
// or without, in braces or without.
func ParseUUID[T ~string | ~[]byte](key T) (id [16]byte, err error) {
	braced := len(key) > 0 && key[0] == '{'
	if braced {
		if key[len(key)-1] != '}' || len(key) < 2 {
			return id, errUUID
		}
		key = key[1 : len(key)-1]
	}
	for i := range id {
		if len(key) < 2 {
			return id, errUUID
		}
		high, ok1 := hexDigit(key[0])
		low, ok2 := hexDigit(key[1])
		if !ok1 || !ok2 {
			return id, errUUID
		}
		id[i], key = high<<4|low, key[2:]
		if i%2 == 1 && i < len(id)-1 && len(key) > 0 && key[0] == '-' {
			key = key[1:]
		}
	}
	if len(key) > 0 {
		return id, errUUID
	}
	return id, nil
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	default:
		return 0, false
	}
}

// Expression is the slot of a key as PostgreSQL computes it, of type bigint: immutable and made of built-in functions
// only, so it can stand in a CHECK, an index, a WHERE and the row filter of a publication. The key is SQL: a column's name,
// quoted where it must be, or a parameter with its type.
func (t Type) Expression(key string) string {
	function := "hashint8extended"
	switch t {
	case Text:
		function = "hashtextextended"
	case UUID:
		function = "uuid_hash_extended"
	}
	return fmt.Sprintf("(((%s(%s, %d) & %d) + %d) & %d)", function, key, uint64(seed), Slots-1, combined, Slots-1)
}
