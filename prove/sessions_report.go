package main

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// countReads adds up the reads of all nodes by target, and by target and reason.
func countReads(nodes []*node) (map[string]float64, error) {
	all := make(map[string]float64)
	for _, n := range nodes {
		c := client{address: n.admin}
		a, err := c.do(get("/metrics"))
		c.close()
		if err != nil {
			return nil, fmt.Errorf("asking for the metrics: %w", err)
		}
		for _, target := range []string{"replica", "primary"} {
			label := `target="` + target + `"`
			all[target] += sum(string(a.body), "sluice_sql_reads_total", label)
			for _, reason := range readReasons() {
				all[target+" "+reason] += sum(string(a.body), "sluice_sql_reads_total", label, `reason="`+reason+`"`)
			}
		}
	}
	return all, nil
}

func readReasons() []string {
	return []string{"no-token", "cached-lsn", "last-standing", "only-server", "strong", "primary-fallback", "not-replayed", "lost-write"}
}

func (t *sessionsTrial) total(of func(*sessionsPhase) counts) (all counts) {
	for i := range t.phases {
		c := of(&t.phases[i])
		all.served, all.failed, all.faults = all.served+c.served, all.failed+c.failed, append(all.faults, c.faults...)
		all.waits = append(all.waits, c.waits...)
	}
	return all
}

// near is how many reads replicas and the primary answered while no replica was late.
func (t *sessionsTrial) near() (replicas, primary float64) {
	for _, p := range t.phases {
		if p.near {
			replicas, primary = replicas+p.replicas, primary+p.primary
		}
	}
	return replicas, primary
}

func share(of, rest float64) string { return fmt.Sprintf("%.0f %%", 100*of/max(1, of+rest)) }

func (t *sessionsTrial) verdict() error {
	own, later := t.total(func(p *sessionsPhase) counts { return p.own }), t.total(func(p *sessionsPhase) counts { return p.later })
	control := t.total(func(p *sessionsPhase) counts { return p.control })
	errs := []error{t.written.fault("writes"), own.fault("reads of what was just written"), later.fault("later reads")}
	if control.failed == 0 {
		errs = append(errs, fmt.Errorf("of %d reads without the token none was stale, so those with it prove nothing", control.served))
	}
	if n := len(t.lost) + len(t.lostStrong); n > 0 {
		errs = append(errs, fmt.Errorf("in the end %d counters are not as they must be, among them:\n  %s", n, strings.Join(append(t.lost, t.lostStrong...)[:min(n, 5)], "\n  ")))
	}
	if own.served+own.failed < t.pairs*99/100 {
		errs = append(errs, fmt.Errorf("%d of %d pairs were made", own.served+own.failed, t.pairs))
	}
	if replicas, primary := t.near(); replicas <= primary {
		errs = append(errs, fmt.Errorf("while none was late replicas answered %.0f reads, and the primary %.0f; want most by replicas", replicas, primary))
	}
	return errors.Join(errs...)
}

func (t *sessionsTrial) print(took time.Duration) {
	own, later := t.total(func(p *sessionsPhase) counts { return p.own }), t.total(func(p *sessionsPhase) counts { return p.later })
	control := t.total(func(p *sessionsPhase) counts { return p.control })
	fmt.Printf(`
sessions: %d nodes, a primary with two replicas, %d clients, each with %d counters of its own; %s
  pairs               %d: a write on one node, and a read of it at once on another, with the token; %d reads are stale
  later reads         %d with the token, on any node; %d stale, or behind what was read before
  without the token   %d reads at once; %d stale
  writes              %d acknowledged, %d wrong; %d refused, %d of which nobody could tell; in the end %d counters lack one or have one too many
  reads by replicas   %s, and %s while none was late; %d reads were refused for the moment and asked again
  %-37s %8s %7s %8s %7s %8s %7s   %12s
`, sessionsNodes, sessionsClients, sessionCounters, seconds(took), own.served+own.failed, own.failed, later.served+later.failed, later.failed,
		control.served+control.failed, control.failed, t.written.served, t.written.failed, t.declined.Load(), t.unknown.Load(), len(t.lost)+len(t.lostStrong),
		share(t.reads["replica"], t.reads["primary"]), share(t.near()), t.again.Load(),
		"", "pairs", "stale", "later", "stale", "no token", "stale", "by replicas")
	for _, p := range t.phases {
		fmt.Printf("  %-37s %8d %7d %8d %7d %8d %7d   %12s\n", p.name, p.own.served+p.own.failed, p.own.failed, p.later.served+p.later.failed, p.later.failed,
			p.control.served+p.control.failed, p.control.failed, share(p.replicas, p.primary))
	}
	fmt.Println("  reads by where they went, and why:")
	for _, target := range []string{"replica", "primary"} {
		for _, reason := range readReasons() {
			if n := t.reads[target+" "+reason]; n > 0 {
				fmt.Printf("    %-8s %-18s %8.0f\n", target, reason, n)
			}
		}
	}
}
