// Package cache keeps answers and gives them again.
package cache

import (
	"bytes"
	_ "embed"
	"errors"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/tag"
)

//go:embed config.go
var source string

// Kind is the policy `cache`.
var Kind = sluice.NewPolicy("cache", defaults(), open, sluice.Manual(source),
	sluice.After(sluice.Authentication, "what is kept must be given only to who may have it"),
	sluice.After("authorize", "what is kept must be given only to who may have it"),
	sluice.After("ip_filter", "what is kept must be given only to who may have it"),
	sluice.After("compress", "answers are kept as the backend made them, and compressed for each client"),
	sluice.Before("retry", "what is kept needs no second try"),
	sluice.Before("async", "an answer that is made later cannot be kept"))

func open(env *sluice.Env, ep *sluice.Endpoint, c *Config) (sluice.Policy, error) {
	if ep == nil {
		return nil, errors.New("a cache is of one endpoint; want it among the policies of endpoints, or under every_endpoint")
	}
	if ep.Authenticated && !c.Private && !c.Shared {
		return nil, errors.New("it is known who asks, and not told who may have what was kept; want private: true where each caller has " +
			"answers of its own, or shared: true where all get the same")
	}
	p := &cache{config: c, ep: ep, now: env.Now, state: env.State, keys: newKeys(ep, c), flights: newFlights(), turns: newFlights(), tasks: newTasks(env.Log)}
	var err error
	if p.pool, err = openPool(env, ep, c.MaxSize); err != nil {
		return nil, err
	}
	if len(c.Tags) > 0 {
		if p.tags, err = tag.Open(env); err != nil {
			return nil, err
		}
	}
	p.series = newSeries(env.Metrics, ep)
	env.Cleanup(p.tasks.stop)
	return func(next sluice.Handler) sluice.Handler {
		h := *p
		h.next = next
		return &h
	}, nil
}

// cache is the policy of one endpoint.
type cache struct {
	config  *Config
	ep      *sluice.Endpoint
	now     func() time.Time
	state   sluice.State
	keys    *keys
	pool    *pool
	tags    *tag.Tags // nil without tags
	flights *flights
	turns   *flights // for when nobody can say what was purged
	tasks   *tasks
	series  *series
	next    sluice.Handler
}

// maxJoins is how often a request waits for what others get, before it asks for itself.
const maxJoins = 4

// Serve answers from what is kept, or has the backend asked.
func (c *cache) Serve(x *sluice.Exchange) error {
	get := x.Request.Method == "GET"
	if !get && x.Request.Method != "HEAD" {
		return c.next.Serve(x)
	}
	if c.passes(x) {
		return c.forward(x, bypassed)
	}
	shows := c.shows(x)
	for joins := 0; ; joins++ {
		now := x.Now(c.now)
		p, e, v, why := c.find(x, shows, now)
		switch {
		case v != forward:
			return c.hit(x, p, e, v, now)
		case why == missing && p.at != p.primary:
			why = missingVariant
		}
		if !get {
			return c.forward(x, why)
		}
		if e != nil && e.sort == passed && now.UnixNano() < e.fresh {
			return c.fetch(x, p, unkept)
		}
		if why == unsure {
			return c.inTurn(x, p, why)
		}
		if shows || joins == maxJoins {
			return c.fetch(x, p, why)
		}
		f, lead := c.flights.join(p.at)
		if lead {
			return c.lead(x, p, why, f)
		}
		if done, err := c.follow(x, p, why, f); done {
			return err
		}
	}
}

// hit answers from an entry that was found, and has one that is stale fetched anew.
func (c *cache) hit(x *sluice.Exchange, p place, e *entry, v verdict, now time.Time) error {
	if v == serveStale {
		c.series.stale.Add(1)
		c.refresh(x, p, e)
	} else {
		c.series.hits.Add(1)
	}
	return c.answer(x, e, now, fromMemory)
}

// passes tells whether a request goes past the cache: it is for a part, carries a body or conditions for writing, or
// comes from nobody who has a name where answers are private.
func (c *cache) passes(x *sluice.Exchange) bool {
	r := &x.Request
	if c.config.Private && x.Caller.Subject == "" || r.Body.Stream != nil || len(r.Body.Bytes) > 0 {
		return true
	}
	h := &r.Header
	return h.Has("Range") || h.Has("If-Match") || h.Has("If-Unmodified-Since")
}

// shows tells whether a request shows who asks in a way that the key does not tell apart.
func (c *cache) shows(x *sluice.Exchange) bool {
	if c.config.Private || c.config.Shared {
		return false
	}
	h := &x.Request.Header
	if x.Caller.Known() || x.Request.Peer != nil || h.Has("Authorization") {
		return true
	}
	if !h.Has("Cookie") {
		return false
	}
	for _, f := range h.Fields() {
		if sluice.SameToken(f.Name, "Cookie") && !onlyToken(f.Value) {
			return true
		}
	}
	return false
}

