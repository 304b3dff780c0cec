package build

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/router"
	"github.com/sluiceapi/sluice/rpc"
	"github.com/sluiceapi/sluice/rpc/health"
	"github.com/sluiceapi/sluice/rpc/reflection"
)

// loadSchema reads the files under protos, once for all endpoints.
func (m *maker) loadSchema() {
	if len(m.file.Protos) == 0 {
		return
	}
	s, err := rpc.Load(m.file.Protos)
	if err != nil {
		m.doc.Fault("", err)
		m.protosBroken = true
		return
	}
	m.schema = s
}

// callPlan is a route that takes the calls of one gRPC method.
type callPlan struct {
	route  router.Route
	at     string
	method *rpc.Method
	// fields are the fields that can be inputs, by name.
	fields map[string]*rpc.Field
}

// planCall finds the method of a route of gRPC. A whole service needs none: its calls are passed through.
func (m *maker) planCall(p *endpointPlan, route router.Route, at string) {
	if strings.HasSuffix(route.Call, "/*") {
		p.passes = append(p.passes, at)
		return
	}
	if m.schema == nil {
		if !m.protosBroken {
			m.doc.Fault(at, errors.New("it is not told what the method takes; want the .proto file or the descriptor set that declares it under protos"))
		}
		p.broken, m.nameless[p.ep] = true, true
		return
	}
	method, err := m.schema.Method(route.Call)
	if err == nil && method.ClientStreams {
		err = fmt.Errorf("%s takes a stream of messages; want grpc %s/* to a backend that calls are passed to as they come", route.Call, method.Service())
	}
	if err != nil {
		m.doc.Fault(at, &sluice.FieldError{Offset: len("grpc ") + 1, Err: err})
		p.broken, m.nameless[p.ep] = true, true
		return
	}
	c := &callPlan{route: route, at: at, method: method, fields: map[string]*rpc.Field{}}
	for _, f := range method.In.Fields() {
		if f.Single() && !sluice.Reserved(f.Name) {
			c.fields[f.Name] = f
		}
	}
	p.calls = append(p.calls, c)
}

// checkPasses refuses a route of a whole service where its calls cannot be passed through.
func (m *maker) checkPasses(p *endpointPlan) {
	for _, at := range p.passes {
		switch {
		case len(p.routes) > len(p.passes):
			m.doc.Fault(at, errors.New("the calls of a whole service are passed through as they are; want an endpoint without other routes for it"))
		case p.kind != nil && !p.kind.PassesCalls:
			m.doc.Fault(at, fmt.Errorf("%s takes no calls of a whole service; want a backend that they are passed to as they come, or a route for each method", p.kind.Name))
		}
	}
}

// other is the first of the endpoint's routes of HTTP: what a call is served as a request of.
func (p *endpointPlan) other() (router.Route, bool) {
	i := slices.IndexFunc(p.routes, func(r router.Route) bool { return r.Call == "" })
	if i < 0 {
		return router.Route{}, false
	}
	return p.routes[i], true
}

// checkNames holds that every route brings every name that the endpoint uses. A name with a default needs no route that
// brings it, nor does a header, and each route of HTTP brings a query.
func (m *maker) checkNames(p *endpointPlan) {
	if p.broken {
		return
	}
	wrong := func(at string, err error) {
		m.doc.Fault(at, err)
		p.broken = true
	}
	used := p.usedInputs()
	for i := range p.ep.Inputs {
		in := &p.ep.Inputs[i]
		if in.Default != nil || in.In == "header" || !used[i] && !(i < p.declared && in.Required) {
			continue
		}
		for _, r := range p.routes {
			if r.Call == "" && in.In == "path" && !slices.Contains(r.Params(), in.Name) {
				wrong(routePath(m.file, p.ep.Name, r.String()), fmt.Errorf("the endpoint uses %s, and this route does not bring it; want {%s} in its path, or a default for it under input", in.Name, in.Name))
			}
		}
		for _, c := range p.calls {
			if c.fields[in.Name] == nil {
				wrong(c.at, fmt.Errorf("the endpoint uses %s: %w", in.Name, c.lacks(in.Name)))
			}
		}
	}
	m.checkPlaces(p, wrong)
}

// lacks says why a name is none that the call brings.
func (c *callPlan) lacks(name string) error {
	f, err := c.method.In.Field(name)
	if err != nil {
		return err
	}
	return fmt.Errorf("%s of %s is a %s, which is no single value; want it as body.%s", f.Name, c.method.In.Name(), f.Declared(), f.Name)
}

// checkPlaces holds that a call has what the path of the request needs that it stands for, and that declared types fit.
func (m *maker) checkPlaces(p *endpointPlan, wrong func(string, error)) {
	used := p.usedInputs()
	for _, c := range p.calls {
		if other, found := p.other(); found {
			for _, name := range other.Params() {
				i := slices.IndexFunc(p.ep.Inputs, func(in sluice.Input) bool { return in.Name == name })
				if c.fields[name] == nil && (!used[i] || p.ep.Inputs[i].Default != nil) {
					wrong(c.at, fmt.Errorf("a call is served as %s: %w", other, c.lacks(name)))
				}
			}
		}
		for i := range p.ep.Inputs[:p.declared] {
			in := &p.ep.Inputs[i]
			if f := c.fields[in.Name]; f != nil && in.In != "header" && !f.Fits(in.Type) {
				wrong(p.path+".input."+in.Name, fmt.Errorf("%s of %s is a %s, which is not read as %s", f.Name, c.method.In.Name(), f.Declared(), in.Type))
			}
		}
	}
}

// services are the names of the services that routes of gRPC take calls of, in the order of the file.
func (m *maker) services() []string {
	var names []string
	for _, p := range m.endpoints {
		for _, r := range p.routes {
			if service, _, isCall := strings.Cut(r.Call, "/"); isCall && !slices.Contains(names, service) {
				names = append(names, service)
			}
		}
	}
	return names
}

// ownEndpoints are the services that the node answers by itself where there are routes of gRPC, each as an endpoint of
// the service's name, but for those that the config has routes for.
func (m *maker) ownEndpoints(node *Node) []router.Entry {
	services := m.services()
	if len(services) == 0 {
		return nil
	}
	told, own := slices.Clone(services), map[string]sluice.Handler{}
	if m.file.GRPC.Health {
		h := health.New(health.Options{Services: services, Readiness: m.opts.Readiness, Watching: node.loosen})
		for _, path := range health.Paths {
			own[path[1:]] = h
		}
		told = append(told, health.Service)
	}
	if m.file.GRPC.Reflection {
		h := reflection.New(m.schema, append(told, reflection.Services...))
		for _, path := range reflection.Paths {
			own[path[1:]] = h
		}
	}
	var entries []router.Entry
	endpoints := map[string]*sluice.Endpoint{}
	for _, call := range slices.Sorted(maps.Keys(own)) {
		service, _, _ := strings.Cut(call, "/")
		if slices.Contains(services, service) {
			continue
		}
		if endpoints[service] == nil {
			endpoints[service] = &sluice.Endpoint{Name: service, Public: true}
			node.own = append(node.own, endpoints[service])
		}
		route, err := router.ParseRoute("grpc " + call)
		if err != nil {
			panic(err) // the names are those of the protocols
		}
		endpoints[service].Routes = append(endpoints[service].Routes, route.String())
		entries = append(entries, router.Entry{Route: route, Endpoint: endpoints[service], Handler: passed{own[call]}})
	}
	return entries
}
