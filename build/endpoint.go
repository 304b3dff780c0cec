package build

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/input"
	"github.com/sluiceapi/sluice/router"
)

// endpointPlan is an endpoint whose blocks were filled and bound.
type endpointPlan struct {
	path   string
	config config.Endpoint
	ep     *sluice.Endpoint
	routes []router.Route
	// calls are the routes that take calls of one gRPC method; passes is where those stand that take all of a service.
	calls  []*callPlan
	passes []string
	// consumes are the routes that take messages.
	consumes []*consumePlan
	chain    []*policyPlan
	// opened are the policies of the chain, each nil until it is open.
	opened  []sluice.Policy
	kind    *sluice.Kind
	block   config.Block
	use     any
	backend *backendPlan
	nested  []*nestedPlan
	// declared is how many of ep.Inputs the file declares; the others are path parameters.
	declared int
	uses     // of the backend and of respond
	respond  uses
	broken   bool
}

func (m *maker) planEndpoint(name string, c config.Endpoint) *endpointPlan {
	p := &endpointPlan{path: "endpoints." + name, config: c}
	p.ep = &sluice.Endpoint{Name: name, Public: c.Public, Int64Text: c.Int64 == "string"}
	m.planRoutes(p)
	m.planInputs(p)
	m.planUse(p)
	m.planChain(p)
	m.checkPasses(p)
	m.checkConsumes(p)
	m.checkNames(p)
	return p
}

func (m *maker) planRoutes(p *endpointPlan) {
	written := p.config.Routes
	if p.config.Route != "" {
		written = []string{p.config.Route}
	}
	for _, text := range written {
		at := routePath(m.file, p.ep.Name, text)
		if isConsume(text) {
			m.planConsume(p, text, at)
			continue
		}
		route, err := router.ParseRoute(text)
		if err != nil {
			m.doc.Fault(at, err)
			p.broken, m.nameless[p.ep] = true, true
			continue
		}
		p.routes = append(p.routes, route)
		p.ep.Routes = append(p.ep.Routes, route.String())
		if route.Call != "" {
			m.planCall(p, route, at)
		}
	}
	p.broken = p.broken || len(p.routes)+len(p.consumes) == 0
}

// names are the names that an endpoint's routes bring in their paths, in order, with how many bring each. Where all are
// of gRPC, they are the fields of the messages.
type names struct {
	order []string
	count map[string]int
	// always holds those that are there whatever comes.
	always map[string]bool
}

func (n *names) add(name string, always bool) {
	if n.count[name]++; n.count[name] == 1 {
		n.order = append(n.order, name)
		n.always[name] = true
	}
	n.always[name] = n.always[name] && always
}

func (p *endpointPlan) names() names {
	n := names{count: map[string]int{}, always: map[string]bool{}}
	routes := 0
	for _, r := range p.routes {
		if r.Call != "" {
			continue
		}
		routes++
		for _, name := range r.Params() {
			n.add(name, true)
		}
	}
	if routes == 0 {
		routes = len(p.calls)
		for _, c := range p.calls {
			for _, f := range c.method.In.Fields() {
				if c.fields[f.Name] != nil {
					n.add(f.Name, !f.Presence())
				}
			}
		}
	}
	for name, count := range n.count {
		n.always[name] = n.always[name] && count == routes
	}
	return n
}

// planInputs collects what the endpoint's references can name: declared inputs, then the other names of the routes.
func (m *maker) planInputs(p *endpointPlan) {
	names := p.names()
	if len(p.routes) == 0 {
		p.addFields(&names)
	}
	for _, in := range p.config.Input.Values {
		p.ep.Inputs = append(p.ep.Inputs, m.planInput(p, in, names))
	}
	p.declared = len(p.ep.Inputs)
	for _, name := range names.order {
		if !slices.ContainsFunc(p.ep.Inputs, func(in sluice.Input) bool { return in.Name == name }) {
			p.ep.Inputs = append(p.ep.Inputs, sluice.Input{Name: name, In: "path", Type: sluice.Text, Required: names.always[name]})
		}
	}
}

func (m *maker) planInput(p *endpointPlan, e sluice.Entry[sluice.Input], names names) sluice.Input {
	at := p.path + ".input." + e.Name
	in := e.Value
	in.Name = e.Name
	if in.Type == sluice.Absent {
		in.Type = sluice.Text
	}
	inPath := names.count[in.Name] > 0
	_, http := p.other()
	switch {
	case in.In == "" && inPath:
		in.In = "path"
	case in.In == "":
		m.doc.Fault(at, errors.New("it is not told where the value stands; want in: path, query or header"))
	case in.In == "path" && !inPath && !p.broken:
		m.doc.Fault(at+".in", fmt.Errorf("the route has no parameter {%s}", in.Name))
	case in.In != "path" && inPath && http:
		m.doc.Fault(at+".in", fmt.Errorf("{%s} stands in the route's path, so it cannot be in the %s", in.Name, in.In))
	}
	in.Required = in.Required || in.In == "path" && names.always[in.Name] && (http || in.Default == nil)
	return in
}

