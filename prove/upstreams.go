package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// upstreamsTrial is the claim about hosts that fail: of three one is killed, one slow and one failing, under load of
// requests that are idempotent and of others.
type upstreamsTrial struct {
	stage  *stage
	node   *node
	hosts  []*host
	hits   *hits
	span   time.Duration
	detect time.Duration
	phases []*spell
	now    atomic.Int32 // the phase, by its number
}

// budgetShare is the share of tries that the config lets be added.
const budgetShare = 0.2

// The load: so many clients, each of which rests a little between two requests.
const (
	upstreamClients = 24
	upstreamRest    = 8 * time.Millisecond
	// slowness is how long each answer of the slow host takes; one that is well takes well under a millisecond.
	slowness = 200 * time.Millisecond
)

const upstreamsConfig = `sluice: 1
listen: {http: "127.0.0.1:0", admin: "127.0.0.1:0"}
observe: {access_log: false, log_format: json}
backends:
  three:
    http:
      urls: ["http://%s", "http://%s", "http://%s"]
      health: {path: /healthz, every: 500ms, timeout: 1s}
      ejection: {base: 1s, max: 3s}
endpoints:
  item:
    routes: ["GET /item/{phase}/{name}", "PUT /item/{phase}/{name}", "POST /item/{phase}/{name}"]
    policies:
%s      - timeout: 2s
    http:
      backend: three
`

const retryPolicy = "      - retry: {tries: 3, budget: {share: 20%, least: 5}}\n"

// spell is a phase: a time in which the hosts are as they are.
type spell struct {
	name string
	harm func() error

	mu         sync.Mutex // guards what follows
	began      time.Time
	idempotent int
	early      []string // failures of idempotent requests before the time in which harm is noticed, and after it
	late       []string
	others     int
	othersLost int
	waits      counts
	retries    int // that the node has made, from its metrics
}

func upstreams(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("prove upstreams", flag.ContinueOnError)
	span := flags.Duration("span", 15*time.Second, "how long each phase takes")
	detect := flags.Duration("detect", 3*time.Second, "how long after harm idempotent requests may fail")
	without := flags.Bool("without-retry", false, "take the policy retry out of the config, and fail if the claim holds all the same")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *span <= *detect {
		return errors.New("a phase must take longer than harm takes to be noticed")
	}
	s, err := newStage(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	t := &upstreamsTrial{stage: s, span: *span, detect: *detect}
	defer func() {
		for _, h := range t.hosts {
			h.kill()
		}
	}()
	began := time.Now()
	if err := t.run(ctx, *without); err != nil {
		return err
	}
	t.print()
	fmt.Printf("took %s\n", seconds(time.Since(began)))
	err = t.verdict()
	if !*without {
		return err
	}
	if err == nil {
		return errors.New("the claim holds without the policy retry, so it says nothing of it")
	}
	fmt.Println("without the policy retry it does not hold, as it should be:", err)
	return nil
}

func (t *upstreamsTrial) run(ctx context.Context, without bool) error {
	t.phases = []*spell{
		{name: "all well", harm: func() error { return nil }},
		{name: "one killed", harm: func() error { t.hosts[0].kill(); return nil }},
		{name: "one slow too", harm: func() error { t.hosts[1].delay.Store(int64(slowness)); return nil }},
		{name: "one failing too", harm: func() error { t.hosts[2].failing.Store(true); return nil }},
		{name: "all well again", harm: t.mend},
	}
	t.hits = newHits(len(t.phases))
	for range 3 {
		h, err := startHost(t.hits)
		if err != nil {
			return err
		}
		t.hosts = append(t.hosts, h)
	}
	policy := retryPolicy
	if without {
		policy = ""
	}
	path, err := t.stage.write("sluice.yaml", fmt.Sprintf(upstreamsConfig, t.hosts[0].address, t.hosts[1].address, t.hosts[2].address, policy))
	if err != nil {
		return err
	}
	if t.node, err = t.stage.start(ctx, path); err != nil {
		return err
	}
	loading, stop := context.WithCancel(ctx)
	var clients sync.WaitGroup
	defer clients.Wait()
	defer stop()
	t.phases[0].began = time.Now()
	for i := range upstreamClients {
		clients.Go(func() { t.load(loading, i) })
	}
	for i, p := range t.phases {
		progress(p.name)
		if err := t.enter(i); err != nil {
			return err
		}
		before, err := t.retries()
		if err != nil {
			return err
		}
		if !rest(ctx, t.span) {
			return ctx.Err()
		}
		after, err := t.retries()
		if err != nil {
			return err
		}
		p.retries = after - before
	}
	return nil
}

// enter begins a phase and does its harm.
func (t *upstreamsTrial) enter(i int) error {
	p := t.phases[i]
	p.mu.Lock()
	p.began = time.Now()
	p.mu.Unlock()
	t.now.Store(int32(i))
	return p.harm()
}

func (t *upstreamsTrial) mend() error {
	t.hosts[1].delay.Store(0)
	t.hosts[2].failing.Store(false)
	return t.hosts[0].start()
}

// retries is how many tries the node has added so far.
func (t *upstreamsTrial) retries() (int, error) {
	c := client{address: t.node.admin}
	defer c.close()
	a, err := c.do(get("/metrics"))
	if err != nil {
		return 0, err
	}
	return total(string(a.body), "sluice_retry_tries_total"), nil
}

// load sends one client's requests: of ten seven GET, two PUT with a body, and one POST.
func (t *upstreamsTrial) load(ctx context.Context, number int) {
	c := client{address: t.node.http}
	defer c.close()
	for n := 0; rest(ctx, upstreamRest); n++ {
		i := int(t.now.Load())
		name := fmt.Sprintf("%d-%d", number, n)
		path := fmt.Sprintf("/item/%d/%s", i, name)
		r := get(path)
		switch n % 10 {
		case 3, 7:
			r = post(path, []byte("what is put"))
			r.method, r.bytes = "PUT", append([]byte("PUT"), r.bytes[len("POST"):]...)
		case 9:
			r = post(path, []byte("what is made"))
		}
		sent := time.Now()
		a, err := c.do(r)
		switch {
		case err != nil:
		case a.status != 200:
			err = fmt.Errorf("%s: status %d: %s", r.method, a.status, a.body)
		case string(a.body) != name:
			err = fmt.Errorf("%s: the answer is that of another request: %s", r.method, a.body)
		}
		wait := time.Since(sent)
		t.phases[i].add(r.method, wait, err)
		if err != nil { // perhaps by the harm of the phase that has begun meanwhile
			t.phases[t.now.Load()].fail(r.method, sent, err, t.detect)
		}
	}
}

// add counts a request that was sent in the phase.
func (p *spell) add(method string, wait time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if method == "POST" {
		p.others++
		return
	}
	if p.idempotent++; err == nil {
		p.waits.waits = append(p.waits.waits, wait)
	}
}

// fail notes a request that has failed in the phase.
func (p *spell) fail(method string, sent time.Time, err error, detect time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case method == "POST":
		p.othersLost++
	case sent.Sub(p.began) < detect:
		p.early = append(p.early, err.Error())
	default:
		p.late = append(p.late, err.Error())
	}
}

