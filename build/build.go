// Package build makes a running node from a checked config and a list of kinds: it folds each endpoint's chain once,
// and owns reload and retirement.
package build

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/job"
	"github.com/sluiceapi/sluice/router"
	"github.com/sluiceapi/sluice/rpc"
	"github.com/sluiceapi/sluice/rpc/health"
)

// Options are what a node is made with, besides its config.
type Options struct {
	// Kinds are the policies and backends that the config can name.
	Kinds []sluice.Kind
	Log   *slog.Logger
	// Metrics makes the series of policies and backends; nil makes series that nobody sees.
	Metrics sluice.Metrics
	// Now is the clock; nil is sluice.NewClock.
	Now func() time.Time
	// Observe wraps the whole node; nil wraps nothing.
	Observe func(endpoints []*sluice.Endpoint, next sluice.Handler) sluice.Handler
	// Admin makes the handler of the admin listener, with guard around what only some may see; nil when nothing
	// listens there.
	Admin func(guard sluice.Policy) sluice.Handler
	// OpenRedis opens what nodes share in Redis, or only checks the config where Env.Dry is set; nil keeps it in memory,
	// whatever the config says.
	OpenRedis func(*sluice.Env, *config.Redis) (sluice.State, error)
	// OpenRecord opens the record of jobs, or only checks its address where Env.Dry is set; nil where none can be kept.
	OpenRecord func(*sluice.Env, *config.Jobs) (job.Record, error)
	// OpenBell opens what wakes workers, or only checks the config where Env.Dry is set; nil wakes within the process, whatever
	// the config says.
	OpenBell func(*sluice.Env, *config.Bell) (job.Bell, error)
	// ObserveWork wraps what serves an exchange that no client waits for; nil wraps nothing.
	ObserveWork func(next sluice.Handler) sluice.Handler
	// Hold is sluice.Env.Hold; it may be nil.
	Hold func(what string) (ready func())
	// Readiness tells whether the process takes calls, for clients of gRPC that ask; nil is that it always does.
	Readiness func() Readiness
	// Dry makes a node only to find mistakes: nothing outside the process is changed or asked over a network.
	Dry bool
	// Progress is told how far long tasks at start have come; it may be nil.
	Progress func(task string, done, total int64)
}

// Readiness is whether a process takes calls, at one moment.
type Readiness = health.Readiness

func (o Options) withDefaults() Options {
	if o.Readiness == nil {
		o.Readiness = func() Readiness { return Readiness{Ready: true} }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = sluice.NoMetrics{}
	}
	if o.Now == nil {
		o.Now = sluice.NewClock()
	}
	if o.Observe == nil {
		o.Observe = func(_ []*sluice.Endpoint, next sluice.Handler) sluice.Handler { return next }
	}
	if o.Hold == nil {
		o.Hold = func(string) func() { return func() {} }
	}
	if o.Progress == nil {
		o.Progress = func(string, int64, int64) {}
	}
	return o
}

// Make makes a node from a config. Every mistake goes to doc, also those that only show when a block is opened, and
// Make returns doc.Err(): either a node or an error. Backends whose blocks are the same in previous, which may be
// nil, are carried over with their pools.
func Make(doc *config.Document, o Options, previous *Node) (*Node, error) {
	m := &maker{doc: doc, file: &doc.File, opts: o.withDefaults(), clocked: o.Now != nil, previous: previous, nameless: map[*sluice.Endpoint]bool{}}
	m.keys = sluice.NewKeyring(m.file.State.Keys)
	if previous != nil && m.keys.Random() && previous.keys.Random() {
		m.keys = previous.keys // what was signed before a reload is good after it
	}
	if m.shares = newShares(); previous != nil {
		m.shares = previous.shares
	}
	if !doc.Complete() {
		return nil, doc.Err()
	}
	m.checkNodes()
	m.checkAdmin()
	m.plan()
	// With a mistake found the node will not run, so what is opened from here on only serves to find more of them.
	m.opts.Dry = m.opts.Dry || doc.Err() != nil
	node := m.open()
	if err := doc.Err(); err != nil {
		node.close()
		return nil, err
	}
	return node, nil
}

// maker is what Make knows while it works.
type maker struct {
	doc      *config.Document
	file     *config.File
	opts     Options
	clocked  bool // by a clock that is not that of engines
	previous *Node
	keys     *sluice.Keyring

	backends     []*backendPlan
	everyRequest []*policyPlan
	admin        []*policyPlan
	endpoints    []*endpointPlan
	states       *states
	shares       *shares
	jobs         *job.Jobs
	// works is what blocks have the node do beside serving.
	works []func(take, keep context.Context)
	// taken are the endpoints that the messages of queues go to, by backend and queue.
	taken map[[2]string]string
	// nameless holds the endpoints with a route that could not be read, so that its names are not known.
	nameless map[*sluice.Endpoint]bool
	// schema is what protos declares; nil where it declares nothing, or cannot be read, of which protosBroken tells.
	schema       *rpc.Schema
	protosBroken bool
}

