package build

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/config"
)

// policyPlan is one policy of a chain: its block filled and, within an endpoint, bound.
type policyPlan struct {
	kind  *sluice.Kind
	block config.Block
	use   any
	// inputs are the endpoint's inputs that the block refers to; body and caller tell of those.
	uses
	broken bool
}

// uses is what the references of a block use.
type uses struct {
	inputs  []int
	results []int
	headers []string
	body    bool
	caller  bool
}

func (u *uses) add(r *sluice.Reference) {
	if i, ok := r.Input(); ok {
		u.inputs = append(u.inputs, i)
	}
	if i, ok := r.Result(); ok && !slices.Contains(u.results, i) {
		u.results = append(u.results, i)
	}
	if name, ok := r.Header(); ok {
		u.headers = append(u.headers, name)
	}
	u.body = u.body || r.NeedsBody()
	u.caller = u.caller || r.NeedsCaller()
}

// expand fills a list of policies; `use: NAME` is replaced by the named list. within holds the names of the lists
// that are being expanded.
func (m *maker) expand(path string, list []config.Policy, within []string) []*policyPlan {
	var plans []*policyPlan
	for i, entry := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		if entry.Use != "" {
			plans = append(plans, m.expandNamed(at, entry, within)...)
			continue
		}
		block, ok := m.oneBlock(place{path: at, what: "a policy", role: sluice.PolicyRole, keys: []string{"use"}}, entry.Kinds)
		if !ok {
			continue
		}
		kind := m.kind(sluice.PolicyRole, block.Kind)
		plan := &policyPlan{kind: kind, block: block, use: kind.NewUse()}
		plan.broken = !block.Fill(plan.use)
		if bound, is := plan.use.(sluice.CallerBound); is && !plan.broken {
			plan.caller = bound.NeedsCaller()
		}
		m.checkShared(plan)
		m.checkPeer(plan)
		plans = append(plans, plan)
	}
	return plans
}

func (m *maker) expandNamed(at string, entry config.Policy, within []string) []*policyPlan {
	for _, name := range within {
		if name == entry.Use {
			m.doc.Fault(at+".use", errors.New(strings.Join(append(within, name), " uses ")+"; want a list that does not come back to itself"))
			return nil
		}
	}
	list, ok := m.file.Policies.Value(entry.Use)
	if ok {
		return m.expand("policies."+entry.Use, list, append(within[:len(within):len(within)], entry.Use))
	}
	var names []string
	for _, p := range m.file.Policies {
		names = append(names, p.Name)
	}
	err := errors.New("there is none under policies")
	if near := sluice.Nearest(entry.Use, names); near != "" {
		err = fmt.Errorf("did you mean %s?", near)
	} else if len(names) > 0 {
		err = fmt.Errorf("want one of %s", strings.Join(names, ", "))
	}
	m.doc.Fault(at+".use", fmt.Errorf("unknown list %q; %w", entry.Use, err))
	return nil
}

// planAround plans policies that stand around no endpoint.
func (m *maker) planAround(path string, list []config.Policy) []*policyPlan {
	plans := m.expand(path, list, nil)
	for _, p := range plans {
		if !m.bind(p.block.Path, p.use, sluice.Scope{}, path, &p.uses) {
			p.broken = true
		}
	}
	m.checkOrder(plans)
	m.checkCaller(plans, false)
	return plans
}

// bind binds every reference in a filled block. Where the block stands in a list that several endpoints use, the
// message says for whom it does not fit.
func (m *maker) bind(path string, filled any, scope sluice.Scope, owner string, u *uses) (ok bool) {
	ok = true
	m.doc.References(path, filled, func(r *sluice.Reference, fault func(error)) {
		err := r.Bind(scope)
		if _, unknown := errors.AsType[*sluice.UnknownNameError](err); unknown && m.nameless[scope.Endpoint] {
			ok = false // the name may stand in the route that could not be read
			return
		}
		if err != nil {
			if !strings.HasPrefix(path, owner) {
				err = fmt.Errorf("in %s: %w", owner, err)
			}
			fault(err)
			ok = false
			return
		}
		u.add(r)
	})
	return ok
}

// checkOrder holds the rules between kinds: a wrong order is a mistake, not a hole.
func (m *maker) checkOrder(chain []*policyPlan) {
	for i, p := range chain {
		for _, rule := range p.kind.Order {
			for j, other := range chain {
				if !rule.Means(other.kind) || rule.Before == (i < j) || i == j {
					continue
				}
				word := "after"
				if rule.Before {
					word = "before"
				}
				m.doc.Fault(p.block.Path, fmt.Errorf("%s must stand %s %s, because %s", p.kind.Name, word, other.kind.Name, rule.Why))
			}
		}
	}
}

// checkCaller refuses a policy that speaks of the caller where nothing before it has found out who asks.
func (m *maker) checkCaller(chain []*policyPlan, known bool) bool {
	for _, p := range chain {
		if (p.caller || p.kind.NeedsCaller) && !known {
			m.doc.Fault(p.block.Path, fmt.Errorf("%s needs the caller, and no policy before it finds out who asks", p.kind.Name))
		}
		known = known || p.kind.Authenticates
	}
	return known
}

// openPolicies opens the policies of a chain.
func (m *maker) openPolicies(node *Node, plans []*policyPlan, ep *sluice.Endpoint) []sluice.Policy {
	var policies []sluice.Policy
	for _, p := range plans {
		if policy := m.openPolicy(node, p, ep); policy != nil {
			policies = append(policies, policy)
		}
	}
	return policies
}

func (m *maker) openPolicy(node *Node, p *policyPlan, ep *sluice.Endpoint) sluice.Policy {
	if p.broken {
		return nil
	}
	env := m.env(p.kind.Name)
	env.Path = p.block.Path
	policy, err := p.kind.OpenPolicy(env, ep, p.use)
	if err != nil {
		env.Close()
		m.doc.Fault(p.block.Path, err)
		return nil
	}
	node.envs = append(node.envs, env)
	return policy
}
