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

	"github.com/sluiceapi/sluice/examples/stack/stack"
	"github.com/sluiceapi/sluice/sluicetest/program"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// rollingTrial is the claim that three nodes behind nginx are replaced and given new files without a request or a job lost,
// and that one which is killed takes no more with it than what it had in hand.
type rollingTrial struct {
	restarts, reloads int
	abrupt            bool // restart by SIGKILL

	stack   *stack.Stack
	overlay string // the file of the generation
	load    *rollingLoad

	calm, restarted, reloaded, killed, after counts
	longest                                  time.Duration // that a node took to stop, start and be ready
	generation                               int
	inHand                                   int // requests that failed with the killed node
	jobs                                     jobsFate
}

// Numbers of the claim.
const (
	rollingCalm    = 3 * time.Second        // of load before, between and after
	rollingPause   = 500 * time.Millisecond // between two nodes, or two reloads
	rollingLongest = 15 * time.Minute
)

func rolling(ctx context.Context, args []string) error {
	t := &rollingTrial{}
	flags := flag.NewFlagSet("prove rolling", flag.ContinueOnError)
	flags.IntVar(&t.restarts, "restarts", 5, "how often all nodes are restarted, one after the other")
	flags.IntVar(&t.reloads, "reloads", 20, "how often all nodes get another file")
	small := flags.Bool("small", false, "1 restart and 3 reloads, to see that it works")
	flags.BoolVar(&t.abrupt, "abrupt", false, "restart by SIGKILL instead of SIGTERM, and want this to be found")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *small {
		t.restarts, t.reloads = 1, 3
	}
	ctx, cancel := context.WithTimeout(ctx, rollingLongest)
	defer cancel()
	err := servers.Within(os.Stderr, func(o servers.Owner) (err error) {
		began := time.Now()
		t.stack, err = stack.Start(ctx, o, stack.Options{Say: progress, Overlays: t.firstFile})
		if err != nil {
			return err
		}
		if err := t.run(ctx); err != nil {
			return err
		}
		t.print(time.Since(began))
		return nil
	})
	if err != nil {
		return err
	}
	err = t.verdict()
	if !t.abrupt {
		return err
	}
	if err == nil {
		return errors.New("nodes were killed instead of drained, and nothing was found: the check does not see what it is for")
	}
	fmt.Println("without the drain it does not hold, as it must be:", err)
	return nil
}

func (t *rollingTrial) run(ctx context.Context) error {
	t.load = startRollingLoad(t.stack.Nginx.Address())
	defer t.load.stop()
	progress("load")
	if !rest(ctx, rollingCalm) {
		return ctx.Err()
	}
	t.calm = t.load.tally.take()
	for i := range t.restarts {
		progress(fmt.Sprintf("rolling restart %d of %d", i+1, t.restarts))
		for _, n := range t.stack.Nodes {
			if err := t.restart(ctx, n); err != nil {
				return err
			}
		}
	}
	t.restarted = t.load.tally.take()
	progress(fmt.Sprintf("%d reloads", t.reloads))
	for range t.reloads {
		if err := t.reload(ctx); err != nil {
			return err
		}
	}
	rest(ctx, rollingCalm) // what was replaced drains
	t.reloaded = t.load.tally.take()
	progress("one node is killed")
	if err := t.kill(ctx); err != nil {
		return err
	}
	t.load.stop()
	t.after = t.load.tally.take()
	progress(fmt.Sprintf("waiting for the end of %d jobs", len(t.load.ids)))
	return t.settle(ctx)
}

// restart replaces a node as an orchestrator does, and waits until the new one is ready.
func (t *rollingTrial) restart(ctx context.Context, n *program.Node) error {
	began := time.Now()
	if t.abrupt {
		n.Kill()
	} else if err := n.Drain(ctx); err != nil {
		return err
	}
	if err := errors.Join(n.Start(ctx), n.Ready(ctx)); err != nil {
		return err
	}
	t.longest = max(t.longest, time.Since(began))
	if !rest(ctx, rollingPause) {
		return ctx.Err()
	}
	return nil
}

// reload writes the next file, and sees every node serve by it.
func (t *rollingTrial) reload(ctx context.Context) error {
	t.generation++
	if err := t.write(t.stack.Program); err != nil {
		return err
	}
	for i, n := range t.stack.Nodes {
		// Nodes see that the file has changed; those that cannot watch files are told.
		if err := n.Signal(syscall.SIGHUP); err != nil {
			return err
		}
		if err := t.served(ctx, n); err != nil {
			return fmt.Errorf("reload %d of node %d: %w; its log ends with:\n%s", t.generation, i+1, err, n.Log())
		}
	}
	if !rest(ctx, rollingPause) {
		return ctx.Err()
	}
	return nil
}

// served waits until a node serves by the file of the generation.
func (t *rollingTrial) served(ctx context.Context, n *program.Node) error {
	c := client{address: n.HTTP[len("http://"):]}
	defer c.close()
	for late := time.Now().Add(patience); ; {
		a, err := c.do(get("/generation"))
		if err != nil {
			return err
		}
		if string(a.body) == fmt.Sprint(t.generation) {
			return nil
		}
		if time.Now().After(late) {
			return fmt.Errorf("it still answers %d %.200s", a.status, a.body)
		}
		if !rest(ctx, 20*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// kill ends a node as a power cut does, and starts it again.
func (t *rollingTrial) kill(ctx context.Context) error {
	n := t.stack.Nodes[len(t.stack.Nodes)-1]
	t.load.excuse(n.HTTP[len("http://"):])
	n.Kill()
	t.load.over()
	if !rest(ctx, rollingCalm) {
		return ctx.Err()
	}
	if err := errors.Join(n.Start(ctx), n.Ready(ctx)); err != nil {
		return err
	}
	if !rest(ctx, rollingCalm) {
		return ctx.Err()
	}
	t.killed = t.load.tally.take()
	t.inHand = t.load.excused()
	return nil
}

func (t *rollingTrial) firstFile(p *program.Program) ([]string, error) {
	t.overlay = filepath.Join(p.Dir, "generation.yaml")
	return []string{t.overlay}, t.write(p)
}

// write writes the file of the generation: each has other backends, which are opened while those before still answer, and
// limits that do not stand in the way.
func (t *rollingTrial) write(p *program.Program) error {
	examples := filepath.Join(p.Root, "examples")
	_, err := p.Write(filepath.Base(t.overlay), fmt.Sprintf(`sluice: 1
policies:
  api:
    - rate_limit: {rate: 100000/s, burst: 100000, by: client_ip}
backends:
  catalog:
    sql:
      url: "${CATALOG_URL}"
      migrations: %[1]s/shop/migrations/catalog/
      seed: %[1]s/shop/seed/catalog/
      pool: {max: %[2]d, idle_timeout: 30s}
  users_grpc:
    grpc:
      target: "${USERS_TARGET}"
      protos: [%[1]s/tiers/user.proto]
      tls: {ca: "${USERS_CA}", cert: "${USERS_CERT}", key: "${USERS_KEY}"}
      timeouts: {whole: %[2]ds}
  users_http:
    http:
      urls: ["${USERS_1_URL}", "${USERS_2_URL}"]
      tls: {ca: "${USERS_CA}", cert: "${USERS_CERT}", key: "${USERS_KEY}"}
      timeouts: {header: %[2]ds}
endpoints:
  generation:
    route: GET /generation
    static: {body: "%[3]d"}
`, examples, 20+t.generation%2, t.generation))
	return err
}
