package sluice

import "slices"

// Tried are the hosts of upstreams that an exchange was sent to, or that were asked for it in vain, so that it goes
// elsewhere when it is sent again. Hosts have ids of their own in the whole process. Backends that choose among hosts
// write it and read it; nobody else need care.
type Tried struct {
	hosts []uint64
	begun int
}

// Begin has hosts that are added from now on stand for the present call of a backend.
func (t *Tried) Begin() { t.begun = len(t.hosts) }

// Add notes a host.
func (t *Tried) Add(host uint64) { t.hosts = append(t.hosts, host) }

// Now tells whether the host was added since Begin, Before whether it was before that.
func (t *Tried) Now(host uint64) bool { return slices.Contains(t.hosts[t.begun:], host) }

// Before tells whether the host was added before Begin.
func (t *Tried) Before(host uint64) bool { return slices.Contains(t.hosts[:t.begun], host) }

func (t *Tried) reset() { t.hosts, t.begun = t.hosts[:0], 0 }
