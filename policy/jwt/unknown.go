package jwt

import (
	"hash/maphash"
	"net/netip"
	"time"
)

// unknown are the names of keys that were asked for in vain. The zero unknown is empty.
type unknown struct {
	names [128]unknownName
	next  int
}

type unknownName struct {
	kid   string
	until time.Time
}

// unknownFor is how long a key is not asked for again; a new set ends it.
const unknownFor = 5 * time.Minute

func (u *unknown) has(kid []byte, now time.Time) bool {
	for i := range u.names {
		if n := &u.names[i]; n.kid == string(kid) && now.Before(n.until) {
			return true
		}
	}
	return false
}

// add notes a name in the place of the oldest.
func (u *unknown) add(kid string, now time.Time) {
	u.names[u.next] = unknownName{kid, now.Add(unknownFor)}
	u.next = (u.next + 1) % len(u.names)
}

func (u *unknown) clear() { *u = unknown{} }

// clients bound how often one client has keys fetched again, so that it cannot use up what all have together. Clients
// that meet in one slot push out each other.
type clients struct {
	seed  maphash.Seed
	slots [256]clientSlot
}

type clientSlot struct {
	client uint64
	start  time.Time
	count  int
}

// Bounds for one client.
const (
	clientForced = 3
	clientSpan   = time.Minute
)

func newClients() clients { return clients{seed: maphash.MakeSeed()} }

// take counts one more for a client, unless it has had its share. Addresses of IPv6 count by their network of 64 bits.
func (c *clients) take(client netip.Addr, now time.Time) bool {
	if client = client.Unmap(); client.Is6() {
		client = netip.PrefixFrom(client.WithZone(""), 64).Masked().Addr()
	}
	id := maphash.Comparable(c.seed, client)
	s := &c.slots[id%uint64(len(c.slots))]
	if s.client != id || now.Sub(s.start) >= clientSpan {
		*s = clientSlot{client: id, start: now}
	}
	s.count++
	return s.count <= clientForced
}
