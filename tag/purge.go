package tag

import (
	"context"
	"time"

	"github.com/sluiceapi/sluice"
)

// purge is one that has not reached the store.
type purge struct {
	names  []string
	floors []sluice.Version
	since  time.Time
}

// maxRetries bounds the purges that wait for the store.
const maxRetries = 100_000

// Purge begins new generations of tags: from when it has returned, what was kept under them before is served by this
// node no more, and by no other for longer than MaxLag. floors are what the purger has made of its sources: what is
// read at less is not kept under the new generations. The version that it returns is what a caller must give back, see
// sluice.Seen, to be served by no node what was kept before.
//
// When the store cannot be reached Purge fails, and is tried again in the background until it is; meanwhile this node
// serves nothing that is kept under the tags.
func (g *Tags) Purge(ctx context.Context, names []string, floors []sluice.Version) (sluice.Version, error) {
	p := purge{floors: without(floors, Source), since: g.now()}
	for _, name := range names {
		p.names = append(p.names, short(name))
	}
	p.names = p.names[:min(len(p.names), maxNames)]
	v, err := g.send(ctx, p)
	if err != nil {
		g.series.failed()
		g.retryLater(p)
		return v, err
	}
	g.drop(p.names)
	return v, nil
}

// hold says that purges of the tags wait for the store: what is read there is nothing to go by. g.mu
// is held.
func (g *Tags) hold(names []string, by int) {
	for _, name := range names {
		if g.pending[name] += by; g.pending[name] <= 0 {
			delete(g.pending, name)
		}
	}
	g.dropLocked(names)
}

// send writes the new generations, then raises the number: who reads the number after that finds them.
func (g *Tags) send(ctx context.Context, p purge) (v sluice.Version, err error) {
	for _, name := range p.names {
		now := &generation{id: newID(), floors: p.floors}
		if err := g.state.SetValue(ctx, keyOf(name), encodeGeneration(now, purged), keepPurged); err != nil {
			return v, err
		}
	}
	number, err := g.state.Next(ctx, counter, keepNumber)
	if err != nil {
		return v, err
	}
	g.series.purges.Add(1)
	if !g.state.Shared() {
		g.note(p.names, number)
		g.raise(number)
	} else {
		// Whatever fails from here on, the purge is there: a node that does not find its record knows nothing any more.
		record := encodeRecord(p.names, g.now())
		_ = g.state.SetValue(ctx, recordKey(number), record, keepRecord)
		_ = g.state.Notify(ctx, topic, record)
	}
	return sluice.Version{Source: Source, Position: number}, nil
}

func without(versions []sluice.Version, source uint64) (rest []sluice.Version) {
	for _, v := range versions {
		if v.Source != source {
			rest = append(rest, v)
		}
	}
	return rest
}

// retryLater has a purge tried again by the tailer. Where too many wait, everything is purged instead.
func (g *Tags) retryLater(p purge) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.retries) >= maxRetries {
		for _, other := range g.retries {
			g.hold(other.names, -1)
		}
		g.retries, p.names = nil, []string{everything}
	}
	g.retries = append(g.retries, p)
	g.hold(p.names, 1)
	g.tailer.stir()
}

// retry tries purges that have not reached the store, in their order, and tells whether there are more.
func (g *Tags) retry(ctx context.Context) (more bool) {
	for {
		g.mu.Lock()
		if len(g.retries) == 0 {
			g.mu.Unlock()
			return false
		}
		p := g.retries[0]
		g.mu.Unlock()
		if _, err := g.send(ctx, p); err != nil {
			return true
		}
		g.mu.Lock()
		if len(g.retries) > 0 && g.retries[0].since == p.since {
			g.retries = g.retries[1:]
			g.hold(p.names, -1)
		}
		g.mu.Unlock()
		g.log.Warn("a purge has reached the store late", "tags", p.names, "late", g.now().Sub(p.since))
	}
}

// lost tells of purges that will never reach the store.
func (g *Tags) lost() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.retries {
		g.series.lost.Add(1)
		g.log.Error("a purge is lost: the process ends and the store was not reached", "tags", p.names)
	}
	g.retries = nil
}
