package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// slowTrial holds slow connections against a node, and ordinary clients meanwhile.
type slowTrial struct {
	node   *node
	crowd  *crowd
	base   int // open files of the node with the ordinary clients alone
	each   int // slow connections of a sort
	calm   []counts
	phases []phase
}

// phase is what was seen while slow connections were there.
type phase struct {
	name   string
	seen   counts
	opened int
	held   int           // the most files that the node had open for them
	gone   time.Duration // from the last one's opening until the node had let go of all
	limit  time.Duration // by when it had to
	errs   []error
}

// The limits are the defaults but for these times.
const (
	headerTimeout  = 5 * time.Second
	bodyTimeout    = 5 * time.Second
	requestTimeout = 12 * time.Second
)

// Numbers of the claim.
const (
	cutSlack    = 3 * time.Second // for a busy machine to get to what is due
	slowestP99  = 250 * time.Millisecond
	leastRatio  = 0.5 // of the ordinary rate, against the lower one without slow connections
	slowCalm    = 4 * time.Second
	largeFile   = 8 << 20
	fewFiles    = 24 // open files that ordinary clients and their upstream connections may come and go with
	samplePause = 100 * time.Millisecond
)

func slowConfig(upstream, files string) string {
	return fmt.Sprintf(`sluice: 1
listen:
  http: 127.0.0.1:0
  admin: 127.0.0.1:0
  limits: {header_timeout: %s, body_timeout: %s, whole_timeout: %s}
observe: {access_log: false}
backends:
  upstream:
    http:
      urls: ["http://%s"]
endpoints:
  generation:
    route: GET /generation
    static:
      json: {"generation":1}
  upstream:
    route: POST /echo
    http: {backend: upstream}
  buffered:
    route: POST /buffered
    input:
      body: {type: object}
    static: {status: 204}
  files:
    route: GET /files/{rest...}
    static: {files: %q}
`, headerTimeout, bodyTimeout, requestTimeout, upstream, files)
}

