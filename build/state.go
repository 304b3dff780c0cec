package build

import (
	"reflect"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/state/memory"
)

// shared is what nodes share, open. The nodes of a process that follow one another share it too: it is closed when the
// last of them lets go.
type shared struct {
	holders
	config config.Redis
	state  sluice.State
	local  sluice.State
}

// openShared opens what nodes share, or takes over what is open already: counters and caches outlive a reload.
func (m *maker) openShared(node *Node) {
	c := m.file.State.Redis
	if m.previous != nil && reflect.DeepEqual(m.previous.shared.config, c) {
		node.shared = m.previous.shared
		node.shared.hold()
		m.shared = node.shared
		return
	}
	env := m.env("state")
	local := memory.New(m.opts.Now)
	s := &shared{holders: newHolders(env), config: c, state: local, local: local}
	node.shared, m.shared = s, s
	if c.URL == "" || m.opts.OpenRedis == nil {
		return
	}
	state, err := m.opts.OpenRedis(env, &c)
	if err != nil {
		m.doc.Fault("state.redis", err)
		return
	}
	s.state = state
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
