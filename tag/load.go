package tag

import (
	"context"
	"slices"
	"time"

	"github.com/sluiceapi/sluice"
)

// load is a reading of generations that is under way. A purge of one of its tags in the meantime makes it dirty: it may
// have read what was there before.
type load struct {
	names []string
	dirty bool
}

const (
	// reload is how old the reading of a generation may be. A generation that has run out in the store and was begun
	// anew by another node is found again after that.
	reload = 5 * time.Minute
	// idle is for how long a tag is remembered that nobody asks for.
	idle = 10 * time.Minute
	// minSweep is the least number of tags at which idle ones are looked for, mostTags the number at which also others
	// are forgotten: some 200 MB.
	minSweep = 1024
	mostTags = 1 << 19
)

// load reads the present generations of tags: nil for each that has none. The whole is nil when a purge has overtaken
// the reading.
func (g *Tags) load(ctx context.Context, tags []*Tag) ([]*generation, error) {
	l := &load{}
	keys := make([]string, len(tags))
	for i, t := range tags {
		l.names = append(l.names, t.name)
		keys[i] = keyOf(t.name)
	}
	g.mu.Lock()
	era := g.era.Load()
	g.loads[l] = struct{}{}
	g.mu.Unlock()
	clock := g.clock(g.now())
	values, err := g.state.Values(ctx, keys...)
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.loads, l)
	if err != nil {
		g.series.failed()
		return nil, err
	}
	if l.dirty || era != g.era.Load() {
		return nil, nil
	}
	found := make([]*generation, len(tags))
	for i, value := range values {
		if g.pending[tags[i].name] > 0 {
			return nil, sluice.ErrStore // what it was purged to has not reached the store
		}
		if value == nil {
			continue
		}
		now, err := decodeGeneration(value)
		if err != nil {
			return nil, err
		}
		now.era, now.loaded = era, clock
		found[i] = now
		g.adopt(tags[i], clock).present.Store(now)
	}
	return found, nil
}

// adopt remembers a tag, and returns the one that is remembered under its name. g.mu is held.
func (g *Tags) adopt(t *Tag, clock int64) *Tag {
	known := g.tags[t.name]
	if known == nil {
		if len(g.tags) >= g.sweepAt {
			g.sweep(clock)
		}
		t.gone = false
		g.tags[t.name], known = t, t
	}
	known.used.Store(clock)
	return known
}

// sweep forgets tags that were not asked for in a long time, and of too many the half that was not asked for the longest:
// whoever may name any tag must not fill the memory. g.mu is held.
func (g *Tags) sweep(clock int64) {
	g.forgetBefore(clock - int64(idle))
	if len(g.tags) >= g.most {
		g.forgetBefore(g.median())
	}
	n := len(g.tags)
	if g.sweepAt = min(max(minSweep, 2*n), g.most); n >= g.most { // all are of one moment
		g.sweepAt = n + n/4
	}
}

func (g *Tags) forgetBefore(clock int64) {
	for name, t := range g.tags {
		if t.used.Load() < clock {
			t.gone = true
			t.present.Store(nil)
			delete(g.tags, name)
		}
	}
}

// median is about when half of the tags were last asked for, by some of them, which a map gives in a random order.
func (g *Tags) median() int64 {
	var sample []int64
	for _, t := range g.tags {
		if sample = append(sample, t.used.Load()); len(sample) == 255 {
			break
		}
	}
	slices.Sort(sample)
	return sample[len(sample)/2]
}

// find is the tag that is remembered under the name, or one that is not remembered yet.
func (g *Tags) find(name string) *Tag {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t := g.tags[name]; t != nil {
		return t
	}
	return &Tag{of: g, name: name, gone: true}
}

// drop makes the generations of tags unknown.
func (g *Tags) drop(names []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dropLocked(names)
}

func (g *Tags) dropLocked(names []string) {
	for l := range g.loads {
		l.dirty = l.dirty || slices.ContainsFunc(names, func(n string) bool { return slices.Contains(l.names, n) })
	}
	for _, name := range names {
		if t := g.tags[name]; t != nil {
			t.present.Store(nil)
		}
	}
}