func slow(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("prove slow", flag.ContinueOnError)
	each := flags.Int("connections", 500, "slow connections of each sort")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s, err := newStage(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	u, err := startUpstream()
	if err != nil {
		return err
	}
	defer u.close()
	most, err := mostConnections(len(sorts()))
	if err != nil {
		return err
	}
	began := time.Now()
	t := &slowTrial{each: min(*each, most)}
	if err := t.run(ctx, s, u.address); err != nil {
		return err
	}
	t.print(*each)
	fmt.Printf("took %s\n", seconds(time.Since(began)))
	return t.verdict()
}

// mostConnections is how many connections of each of n sorts the limit of open files allows at once, here and in the
// node, which opens a second one to the upstream for some.
func mostConnections(n int) (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	const others = 100
	return max(1, (int(min(limit.Max, 1<<20))-others)/(n+1)), nil
}

func (t *slowTrial) run(ctx context.Context, s *stage, upstream string) error {
	files := filepath.Join(s.dir, "files")
	if err := errors.Join(os.Mkdir(files, 0o755), os.WriteFile(filepath.Join(files, "large"), make([]byte, largeFile), 0o644)); err != nil {
		return err
	}
	path, err := s.write("slow.yaml", slowConfig(upstream, files))
	if err != nil {
		return err
	}
	if t.node, err = s.start(ctx, path); err != nil {
		return err
	}
	t.crowd = gather(t.node.http, ordinary())
	defer t.crowd.stop()
	if err := t.quiet(ctx); err != nil {
		return err
	}
	if t.base, err = t.node.files(); err != nil {
		return err
	}
	for _, one := range sorts() {
		if err := t.phase(ctx, one.name, []sort{one}); err != nil {
			return err
		}
	}
	if err := t.phase(ctx, "all at once", sorts()); err != nil {
		return err
	}
	return t.quiet(ctx)
}

// ordinary are the eight clients that must not suffer.
func ordinary() (all []role) {
	body := download()[:1009]
	for range 4 {
		all = append(all, role{name: "GET static", ask: get("/generation"), check: same(generation(1))},
			role{name: "POST upstream", ask: post("/echo", body), check: same(body)})
	}
	return all
}

// quiet measures the ordinary clients alone.
func (t *slowTrial) quiet(ctx context.Context) error {
	progress("ordinary clients alone")
	t.crowd.tally.take()
	if !rest(ctx, slowCalm) {
		return ctx.Err()
	}
	t.calm = append(t.calm, t.crowd.tally.take())
	return nil
}

// phase opens slow connections of the sorts and waits until the node has let go of all, or should have.
func (t *slowTrial) phase(ctx context.Context, name string, sorts []sort) error {
	progress(name)
	p := phase{name: name}
	t.crowd.tally.take()
	var all []*slowConn
	defer func() {
		for _, c := range all {
			c.end()
		}
	}()
	for range t.each {
		for _, one := range sorts {
			c, err := one.open(t.node.http)
			if err != nil {
				return fmt.Errorf("%s: connection %d: %w", name, len(all)+1, err)
			}
			all = append(all, c)
			p.limit = max(p.limit, one.limit)
		}
	}
	p.opened = len(all)
	if err := t.watch(ctx, &p); err != nil {
		return err
	}
	p.seen = t.crowd.tally.take()
	for _, c := range all {
		if err := c.cut(); err != nil {
			p.errs = append(p.errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	t.phases = append(t.phases, p)
	return nil
}

// watch samples the node's open files until the slow ones are gone, or it is too late.
func (t *slowTrial) watch(ctx context.Context, p *phase) error {
	for began := time.Now(); ; {
		n, err := t.node.files()
		if err != nil {
			return err
		}
		p.held, p.gone = max(p.held, n-t.base), time.Since(began)
		if n <= t.base+fewFiles || p.gone > p.limit+2*cutSlack {
			return nil
		}
		if !rest(ctx, samplePause) {
			return ctx.Err()
		}
	}
}

// usual is the lower of the rates without slow connections: what else runs on the machine falls on all alike.
func (t *slowTrial) usual() float64 { return min(t.calm[0].perSecond(), t.calm[1].perSecond()) }

func (t *slowTrial) verdict() error {
	var errs []error
	for _, c := range t.calm {
		errs = append(errs, c.fault("without slow connections"))
	}
	for _, p := range t.phases {
		errs = append(errs, p.verdict(t.usual()))
	}
	return errors.Join(errs...)
}

func (p *phase) verdict(usual float64) error {
	errs := []error{p.seen.fault(p.name)}
	if len(p.errs) > 0 {
		errs = append(errs, fmt.Errorf("%d connections were not cut off; the first: %w", len(p.errs), p.errs[0]))
	}
	if p.held < p.opened/2 {
		errs = append(errs, fmt.Errorf("%s: the node held %d of %d connections at most, so it was not put to the test", p.name, p.held, p.opened))
	}
	if p.gone > p.limit+cutSlack {
		errs = append(errs, fmt.Errorf("%s: the node still held connections after %s; want none after %s", p.name, seconds(p.gone), p.limit+cutSlack))
	}
	if p99 := p.seen.quantile(0.99); p99 > slowestP99 {
		errs = append(errs, fmt.Errorf("%s: ordinary clients: p99 is %s; want at most %s", p.name, milliseconds(p99), slowestP99))
	}
	if ratio := p.seen.perSecond() / usual; ratio < leastRatio {
		errs = append(errs, fmt.Errorf("%s: ordinary clients: %.2f of their usual rate; want at least %.2f", p.name, ratio, leastRatio))
	}
	return errors.Join(errs...)
}

func (t *slowTrial) print(wanted int) {
	fmt.Printf("\nslow connections, with header_timeout %s, body_timeout %s, whole_timeout %s; one byte per second\n", headerTimeout, bodyTimeout, requestTimeout)
	if t.each < wanted {
		fmt.Printf("%d of each sort only: the limit of open files allows no more\n", t.each)
	}
	const line = "  %-12s  %5s  %9s  %9s  %8s  %7s  %8s  %8s  %6s\n"
	fmt.Printf(line, "", "conns", "due after", "all gone", "served/s", "of calm", "p50", "p99", "failed")
	row := func(name, opened, due, gone string, c counts) {
		fmt.Printf(line, name, opened, due, gone, fmt.Sprintf("%.0f", c.perSecond()), fmt.Sprintf("%.2f", c.perSecond()/t.usual()),
			milliseconds(c.quantile(0.5)), milliseconds(c.quantile(0.99)), fmt.Sprint(c.failed))
	}
	row("none, before", "", "", "", t.calm[0])
	for _, p := range t.phases {
		row(p.name, fmt.Sprint(p.opened), p.limit.String(), seconds(p.gone), p.seen)
	}
	row("none, after", "", "", "", t.calm[1])
	fmt.Printf("ordinary clients: 8 connections that ask without a pause; wanted: none fails, p99 at most %s, at least %.1f of calm\n",
		slowestP99, leastRatio)
}
