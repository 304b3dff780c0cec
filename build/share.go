package build

import (
	"sync"

	"github.com/sluiceapi/sluice"
)

// shares are what blocks have in common, open. The nodes of a process that follow one another have one shares, so
// what both need is carried over. Its methods may be called at once.
type shares struct {
	mu   sync.Mutex // guards open and the holders in it; never held while something is opened or closed
	open map[shareKey]*share
}

// shareKey is under what blocks share. Blocks of a config that is only checked share among themselves, for what they
// open does nothing; and those of nodes with another state share nothing, for the state of a retired node is closed.
type shareKey struct {
	sluice.ShareKey
	dry   bool
	state sluice.State
}

type share struct {
	value   any
	env     *sluice.Env
	holders int
}

func newShares() *shares { return &shares{open: make(map[shareKey]*share)} }

// share is Env.Shared of a block.
func (m *maker) share(of *sluice.Env) func(sluice.ShareKey, func(*sluice.Env) (any, error)) (any, error) {
	return func(k sluice.ShareKey, open func(*sluice.Env) (any, error)) (any, error) {
		key := shareKey{k, of.Dry, of.State}
		s := m.shares.hold(key)
		if s == nil {
			s = &share{env: m.env(of.Name)}
			var err error
			if s.value, err = open(s.env); err != nil {
				s.env.Close()
				return nil, err
			}
			s = m.shares.add(key, s)
		}
		of.Cleanup(func() { m.shares.release(key, s) })
		return s.value, nil
	}
}

// hold is what is open under the key, held once more; nil when nothing is.
func (a *shares) hold(key shareKey) *share {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.open[key]
	if s != nil {
		s.holders++
	}
	return s
}

// add puts what was opened under the key and holds it. Where another was quicker, that one is held and s is closed.
func (a *shares) add(key shareKey, s *share) *share {
	a.mu.Lock()
	first := a.open[key]
	if first == nil {
		a.open[key], first = s, s
	}
	first.holders++
	a.mu.Unlock()
	if first != s {
		s.env.Close()
	}
	return first
}

// release lets go of what is under the key, and closes it after the last holder.
func (a *shares) release(key shareKey, s *share) {
	a.mu.Lock()
	s.holders--
	last := s.holders == 0
	if last {
		delete(a.open, key)
	}
	a.mu.Unlock()
	if last {
		s.env.Close()
	}
}