// Reading is what Read gives.
type Reading struct {
	// Stamps are of the present generations. A tag that nothing is kept under has none yet; Settle begins it.
	Stamps []Stamp
	// Floors are what the writers had made of their sources when they purged: what is kept must hold all that, else it is
	// older than the purge.
	Floors []sluice.Version
	// position is the number of the last purge that the generations are sure to be of.
	position uint64
}

// Read reads the present generations of tags, before what is kept under them is made: a purge in the meantime ends it.
func (g *Tags) Read(ctx context.Context, names []string) (Reading, error) {
	tags := []*Tag{g.find(everything)}
	for _, name := range names {
		tags = append(tags, g.find(short(name)))
	}
	for range tries {
		clock := g.clock(g.now())
		if !g.confirms(clock) {
			if err := g.rounds.wait(ctx); err != nil {
				return Reading{}, err
			}
		}
		position := g.position.Load()
		found := g.known(tags, clock)
		if found == nil {
			var err error
			if found, err = g.load(ctx, tags); err != nil {
				return Reading{}, err
			}
		}
		if found != nil {
			return newReading(tags, found, position), nil
		}
	}
	return Reading{}, errOvertaken
}

// known are the generations that the node knows; nil when it does not know them all.
func (g *Tags) known(tags []*Tag, clock int64) []*generation {
	era := g.era.Load()
	found := make([]*generation, len(tags))
	for i, t := range tags {
		now := t.present.Load()
		if now == nil || now.era != era || clock-now.loaded > int64(reload) {
			return nil
		}
		found[i] = now
		t.touch(clock)
	}
	return found
}

func newReading(tags []*Tag, found []*generation, position uint64) Reading {
	r := Reading{position: position}
	for i, now := range found {
		s := Stamp{tag: tags[i]}
		if now != nil {
			s.ID = now.id
			r.Floors = append(r.Floors, now.floors...)
		}
		r.Stamps = append(r.Stamps, s)
	}
	return r
}

// Settle begins generations where Read found none, kept for ttl, once it is known that something will be kept. It fails
// when there was a purge of such a tag since, or the store was emptied.
func (g *Tags) Settle(ctx context.Context, r *Reading, ttl time.Duration) error {
	var begun []string
	for i := range r.Stamps {
		s := &r.Stamps[i]
		if s.ID != (ID{}) {
			continue
		}
		value := encodeGeneration(&generation{id: newID()}, born)
		there, err := g.state.AddValue(ctx, keyOf(s.tag.name), value, ttl+reload)
		if err != nil {
			g.series.failed()
			return err
		}
		now, err := decodeGeneration(there)
		if err != nil {
			return err
		}
		if originOf(there) != born {
			return errOvertaken
		}
		s.ID = now.id
		begun = append(begun, s.tag.name)
	}
	if len(begun) > 0 {
		if g.state.Shared() {
			if err := g.rounds.wait(ctx); err != nil {
				return err
			}
		}
		if !g.untouched(begun, r.position) {
			return errOvertaken
		}
	}
	g.remember(r.Stamps)
	return nil
}

// maxRecent bounds the purges that are remembered by tag.
const maxRecent = 10_000

// note remembers that tags were purged, for what is being made meanwhile.
func (g *Tags) note(names []string, number uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.recent) > maxRecent {
		clear(g.recent)
		g.recentFrom = number
	}
	for _, name := range names {
		g.recent[name] = max(g.recent[name], number)
	}
	g.dropLocked(names)
}

// untouched tells whether none of the tags was purged after a purge of that number, as far as is known here.
func (g *Tags) untouched(names []string, number uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return number >= g.recentFrom && !slices.ContainsFunc(names, func(name string) bool { return g.recent[name] > number })
}

// remember has tags that something is kept under remembered. What stamps hold is replaced by what was remembered
// before under the same name.
func (g *Tags) remember(stamps []Stamp) {
	clock := g.clock(g.now())
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range stamps {
		stamps[i].tag = g.adopt(stamps[i].tag, clock)
	}
}

// Stamp is a stamp that was stored elsewhere.
func (g *Tags) Stamp(name string, id ID) Stamp { return Stamp{tag: g.find(name), ID: id} }

// Remember has the tags of stamps remembered, for something that was stored elsewhere and is kept here from now on.
func (g *Tags) Remember(stamps []Stamp) { g.remember(stamps) }