// onlyToken tells whether a Cookie holds nothing but the consistency token.
func onlyToken(cookies []byte) bool {
	return bytes.HasPrefix(cookies, []byte(sluice.TokenCookie+"=")) && bytes.IndexByte(cookies, ';') < 0
}

// find is what is kept for a request, nil when there is nothing, whether it answers the request, and where it is or would
// be. An entry to serve comes without its place, which who answers from it does not need.
func (c *cache) find(x *sluice.Exchange, shows bool, now time.Time) (p place, e *entry, v verdict, why reason) {
	s := c.keys.borrow()
	defer c.keys.giveBack(s)
	p.primary = c.keys.of(x, s)
	p.at = p.primary
	if e = c.pool.get(p.at); e != nil && e.sort == varied {
		p.names = e.names
		p.at = c.keys.variant(p.primary, p.names, &x.Request.Header, s)
		e = c.pool.get(p.at)
	}
	if v, why = c.judge(x, e, shows, now); v == serve {
		return place{}, e, v, why
	}
	return p.own(), e, v, why
}

// vary is the place of the variant for a request.
func (c *cache) vary(x *sluice.Exchange, p place, names []string) place {
	s := c.keys.borrow()
	defer c.keys.giveBack(s)
	return place{primary: p.primary, at: c.keys.variant(p.primary, names, &x.Request.Header, s), names: names}.own()
}

// judge decides whether an entry, which may be nil, answers a request.
func (c *cache) judge(x *sluice.Exchange, e *entry, shows bool, now time.Time) (verdict, reason) {
	if e == nil {
		if shows {
			return forward, bypassed
		}
		return forward, missing
	}
	return e.judge(question{now: now, shows: shows, covered: x.Seen.Covers(e.reads), tags: c.judgeTags(x, e, now)})
}

func (c *cache) judgeTags(x *sluice.Exchange, e *entry, now time.Time) tag.Verdict {
	if len(e.stamps) == 0 || now.UnixNano() >= e.stale {
		return tag.Current
	}
	if c.tags == nil {
		return tag.Purged
	}
	floor, _ := x.Seen.Floor(tag.Source)
	v := c.tags.Judge(e.stamps, floor.Position, now)
	if v == tag.Unknown {
		defer x.Waited()
		v = c.tags.Confirm(x.Context(), e.stamps, floor.Position)
	}
	return v
}

// origin is where a kept answer was found.
type origin uint8

const (
	fromMemory origin = iota
	fromStore
	fromFlight
)

// answer answers from an entry.
func (c *cache) answer(x *sluice.Exchange, e *entry, now time.Time, from origin) error {
	for _, v := range e.reads {
		x.Seen.Read(v)
	}
	r := &x.Response
	had := unchanged(&x.Request.Header, e.etag, e.modified)
	if had {
		for _, f := range e.fields {
			if !onlyWhole(f.Name) {
				r.Header.AddBytes(f.Name, f.Value)
			}
		}
		r.Status = 304
	} else {
		r.Header.AddFields(e.fields)
		r.Status = 200
		r.Body.SetBytes(e.body)
	}
	r.Header.SetInt("Age", max(0, (now.UnixNano()-e.born)/int64(time.Second)))
	if from == fromFlight {
		r.Header.Add(field, joined)
	} else {
		tellHit(&r.Header, (e.fresh-now.UnixNano())/int64(time.Second), from == fromStore)
	}
	return nil
}

// follow waits for what another request gets. It is not done when the request must look again.
func (c *cache) follow(x *sluice.Exchange, p place, why reason, f *flight) (done bool, err error) {
	landed, err := f.wait(x)
	switch {
	case err != nil:
		return true, err
	case !landed:
		return true, c.fetch(x, p, why)
	}
	switch f.outcome {
	case kept:
		now := x.Now(c.now)
		if v, _ := c.judge(x, f.entry, false, now); v == forward {
			return false, nil
		}
		c.series.collapsed.Add(1)
		return true, c.answer(x, f.entry, now, fromFlight)
	case failed:
		c.series.collapsed.Add(1)
		return true, f.err
	case released:
		return true, c.fetch(x, p, why)
	case unknown:
		return true, c.inTurn(x, p, why)
	}
	return false, nil
}

// forward has the backend asked for something that is not kept.
func (c *cache) forward(x *sluice.Exchange, why reason) error {
	c.count(why)
	if err := c.next.Serve(x); err != nil {
		return err
	}
	tellForward(&x.Response.Header, why, false)
	return nil
}
