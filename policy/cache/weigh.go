package cache

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/sluiceapi/sluice"
)

// plan is how an answer is kept.
type plan struct {
	// fresh and stale are for how long from now it may be given, and how much longer when it is stale.
	fresh, stale time.Duration
	// age is how old it was when it came.
	age    time.Duration
	public bool
	// vary are the fields of the request that it depends on, in lower case and in order.
	vary []string
}

// weigh tells how an answer may be kept; why says why not, and is empty when it may. It looks at nothing but what it
// is given.
func weigh(c *Config, r *sluice.Response, now time.Time) (p plan, why string) {
	h := &r.Header
	switch {
	case r.Status != 0 && r.Status != 200:
		return p, "status"
	case r.Upgrade != nil || h.Has("Content-Range"):
		return p, "partial"
	case h.Has("Set-Cookie"):
		return p, "set-cookie"
	case h.Has("Trailer"):
		return p, "trailer"
	}
	said := readControl(h)
	if said.never {
		return p, "cache-control"
	}
	age, ok := readAge(h)
	if !ok {
		return p, "age"
	}
	p.age, p.public = age, said.public
	p.fresh = c.TTL
	life := said.life
	if life < 0 {
		life, ok = expiry(h, now)
		if !ok {
			life = -1
		}
	}
	if life >= 0 {
		p.fresh = min(p.fresh, life-age)
	}
	if p.fresh <= 0 {
		return p, "stale"
	}
	if p.stale = c.StaleWhileRevalidate; said.strict {
		p.stale = 0
	} else if said.stale >= 0 {
		p.stale = min(p.stale, said.stale)
	}
	if p.vary, ok = readVary(h); !ok {
		return p, "vary"
	}
	return p, ""
}

// readAge reads for how long others have kept the answer (RFC 9111, section 5.1).
func readAge(h *sluice.Header) (time.Duration, bool) {
	switch h.Count("Age") {
	case 0:
		return 0, true
	case 1:
		return deltaSeconds(bytes.Trim(h.Value("Age"), " \t"))
	}
	return 0, false
}

// expiry is how long an answer is fresh by Expires (RFC 9111, section 5.3); one that is no time has passed.
func expiry(h *sluice.Header, now time.Time) (time.Duration, bool) {
	if !h.Has("Expires") {
		return 0, false
	}
	expires, ok := timeOf(h, "Expires")
	if !ok {
		return 0, true
	}
	date, ok := timeOf(h, "Date")
	if !ok {
		date = now
	}
	return max(0, expires.Sub(date)), true
}

// readVary reads what fields of the request an answer depends on (RFC 9110, section 12.5.5): not ok when it depends on
// more than can be known. An answer in a coding depends on what codings the client takes, whether it says so or not.
func readVary(h *sluice.Header) (names []string, ok bool) {
	if h.Has("Content-Encoding") {
		names = append(names, "accept-encoding")
	}
	for _, f := range h.Fields() {
		if !sluice.SameToken(f.Name, "Vary") {
			continue
		}
		for _, part := range bytes.Split(f.Value, []byte{','}) {
			part = bytes.Trim(part, " \t")
			if len(part) == 0 {
				continue
			}
			if string(part) == "*" || !sluice.ValidFieldName(part) {
				return nil, false
			}
			names = append(names, strings.ToLower(string(part)))
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names, len(names) <= maxVary
}

// dropped are fields that are not kept, besides those of the connection: they are of one exchange or one caller.
var dropped = []string{"age", "set-cookie", "set-cookie2", "consistency-token", "retry-after", "x-request-id", "request-id", "traceparent",
	"tracestate", "server-timing", "authentication-info", "www-authenticate", "alt-svc", "content-length"}

// droppedPrefixes are of rate limits, which are the caller's, and of what is said to one origin.
var droppedPrefixes = []string{"ratelimit", "x-ratelimit", "x-rate-limit", "access-control-"}

// keeps tells whether a field of an answer is kept with it.
func keeps(h *sluice.Header, name []byte) bool {
	is := func(other string) bool { return sluice.SameToken(name, other) }
	if sluice.OfHop(name) || slices.ContainsFunc(dropped, is) {
		return false
	}
	for _, prefix := range droppedPrefixes {
		if len(name) >= len(prefix) && sluice.SameToken(name[:len(prefix)], prefix) {
			return false
		}
	}
	return !nominated(h, name)
}

// nominated tells whether Connection names the field.
func nominated(h *sluice.Header, name []byte) bool {
	for _, f := range h.Fields() {
		if !sluice.SameToken(f.Name, "Connection") {
			continue
		}
		for _, part := range bytes.Split(f.Value, []byte{','}) {
			if sluice.SameToken(bytes.Trim(part, " \t"), name) {
				return true
			}
		}
	}
	return false
}
