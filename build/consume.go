package build

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/broker"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/router"
)

// consumePlan is a route that takes the messages of a queue.
type consumePlan struct {
	text, at       string
	backend, queue string
}

// isConsume tells whether a route takes messages.
func isConsume(route string) bool {
	fields := strings.Fields(route)
	return len(fields) > 0 && fields[0] == "consume"
}

func (m *maker) planConsume(p *endpointPlan, text, at string) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		m.doc.Fault(at, fmt.Errorf("%q names no queue; want consume, an entry under backends, and a queue of it, such as consume events orders", text))
		p.broken = true
		return
	}
	c := &consumePlan{text: strings.Join(fields, " "), at: at, backend: fields[1], queue: fields[2]}
	p.consumes = append(p.consumes, c)
	p.ep.Routes = append(p.ep.Routes, c.text)
}

// addFields adds the inputs that are fields of messages, where nothing else brings any.
func (p *endpointPlan) addFields(n *names) {
	for _, in := range p.config.Input.Values {
		if in.Value.In == "" || in.Value.In == "path" {
			n.add(in.Name, false)
			n.always[in.Name] = false
		}
	}
}

// checkConsumes refuses messages for which somebody would have to ask, of a backend that is not there, and for two endpoints.
func (m *maker) checkConsumes(p *endpointPlan) {
	if p.config.Consume != nil && len(p.consumes) == 0 && !p.broken {
		m.doc.Fault(p.path+".consume", errors.New("no route of the endpoint takes messages; want one such as consume events orders"))
	}
	for _, c := range p.consumes {
		if i := slices.IndexFunc(p.chain, func(c *policyPlan) bool { return c.kind.Authenticates || c.kind.NeedsCaller || c.caller }); i >= 0 {
			m.doc.Fault(c.at, fmt.Errorf("nobody asks for a message, and %s of the endpoint needs who asks; want public: true, or an endpoint for the messages alone", p.chain[i].kind.Name))
			p.broken = true
		}
		var names []string
		for _, b := range m.backends {
			names = append(names, b.name)
		}
		if !slices.Contains(names, c.backend) {
			m.doc.Fault(c.at, unknownBackend(c.backend, names))
			p.broken = true
		}
		if m.taken == nil {
			m.taken = map[[2]string]string{}
		}
		if other, found := m.taken[[2]string{c.backend, c.queue}]; found {
			m.doc.Fault(c.at, fmt.Errorf("the messages of %s go to the endpoint %s already; want one endpoint for a queue", c.queue, other))
		}
		m.taken[[2]string{c.backend, c.queue}] = p.ep.Name
	}
}

func unknownBackend(name string, known []string) error {
	if near := sluice.Nearest(name, known); near != "" {
		return fmt.Errorf("there is no %s under backends; did you mean %s?", name, near)
	}
	return fmt.Errorf("there is no %s under backends; want an entry with publish there", name)
}

// openConsume has the node take messages, and serve each as a request of the endpoint.
func (m *maker) openConsume(node *Node, p *endpointPlan, c *consumePlan, handler sluice.Handler) {
	i := slices.IndexFunc(m.backends, func(b *backendPlan) bool { return b.name == c.backend })
	if p.broken || i < 0 || m.backends[i].opened == nil {
		return
	}
	holder, is := m.backends[i].opened.Backend.(broker.Holder)
	if !is {
		m.doc.Fault(c.at, fmt.Errorf("%s is of the kind %s, which has no queues; want an entry with publish", c.backend, m.backends[i].kind.Name))
		return
	}
	b, address := holder.Broker()
	plan := p.config.Consumption()
	if plan.Dead == "" {
		plan.Dead = c.queue + ".dead"
	}
	err := address.CheckQueue(c.queue)
	if err == nil {
		if err = address.CheckQueue(plan.Dead); err == nil && plan.Dead == c.queue {
			err = errors.New("messages that are given up go to the queue that they come from; want another for dead")
		}
	}
	if err != nil {
		m.doc.Fault(c.at, err)
		return
	}
	env := m.env(p.ep.Name)
	env.Path = c.at
	node.envs = append(node.envs, env)
	if m.opts.ObserveWork != nil {
		handler = m.opts.ObserveWork(handler)
	}
	s := m.newConsumer(p, c, plan, handler)
	s.env = env
	w := &broker.Worker{Broker: b, Queue: c.queue, Dead: plan.Dead, Credit: plan.AtOnce, Log: env.Log, Serve: s.serve}
	measureConsume(env, c, w, s)
	env.Work(func(take, keep context.Context) { w.Work(take, keep) })
}

func measureConsume(env *sluice.Env, c *consumePlan, w *broker.Worker, s *consumer) {
	labels := []sluice.Label{{Name: "endpoint", Value: env.Name}, {Name: "queue", Value: c.queue}}
	var counts []sluice.Counter
	for _, o := range broker.Outcomes() {
		counts = append(counts, env.Metrics.Counter("sluice_messages_consumed_total", "Attempts at messages of a queue, by how they ended.",
			append(slices.Clone(labels), sluice.Label{Name: "outcome", Value: o.String()})...))
	}
	w.Told = func(o broker.Outcome) { counts[o].Add(1) }
	s.runs = env.Metrics.Histogram("sluice_message_run_seconds", "Time of attempts at messages.", labels...)
	env.Metrics.Gauge("sluice_consumer_up", "Whether the process takes messages of a queue now.", func() float64 {
		if w.Up() {
			return 1
		}
		return 0
	}, labels...)
}

// newConsumer makes what makes requests of messages.
func (m *maker) newConsumer(p *endpointPlan, c *consumePlan, plan config.Consume, handler sluice.Handler) *consumer {
	s := &consumer{ep: p.ep, route: c.text, queue: c.queue, plan: plan, handler: handler, method: "POST", json: p.usesBody(),
		limit: int64(m.file.Listen.Limits.MaxBody), headers: map[string]bool{"traceparent": true, "tracestate": true}}
	for _, name := range slices.Concat(plan.Headers, p.ep.Headers) {
		s.headers[strings.ToLower(name)] = true
	}
	other, found := p.other()
	if found && other.Method != router.AnyMethod {
		s.method = other.Method
	}
	if found {
		other.Path(func(text, param string, rest bool) {
			s.path = append(s.path, segment{text: text, field: param, rest: rest})
		})
	} else {
		s.path = []segment{{text: string(sluice.AppendSegment(nil, []byte(c.queue)))}}
	}
	for i := range p.ep.Inputs {
		switch in := &p.ep.Inputs[i]; in.In {
		case "header":
			s.headers[strings.ToLower(in.Name)] = true
		case "query":
			s.query = append(s.query, in.Name)
		default:
			if !found || !slices.Contains(other.Params(), in.Name) {
				s.params = append(s.params, in.Name)
			}
		}
	}
	return s
}
