package cache

import "github.com/sluiceapi/sluice"

// inTurn has the backend asked while nobody can say what was purged. Nothing is kept, and nobody gets what was asked for
// before they came; but those who come while one request is with the backend share the answer of the next. So a store that
// is away brings the backend two requests at once for a key, and not all.
func (c *cache) inTurn(x *sluice.Exchange, p place, why reason) error {
	if why == missing || why == missingVariant {
		why = unsure
	}
	if c.shows(x) {
		return c.forward(x, why)
	}
	for {
		f, lead := c.turns.line(p.at)
		if lead {
			return f.during(func() error { return c.takeTurn(x, p, why, f) })
		}
		landed, err := f.wait(x)
		switch {
		case err != nil:
			return err
		case !landed:
			return c.forward(x, why)
		case f.outcome == kept && x.Seen.Covers(f.entry.reads):
			c.series.collapsed.Add(1)
			return c.answer(x, f.entry, x.Now(c.now), fromFlight)
		case f.outcome == failed:
			c.series.collapsed.Add(1)
			return f.err
		case f.outcome != again:
			return c.forward(x, why)
		}
		now := x.Now(c.now)
		var e *entry
		var v verdict
		if p, e, v, _ = c.find(x, false, now); v != forward { // the store can say again what was purged
			return c.hit(x, p, e, v, now)
		}
	}
}

// takeTurn asks the backend for all who have come since the request before it was made.
func (c *cache) takeTurn(x *sluice.Exchange, p place, why reason, f *flight) error {
	if err := f.begin(x.Context()); err != nil {
		f.settle(again, nil, nil)
		return err
	}
	x.Waited()
	return c.fetchFor(x, why, &fill{c: c, place: p, flight: f, loose: true})
}