// env is the environment of one block.
func (m *maker) env(name string) *sluice.Env {
	env := &sluice.Env{
		Name: name, Log: m.opts.Log.With("block", name), Metrics: m.opts.Metrics, Now: m.opts.Now, Keys: m.keys,
		Dry: m.opts.Dry, MaxBody: int64(m.file.Listen.Limits.MaxBuffered), Progress: m.opts.Progress,
		Hold: m.opts.Hold, Nodes: m.file.Nodes,
		Work: func(run func(take, keep context.Context)) { m.works = append(m.works, run) },
	}
	env.Shared = m.share(env)
	if m.jobs != nil {
		env.Jobs = m.jobs
	}
	if m.states != nil {
		env.State, env.Local = m.states.shared, m.states.local
	}
	if bound, ok := m.opts.Metrics.(boundMetrics); ok {
		env.Metrics = bound.Within(env)
	}
	return env
}

// boundMetrics are metrics of which some end with the block that made them.
type boundMetrics interface {
	Within(env *sluice.Env) sluice.Metrics
}

// checkNodes refuses what one node would keep for itself where there are several.
func (m *maker) checkNodes() {
	if m.file.Nodes <= 1 {
		return
	}
	for _, k := range m.file.State.Keys {
		if k != "" {
			return
		}
	}
	m.doc.Fault("nodes", errors.New("several nodes must sign with the same keys, and none is set; want state.keys"))
}

// plan fills and binds every block, and reports what is wrong with them.
func (m *maker) plan() {
	for _, b := range m.file.Backends {
		m.planBackend(b)
	}
	// Named lists are filled here for their mistakes, which nobody would see where no list uses them.
	for _, list := range m.file.Policies {
		m.expand("policies."+list.Name, list.Value, nil)
	}
	m.everyRequest = m.planAround("every_request", m.file.EveryRequest)
	if a := m.file.Listen.Admin; a != nil {
		m.admin = m.planAround("listen.admin.policies", a.Policies)
		m.checkAdminPeer()
	}
	m.expand("every_endpoint", m.file.EveryEndpoint, nil) // for its mistakes, also without an endpoint
	if len(m.file.Endpoints) == 0 {
		m.doc.Fault("endpoints", errors.New("nothing is served; want at least one endpoint with a route and a backend"))
	}
	m.loadSchema()
	for _, e := range m.file.Endpoints {
		m.endpoints = append(m.endpoints, m.planEndpoint(e.Name, e.Value))
	}
}

// open opens every block that was planned without a mistake and folds the chains.
func (m *maker) open() *Node {
	node := &Node{file: m.file, keys: m.keys, now: m.opts.Now, shares: m.shares}
	node.users.Store(1)
	m.openStates(node)
	m.makeJobs(node)
	for _, b := range m.backends {
		m.openBackend(node, b)
	}
	entries := append(m.openEndpoints(node), m.jobRoutes(node)...)
	entries = append(entries, m.ownEndpoints(node)...)
	routes, err := router.New(entries)
	if err != nil {
		m.routeFault(err)
		return node
	}
	around := m.openPolicies(node, m.everyRequest, nil)
	known := &seen{next: fold(around, routes), keys: m.keys, now: m.opts.Now}
	all := slices.Concat(node.endpoints, node.own)
	inner := m.opts.Observe(all, known)
	node.handler = &front{trusted: m.file.TrustedProxies, next: inner, clocked: m.clocked}
	nothing := sluice.HandlerFunc(func(*sluice.Exchange) error { return nil })
	node.refused = &front{trusted: m.file.TrustedProxies, next: m.opts.Observe(all, nothing)}
	if guards := m.openPolicies(node, m.admin, nil); m.opts.Admin != nil {
		node.admin = &front{trusted: m.file.TrustedProxies, next: m.opts.Admin(func(h sluice.Handler) sluice.Handler { return fold(guards, h) })}
	}
	node.works = m.works
	return node
}

// routeFault places each conflict at the second of its two routes, or at the first where the node answers the second by
// itself.
func (m *maker) routeFault(err error) {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, err := range all {
		path := "endpoints"
		if conflict, ok := errors.AsType[*router.ConflictError](err); ok {
			if own := conflict.Second; !slices.ContainsFunc(m.endpoints, func(p *endpointPlan) bool { return p.ep == own.Endpoint }) {
				at := conflict.First
				m.doc.Fault(routePath(m.file, at.Endpoint.Name, at.Route.String()),
					fmt.Errorf("the route %s takes the same requests as %s, which the node answers by itself; want another", at.Route, own.Route))
				continue
			}
			path = routePath(m.file, conflict.Second.Endpoint.Name, conflict.Second.Route.String())
		}
		m.doc.Fault(path, err)
	}
}

// routePath is where a route of an endpoint is written.
func routePath(file *config.File, endpoint, route string) string {
	path := "endpoints." + endpoint
	e, _ := file.Endpoints.Value(endpoint)
	for i, r := range e.Routes {
		if r == route {
			return fmt.Sprintf("%s.routes[%d]", path, i)
		}
	}
	return path + ".route"
}

// fold puts policies around a handler: the first one is outermost.
func fold(policies []sluice.Policy, h sluice.Handler) sluice.Handler {
	for i := len(policies) - 1; i >= 0; i-- {
		h = policies[i](h)
	}
	return h
}