// planUse fills and binds the endpoint's own block and respond.
func (m *maker) planUse(p *endpointPlan) {
	block, ok := m.oneBlock(place{path: p.path, what: "an endpoint", role: sluice.BackendRole, keys: config.Keys(config.Endpoint{})}, p.config.Kinds)
	if !ok {
		p.broken = true
		m.planRespond(p, sluice.Scope{Endpoint: p.ep})
		return
	}
	p.kind, p.block = m.kind(sluice.BackendRole, block.Kind), block
	p.use = p.kind.NewUse()
	if !block.Fill(p.use) {
		p.broken = true
	}
	if p.backend = m.backendOf(p.kind, block, p.use); p.backend == nil {
		p.broken = true
	}
	scope := sluice.Scope{Endpoint: p.ep}
	if maker, ok := p.use.(sluice.ResultMaker); ok {
		scope.Results = maker.ResultNames()
	}
	for _, name := range scope.Results {
		m.checkResultName(p, name)
	}
	if !m.bind(block.Path, p.use, scope, p.path, &p.uses) {
		p.broken = true
	}
	if nester, is := p.use.(sluice.Nester); is {
		for _, n := range nester.Nested() {
			m.planNested(p, n, scope)
		}
	}
	m.planRespond(p, scope)
}

func (m *maker) checkResultName(p *endpointPlan, name string) {
	if sluice.Reserved(name) {
		m.doc.Fault(p.block.Path, fmt.Errorf("a result cannot be called %s: it has a meaning of its own in references", name))
	}
	if slices.ContainsFunc(p.ep.Inputs, func(in sluice.Input) bool { return in.Name == name }) {
		m.doc.Fault(p.block.Path, fmt.Errorf("%s is an input and a result; want two names", name))
	}
}

func (m *maker) planRespond(p *endpointPlan, scope sluice.Scope) {
	if p.config.Respond != nil {
		m.bind(p.path+".respond", p.config.Respond, scope, p.path, &p.respond)
	}
}

// planChain expands the endpoint's policies, binds them, and checks their order.
func (m *maker) planChain(p *endpointPlan) {
	scope := sluice.Scope{Endpoint: p.ep}
	for _, policy := range m.expand("every_endpoint", m.file.EveryEndpoint, nil) {
		if !m.bind(policy.block.Path, policy.use, scope, p.path, &policy.uses) {
			policy.broken = true
		}
		if p.ep.Public && (policy.kind.Authenticates || policy.kind.NeedsCaller || policy.caller) {
			continue
		}
		p.chain = append(p.chain, policy)
	}
	for _, policy := range m.expand(p.path+".policies", p.config.Policies, nil) {
		if !m.bind(policy.block.Path, policy.use, scope, p.path, &policy.uses) {
			policy.broken = true
		}
		p.chain = append(p.chain, policy)
	}
	m.checkOrder(append(slices.Clone(m.everyRequest), p.chain...))
	m.checkDefers(p)
	for _, c := range p.chain {
		p.ep.Headers = append(p.ep.Headers, c.headers...)
	}
	p.ep.Headers = slices.Concat(p.ep.Headers, p.uses.headers, p.respond.headers)
	known := slices.ContainsFunc(m.everyRequest, func(a *policyPlan) bool { return a.kind.Authenticates })
	known = m.checkCaller(p.chain, known)
	p.ep.Authenticated = known
	if !known && (p.uses.caller || p.respond.caller) {
		m.doc.Fault(p.path, errors.New("it refers to the caller, and no policy of it finds out who asks"))
	}
}

// openEndpoints opens every endpoint and returns what the router is made of.
func (m *maker) openEndpoints(node *Node) []router.Entry {
	var entries []router.Entry
	for _, p := range m.endpoints {
		handler, preflight := m.openEndpoint(node, p)
		node.endpoints = append(node.endpoints, p.ep)
		for _, route := range p.routes {
			entry := router.Entry{Route: route, Endpoint: p.ep, Handler: handler, Preflight: preflight}
			if route.Call != "" {
				entry.Handler, entry.Preflight = m.openCall(p, route, handler), nil
			}
			entries = append(entries, entry)
		}
		for _, c := range p.consumes {
			m.openConsume(node, p, c, handler)
		}
	}
	return entries
}

var errBroken = &sluice.Error{Code: sluice.Internal, Message: "the endpoint's config is broken"}

// openEndpoint opens the endpoint's blocks and folds its chain. Also of a broken endpoint all is opened that can be,
// for the mistakes that this shows.
func (m *maker) openEndpoint(node *Node, p *endpointPlan) (handler, preflight sluice.Handler) {
	handler = sluice.HandlerFunc(func(*sluice.Exchange) error { return errBroken })
	checks, err := input.Compile(p.ep, p.config.Input.Body, int64(m.file.Listen.Limits.MaxBuffered))
	if err != nil {
		m.doc.Fault(p.path+".input", err)
		return handler, nil
	}
	if h := m.openUse(node, p); h != nil {
		handler = h
	}
	if p.config.Respond != nil {
		handler = &respond{next: handler, with: p.config.Respond, leave: p.leave()}
	}
	return m.foldEndpoint(node, p, checks, handler)
}

