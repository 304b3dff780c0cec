package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// failoverTrial is the claim that servers may go: replicas, and primaries that are replaced, while clients read and write.
type failoverTrial struct {
	load   *dataLoad
	pg     *servers.Cluster
	phases []dataPhase
	falls  []*fall
	found  onceCounts
}

// Numbers of the claim.
const (
	failoverNodes  = 2
	failoverItems  = 200
	resumeLimit    = 5 * time.Second        // from the promotion to the next acknowledged write
	promotionDelay = 500 * time.Millisecond // how long whoever promotes needs to find out
	phaseSpan      = 2 * time.Second
	frozenSpan     = 5 * time.Second
	resumeWait     = 20 * time.Second
)

// fall is a primary that goes, and another that is promoted.
type fall struct {
	how           string
	old, next     *servers.Postgres
	promoted      time.Time
	resumed, away time.Duration // from the promotion to the first write, and from the last write before
	// What came to the old primary once it was back: rows that the new one has not, of these those that were acknowledged
	// or sent after the promotion, rows that were written after it was back, and looks at the table that is read.
	strays, told, late, written, read int
}

func failover(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("prove failover", flag.ContinueOnError)
	if err := flags.Parse(args); err != nil {
		return err
	}
	s, err := newStage(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	t := &failoverTrial{}
	err = servers.Within(os.Stderr, func(o servers.Owner) error {
		progress("starting a primary with two replicas")
		t.pg = servers.StartCluster(o, servers.Options{}, 2)
		began := time.Now()
		if err := t.run(ctx, s); err != nil {
			return err
		}
		t.print(time.Since(began))
		return nil
	})
	if err != nil {
		return err
	}
	return t.verdict()
}

// run goes through everything that can befall the servers. Commits wait for one replica, which is the one that is
// promoted: so nothing that was acknowledged may be lost.
func (t *failoverTrial) run(ctx context.Context, s *stage) (err error) {
	first, r1, r2 := t.pg.Primary, t.pg.Replicas[0], t.pg.Replicas[1]
	first.Exec("CREATE TABLE writes (id bigint NOT NULL, step int NOT NULL)", // nothing there keeps a write from being made twice
		"CREATE TABLE items (id bigint PRIMARY KEY, name text NOT NULL)",
		fmt.Sprintf("INSERT INTO items SELECT n, 'item ' || n FROM generate_series(0, %d) AS n", failoverItems-1))
	await(first, r1)
	t.pg.Sync()
	if t.load, err = startLoad(ctx, s, t.pg.URL("postgres")); err != nil {
		return err
	}
	defer t.load.stop()
	span := func(d time.Duration) error {
		if !rest(ctx, d) {
			return ctx.Err()
		}
		return nil
	}
	phases := []struct {
		name string
		run  func() error
	}{
		{"all is well", func() error { return span(phaseSpan) }},
		{"a replica is killed", func() error { r2.Kill(); return span(phaseSpan) }},
		{"it comes back", func() error { r2.Restart(); return span(phaseSpan) }},
		{"a replica is frozen", func() error { r2.Freeze(); return span(frozenSpan) }},
		{"it thaws", func() error { r2.Thaw(); return span(phaseSpan) }},
		{"the primary is killed", func() error { return t.fall(ctx, "killed", first, r1, first.Kill) }},
		{"the old one is back", func() error { return t.back(ctx, first.Restart) }},
		{"a new replica", func() error { r2.Rejoin(r1, "r2"); await(r1, r2); return span(phaseSpan) }},
		{"the primary is frozen", func() error { return t.fall(ctx, "frozen", r1, r2, r1.Freeze) }},
		{"the old one thaws", func() error { return t.back(ctx, r1.Thaw) }},
	}
	for _, p := range phases {
		progress(p.name)
		if err := p.run(); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		t.phases = append(t.phases, t.load.phase(p.name))
	}
	t.load.stop()
	t.found = t.load.ledger.count(idsOf(r2))
	return nil
}

// await has commits wait for a standby.
func await(primary, standby *servers.Postgres) {
	primary.Set("synchronous_standby_names", "'"+standby.Name()+"'")
}

// fall has a primary go, and promotes another after a while, as those who watch it would.
func (t *failoverTrial) fall(ctx context.Context, how string, old, next *servers.Postgres, goes func()) error {
	f := &fall{how: how, old: old, next: next}
	t.falls = append(t.falls, f)
	goes()
	if !rest(ctx, promotionDelay) {
		return ctx.Err()
	}
	t.load.ledger.lookFrom()
	f.promoted = time.Now()
	next.Promote()
	for end := time.Now().Add(resumeWait); ; {
		var ok bool
		if f.resumed, f.away, ok = t.load.ledger.resumed(); ok {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("no write was acknowledged within %s of the promotion; the last lines of a node:\n%s", seconds(resumeWait), t.load.nodes[0].log.last(12))
		}
		if !rest(ctx, 5*time.Millisecond) {
			return ctx.Err()
		}
	}
	if !rest(ctx, phaseSpan) {
		return ctx.Err()
	}
	return nil
}

// back has an old primary come back as it was. It must get no writes and no reads. What it was sent before it stood still
// is in its buffers, and may be done when it thaws: nobody was told that it was.
func (t *failoverTrial) back(ctx context.Context, comes func()) error {
	f := t.falls[len(t.falls)-1]
	comes()
	if !rest(ctx, time.Second) {
		return ctx.Err()
	}
	written, read := use(f.old)
	if !rest(ctx, phaseSpan) {
		return ctx.Err()
	}
	writtenAfter, readAfter := use(f.old)
	f.written, f.read = writtenAfter-written, readAfter-read
	strays := idsOf(f.old)
	f.old.Kill()
	for id := range idsOf(f.next) {
		delete(strays, id)
	}
	f.strays = len(strays)
	f.told, f.late = t.load.ledger.strays(strays, f.promoted)
	return nil
}

func (t *failoverTrial) verdict() error {
	var errs []error
	for _, p := range t.phases {
		errs = append(errs, p.reads.fault("reads while "+p.name), p.writes.fault("writes while "+p.name))
		if p.reads.served == 0 || p.writes.served == 0 {
			errs = append(errs, fmt.Errorf("%s: %d reads and %d writes; want some", p.name, p.reads.served, p.writes.served))
		}
	}
	for _, f := range t.falls {
		if f.resumed > resumeLimit {
			errs = append(errs, fmt.Errorf("a primary was %s: writes resumed %s after the promotion; want at most %s", f.how, seconds(f.resumed), seconds(resumeLimit)))
		}
		if f.told+f.late+f.written+f.read > 0 {
			errs = append(errs, fmt.Errorf("the old primary that was %s has %d acknowledged writes that the new one has not, %d that were sent after the promotion, "+
				"and got %d writes and %d reads when it was back; want none", f.how, f.told, f.late, f.written, f.read))
		}
	}
	return errors.Join(append(errs, t.found.verdict())...)
}

func (t *failoverTrial) print(took time.Duration) {
	fmt.Printf(`
failover: %d nodes, a primary with two replicas, %d clients that write and %d that read; %s
  %-22s %8s %7s %9s %9s   %8s %8s %8s %9s
`, failoverNodes, dataWriters, dataReaders, seconds(took), "", "reads", "failed", "p99", "longest", "writes", "refused", "unknown", "longest")
	for _, p := range t.phases {
		fmt.Printf("  %-22s %8d %7d %9s %9s   %8d %8d %8d %9s\n", p.name, p.reads.served, p.reads.failed, milliseconds(p.reads.quantile(0.99)), milliseconds(p.reads.quantile(1)),
			p.writes.served, p.refused, p.unknown, milliseconds(p.writes.quantile(1)))
	}
	for _, f := range t.falls {
		fmt.Printf("  primary %s: writes go on %s after the promotion, without one for %s\n", f.how, seconds(f.resumed), seconds(f.away))
		fmt.Printf("  back on its timeline: %d writes and %d reads came to it; it has %d rows that the new one has not, of them acknowledged %d, sent after the promotion %d\n",
			f.written, f.read, f.strays, f.told, f.late)
	}
	c := t.found
	fmt.Printf(`  writes in the end   %d acknowledged, of them lost %d; %d refused, of them there %d; %d unknown, of them there %d; there twice %d
`, c.acknowledged, c.lost, c.refused, c.untold, c.unknown, c.unknownThere, c.twice)
}
