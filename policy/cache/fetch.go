package cache

import (
	"slices"

	"github.com/sluiceapi/sluice"
)

// lead asks the store, and then the backend, for all who want the answer.
func (c *cache) lead(x *sluice.Exchange, p place, why reason, f *flight) error {
	return f.during(func() error { return c.leadOn(x, p, why, f) })
}

func (c *cache) leadOn(x *sluice.Exchange, p place, why reason, f *flight) error {
	// Another flight may have landed between the look into memory and the start of this one.
	now := c.now()
	switch e := c.pool.get(p.at); {
	case e == nil:
	case e.sort == varied:
		f.settle(again, nil, nil)
		return c.rejoin(x, c.vary(x, p, e.names))
	case e.sort == answered:
		if v, _ := c.judge(x, e, false, now); v != forward {
			f.settle(kept, e, nil)
			c.series.hits.Add(1)
			return c.answer(x, e, now, fromMemory)
		}
	}
	if !c.state.Shared() {
		return c.fetchFor(x, why, &fill{c: c, place: p, flight: f})
	}
	o, err := c.obtain(x, p)
	switch {
	case err != nil: // the client has left
		f.settle(again, nil, nil)
		return err
	case o.place.at != p.at:
		f.settle(again, nil, nil)
		return c.rejoin(x, o.place)
	case o.entry == nil:
		return c.fetchFor(x, why, &fill{c: c, place: p, flight: f, lease: o.lease})
	case o.entry.sort == passed:
		f.settle(released, nil, nil)
		return c.fetch(x, p, unkept)
	}
	f.settle(kept, o.entry, nil)
	c.series.hits.Add(1)
	now = c.now()
	if now.UnixNano() >= o.entry.fresh {
		c.refresh(x, p, o.entry)
	}
	return c.answer(x, o.entry, now, fromStore)
}

// rejoin goes on under a variant of the key, of which only the store knew.
func (c *cache) rejoin(x *sluice.Exchange, p place) error {
	f, lead := c.flights.join(p.at)
	if lead {
		return c.lead(x, p, missingVariant, f)
	}
	if done, err := c.follow(x, p, missingVariant, f); done {
		return err
	}
	return c.fetch(x, p, missingVariant)
}

// fetch asks the backend for one request alone, and keeps what comes.
func (c *cache) fetch(x *sluice.Exchange, p place, why reason) error {
	return c.fetchFor(x, why, &fill{c: c, place: p})
}

// fetchFor asks the backend and keeps what comes, if it can be kept.
func (c *cache) fetchFor(x *sluice.Exchange, why reason, f *fill) error {
	if err := f.prepare(x); err != nil {
		f.lease.release()
		f.flight.settle(unknown, nil, nil)
		if f.hidden {
			return err
		}
		return c.inTurn(x, f.place, why)
	}
	c.count(why)
	var conditions []sluice.Field
	if why != bypassed && why != unkept {
		conditions = takeConditions(&x.Request.Header)
	}
	outer := slices.Clone(x.Response.Header.Fields())
	err := c.next.Serve(x)
	for _, condition := range conditions {
		x.Request.Header.AddBytes(condition.Name, condition.Value)
	}
	if err != nil {
		f.flight.fail(err)
		f.lease.release()
		return err
	}
	stored := f.take(x, outer)
	if len(conditions) > 0 {
		validate(x)
	}
	tellForward(&x.Response.Header, why, stored)
	return nil
}

// count counts a request that goes on to the backend.
func (c *cache) count(why reason) {
	if why == bypassed {
		c.series.bypassed.Add(1)
	} else {
		c.series.misses.Add(1)
	}
}

// validate leaves out of an answer in memory what the client has already.
func validate(x *sluice.Exchange) {
	r := &x.Response
	if r.Status != 0 && r.Status != 200 || r.Body.Stream != nil {
		return
	}
	modified, _ := timeOf(&r.Header, "Last-Modified")
	if !unchanged(&x.Request.Header, r.Header.Value("ETag"), modified) {
		return
	}
	r.Status = 304
	r.Body.SetBytes(nil)
	r.Header.DelFunc(func(field sluice.Field) bool { return onlyWhole(field.Name) })
}

// takeConditions takes from a request what would have the backend leave the answer out: what is kept must be whole. They
// are weighed here, when the answer is there.
func takeConditions(h *sluice.Header) (taken []sluice.Field) {
	for _, f := range h.Fields() {
		if sluice.SameToken(f.Name, "If-None-Match") || sluice.SameToken(f.Name, "If-Modified-Since") {
			taken = append(taken, f)
		}
	}
	if taken != nil {
		h.Del("If-None-Match")
		h.Del("If-Modified-Since")
	}
	return taken
}
