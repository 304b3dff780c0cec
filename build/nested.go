package build

import (
	"errors"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/config"
)

// nestedPlan is the block of a backend within the block of another, filled and bound.
type nestedPlan struct {
	place   *sluice.Nested
	kind    *sluice.Kind
	block   config.Block
	use     any
	backend *backendPlan
}

// planNested fills and binds the block that stands in a place of an endpoint's block. What it uses counts as used by the
// endpoint.
func (m *maker) planNested(p *endpointPlan, n *sluice.Nested, scope sluice.Scope) {
	if n.Path == "" { // what stands there could not be read, which is a mistake already
		return
	}
	var blocks []config.Block
	for _, b := range n.Blocks {
		blocks = append(blocks, b.Block.(config.Block))
	}
	block, ok := m.oneBlock(place{path: n.Path, what: "this", role: sluice.BackendRole, keys: n.Keys}, blocks)
	if !ok {
		p.broken = true
		return
	}
	plan := &nestedPlan{place: n, kind: m.kind(sluice.BackendRole, block.Kind), block: block}
	plan.use = plan.kind.NewUse()
	if !block.Fill(plan.use) {
		p.broken = true
		return
	}
	if maker, is := plan.use.(sluice.ResultMaker); is && len(maker.ResultNames()) > 0 {
		m.doc.Fault(block.Path, errors.New("results with a name of their own cannot be made here; want the answer alone"))
		p.broken = true
		return
	}
	plan.backend = m.backendOf(plan.kind, block, plan.use)
	var used uses
	if !m.bind(block.Path, plan.use, scope, p.path, &used) || plan.backend == nil {
		p.broken = true
		return
	}
	n.Results = used.results
	p.uses.inputs = append(p.uses.inputs, used.inputs...)
	p.uses.headers = append(p.uses.headers, used.headers...)
	p.uses.body, p.uses.caller = p.uses.body || used.body, p.uses.caller || used.caller
	p.nested = append(p.nested, plan)
}

// openNested opens the endpoint's nested blocks. Also of a broken endpoint all is opened that can be.
func (m *maker) openNested(node *Node, p *endpointPlan) (ok bool) {
	ok = true
	for _, n := range p.nested {
		if n.backend.opened != nil {
			n.place.Handler = m.handle(node, p.ep, n.backend, n.block.Path, n.use)
		}
		ok = ok && n.place.Handler != nil
	}
	return ok
}
