package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strings"
	"syscall"
	"time"
)

// reloadTrial is the first half of the claim: reloads under load.
type reloadTrial struct {
	stage    *stage
	upstream *upstream
	node     *node
	crowd    *crowd
	witness  witness
	turn     turn
	broken   []mistake

	reloads, refused int // files taken, and broken ones
	took             time.Duration
	calm, busy       counts
	before, after    footprint
}

// Numbers of the claim.
const (
	reloadDelay  = 500 * time.Millisecond // far longer than a client needs for its next request
	brokenEvery  = 20                     // a broken file after so many that are taken
	calmSpan     = 3 * time.Second        // of load without reloads, before and after
	filesAllowed = 50                     // more open files after than before are a leak, goroutines too
	settleSpan   = 25 * time.Second       // for what drains after the last reload: the download and drain.timeout
)

func reload(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("prove reload", flag.ContinueOnError)
	reloads := flags.Int("reloads", 1000, "files that are taken")
	stops := flags.Int("stops", 20, "processes that are stopped under load")
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
	began := time.Now()
	r := &reloadTrial{stage: s, upstream: u, turn: firstTurn(), broken: mistakes(u.address)}
	if err := r.run(ctx, *reloads); err != nil {
		return err
	}
	e := &stopTrial{stage: s, upstream: u}
	if err := e.run(ctx, *stops); err != nil {
		return err
	}
	r.print()
	e.print()
	fmt.Printf("took %s\n", seconds(time.Since(began)))
	return errors.Join(r.verdict(), e.verdict())
}

// roles are the sixteen clients. Checks that remember are made for each client.
func roles() (all []role) {
	file := download()
	body := file[:10_007]
	for range 5 {
		all = append(all, role{name: "GET static", ask: get("/generation"), check: rising()},
			role{name: "GET upstream", ask: get("/greeting"), check: same([]byte(greeting))})
	}
	for range 4 {
		all = append(all, role{name: "POST upstream", ask: post("/echo", body), check: same(body)})
	}
	return append(all, role{name: "download by length", ask: get("/download?framing=length"), check: same(file), long: true},
		role{name: "download by chunks", ask: get("/download"), check: same(file), long: true})
}

// rising makes a check for one client: the generation must never fall.
func rising() func(answer) error {
	last := 0
	return func(a answer) error {
		var body struct{ Generation int }
		if err := json.Unmarshal(a.body, &body); a.status != 200 || err != nil {
			return fmt.Errorf("status %d: %.200s", a.status, a.body)
		}
		if body.Generation < last {
			return fmt.Errorf("generation %d after %d", body.Generation, last)
		}
		last = body.Generation
		return nil
	}
}

func (r *reloadTrial) run(ctx context.Context, reloads int) error {
	path, err := r.stage.write("sluice.yaml", r.turn.config(r.upstream.address, reloadDelay))
	if err != nil {
		return err
	}
	if r.node, err = r.stage.start(ctx, path); err != nil {
		return err
	}
	r.witness = witness{address: r.node.http, client: client{address: r.node.http}}
	defer r.witness.client.close()
	r.crowd = gather(r.node.http, roles())
	defer r.crowd.stop()
	progress("load without reloads")
	if !rest(ctx, calmSpan) {
		return ctx.Err()
	}
	r.calm = r.crowd.tally.take()
	if r.before, err = r.node.footprint(); err != nil {
		return err
	}
	if err := r.reloadAll(ctx, reloads); err != nil {
		return errors.Join(err, r.crowd.tally.take().fault("meanwhile"))
	}
	return r.settle(ctx)
}

// reloadAll reloads so often, one after the other, with broken files in between.
func (r *reloadTrial) reloadAll(ctx context.Context, reloads int) error {
	began := time.Now()
	for r.reloads < reloads {
		if err := r.good(ctx); err != nil {
			return err
		}
		if r.reloads%brokenEvery == 0 {
			if err := r.bad(ctx); err != nil {
				return err
			}
		}
		if r.reloads%100 == 0 {
			progress(fmt.Sprintf("%d reloads", r.reloads))
		}
	}
	r.took = time.Since(began)
	return nil
}

