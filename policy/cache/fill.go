package cache

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/tag"
)

// fill is an answer on its way from the backend into the cache.
type fill struct {
	c      *cache
	place  place
	flight *flight // nil when nobody waits
	lease  *lease  // nil when there is none
	tags   tag.Reading
	entry  *entry
	vary   []string
	// loose is set when the answer is not kept, but given to those who wait for it.
	loose bool
	// hidden is set when no client waits for the answer.
	hidden bool
}

// readTime is how long the others wait for the rest of an answer that has begun. After that they ask for themselves.
const readTime = time.Second

// take keeps an answer, if it can be kept, and tells whether it is. A stream is kept when it has passed.
func (f *fill) take(x *sluice.Exchange, outer []sluice.Field) bool {
	if !f.begin(x, outer) {
		return false
	}
	body := &x.Response.Body
	if body.Stream != nil {
		t := &tee{fill: f, x: x, from: body.Stream, size: body.Size}
		x.OnEnd(t)
		body.SetStream(t, body.Size)
		f.flight.within(readTime)
		return false
	}
	f.entry.fill(bytes.Clone(body.Bytes), x.Seen.Reads())
	x.Response.Header.SetBytes("ETag", f.entry.etag)
	f.keep(x)
	return !f.loose
}

// prepare reads the generations of the tags, before the backend is asked. Without them nothing can be kept.
func (f *fill) prepare(x *sluice.Exchange) (err error) {
	c := f.c
	if c.tags == nil || f.loose {
		return nil
	}
	var names []string
	for i := range c.config.Tags {
		if name := c.config.Tags[i].Append(nil, x); len(name) > 0 {
			names = append(names, string(name))
		}
	}
	f.tags, err = c.tags.Read(x.Context(), names)
	x.Waited()
	if err != nil {
		c.series.storeErrors.Add(1)
		return err
	}
	// What a writer made before it purged must be in what is kept now, whatever server the backend reads from.
	for _, v := range f.tags.Floors {
		x.Seen.SetFloor(v)
	}
	return nil
}

// begin makes the entry from the head of the answer, if it can be kept; else nobody waits for it any more.
func (f *fill) begin(x *sluice.Exchange, outer []sluice.Field) bool {
	c := f.c
	now := c.now()
	p, why := weigh(c.config, &x.Response, now)
	switch {
	case why != "" || x.Response.Leave != nil || !p.public && c.shows(x) || x.Response.Body.Len() > int64(c.config.MaxBody):
		f.drop(true)
		return false
	case len(f.tags.Stamps) > 0 && !x.Seen.Covers(x.Seen.Reads()): // older than the purge that began a generation
		f.drop(false)
		return false
	}
	f.entry = newEntry(&x.Response, outer, p, now)
	f.entry.stamps = f.tags.Stamps
	f.vary = p.vary
	return true
}

// drop gives up keeping the answer. Where it is one that cannot be kept, rather than one for which the store would be
// needed, nobody waits for it for a while.
func (f *fill) drop(unkept bool) {
	if f.flight == nil {
		f.lease.release()
		return
	}
	if unkept {
		e := newPassed(f.c.now())
		f.c.pool.set(f.place.at, e)
		f.lease.pass(e)
	} else {
		f.lease.release()
	}
	f.flight.settle(released, nil, nil)
}

// keep keeps the entry, which is complete. What must be written to the store for it is written in the background.
func (f *fill) keep(x *sluice.Exchange) {
	c, e := f.c, f.entry
	f.settlePlace(x)
	if f.loose {
		f.share()
		return
	}
	shared := c.state.Shared()
	switch settled := tag.Settled(e.stamps); {
	case settled:
		if c.tags != nil {
			c.tags.Remember(e.stamps)
		}
		f.install()
		if shared && !c.tasks.start(f.store) {
			f.drop(false)
		}
	case !shared:
		f.settleTags(x.Context())
	case !c.tasks.start(func(ctx context.Context) {
		if f.settleTags(ctx) {
			f.store(ctx)
		}
	}):
		f.drop(false)
	}
}

// settleTags begins the generations of tags that have none, and keeps the entry in memory.
func (f *fill) settleTags(ctx context.Context) bool {
	if err := f.c.tags.Settle(ctx, &f.tags, f.entry.left(f.c.now())); err != nil {
		f.drop(false)
		return false
	}
	f.install()
	return true
}

// settlePlace finds under what key the answer is kept, by the fields that it depends on.
func (f *fill) settlePlace(x *sluice.Exchange) {
	if len(f.vary) == 0 {
		return
	}
	names := slices.Concat(f.place.names, f.vary)
	slices.Sort(names)
	names = slices.Compact(names)
	if slices.Equal(names, f.place.names) {
		return
	}
	f.place = f.c.vary(x, f.place, names)
}

// install keeps the entry in memory, and gives it to all who wait.
func (f *fill) install() {
	c, e := f.c, f.entry
	if old := c.pool.get(f.place.at); older(e, old, c.now()) {
		f.share()
		return
	}
	f.mark()
	c.pool.set(f.place.at, e)
	c.series.stored.Add(1)
	f.share()
}

// mark has the variant looked for under the fields that it depends on.
func (f *fill) mark() {
	c, until := f.c, f.entry.stale
	if f.place.names == nil {
		return
	}
	if marker := c.pool.get(f.place.primary); marker == nil || marker.sort != varied || marker.fresh < until || !slices.Equal(marker.names, f.place.names) {
		c.pool.set(f.place.primary, newVaried(f.place.names, until, c.now()))
	}
}

// share gives the entry to all who wait, or has them look again where it is a variant that need not be theirs.
func (f *fill) share() {
	if f.flight != nil && f.flight.key != f.place.at {
		f.mark()
		f.flight.settle(again, nil, nil)
		return
	}
	f.flight.settle(kept, f.entry, nil)
}

// older tells whether what is kept already was read later than what has come, by the versions that both were read at.
func older(e, old *entry, now time.Time) bool {
	if old == nil || old.sort != answered || now.UnixNano() >= old.fresh {
		return false
	}
	for _, v := range e.reads {
		for _, o := range old.reads {
			if o.Source == v.Source && !v.Covers(o) {
				return true
			}
		}
	}
	return false
}