// leave is the status from which respond leaves an answer as it is. Below 400 only an answer that its backend made of
// others has failed.
func (p *endpointPlan) leave() int {
	if _, is := p.use.(sluice.Nester); is {
		return 300
	}
	return 400
}

func (m *maker) openUse(node *Node, p *endpointPlan) sluice.Handler {
	nested := m.openNested(node, p)
	if p.broken || p.backend.opened == nil || !nested {
		return nil
	}
	return m.handle(node, p.ep, p.backend, p.block.Path, p.use)
}

// handle makes the handler of a block that stands at path; nil where it cannot be made.
func (m *maker) handle(node *Node, ep *sluice.Endpoint, b *backendPlan, path string, use any) sluice.Handler {
	env := m.env(ep.Name)
	env.Path = path
	h, err := b.opened.Handle(env, ep, use)
	if err != nil {
		env.Close()
		m.doc.Fault(path, err)
		return nil
	}
	node.envs = append(node.envs, env)
	return lending(h)
}

// foldEndpoint folds the chain from the inside out. Each input is checked just before the first policy that uses
// it, and what no policy uses before the backend.
func (m *maker) foldEndpoint(node *Node, p *endpointPlan, checks *input.Checks, handler sluice.Handler) (h, preflight sluice.Handler) {
	steps := p.checkSteps()
	last := len(steps) - 1
	if len(p.calls) > 0 {
		handler = wellFormed{handler}
	}
	handler = p.check(checks, steps[last], handler)
	p.opened = make([]sluice.Policy, len(p.chain))
	var answering []sluice.Policy
	for i := len(p.chain) - 1; i >= 0; i-- {
		policy := m.openPolicy(node, p.chain[i], p.ep)
		if policy == nil {
			continue
		}
		p.opened[i] = policy
		if p.chain[i].kind.Defers {
			handler = p.check(checks, wholeOf(steps), handler) // the exchange that is served later knows no inputs
		}
		handler = p.check(checks, steps[i], policy(handler))
		if p.chain[i].kind.AnswersPreflight {
			answering = append([]sluice.Policy{policy}, answering...)
		}
	}
	if len(answering) > 0 {
		preflight = fold(answering, sluice.HandlerFunc(noPreflight))
	}
	return handler, preflight
}

func noPreflight(x *sluice.Exchange) error {
	x.Response.Status = 204
	return nil
}

// step is what is checked before one handler of a chain.
type step struct {
	inputs []int
	body   bool
}

func (p *endpointPlan) check(checks *input.Checks, s step, next sluice.Handler) sluice.Handler {
	if len(s.inputs) == 0 && !s.body {
		return next
	}
	next = checks.Handler(s.inputs, s.body, next)
	if len(p.calls) > 0 {
		next = wellFormed{next}
	}
	return next
}

// checkSteps says what is checked before each policy and, last, before the backend.
func (p *endpointPlan) checkSteps() []step {
	steps := make([]step, len(p.chain)+1)
	done, bodyDone := make(map[int]bool), false
	for i, policy := range p.chain {
		for _, in := range policy.inputs {
			if !done[in] {
				done[in] = true
				steps[i].inputs = append(steps[i].inputs, in)
			}
		}
		if policy.body && !bodyDone {
			bodyDone, steps[i].body = true, true
		}
	}
	rest := &steps[len(p.chain)]
	used := p.usedInputs()
	for in := range p.ep.Inputs {
		if !done[in] && (in < p.declared || used[in]) {
			rest.inputs = append(rest.inputs, in)
		}
	}
	rest.body = !bodyDone && (len(p.config.Input.Body) > 0 || p.uses.body || p.respond.body)
	if i := slices.IndexFunc(p.chain, func(c *policyPlan) bool { return c.kind.Defers }); i >= 0 {
		steps[i] = wholeOf(steps[i:]) // what is wrong is told before the exchange is accepted
		clear(steps[i+1:])
	}
	return steps
}

// wholeOf is several steps in one.
func wholeOf(steps []step) (whole step) {
	for _, s := range steps {
		whole.inputs = append(whole.inputs, s.inputs...)
		whole.body = whole.body || s.body
	}
	return whole
}

// usedInputs are the inputs that references of the endpoint name.
func (p *endpointPlan) usedInputs() map[int]bool {
	used := make(map[int]bool)
	for _, in := range slices.Concat(p.uses.inputs, p.respond.inputs) {
		used[in] = true
	}
	for _, policy := range p.chain {
		for _, in := range policy.inputs {
			used[in] = true
		}
	}
	return used
}

// usesBody tells whether anything of the endpoint looks into the request's body.
func (p *endpointPlan) usesBody() bool {
	return len(p.config.Input.Body) > 0 || p.uses.body || p.respond.body ||
		slices.ContainsFunc(p.chain, func(policy *policyPlan) bool { return policy.body })
}
