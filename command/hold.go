package command

import (
	"slices"
	"sync"
	"sync/atomic"
)

// holds are what keeps the process from being ready for the first time: what must have been reached once. A process that
// has been ready stays so, or a database that fails would take all nodes from behind the load balancer at once.
type holds struct {
	opened atomic.Bool

	mu      sync.Mutex // guards waiting
	waiting []*string
}

// hold is sluice.Env.Hold.
func (h *holds) hold(what string) (ready func()) {
	if h.opened.Load() {
		return func() {}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	w := &what
	h.waiting = append(h.waiting, w)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.waiting = slices.DeleteFunc(h.waiting, func(o *string) bool { return o == w })
	}
}

// pending is what is waited for; nothing once the process has been ready.
func (h *holds) pending() []string {
	if h.opened.Load() {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for _, w := range h.waiting {
		all = append(all, *w)
	}
	if len(all) == 0 {
		h.opened.Store(true)
	}
	return all
}
