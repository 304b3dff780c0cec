//go:build race

package sluice

// Under the race detector the memory of an exchange is overwritten as soon as the exchange has ended, as the next one
// would do some time later: so a test of whoever keeps what was only borrowed fails, every time.

// Spent is what the memory of an exchange that has ended is full of, under the race detector.
const Spent = 0xdb

// ownMemory is all that an exchange lends out and uses again.
func (x *Exchange) ownMemory() [7]*[]byte {
	r, s := &x.Request, &x.Response
	return [...]*[]byte{&x.arena, &r.Header.arena, &r.Trailer.arena, &r.Body.buffer, &s.Header.arena, &s.Trailer.arena, &s.Body.buffer}
}

// prepare makes room, so that memory that is lent out is not left behind by what grows.
func (x *Exchange) prepare() {
	const room = 4 << 10
	for _, memory := range x.ownMemory() {
		if cap(*memory) < room {
			*memory = make([]byte, 0, room)
		}
	}
}

// spend overwrites what was lent out.
func (x *Exchange) spend() {
	for _, memory := range x.ownMemory() {
		all := (*memory)[:cap(*memory)]
		for i := range all {
			all[i] = Spent
		}
	}
	for _, page := range x.pages {
		for i := range page {
			page[i] = Spent
		}
	}
}
