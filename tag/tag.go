// Package tag keeps the generations of tags, the same on all nodes: what is kept under a tag is good for one
// generation of it, and a purge begins the next.
package tag

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
)

// Source is the source of the versions that a purge gives, see Tags.Purge.
const Source uint64 = 0x5e1fca_c4e0_7a65

// MaxLag is for how long a node goes on without having asked the store whether there was a purge. What a purge ends is
// served by no node for longer than that after Purge has returned, also where every notice was lost.
const MaxLag = 80 * time.Millisecond

// Tags are the generations of tags as one node knows them. Its methods may be called at once.
//
// In the store stand a generation for each tag that something is kept under, an id that is never used twice; a number
// that every purge raises; and, for a while, a record of each purge under its number. A node reads the number every
// few milliseconds while tags are in use. As long as it is the one that the node knows, or the records since then are
// all there, the node knows of every purge, and so whether a generation that it has read is still the present one.
type Tags struct {
	state  sluice.State
	now    func() time.Time
	log    *slog.Logger
	base   time.Time
	series series

	// A reader loads confirmed first, then position, era and a tag's present; whoever learns of purges stores them in the
	// opposite order.
	confirmed atomic.Int64  // when the last tail began that brought all purges to here, on clock
	position  atomic.Uint64 // the number of the last purge that is known here
	era       atomic.Uint64 // raised when purges may have been missed: generations of another era are unknown
	last      []byte        // the record of the last purge, nil when it is not known; only tail uses it

	mu      sync.Mutex      // guards what follows
	tags    map[string]*Tag // those that something was kept under
	sweepAt int             // the size of tags at which it is swept
	most    int             // the size of tags at which also some are forgotten that are in use
	loads   map[*load]struct{}
	pending map[string]int // purges that have not reached the store, by tag
	// recent are the numbers of purges by tag; those up to recentFrom are not remembered.
	recent     map[string]uint64
	recentFrom uint64
	retries    []purge

	rounds rounds
	tailer tailer
}

// Tag is one tag, as a node knows it.
type Tag struct {
	of      *Tags
	name    string
	present atomic.Pointer[generation] // nil when it is unknown
	used    atomic.Int64               // when it was last asked for, on clock, roughly
	gone    bool                       // swept out; guarded by Tags.mu
}

// generation is what stands in the store for a tag, as it was read in an era of the node.
type generation struct {
	id     ID
	era    uint64
	loaded int64
	// floors are what the writers had made of their sources when they purged: what is read at less is old.
	floors []sluice.Version
}

// Open gives the tags of the node, one for all blocks.
func Open(env *sluice.Env) (*Tags, error) { return sluice.Share(env, "", open) }

func open(env *sluice.Env) (*Tags, error) {
	g := &Tags{
		state: env.State, now: env.Now, log: env.Log, base: env.Now(),
		tags: map[string]*Tag{}, sweepAt: minSweep, most: mostTags, loads: map[*load]struct{}{}, pending: map[string]int{}, recent: map[string]uint64{},
	}
	g.series = newSeries(env.Metrics, g)
	g.rounds.init(g.tail)
	if env.Dry {
		return g, nil
	}
	g.tailer.start(g)
	env.Cleanup(g.tailer.stop)
	if g.state.Shared() {
		env.Cleanup(g.state.Listen(topic, g.hear))
	}
	return g, nil
}

// clock is the time since the tags were opened; unlike the time of day it never goes back.
func (g *Tags) clock(now time.Time) int64 { return int64(now.Sub(g.base)) }

// Stamp is a generation of a tag. What is kept with a stamp is good as long as the generation is the present one.
type Stamp struct {
	tag *Tag
	ID  ID
}

// Name is the tag's name.
func (s Stamp) Name() string {
	if s.tag == nil {
		return ""
	}
	return s.tag.name
}

// Settled tells whether every stamp is of a generation that has begun, so that Settle has nothing to do.
func Settled(stamps []Stamp) bool {
	return !slices.ContainsFunc(stamps, func(s Stamp) bool { return s.ID == ID{} })
}

// Verdict says whether stamps hold.
type Verdict uint8

// The verdicts. Unknown is for Confirm to find out.
const (
	Unknown Verdict = iota
	Current
	Purged
)

func (v Verdict) String() string { return [...]string{"unknown", "current", "purged"}[v] }

// Judge tells whether the stamps hold, by what the node knows without asking. floor is the position that the caller has
// seen of Source, or zero.
func (g *Tags) Judge(stamps []Stamp, floor uint64, now time.Time) Verdict {
	clock := g.clock(now)
	if !g.confirms(clock) || floor > g.position.Load() {
		return Unknown
	}
	return g.compare(stamps, clock)
}

// confirms tells whether the node knows of all purges up to a moment ago. Where nodes share nothing it always does.
func (g *Tags) confirms(clock int64) bool {
	if !g.state.Shared() {
		return true
	}
	g.tailer.used(clock)
	at := g.confirmed.Load()
	return at > 0 && clock-at <= int64(MaxLag)
}

func (g *Tags) compare(stamps []Stamp, clock int64) Verdict {
	era := g.era.Load()
	for i := range stamps {
		s := &stamps[i]
		if s.tag.of != g {
			return Purged // what it knew when it was closed says nothing
		}
		now := s.tag.present.Load()
		if now == nil || now.era != era || clock-now.loaded > int64(reload) {
			return Unknown
		}
		if now.id != s.ID {
			return Purged
		}
		s.tag.touch(clock)
	}
	return Current
}

// touch notes that the tag is in use, roughly: a write for every hit would be felt.
func (t *Tag) touch(clock int64) {
	if clock-t.used.Load() > int64(time.Second) {
		t.used.Store(clock)
	}
}

// Confirm is Judge for what is Unknown: it asks the store. It stays Unknown when the store cannot be reached.
func (g *Tags) Confirm(ctx context.Context, stamps []Stamp, floor uint64) Verdict {
	for range tries {
		clock := g.clock(g.now())
		if !g.confirms(clock) || floor > g.position.Load() {
			if err := g.rounds.wait(ctx); err != nil {
				return Unknown
			}
			// What the caller has seen was done before it asked, so a tail that began since has it.
			floor, clock = 0, g.clock(g.now())
		}
		if v := g.compare(stamps, clock); v != Unknown {
			return v
		}
		tags := make([]*Tag, len(stamps))
		for i, s := range stamps {
			tags[i] = s.tag
		}
		found, err := g.load(ctx, tags)
		if err != nil {
			return Unknown
		}
		if v := judgeLoaded(stamps, found); v != Unknown {
			return v
		}
	}
	return Unknown
}

// judgeLoaded compares stamps with what was just read from the store; nil when it was overtaken by a purge.
func judgeLoaded(stamps []Stamp, found []*generation) Verdict {
	if found == nil {
		return Unknown
	}
	for i, s := range stamps {
		if found[i] == nil || found[i].id != s.ID {
			return Purged
		}
	}
	return Current
}

// tries bounds how often purges may overtake what is read.
const tries = 4
