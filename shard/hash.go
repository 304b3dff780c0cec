package shard

import "math/bits"

// seed is PostgreSQL's HASH_PARTITION_SEED (src/backend/partitioning/partbounds.c). The functions below are those of
// src/common/hashfn.c and of the types' extended hash functions with this seed, for hosts that are little-endian. They
// are Bob Jenkins' lookup3 with other rotations.
const seed = 0x7A5B22367996DCFD

// start is how the state begins: a golden ratio of nothing in particular, and PostgreSQL's own number.
const start = 0x9e3779b9 + 3923095

// seeded is the state after the seed was taken in. A length of n goes into all three words first.
func seeded(n int) (a, b, c uint32) {
	const high, low = seed >> 32, seed & (1<<32 - 1)
	a = start + uint32(n)
	return mix(a+high, a+low, a)
}

func mix(a, b, c uint32) (uint32, uint32, uint32) {
	a -= c
	a ^= bits.RotateLeft32(c, 4)
	c += b
	b -= a
	b ^= bits.RotateLeft32(a, 6)
	a += c
	c -= b
	c ^= bits.RotateLeft32(b, 8)
	b += a
	a -= c
	a ^= bits.RotateLeft32(c, 16)
	c += b
	b -= a
	b ^= bits.RotateLeft32(a, 19)
	a += c
	c -= b
	c ^= bits.RotateLeft32(b, 4)
	b += a
	return a, b, c
}

func final(a, b, c uint32) uint64 {
	c ^= b
	c -= bits.RotateLeft32(b, 14)
	a ^= c
	a -= bits.RotateLeft32(c, 11)
	b ^= a
	b -= bits.RotateLeft32(a, 25)
	c ^= b
	c -= bits.RotateLeft32(b, 16)
	a ^= c
	a -= bits.RotateLeft32(c, 4)
	b ^= a
	b -= bits.RotateLeft32(a, 14)
	c ^= b
	c -= bits.RotateLeft32(b, 24)
	return uint64(b)<<32 | uint64(c)
}

// hashInt is hashint8extended. It folds the upper half in such that an int4 hashes as the int8 of its value does.
func hashInt(key int64) uint64 {
	low, high := uint32(key), uint32(key>>32)
	if key < 0 {
		high = ^high
	}
	a, b, c := seeded(4)
	return final(a+(low^high), b, c)
}

// hashBytes is hash_any_extended, which hashtextextended and uuid_hash_extended use.
func hashBytes[T ~string | ~[]byte](key T) uint64 {
	a, b, c := seeded(len(key))
	for ; len(key) >= 12; key = key[12:] {
		a, b, c = mix(a+word(key, 0), b+word(key, 4), c+word(key, 8))
	}
	for i := range len(key) {
		switch part := uint32(key[i]) << (8 * (i % 4)); i / 4 {
		case 0:
			a += part
		case 1:
			b += part
		default:
			c += part << 8 // the lowest byte of c is kept for the length
		}
	}
	return final(a, b, c)
}

func word[T ~string | ~[]byte](key T, i int) uint32 {
	return uint32(key[i]) | uint32(key[i+1])<<8 | uint32(key[i+2])<<16 | uint32(key[i+3])<<24
}
