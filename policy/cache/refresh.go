package cache

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/sluiceapi/sluice"
)

const (
	// refreshTime is how long a background fetch may take.
	refreshTime = 30 * time.Second
	// refreshPause is how long after one that failed the next is made.
	refreshPause = time.Second
)

// refresh fetches an entry anew in the background, unless somebody does already.
func (c *cache) refresh(x *sluice.Exchange, p place, e *entry) {
	now := c.now()
	until := e.refresh.Load()
	if now.UnixNano() < until || !e.refresh.CompareAndSwap(until, now.Add(refreshTime).UnixNano()) {
		return
	}
	kept, err := c.keepRequest(x)
	if err == nil && c.tasks.start(func(ctx context.Context) { c.refill(ctx, kept, p, e) }) {
		return
	}
	e.refresh.Store(now.Add(refreshPause).UnixNano())
}

// keepRequest is a copy of the exchange to be served in the background. What its inputs were checked to be goes along,
// for the checks before the cache are not made again.
func (c *cache) keepRequest(x *sluice.Exchange) (*sluice.Exchange, error) {
	k, err := x.Keep(0)
	if err != nil {
		return nil, err
	}
	for i := range c.ep.Inputs {
		k.SetInput(i, own(x.Input(i)))
	}
	return k, nil
}

// own is a value that borrows nothing.
func own(v sluice.Value) sluice.Value {
	switch v.Type() {
	case sluice.Text:
		return sluice.TextValue(bytes.Clone(v.Bytes()))
	case sluice.JSON:
		return sluice.JSONValue(bytes.Clone(v.Bytes()))
	}
	return v
}

// background is the wire of an exchange that nobody waits for: it ends when the policy is closed.
type background struct{ ctx context.Context }

func (b background) Context() context.Context       { return b.ctx }
func (background) Inform(int, *sluice.Header) error { return nil }

// refill fetches an entry anew. Another node may have done so already, or may be about to.
func (c *cache) refill(ctx context.Context, kept *sluice.Exchange, p place, old *entry) {
	x := sluice.NewExchange(background{ctx})
	x.Endpoint, x.Route, x.Request, x.Caller, x.Seen = kept.Endpoint, kept.Route, kept.Request, kept.Caller, kept.Seen
	for i := range c.ep.Inputs {
		x.SetInput(i, kept.Input(i))
	}
	x.SetRequestID(kept.RequestID())
	x.Request.Method = "GET" // a backend leaves the body out of an answer to HEAD
	now := c.now()
	x.Start, x.Deadline = now, time.Now().Add(refreshTime)
	f := &fill{c: c, place: p, hidden: true}
	if c.state.Shared() {
		there, err := c.load(ctx, p.at)
		if err == nil && there != nil && there.fresh > old.fresh {
			if v, _ := c.judge(x, there, false, now); v == serve {
				c.pool.set(p.at, there)
				x.End(sluice.Outcome{})
				return
			}
		}
		if f.lease, err = c.takeLease(ctx, p.at); err == nil && f.lease == nil {
			old.refresh.Store(now.Add(refreshPause).UnixNano())
			x.End(sluice.Outcome{})
			return
		}
	}
	c.series.refreshes.Add(1)
	err := c.fetchFor(x, expired, f)
	if err == nil && x.Response.Body.Stream != nil {
		_, err = io.Copy(io.Discard, x.Response.Body.Stream)
		x.Response.Body.Close(err)
	}
	c.conclude(x, p, old, f, err)
	x.End(sluice.Outcome{Status: x.Response.Status, Err: err})
}

// conclude decides what becomes of the old entry when there is no new one: while the backend fails it is given on; what
// the backend no longer has, or no longer lets be kept, is not.
func (c *cache) conclude(x *sluice.Exchange, p place, old *entry, f *fill, err error) {
	if err == nil && f.entry != nil {
		return
	}
	c.series.failures.Add(1)
	old.refresh.Store(c.now().Add(refreshPause).UnixNano())
	status := x.Response.Status
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return
		}
		status = sluice.ErrorOf(err).Code.Status()
	}
	if status < 500 {
		c.pool.drop(p.at)
		c.tasks.start(func(ctx context.Context) {
			if err := c.state.DeleteValues(ctx, p.at.text()); err != nil {
				c.series.storeErrors.Add(1)
			}
		})
	}
}
