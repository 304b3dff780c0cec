package cache

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/tag"
)

const (
	// leaseTime is for how long one node asks the backend for all; after that another may.
	leaseTime = 5 * time.Second
	// firstLook and lastLook are the pauses between looking for what another node gets.
	firstLook = 2 * time.Millisecond
	lastLook  = 50 * time.Millisecond
)

// lease is the right to ask the backend for all nodes. A nil lease is none.
type lease struct {
	c    *cache
	at   key
	name string
}

func leaseName(k key) string { return "lease:" + k.text() }

// obtained is what the store gave: an entry, or a lease to ask the backend with, or another place to look at. With none
// of them the backend is asked all the same: the store cannot be reached, or another node takes too long.
type obtained struct {
	place place
	entry *entry
	lease *lease
}

// obtain looks in the store for what is kept for the place. With nothing there it takes the lease, or waits for what its
// holder gets. The error is that the client has left.
func (c *cache) obtain(x *sluice.Exchange, p place) (obtained, error) {
	defer x.Waited()
	ctx := x.Context()
	o, err := c.look(ctx, x, p)
	if o.entry != nil || o.place.at != p.at || err != nil {
		return o, ctx.Err()
	}
	pause := firstLook
	for until := time.Now().Add(leaseTime); ; pause = min(2*pause, lastLook) {
		l, err := c.takeLease(ctx, p.at)
		if err != nil {
			return obtained{place: p}, ctx.Err()
		}
		if l == nil {
			if err := sleep(ctx, pause); err != nil {
				return o, err
			}
		}
		// Also who has the lease looks again: it may have been given back since the answer was looked for.
		o, err := c.look(ctx, x, p)
		switch found := o.entry != nil || o.place.at != p.at; {
		case found:
			l.release()
			return o, ctx.Err()
		case l != nil || err != nil || time.Now().After(until):
			o.lease = l
			return o, ctx.Err()
		}
	}
}

// takeLease takes the lease of a key, or gives nil when another has it.
func (c *cache) takeLease(ctx context.Context, k key) (*lease, error) {
	var id [8]byte
	binary.BigEndian.PutUint64(id[:], rand.Uint64())
	name := leaseName(k)
	held, err := c.state.AddValue(ctx, name, id[:], leaseTime)
	if err != nil {
		c.series.storeErrors.Add(1)
		return nil, err
	}
	if !bytes.Equal(held, id[:]) {
		return nil, nil
	}
	return &lease{c, k, name}, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// look is the entry in the store that answers a request, and is kept in memory from then on; or, where the store knows
// of variants, the place of the one for the request.
func (c *cache) look(ctx context.Context, x *sluice.Exchange, p place) (obtained, error) {
	o := obtained{place: p}
	e, err := c.load(ctx, p.at)
	if e == nil || err != nil {
		return o, err
	}
	now := c.now()
	switch {
	case e.sort == varied && p.names == nil:
		c.pool.set(p.primary, e)
		o.place = c.vary(x, p, e.names)
		return o, nil
	case e.sort == varied, e.sort == passed && now.UnixNano() >= e.fresh:
		return o, nil
	case e.sort == answered:
		if v, _ := c.judge(x, e, false, now); v == forward {
			return o, nil
		}
		if c.tags != nil {
			c.tags.Remember(e.stamps)
		}
	}
	c.pool.set(p.at, e)
	o.entry = e
	return o, nil
}

// load reads an entry from the store; nil when there is none that can be read.
func (c *cache) load(ctx context.Context, k key) (*entry, error) {
	values, err := c.state.Values(ctx, k.text())
	if err != nil {
		c.series.storeErrors.Add(1)
		return nil, err
	}
	if values[0] == nil {
		return nil, nil
	}
	e, err := decode(values[0], c.stampOf)
	if err != nil {
		return nil, nil // another version's, which is no failure: it will be replaced
	}
	return e, nil
}

// stampOf is a stamp of a stored entry. A cache without tags finds none among its own.
func (c *cache) stampOf(name string, id tag.ID) tag.Stamp {
	if c.tags == nil {
		return tag.Stamp{}
	}
	return c.tags.Stamp(name, id)
}

// store writes an entry to the store, and gives the lease back.
func (f *fill) store(ctx context.Context) {
	c, e := f.c, f.entry
	err := c.state.SetValue(ctx, f.place.at.text(), e.encode(), e.left(c.now()))
	if err == nil && f.place.names != nil {
		marker := newVaried(f.place.names, e.stale, c.now())
		err = c.state.SetValue(ctx, f.place.primary.text(), marker.encode(), e.left(c.now()))
	}
	if err != nil {
		c.series.storeErrors.Add(1)
	}
	f.lease.releaseNow(ctx)
}

// left is for how long the entry can still be given.
func (e *entry) left(now time.Time) time.Duration {
	return max(time.Duration(e.stale-now.UnixNano()), time.Millisecond)
}

// release gives the lease back, in the background.
func (l *lease) release() {
	if l != nil {
		l.c.tasks.start(l.releaseNow)
	}
}

func (l *lease) releaseNow(ctx context.Context) {
	if l == nil {
		return
	}
	if err := l.c.state.DeleteValues(ctx, l.name); err != nil {
		l.c.series.storeErrors.Add(1)
	}
}

// pass tells all nodes that the answer cannot be kept, and gives the lease back.
func (l *lease) pass(e *entry) {
	if l == nil {
		return
	}
	l.c.tasks.start(func(ctx context.Context) {
		if err := l.c.state.SetValue(ctx, l.at.text(), e.encode(), passing); err != nil {
			l.c.series.storeErrors.Add(1)
		}
		l.releaseNow(ctx)
	})
}
