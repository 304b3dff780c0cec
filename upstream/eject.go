package upstream

import "time"

// Outcome is what became of a request that a host was picked for.
type Outcome uint8

// The outcomes.
const (
	// Answered: the host gave an answer that does not speak against it.
	Answered Outcome = iota
	// Failed: it gave no answer, or broke it off, or one by which it says that it is not well.
	Failed
	// Unreached: it took no connection, so that nothing was sent.
	Unreached
)

// Bounds of the time for which a host is out that takes no connection. They are short: it is tried by one request only,
// which then goes elsewhere, and a host that comes back is missed no longer than a client notices.
const (
	firstRest = time.Second
	longRest  = 10 * time.Second
)

// Heard tells what became of a request, at a time of Env's clock: once for each request, as soon as it is known. Of a
// request that says nothing of the host, because its client left or no connection was free, nothing is told.
func (h *Host[L]) Heard(now time.Time, o Outcome) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if o == Answered {
		h.row = 0
		h.recent.Add(now, 1, 0)
		if h.trying.Load() {
			h.comeBack(now)
		}
		return
	}
	h.of.series[h.Target].failures.Add(1)
	h.row++
	h.recent.Add(now, 1, 1)
	out, tried, ejected := h.until.Load() != 0, h.trying.Load(), h.ejected.Load()
	switch {
	case out && !tried:
		// It was under way when the host went out, which is known.
	case o == Unreached, out && !ejected:
		h.goOut(now, firstRest, longRest, false)
		h.of.lookSoon(h.Target)
	case out, h.failing(now):
		h.of.eject(h, now)
	}
}

// failing tells whether a host's failures are enough to eject it; mu is held.
func (h *Host[L]) failing(now time.Time) bool {
	e := &h.of.spec.Config.Ejection
	if e.Failures > 0 && h.row >= e.Failures {
		return true
	}
	if e.Rate <= 0 {
		return false
	}
	all, failed := h.recent.Sum(now)
	return all >= int64(e.Volume) && float64(failed) >= e.Rate.Of(float64(all))
}

// goOut takes a host out of service: for the first time, or for twice as long as the last time where that was soon
// before. mu is held.
func (h *Host[L]) goOut(now time.Time, first, longest time.Duration, ejected bool) {
	fresh := h.until.Load() == 0
	if h.ejected.Load() != ejected || fresh && now.Sub(h.back) > 2*max(h.last, first) {
		h.last = 0
	}
	if h.last = min(2*h.last, longest); h.last == 0 {
		h.last = first
	}
	if fresh {
		why := "it takes no connection"
		if ejected {
			why = "its answers fail"
		}
		h.of.log.Warn("a host of an upstream gets no requests for a while", "host", h.Address, "why", why, "for", h.last)
	}
	h.row = 0
	h.recent.Clear()
	h.ejected.Store(ejected)
	h.until.Store(now.Add(h.last).UnixNano())
	h.trying.Store(false)
}

// comeBack puts a host into service again; mu is held.
func (h *Host[L]) comeBack(now time.Time) {
	h.trying.Store(false)
	if h.until.Swap(0) == 0 {
		return
	}
	h.back, h.row = now, 0
	h.recent.Clear()
	h.of.log.Info("a host of an upstream gets requests again", "host", h.Address)
}

// eject ejects a host, unless too few would be left. The host's mu is held.
func (hs *Hosts[L]) eject(h *Host[L], now time.Time) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	e := &hs.spec.Config.Ejection
	all, ejected, others := 0, 0, 0
	for _, o := range *hs.hosts.Load() {
		all++
		switch {
		case o == h:
		case o.until.Load() != 0 && o.ejected.Load():
			ejected++
		case o.until.Load() == 0 && !o.sick.Load():
			others++
		}
	}
	if others == 0 || float64(all-ejected-1) < e.Keep.Of(float64(all)) {
		h.comeBack(now)
		return
	}
	hs.series[h.Target].ejections.Add(1)
	h.goOut(now, e.Base, e.Max, true)
}
