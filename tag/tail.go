package tag

import (
	"bytes"
	"context"
	"strconv"
	"time"
)

const (
	// pace is how often the store is asked whether there was a purge, while tags are in use.
	pace = 25 * time.Millisecond
	// rest is how long after they were last used.
	rest = time.Second
	// ahead is how many records of purges are asked for together with the number of the last.
	ahead = 4
	// maxGap is how many purges are followed one by one; past that, all generations are unknown.
	maxGap = 256
	// keepRecord is how long the record of a purge is there, and keepNumber their number.
	keepRecord = time.Minute
	keepNumber = 30 * 24 * time.Hour
	// keepPurged is how long a purged generation stands; whatever was kept before is invalid also when it is gone.
	keepPurged = 7 * 24 * time.Hour
)

// tail brings what the node knows of purges up to the store's present.
func (g *Tags) tail(ctx context.Context) error {
	began := g.clock(g.now())
	last := g.position.Load()
	keys := []string{counter, recordKey(last)}
	for n := last + 1; n <= last+ahead; n++ {
		keys = append(keys, recordKey(n))
	}
	values, err := g.state.Values(ctx, keys...)
	if err != nil {
		g.series.failed()
		return err
	}
	number, err := strconv.ParseUint(string(values[0]), 10, 64)
	if err != nil {
		// There is none: nobody has purged yet, or the store was emptied.
		if number, err = g.state.Next(ctx, counter, keepNumber); err != nil {
			g.series.failed()
			return err
		}
		// Several nodes may find none at once, and raise it one after the other: each number has its record, of no tag.
		_ = g.state.SetValue(ctx, recordKey(number), encodeRecord(nil, g.now()), keepRecord)
	}
	switch there, away := values[1], began-g.confirmed.Load(); {
	case there != nil && g.last != nil && !bytes.Equal(there, g.last):
		number = 0 // the store has gone back, and given the number anew since
	case there != nil && g.last == nil, there == nil && away > int64(keepRecord/2):
		g.forget(number) // that may be so, and nobody can tell
		g.last = there
	}
	switch {
	case number == last:
	case !g.state.Shared():
		g.raise(number)
		return nil
	case number < last:
		if number, err = g.restart(ctx); err != nil {
			g.series.failed()
			return err
		}
	case number-last > maxGap:
		g.forget(number)
		g.last = nil
	default:
		if err := g.follow(ctx, last, number, values[2:]); err != nil {
			return err
		}
	}
	g.position.Store(number)
	g.confirmed.Store(max(began, 1))
	return nil
}

// raise raises the position where nodes share nothing, so that there is nothing to follow.
func (g *Tags) raise(number uint64) {
	for last := g.position.Load(); number > last && !g.position.CompareAndSwap(last, number); last = g.position.Load() {
	}
}

func recordKey(n uint64) string { return records + strconv.FormatUint(n, 10) }

// restart begins anew in a store that has gone back to what it held before, as one that is restored from a snapshot, or a
// replica that takes over: purges since then are lost, so everything is purged, and numbers go on from the time of day.
func (g *Tags) restart(ctx context.Context) (number uint64, err error) {
	if err := g.state.DeleteValues(ctx, counter); err != nil {
		return 0, err
	}
	v, err := g.send(ctx, purge{names: []string{everything}})
	g.forget(v.Position)
	g.last = nil
	return v.Position, err
}

// forget makes all generations unknown: purges up to that number may have been missed.
func (g *Tags) forget(number uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.era.Add(1)
	clear(g.recent)
	g.recentFrom = max(g.recentFrom, number)
}

// follow reads the records of the purges after last up to number. A record is written just after its number; where one
// is not there, also when it is asked for again, all generations are unknown.
func (g *Tags) follow(ctx context.Context, last, number uint64, first [][]byte) error {
	var missing []uint64
	g.last = nil // until it is seen
	for n := last + 1; n <= number; n++ {
		if i := n - last - 1; i < uint64(len(first)) && first[i] != nil {
			g.apply(first[i], n)
			if n == number {
				g.last = first[i]
			}
			continue
		}
		missing = append(missing, n)
	}
	if len(missing) == 0 {
		return nil
	}
	keys := make([]string, len(missing))
	for i, n := range missing {
		keys[i] = recordKey(n)
	}
	values, err := g.state.Values(ctx, keys...)
	if err != nil {
		g.series.failed()
		return err
	}
	for i, value := range values {
		if value == nil {
			g.forget(number)
			return nil
		}
		g.apply(value, missing[i])
		if missing[i] == number {
			g.last = value
		}
	}
	return nil
}

// apply drops what a purge has ended.
func (g *Tags) apply(record []byte, number uint64) {
	names, at, err := decodeRecord(record)
	if err != nil {
		g.forget(number)
		return
	}
	g.series.lag.Observe(max(0, g.now().Sub(at)))
	g.note(names, number)
}

// hear takes the notice of a purge, which makes it known sooner than a tail would. A lost one is made up for by the
// tail.
func (g *Tags) hear(notice []byte) {
	if notice == nil {
		return
	}
	if names, _, err := decodeRecord(notice); err == nil {
		g.drop(names)
	}
}
