package server

import (
	"errors"
	"os"
	"sync"
	"time"
)

// deadline is that of a connection's reads, or of its writes. net/http sets one several times for each request and mostly
// puts it off, so it is given to the system only when something waits under it, and for reads not when what the system
// has comes earlier: whoever is woken too early goes on waiting. A write that goes on finds a little room that one which
// waits does not, and so slow readers would get twice their time: theirs is exact.
type deadline struct {
	apply func(time.Time) error // gives it to the system
	exact bool

	mu    sync.Mutex // guards what follows; not held while something waits
	want  time.Time  // zero is none
	set   time.Time  // what the system has
	over  bool       // set has passed
	busy  int        // how many wait under it
	early bool       // wake asked for an end before want
}

// put sets it, also for what waits already.
func (d *deadline) put(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.want = t
	if d.busy == 0 {
		return nil
	}
	return d.arm()
}

// now sets it, and gives it to the system at once.
func (d *deadline) now(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.want, d.set, d.over = t, t, false
	return d.apply(t)
}

// begin is called before something waits, and end after.
func (d *deadline) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.busy++
	d.arm()
}

// wake ends what waits, or else what waits next, once.
func (d *deadline) wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.early = true; d.busy > 0 {
		d.arm()
	}
}

// arm gives it to the system if need be; mu is held.
func (d *deadline) arm() error {
	t := d.want
	if d.early {
		t = past
	}
	if !d.over && (d.set.Equal(t) || !d.exact && !d.set.IsZero() && (t.IsZero() || d.set.Before(t))) {
		return nil
	}
	d.set, d.over = t, false
	return d.apply(t)
}

// verdict is what to do after an error.
type verdict int

const (
	failed verdict = iota // the error stands
	again                 // it came too early
	woken                 // it comes from wake
)

// end takes the error with which the waiting ended, and says what it means.
func (d *deadline) end(err error) verdict {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.busy--
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return failed
	}
	d.over = true
	switch {
	case d.early:
		d.early = false
		return woken
	case d.want.IsZero() || time.Now().Before(d.want):
		return again
	}
	return failed
}
