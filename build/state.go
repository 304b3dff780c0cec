package build

import (
	"reflect"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/state/memory"
)

// states is what Env.State and Env.Local are, open. The nodes of a process that follow one another have it in common: it is
// closed when the last of them lets go. For another store than Redis config.State needs a block of its own, Options its
// opener (command/state.go), and states its config, to know what a reload may take over.
type states struct {
	holders
	config config.Redis
	// shared is that of all nodes, or local where nothing is shared.
	shared sluice.State
	local  sluice.State
}

// openStates opens what nodes share, or takes over what is open already: counters and caches outlive a reload.
func (m *maker) openStates(node *Node) {
	c := m.file.State.Redis
	if m.previous != nil && reflect.DeepEqual(m.previous.states.config, c) {
		node.states = m.previous.states
		node.states.hold()
		m.states = node.states
		return
	}
	env := m.env("state")
	local := memory.New(m.opts.Now)
	s := &states{holders: newHolders(env), config: c, shared: local, local: local}
	node.states, m.states = s, s
	if c.URL == "" || m.opts.OpenRedis == nil {
		return
	}
	shared, err := m.opts.OpenRedis(env, &c)
	if err != nil {
		m.doc.Fault("state.redis", err)
		return
	}
	s.shared = shared
}

// checkShared refuses what nodes must share where they share nothing.
func (m *maker) checkShared(p *policyPlan) {
	if m.file.Nodes <= 1 || m.file.State.Redis.URL != "" || p.broken {
		return
	}
	if bound, is := p.use.(sluice.NodeBound); is {
		if why := bound.NodeBound(); why != "" {
			m.doc.Fault(p.block.Path, nodeBound(m.file.Nodes, why))
		}
	}
}