// good writes the next turn and sees it served.
func (r *reloadTrial) good(ctx context.Context) error {
	next, changed := r.turn.next()
	from := r.node.log.length()
	if err := r.send(next.config(r.upstream.address, reloadDelay)); err != nil {
		return err
	}
	if _, err := r.node.await(ctx, from, `"msg":"reloaded"`); err != nil {
		return fmt.Errorf("reload %d, of %s: %w", next.generation, changed, err)
	}
	if err := r.witness.see(ctx, next); err != nil {
		return fmt.Errorf("reload %d, of %s: %w", next.generation, changed, err)
	}
	r.turn = next
	r.reloads++
	return nil
}

// bad writes a broken file, and sees that the log tells why and that nothing changed.
func (r *reloadTrial) bad(ctx context.Context) error {
	m := r.broken[r.refused%len(r.broken)]
	next, _ := r.turn.next()
	from := r.node.log.length()
	if err := r.send(m.spoil(next.config(r.upstream.address, reloadDelay))); err != nil {
		return err
	}
	line, err := r.node.await(ctx, from, "the config is not taken")
	if err != nil {
		return fmt.Errorf("a file with %s: %w", m.name, err)
	}
	if !strings.Contains(line, m.log) {
		return fmt.Errorf("a file with %s: the log does not tell of %q: %s", m.name, m.log, line)
	}
	if err := r.witness.unmoved(r.turn); err != nil {
		return fmt.Errorf("a file with %s: %w", m.name, err)
	}
	r.refused++
	return nil
}

func (r *reloadTrial) send(config string) error {
	if _, err := r.stage.write("sluice.yaml", config); err != nil {
		return err
	}
	return r.node.signal(syscall.SIGHUP)
}

// settle waits, under load still, until what the reloads left behind is gone, or time is up.
func (r *reloadTrial) settle(ctx context.Context) (err error) {
	progress("load after the reloads")
	r.busy = r.crowd.tally.take()
	for began := time.Now(); ; {
		if !rest(ctx, time.Second) {
			return ctx.Err()
		}
		if r.after, err = r.node.footprint(); err != nil {
			return err
		}
		passed := time.Since(began)
		if passed > settleSpan || passed > calmSpan && r.leak() == nil {
			break
		}
	}
	r.crowd.stop()
	rest := r.crowd.tally.take()
	r.busy.failed += rest.failed
	r.busy.faults = append(r.busy.faults, rest.faults...)
	return nil
}

func (r *reloadTrial) leak() error {
	if more := r.after.files - r.before.files; more > filesAllowed {
		return fmt.Errorf("reloads: %d open files more than before; want at most %d", more, filesAllowed)
	}
	if more := r.after.goroutines - r.before.goroutines; more > filesAllowed {
		return fmt.Errorf("reloads: %d goroutines more than before; want at most %d", more, filesAllowed)
	}
	return nil
}

func (r *reloadTrial) verdict() error {
	return errors.Join(r.calm.fault("before the reloads"), r.busy.fault("during the reloads"), r.leak())
}

func (r *reloadTrial) print() {
	fmt.Printf(`
reloads under load: 16 keep-alive connections that ask without a pause
  reloads             %d in %s, %.0f per second; %d broken files refused
  requests            %d served, %d failed
  latency             p50 %s, p99 %s
  without reloads     p50 %s, p99 %s
  before              %s
  after               %s
`, r.reloads, seconds(r.took), float64(r.reloads)/r.took.Seconds(), r.refused,
		r.busy.served, r.busy.failed,
		milliseconds(r.busy.quantile(0.5)), milliseconds(r.busy.quantile(0.99)),
		milliseconds(r.calm.quantile(0.5)), milliseconds(r.calm.quantile(0.99)),
		r.before, r.after)
}
