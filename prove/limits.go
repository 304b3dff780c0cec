package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// limitsTrial is the claim about rate limits: four nodes and one Redis let through what one bucket would, and go on
// as they say when Redis is gone.
type limitsTrial struct {
	stage  *stage
	redis  *servers.Redis
	nodes  []*node
	span   time.Duration
	even   []evenRun
	faults []faultRun
}

// Numbers of the claim. A limit of 500/s with a burst of 50; traffic that is spread unevenly over the nodes.
const (
	limitRate  = 500
	limitBurst = 50
	// off is how far the number let through may lie from that of one central bucket.
	off = 0.01
	// addedWait is how much longer requests may take, at the 99th of a hundred, while Redis is gone: its timeout of
	// 20 ms, and some for the machine.
	addedWait = 25 * time.Millisecond
	// noticed is how long after its end Redis may still be asked, so that what is let through is a mixture.
	noticed = 300 * time.Millisecond
)

var limitShares = []float64{0.55, 0.25, 0.15, 0.05}

func limits(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("prove limits", flag.ContinueOnError)
	span := flags.Duration("span", 10*time.Second, "how long each load goes on")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s, err := newStage(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	return servers.Within(os.Stderr, func(o servers.Owner) error {
		began := time.Now()
		t := &limitsTrial{stage: s, redis: servers.StartRedis(o, servers.RedisOptions{}), span: *span}
		if err := t.run(ctx); err != nil {
			return err
		}
		t.print()
		fmt.Printf("took %s\n", seconds(time.Since(began)))
		return t.verdict()
	})
}

const limitsConfig = `sluice: 1
nodes: %d
listen: {http: "127.0.0.1:0", admin: "127.0.0.1:0"}
observe: {access_log: false, log_format: json}
state:
  redis: %q
  keys: [not-a-secret-here]
endpoints:
  hit:
    route: GET /hit/{load}
    policies:
      - rate_limit: {rate: %d/s, burst: %d, by: load}
    static: {json: {hit: true}}
`

func (t *limitsTrial) run(ctx context.Context) error {
	path, err := t.stage.write("sluice.yaml", fmt.Sprintf(limitsConfig, len(limitShares), t.redis.URL(), limitRate, limitBurst))
	if err != nil {
		return err
	}
	for range limitShares {
		n, err := t.stage.start(ctx, path)
		if err != nil {
			return err
		}
		t.nodes = append(t.nodes, n)
	}
	if _, err := t.back(ctx); err != nil {
		return err
	}
	t.load(ctx, "warm", 0.5, time.Second)
	for _, demand := range []float64{0.8, 1.2, 3} {
		progress(fmt.Sprintf("load of %g times the limit", demand))
		if err := t.runEven(ctx, demand); err != nil {
			return err
		}
	}
	for _, f := range []faultRun{
		{name: "killed", harm: t.redis.Kill, mend: t.redis.Restart},
		{name: "standing still", harm: t.redis.Freeze, mend: t.redis.Thaw},
	} {
		progress("load while redis is " + f.name)
		if err := t.runFault(ctx, f); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// evenRun is a load while all is well.
type evenRun struct {
	demand   float64
	shots    []shot
	admitted int
	central  int     // what one bucket would have let through
	excess   float64 // the most that was let through beyond the bucket
	calls    int     // of Redis
	alone    int     // decided without Redis, which had not answered in its 20 ms
}

func (t *limitsTrial) runEven(ctx context.Context, demand float64) error {
	calls, alone, err := t.counters()
	if err != nil {
		return err
	}
	r := evenRun{demand: demand, shots: t.load(ctx, fmt.Sprintf("even%g", demand), demand, t.span)}
	if r.calls, r.alone, err = t.counters(); err != nil {
		return err
	}
	r.calls -= calls
	r.alone -= alone
	b := bucket{rate: limitRate, size: limitBurst + 1}
	r.admitted, r.central, r.excess = admitted(r.shots), b.central(r.shots), b.excess(r.shots)
	t.even = append(t.even, r)
	return ctx.Err()
}

// faultRun is a load before Redis is gone, while it is gone, and when it is back.
type faultRun struct {
	name             string
	harm, mend       func()
	calm, gone, back []shot
	alone            int           // of those when it was back
	returned         time.Duration // until all nodes asked Redis again
}

func (t *limitsTrial) runFault(ctx context.Context, f faultRun) (err error) {
	const demand = 1.2
	half := t.span / 2
	f.calm = t.load(ctx, "calm "+f.name, demand, half)
	f.harm()
	f.gone = t.load(ctx, "gone "+f.name, demand, half+noticed)
	f.mend()
	if f.returned, err = t.back(ctx); err != nil {
		return err
	}
	_, alone, err := t.counters()
	if err != nil {
		return err
	}
	f.back = t.load(ctx, "back "+f.name, demand, half)
	if _, f.alone, err = t.counters(); err != nil {
		return err
	}
	f.alone -= alone
	t.faults = append(t.faults, f)
	return ctx.Err()
}

// back waits until every node asks Redis again.
func (t *limitsTrial) back(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	for _, n := range t.nodes {
		c := client{address: n.admin}
		for up := 0; up == 0; {
			a, err := c.do(get("/metrics"))
			if err == nil {
				up, err = gauge(string(a.body), "sluice_redis_up")
			}
			if err != nil {
				return 0, err
			}
			if time.Since(began) > patience {
				return 0, fmt.Errorf("a node does not ask redis again after %s", patience)
			}
			if !rest(ctx, 5*time.Millisecond) {
				return 0, ctx.Err()
			}
		}
		c.close()
	}
	return time.Since(began), nil
}

// counters are how many scripts Redis has run, and how many requests the nodes have decided without it.
func (t *limitsTrial) counters() (calls, alone int, err error) {
	lines, err := t.redis.Run("INFO", "commandstats")
	for _, line := range strings.Split(strings.Join(lines, "\r\n"), "\r\n") {
		if _, rest, found := strings.Cut(line, "cmdstat_evalsha:calls="); found && err == nil {
			_, err = fmt.Sscanf(rest, "%d", &calls)
		}
	}
	for _, n := range t.nodes {
		c := client{address: n.admin}
		a, err := c.do(get("/metrics"))
		if err != nil {
			return 0, 0, err
		}
		alone += total(string(a.body), "sluice_rate_limit_store_failures_total")
		c.close()
	}
	return calls, alone, err
}

// load sends a load that counts apart from all others.
func (t *limitsTrial) load(ctx context.Context, name string, demand float64, span time.Duration) []shot {
	path := "/hit/" + strings.ReplaceAll(name, " ", "-")
	return shoot(ctx, t.nodes, get(path), arrivals(demand*limitRate, span, limitShares))
}

// added is how much longer requests waited while Redis was gone.
func (f *faultRun) added() time.Duration { return quantileOf(f.gone, 0.99) - quantileOf(f.calm, 0.99) }

// local are the shots of a node after it must have noticed that Redis is gone, and how many of them its own share of the
// limit lets through: its share of the rate, or its demand if that is less.
func (f *faultRun) local(n int) (shots []shot, want float64) {
	for _, s := range f.gone {
		if s.node == n && s.sent >= noticed {
			shots = append(shots, s)
		}
	}
	b := localBucket()
	return shots, float64(b.central(shots))
}

// localBucket is a node's own part of the limit.
func localBucket() bucket {
	nodes := float64(len(limitShares))
	return bucket{rate: limitRate / nodes, size: float64((limitBurst + 1) / len(limitShares))}
}

func (f *faultRun) verdict() error {
	var errs []error
	for when, shots := range map[string][]shot{"before redis was " + f.name: f.calm, "while redis was " + f.name: f.gone, "after redis was " + f.name: f.back} {
		errs = append(errs, failures(when, shots))
	}
	if added := f.added(); added > addedWait {
		errs = append(errs, fmt.Errorf("redis %s: the p99 of waits is %s longer; want at most %s", f.name, milliseconds(added), milliseconds(addedWait)))
	}
	for n := range limitShares {
		shots, want := f.local(n)
		got := float64(admitted(shots))
		// A node that had noticed earlier has used some of its burst already.
		if most, least := want*(1+off)+1, want*(1-off)-localBucket().size; got > most || got < least {
			errs = append(errs, fmt.Errorf("redis %s: node %d has let %.0f through; want about %.0f, as its share of the limit has it", f.name, n+1, got, want))
		}
	}
	b := bucket{rate: limitRate, size: limitBurst + 1}
	if excess := b.excess(f.back); excess > float64(f.alone) {
		errs = append(errs, fmt.Errorf("after redis was %s: %.1f more are let through than the bucket holds, and %d were decided without redis; want no more", f.name, excess, f.alone))
	}
	return errors.Join(errs...)
}

func (t *limitsTrial) verdict() error {
	var errs []error
	for _, r := range t.even {
		when := fmt.Sprintf("load of %g times the limit", r.demand)
		errs = append(errs, failures(when, r.shots))
		if r.excess > float64(r.alone) {
			errs = append(errs, fmt.Errorf("%s: %.1f more are let through than the bucket holds, and %d were decided without redis; want no more", when, r.excess, r.alone))
		}
		if most := off + float64(r.alone)/float64(r.central); math.Abs(r.difference()) > most {
			errs = append(errs, fmt.Errorf("%s: %d are let through, %+.2f %% beside one bucket; want within %.2f %%, with the %d that were decided without redis",
				when, r.admitted, 100*r.difference(), 100*most, r.alone))
		}
	}
	for _, f := range t.faults {
		errs = append(errs, f.verdict())
	}
	return errors.Join(errs...)
}

func (r *evenRun) difference() float64 { return float64(r.admitted-r.central) / float64(r.central) }

func (t *limitsTrial) print() {
	fmt.Printf(`
rate limits: 4 nodes with 55, 25, 15 and 5 %% of the traffic, one redis, %d/s with a burst of %d
  demand  requests  let through  one bucket  beside it  above it  alone  calls of redis  p50      p99
`, limitRate, limitBurst)
	for _, r := range t.even {
		fmt.Printf("  %-6s  %-8d  %-11d  %-10d  %-9s  %-8.1f  %-5d  %-14.2f  %-7s  %s\n", fmt.Sprintf("%g x", r.demand), len(r.shots), r.admitted,
			r.central, fmt.Sprintf("%+.2f %%", 100*r.difference()), r.excess, r.alone, float64(r.calls)/float64(len(r.shots)), milliseconds(quantileOf(r.shots, 0.5)), milliseconds(quantileOf(r.shots, 0.99)))
	}
	fmt.Println("  alone: decided by one node, because redis had not answered in 20 ms; calls of redis: for each request")
	for _, f := range t.faults {
		fmt.Printf("redis %s, with 1.2 times the limit\n", f.name)
		fmt.Printf("  wait                p50 %s, p99 %s; before p50 %s, p99 %s\n", milliseconds(quantileOf(f.gone, 0.5)), milliseconds(quantileOf(f.gone, 0.99)),
			milliseconds(quantileOf(f.calm, 0.5)), milliseconds(quantileOf(f.calm, 0.99)))
		for n := range limitShares {
			shots, want := f.local(n)
			fmt.Printf("  node %d              %d of %d let through, its share of the limit has %.0f\n", n+1, admitted(shots), len(shots), want)
		}
		fmt.Printf("  back                all nodes ask redis %s after it is there again\n", milliseconds(f.returned))
	}
}
