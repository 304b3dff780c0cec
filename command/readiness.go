package command

import (
	"sync"

	"github.com/sluiceapi/sluice/build"
)

// bulletin tells those who wait that what they wait for may have come. The zero value is ready to use.
type bulletin struct {
	mu   sync.Mutex // guards next
	next chan struct{}
}

// wait is closed at the next change.
func (c *bulletin) wait() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		c.next = make(chan struct{})
	}
	return c.next
}

// tell tells of a change.
func (c *bulletin) tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next != nil {
		close(c.next)
		c.next = nil
	}
}

// hold is sluice.Env.Hold, and tells when something is no longer waited for.
func (r *runner) hold(what string) (ready func()) {
	let := r.holds.hold(what)
	return func() {
		let()
		r.bulletin.tell()
	}
}

// readiness is whether the process takes calls, as /readyz tells it too.
func (r *runner) readiness() build.Readiness {
	changed := r.bulletin.wait() // before looking, so that no change is missed
	draining := r.draining.Load()
	return build.Readiness{Ready: !draining && len(r.holds.pending()) == 0, Stops: draining, Changed: changed}
}
