// Package upstream chooses among the hosts of one upstream: the addresses that DNS gives, their health, and the balance.
//
// It knows no protocol. A kind of backend says what it keeps for a host, such as a pool of connections, and how a host
// is checked; it picks a host for each request, says what became of it, and lets go when the answer is over:
//
//	hosts, err := upstream.Open(env, upstream.Spec[*link]{Targets: …, Config: w.Config, Link: newLink, Close: closeLink})
//
//	x.Tried.Begin()
//	h := hosts.Pick(x, now)          // again when a host took no connection; nil when every host was tried
//	h.Heard(now, upstream.Answered)
//	h.Done()
package upstream

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
)

// Target is what a config names of an upstream: a name or an address, and a port.
type Target struct {
	Name string
	Port uint16
}

// Spec says what Open opens. L is what the kind keeps for each host.
type Spec[L any] struct {
	// Targets are where the hosts are found; there is at least one.
	Targets []Target
	Config  Config
	// Checks is nil where no host is checked; else Check is set.
	Checks *Checks
	// Link makes what the kind keeps for a host. It opens no connection, and is called while a host is found, before the
	// host can be picked. The host's other fields are set.
	Link func(h *Host[L]) L
	// Close lets go of what Link made. It is called once, when the host is gone and nobody uses it any more, or when the
	// block is closed.
	Close func(h *Host[L])
	// Check finds out whether a host is well. It returns when ctx ends.
	Check func(ctx context.Context, h *Host[L]) error
}

// Hosts are the hosts of one upstream at the moment. Its methods may be called at once.
type Hosts[L any] struct {
	spec   Spec[L]
	log    *slog.Logger
	now    func() time.Time
	series []series // one for each target

	// hosts are those that can be picked, in the order of the targets. It is replaced, never changed.
	hosts atomic.Pointer[[]*Host[L]]
	turn  atomic.Uint32

	// mu guards what follows, the change of hosts, and who of them is out.
	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
	ctx     context.Context // ends when the block is closed
	wake    []chan struct{} // one for each target: look it up now
}

// Open finds the hosts of a spec, and follows them until the block is closed. At first a name is one host, which is
// connected to by the name; its addresses take its place when they are known. In a dry run nothing is looked up or
// checked.
func Open[L any](env *sluice.Env, s Spec[L]) (*Hosts[L], error) {
	if len(s.Targets) == 0 {
		return nil, errors.New("an upstream without a host")
	}
	ctx, cancel := context.WithCancel(context.Background())
	hs := &Hosts[L]{spec: s, log: env.Log, now: env.Now, ctx: ctx}
	hs.hosts.Store(new([]*Host[L]))
	for i := range s.Targets {
		hs.wake = append(hs.wake, make(chan struct{}, 1))
		hs.series = append(hs.series, newSeries(env, s.Targets[i]))
		hs.measure(env, i)
	}
	env.Cleanup(func() {
		cancel()
		hs.close()
	})
	if env.Dry {
		hs.spec.Checks = nil
	}
	for i, t := range s.Targets {
		hs.follow(i, []string{t.address()})
		if t.isName() && !env.Dry {
			hs.running.Go(func() { hs.lookUp(i) })
		}
	}
	return hs, nil
}

// All yields the hosts that can be picked at the moment.
func (hs *Hosts[L]) All() iter.Seq[*Host[L]] {
	return func(yield func(*Host[L]) bool) {
		for _, h := range *hs.hosts.Load() {
			if !yield(h) {
				return
			}
		}
	}
}

// Pick chooses a host for a request of x at a time of Env's clock, and counts a request under way there until Done is
// called. A host that was picked since x.Tried.Begin is not picked again; one that was picked before that only where
// there is no other. Hosts that are out come last. It is nil when there is none left.
func (hs *Hosts[L]) Pick(x *sluice.Exchange, now time.Time) *Host[L] {
	for {
		h := hs.choose(x, now)
		if h == nil {
			return nil
		}
		if !h.take(now) {
			continue // it has gone, or another request tries it: choose anew
		}
		x.Tried.Add(h.id)
		hs.series[h.Target].picks.Add(1)
		return h
	}
}

// follow makes the addresses the hosts of a target. Hosts that are there already stay; those whose address is not among
// them are let go.
func (hs *Hosts[L]) follow(target int, addresses []string) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if hs.closed {
		return
	}
	var next, gone []*Host[L]
	have := map[string]*Host[L]{}
	for _, h := range *hs.hosts.Load() {
		if h.Target == target {
			have[h.Address] = h
			gone = append(gone, h)
		}
	}
	placed := false
	place := func() {
		placed = true
		for _, address := range addresses {
			h := have[address]
			if h == nil {
				h = hs.newHost(target, address)
			}
			delete(have, address)
			next = append(next, h)
		}
	}
	for _, h := range *hs.hosts.Load() {
		if h.Target > target && !placed {
			place()
		}
		if h.Target != target {
			next = append(next, h)
		}
	}
	if !placed {
		place()
	}
	hs.hosts.Store(&next)
	for _, h := range gone {
		if have[h.Address] == h {
			h.leave()
		}
	}
}

// close lets go of every host. What the kind keeps for them is closed, also where requests are still under way.
func (hs *Hosts[L]) close() {
	hs.mu.Lock()
	hs.closed = true
	hosts := *hs.hosts.Swap(new([]*Host[L]))
	hs.mu.Unlock()
	hs.running.Wait()
	for _, h := range hosts {
		h.leave()
	}
}