// tries is how often each idempotent request of a phase was sent.
func (t *upstreamsTrial) tries(i int) float64 {
	return float64(t.hits.idempotent[i]) / float64(max(1, t.phases[i].idempotent))
}

func (t *upstreamsTrial) print() {
	fmt.Printf(`
three hosts of one upstream, %d clients; a slow host answers after %s; harm may take %s to be noticed
  phase            idempotent  failed at first  failed later  tries of each  retries  others  failed  p50       p99
`, upstreamClients, slowness, t.detect)
	for i, p := range t.phases {
		w := p.waits.sorted()
		fmt.Printf("  %-15s  %-10d  %-15d  %-12d  %-13.3f  %-7d  %-6d  %-6d  %-8s  %s\n", p.name, p.idempotent, len(p.early), len(p.late), t.tries(i),
			p.retries, p.others, p.othersLost, milliseconds(w.quantile(0.5)), milliseconds(w.quantile(0.99)))
	}
	fmt.Printf("  %d requests of POST were sent more than once\n", t.hits.doubled())
}

func (t *upstreamsTrial) verdict() error {
	var errs []error
	for i, p := range t.phases {
		if n := len(p.late); n > 0 {
			errs = append(errs, fmt.Errorf("%s: %d idempotent requests failed later than %s after harm, among them:\n  %s", p.name, n, t.detect,
				strings.Join(p.late[:min(5, n)], "\n  ")))
		}
		if most := 1 + budgetShare; t.tries(i) >= most || float64(p.retries) >= budgetShare*float64(p.idempotent+p.others) {
			errs = append(errs, fmt.Errorf("%s: each idempotent request was sent %.3f times, with %d retries; want below %g", p.name, t.tries(i), p.retries, most))
		}
		if p.idempotent == 0 || p.others == 0 {
			errs = append(errs, fmt.Errorf("%s: no requests", p.name))
		}
	}
	if n := t.hits.doubled(); n > 0 {
		errs = append(errs, fmt.Errorf("%d requests that are not idempotent were sent more than once; want none", n))
	}
	return errors.Join(errs...)
}
