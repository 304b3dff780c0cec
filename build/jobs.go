package build

import (
	"errors"
	"slices"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/job"
	"github.com/sluiceapi/sluice/job/bell/memory"
	"github.com/sluiceapi/sluice/router"
)

// keeper is what keeps jobs, open. The nodes of a process that follow one another share it.
type keeper struct {
	holders
	config config.Jobs
	bell   config.Bell
	job    *job.Keeper
}

// makeJobs makes what has exchanges of the node served later. Nothing is opened before an endpoint asks for it.
func (m *maker) makeJobs(node *Node) {
	c := m.file.State.Jobs
	m.jobs = &job.Jobs{AtOnce: c.Workers, Times: job.Times{Lease: c.Lease}, MaxRequest: int64(m.file.Listen.Limits.MaxBuffered), Observe: m.opts.ObserveWork}
	m.jobs.Env = m.env("jobs")
	node.envs = append(node.envs, m.jobs.Env)
	if m.opts.Dry {
		if m.opts.OpenRecord != nil && c.URL.Server != "" {
			if _, err := m.opts.OpenRecord(m.jobs.Env, &c); err != nil {
				m.doc.Fault("state.jobs", err)
			}
		}
		if _, err := m.openBell(m.jobs.Env); err != nil {
			m.doc.Fault("state.bell", err)
		}
		return
	}
	m.jobs.Open = func() (*job.Keeper, error) {
		k, at, err := m.openKeeper()
		if err != nil {
			m.doc.Fault(at, err)
			return nil, errors.New("jobs cannot be kept")
		}
		node.keeper = k
		return k.job, nil
	}
}

// openKeeper opens the record of jobs and the bell, or takes over those that are open already. at is where an error stands.
func (m *maker) openKeeper() (k *keeper, at string, err error) {
	c := m.file.State.Jobs
	if p := m.previous; p != nil && p.keeper != nil && p.keeper.config.URL == c.URL && p.keeper.bell == m.file.State.Bell {
		p.keeper.hold()
		return p.keeper, "", nil
	}
	if m.opts.OpenRecord == nil {
		return nil, "state.jobs", errors.New("there is nothing here that keeps jobs")
	}
	env := m.env("jobs")
	record, err := m.opts.OpenRecord(env, &c)
	if err != nil {
		env.Close()
		return nil, "state.jobs", err
	}
	bell, err := m.openBell(env)
	if err != nil {
		record.Close()
		env.Close()
		return nil, "state.bell", err
	}
	k = &keeper{holders: newHolders(env), config: c, bell: m.file.State.Bell, job: job.NewKeeper(record, bell, env)}
	env.Cleanup(func() {
		if err := k.job.Close(); err != nil {
			env.Log.Warn("the record of jobs is not closed as it should be", "error", err)
		}
	})
	return k, "", nil
}

// openBell opens what wakes workers.
func (m *maker) openBell(env *sluice.Env) (job.Bell, error) {
	c := m.file.State.Bell
	if c.URL == "" || m.opts.OpenBell == nil {
		return memory.New(), nil
	}
	return m.opts.OpenBell(env, &c)
}

// checkDefers refuses a chain that defers more than once, and jobs on one node where there are several.
func (m *maker) checkDefers(p *endpointPlan) {
	var found []*policyPlan
	for _, c := range p.chain {
		if c.kind.Defers {
			found = append(found, c)
		}
	}
	if len(found) > 1 {
		m.doc.Fault(found[1].block.Path, errors.New("the exchange is served later already; want one such policy"))
	}
	if len(found) > 0 && m.file.Nodes > 1 && m.file.State.Jobs.URL.Path != "" {
		m.doc.Fault(found[0].block.Path, nodeBound(m.file.Nodes, "jobs are kept in a file, which one machine alone sees; want state.jobs: postgres://…"))
	}
}

// jobRoutes are the routes by which callers reach their jobs, where there are any.
func (m *maker) jobRoutes(node *Node) []router.Entry {
	if !m.jobs.Defers() {
		return nil
	}
	for _, p := range m.endpoints {
		m.jobs.Guard(p.ep.Name, func(h sluice.Handler) sluice.Handler {
			for i := len(p.chain) - 1; i >= 0; i-- {
				if policy := p.opened[i]; policy != nil && p.chain[i].kind.Authenticates {
					h = policy(h)
				}
			}
			return h
		})
	}
	ep := &sluice.Endpoint{Name: "_jobs"}
	orders := job.Orders()
	var entries []router.Entry
	for text := range orders {
		ep.Routes = append(ep.Routes, text)
	}
	slices.Sort(ep.Routes)
	for _, text := range ep.Routes {
		route, err := router.ParseRoute(text)
		if err != nil {
			panic(err) // the routes are our own
		}
		entries = append(entries, router.Entry{Route: route, Endpoint: ep, Handler: m.jobs.Handler(orders[text])})
	}
	node.own = append(node.own, ep)
	return entries
}
