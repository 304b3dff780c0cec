package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// jobsFate is what became of jobs.
type jobsFate struct {
	ended, lost, other int
	first              string // of those that did not end well, and how
	reports            int    // that jobs have made
}

// settle looks at every job that was accepted until it is over, and counts the reports that they have made.
func (t *rollingTrial) settle(ctx context.Context) error {
	c := client{address: t.stack.Nginx.Address()}
	defer c.close()
	for _, id := range t.load.ids {
		seen, err := t.end(ctx, &c, id)
		if err != nil {
			return err
		}
		switch seen {
		case "succeeded":
			t.jobs.ended++
			continue
		case "lost":
			t.jobs.lost++
		default:
			t.jobs.other++
		}
		if t.jobs.first == "" {
			t.jobs.first = id + " is " + seen
		}
	}
	made := map[string]bool{}
	rows, err := t.stack.Fleet.Catalog.Run(ctx, "shop", "SELECT id FROM reports")
	if err != nil {
		return err
	}
	for _, row := range rows {
		made[row[0]] = true
	}
	for _, id := range t.load.ids {
		if made[id] {
			t.jobs.reports++
		}
	}
	return nil
}

// end waits for the end of a job, and tells how it is then.
func (t *rollingTrial) end(ctx context.Context, c *client, id string) (status string, err error) {
	for late := time.Now().Add(2 * time.Minute); ; {
		a, err := c.do(request{"GET", fmt.Appendf(nil, "GET /_jobs/%s HTTP/1.1\r\nHost: prove\r\nPrefer: wait=5\r\n\r\n", id)})
		if err != nil {
			return "", fmt.Errorf("asking for the job %s: %w", id, err)
		}
		seen := jobSeen{status: "lost"}
		if a.status != 404 {
			var told struct{ Status string }
			if err := json.Unmarshal(a.body, &told); err != nil || a.status != 200 {
				return "", fmt.Errorf("asking for the job %s: status %d: %.200s", id, a.status, a.body)
			}
			seen.status = told.Status
		}
		if seen.final() || seen.status == "lost" || time.Now().After(late) {
			return seen.status, nil
		}
		if !rest(ctx, 20*time.Millisecond) {
			return "", ctx.Err()
		}
	}
}

func (t *rollingTrial) print(took time.Duration) {
	row := func(name string, c counts) {
		fmt.Printf("  %-34s %8d %8d %10s %10s\n", name, c.served, c.failed, milliseconds(c.quantile(0.5)), milliseconds(c.quantile(0.99)))
	}
	fmt.Printf("\n3 nodes behind nginx, %d clients of %d sorts, %s\n\n  %-34s %8s %8s %10s %10s\n", len(t.load.roles()), len(t.load.roles())/rollingEach, seconds(took),
		"requests", "served", "failed", "p50", "p99")
	row("before", t.calm)
	how := "SIGTERM"
	if t.abrupt {
		how = "SIGKILL"
	}
	row(fmt.Sprintf("%d rolling restarts, by %s", t.restarts, how), t.restarted)
	row(fmt.Sprintf("%d reloads of all nodes", t.reloads), t.reloaded)
	row("a node killed, and started again", t.killed)
	fmt.Printf("\n  %-34s %d\n  %-34s %s\n", "failed with the killed node", t.inHand, "the longest restart of a node", seconds(t.longest))
	fmt.Printf("  %-34s %d\n  %-34s %d accepted, %d succeeded, %d lost, %d ended otherwise, %d reports\n\n",
		"orders placed", t.load.orders, "jobs", len(t.load.ids), t.jobs.ended, t.jobs.lost, t.jobs.other, t.jobs.reports)
}

func (t *rollingTrial) verdict() error {
	errs := []error{t.calm.fault("before"), t.restarted.fault("during the restarts"), t.reloaded.fault("during the reloads"),
		t.killed.fault("when a node was killed, beside what it had in hand"), t.after.fault("at the end")}
	// Each client has one request under way.
	if most := len(t.load.roles()); t.inHand > most {
		errs = append(errs, fmt.Errorf("%d requests failed with the killed node; %d clients cannot have had more than one each there", t.inHand, most))
	}
	if n := len(t.load.ids); t.jobs.ended != n {
		errs = append(errs, fmt.Errorf("of %d jobs %d are lost and %d did not end well: %s", n, t.jobs.lost, t.jobs.other, t.jobs.first))
	} else if t.jobs.reports != n {
		errs = append(errs, fmt.Errorf("%d jobs have made %d reports", n, t.jobs.reports))
	}
	for name, n := range map[string]int{"orders": t.load.orders, "jobs": len(t.load.ids), "restarts": t.restarted.served, "reloads": t.reloaded.served} {
		if n == 0 {
			errs = append(errs, fmt.Errorf("nothing was proved of %s: there were none", name))
		}
	}
	return errors.Join(errs...)
}
