package build

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/config"
)

// backendPlan is an entry under backends that was filled. where is nil when something is wrong with it.
type backendPlan struct {
	name        string
	path        string
	kind        *sluice.Kind
	where       any
	fingerprint string
	opened      *backend
}

// backend is an open backend. Nodes share it: it is closed when the last of them lets go.
type backend struct {
	name        string
	kind        string
	fingerprint string
	sluice.Opened
	holders
}

// holders counts the nodes that hold something open; the last one that lets go closes it.
type holders struct {
	env   *sluice.Env
	count *atomic.Int64
}

func newHolders(env *sluice.Env) holders {
	h := holders{env, new(atomic.Int64)}
	h.hold()
	return h
}

func (h holders) hold() { h.count.Add(1) }

func (h holders) release() {
	if h.count.Add(-1) == 0 {
		h.env.Close()
	}
}

func nodeBound(nodes int, why string) error { return fmt.Errorf("with nodes: %d, %s", nodes, why) }

func (m *maker) planBackend(entry sluice.Entry[config.Backend]) {
	path := "backends." + entry.Name
	plan := &backendPlan{name: entry.Name, path: path}
	m.backends = append(m.backends, plan)
	block, ok := m.oneBlock(place{path: path, what: "a backend", role: sluice.BackendRole}, entry.Value.Kinds)
	if !ok {
		return
	}
	kind := m.kind(sluice.BackendRole, block.Kind)
	if kind.Standalone {
		m.doc.Fault(block.Path, fmt.Errorf("%s needs no entry here; it stands in an endpoint", kind.Name))
		return
	}
	plan.kind, plan.path, plan.fingerprint = kind, block.Path, block.Fingerprint()
	where := kind.NewWhere()
	if !block.Fill(where) {
		return
	}
	if bound, is := where.(sluice.NodeBound); is && m.file.Nodes > 1 {
		if why := bound.NodeBound(); why != "" {
			m.doc.Fault(block.Path, nodeBound(m.file.Nodes, why))
		}
	}
	plan.where = where
}

// place is where blocks named by their kind stand: what is there, what it is called, and the keys that may stand beside a
// kind.
type place struct {
	path, what string
	role       sluice.Role
	keys       []string
}

// oneBlock picks the one block of a place and reports when there are none, several, or some of no known kind.
func (m *maker) oneBlock(at place, blocks []config.Block) (config.Block, bool) {
	path, what, role := at.path, at.what, at.role
	var known []config.Block
	for _, b := range blocks {
		if m.kind(role, b.Kind) != nil {
			known = append(known, b)
			continue
		}
		m.unknownKind(b, at)
	}
	switch {
	case len(blocks) == 0:
		m.doc.Fault(path, fmt.Errorf("%s without a kind; want one of %s", what, strings.Join(m.kindNames(role), ", ")))
	case len(known) > 1:
		m.doc.Fault(known[1].Path, fmt.Errorf("%s has one kind, and %s stands here already", what, known[0].Kind))
	}
	if len(known) != 1 {
		return config.Block{}, false
	}
	return known[0], true
}

// unknownKind says what an unknown key was most likely meant to be.
func (m *maker) unknownKind(b config.Block, at place) {
	names, role := m.kindNames(at.role), at.role
	known := append(slices.Clone(at.keys), names...)
	if role == sluice.BackendRole && m.kind(sluice.PolicyRole, b.Kind) != nil && strings.HasPrefix(at.path, "endpoints.") {
		m.doc.Fault(b.Path, fmt.Errorf("%s is a policy; want it in the list under policies", b.Kind))
		return
	}
	if near := sluice.Nearest(b.Kind, known); near != "" {
		m.doc.Fault(b.Path, fmt.Errorf("unknown key; did you mean %s?", near))
		return
	}
	m.doc.Fault(b.Path, fmt.Errorf("unknown %s; want one of %s", role, strings.Join(names, ", ")))
}

// kind is the kind of that role and name, or nil.
func (m *maker) kind(role sluice.Role, name string) *sluice.Kind {
	for i := range m.opts.Kinds {
		if k := &m.opts.Kinds[i]; k.Role == role && k.Name == name {
			return k
		}
	}
	return nil
}

func (m *maker) kindNames(role sluice.Role) []string {
	var names []string
	for _, k := range m.opts.Kinds {
		if k.Role == role {
			names = append(names, k.Name)
		}
	}
	return names
}

// openBackend opens a backend for the node, or takes over the one that is open already.
func (m *maker) openBackend(node *Node, plan *backendPlan) {
	if plan.where == nil {
		return
	}
	if b := m.carryOver(plan); b != nil {
		b.hold()
		plan.opened = b
		node.backends = append(node.backends, b)
		return
	}
	env := m.env(plan.name)
	env.Path = plan.path
	opened, err := plan.kind.OpenBackend(env, plan.where)
	if err != nil {
		env.Close()
		m.doc.Fault(plan.path, err)
		return
	}
	plan.opened = &backend{name: plan.name, kind: plan.kind.Name, fingerprint: plan.fingerprint, Opened: opened, holders: newHolders(env)}
	node.backends = append(node.backends, plan.opened)
}

func (m *maker) carryOver(plan *backendPlan) *backend {
	if m.previous == nil {
		return nil
	}
	for _, b := range m.previous.backends {
		if b.name == plan.name && b.kind == plan.kind.Name && b.fingerprint == plan.fingerprint {
			return b
		}
	}
	return nil
}

// backendOf finds the entry under backends that an endpoint's block means. A standalone kind has one of its own.
func (m *maker) backendOf(kind *sluice.Kind, block config.Block, use any) *backendPlan {
	if kind.Standalone {
		return m.standalone(kind)
	}
	if name := kind.BackendName(use); name != "" {
		return m.namedBackend(kind, block, name)
	}
	var found []*backendPlan
	for _, b := range m.backends {
		if b.kind == kind {
			found = append(found, b)
		}
	}
	switch len(found) {
	case 1:
		return found[0]
	case 0:
		m.doc.Fault(block.Path, fmt.Errorf("there is no %s backend; want one under backends", kind.Name))
	default:
		m.doc.Fault(block.Path, fmt.Errorf("there are %d %s backends; want backend: NAME to say which", len(found), kind.Name))
	}
	return nil
}

func (m *maker) namedBackend(kind *sluice.Kind, block config.Block, name string) *backendPlan {
	var names []string
	for _, b := range m.backends {
		if b.name == name {
			if b.kind != nil && b.kind != kind {
				m.doc.Fault(block.Path+".backend", fmt.Errorf("%s is a backend of kind %s, and this block is %s", name, b.kind.Name, kind.Name))
				return nil
			}
			return b
		}
		names = append(names, b.name)
	}
	err := errors.New("there is none under backends")
	if near := sluice.Nearest(name, names); near != "" {
		err = fmt.Errorf("did you mean %s?", near)
	} else if len(names) > 0 {
		err = fmt.Errorf("want one of %s", strings.Join(names, ", "))
	}
	m.doc.Fault(block.Path+".backend", fmt.Errorf("unknown backend %q; %w", name, err))
	return nil
}

// standalone is the one backend of a kind that needs no entry.
func (m *maker) standalone(kind *sluice.Kind) *backendPlan {
	for _, b := range m.backends {
		if b.kind == kind {
			return b
		}
	}
	plan := &backendPlan{name: kind.Name, path: "endpoints", kind: kind, where: kind.NewWhere()}
	m.backends = append(m.backends, plan)
	return plan
}
