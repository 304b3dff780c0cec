package memory

import (
	"hash/maphash"
	"sync"
)

// shards is how many parts a table is locked in.
const shards = 64

// table holds cells by key. Its parts have locks of their own, so that callers seldom wait for one another.
type table[C cell] struct {
	seed  maphash.Seed
	parts [shards]part[C]
}

// cell is a number or two. The zero cell is one that nobody has used.
type cell interface {
	comparable
	// end is from when on the cell can be forgotten, in nanoseconds since 1970.
	end() int64
}

type part[C cell] struct {
	mu sync.Mutex // guards cells
	// cells are behind pointers, because a map takes a new copy of the key when an entry is set.
	cells map[string]*C
	most  int
	_     [40]byte // keeps the locks of two parts out of one cache line
}

func (t *table[C]) init(most int) {
	t.seed = maphash.MakeSeed()
	for i := range t.parts {
		t.parts[i].cells = map[string]*C{}
		t.parts[i].most = max(1, most/shards)
	}
}

// update has change make a new cell of the key's cell.
func (t *table[C]) update(key []byte, now int64, change func(C) C) {
	p := &t.parts[maphash.Bytes(t.seed, key)%shards]
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, known := p.cells[string(key)]; known {
		*c = change(*c)
		return
	}
	var unused C
	if c := change(unused); c != unused {
		p.tidy(now)
		p.cells[string(key)] = &c
	}
}

// looks is how many cells are looked at for each that is new: more than one, so that what has ended goes faster than new
// cells come.
const looks = 8

// tidy forgets what it finds ended of a few cells, which a map gives in a random order, and makes room for one.
func (p *part[C]) tidy(now int64) {
	left, first := looks, ""
	var soonest int64
	for key, c := range p.cells {
		if end := (*c).end(); end <= now {
			delete(p.cells, key)
		} else if first == "" || end < soonest {
			first, soonest = key, end
		}
		if left--; left == 0 {
			break
		}
	}
	if len(p.cells) >= p.most {
		delete(p.cells, first)
	}
}

// size is how many cells there are.
func (t *table[C]) size() int {
	n := 0
	for i := range t.parts {
		p := &t.parts[i]
		p.mu.Lock()
		n += len(p.cells)
		p.mu.Unlock()
	}
	return n
}
