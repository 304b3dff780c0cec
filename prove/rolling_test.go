package main

import (
	"errors"
	"testing"
	"time"
)

// Only what the killed node had in hand is excused.
func TestInHand(t *testing.T) {
	t.Parallel()
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	const victim = "127.0.0.1:3"
	for _, c := range []struct {
		about     string
		sent, got int
		node      string
		want      bool
	}{
		{"sent before, failed after", 5, 12, victim, true},
		{"sent while it was killed", 10, 12, victim, true},
		{"another was asked first", 5, 12, "127.0.0.1:1, " + victim, true},
		{"another was asked last", 5, 12, victim + ", 127.0.0.1:1", false},
		{"failed before", 5, 9, victim, false},
		{"sent when it was dead", 11, 12, victim, false},
		{"of another node", 5, 12, "127.0.0.1:1", false},
		{"of no node", 5, 12, "", false},
	} {
		f := failure{sent: at(c.sent), got: at(c.got), node: c.node, err: errors.New("x")}
		if got := f.inHand(victim, at(10), at(11)); got != c.want {
			t.Errorf("%s: %v, want %v", c.about, got, c.want)
		}
	}
}

func TestRollingVerdict(t *testing.T) {
	t.Parallel()
	good := func() *rollingTrial {
		r := &rollingTrial{load: &rollingLoad{orders: 1, ids: []string{"a"}}, jobs: jobsFate{ended: 1, reports: 1}}
		r.restarted.served, r.reloaded.served = 1, 1
		return r
	}
	if err := good().verdict(); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for about, spoil := range map[string]func(*rollingTrial){
		"a failed request":        func(r *rollingTrial) { r.reloaded.failed = 1 },
		"too many in hand":        func(r *rollingTrial) { r.inHand = 99 },
		"a lost job":              func(r *rollingTrial) { r.jobs.ended, r.jobs.lost = 0, 1 },
		"a job without a report":  func(r *rollingTrial) { r.jobs.reports = 0 },
		"no orders were made":     func(r *rollingTrial) { r.load.orders = 0 },
		"no load during restarts": func(r *rollingTrial) { r.restarted.served = 0 },
	} {
		r := good()
		spoil(r)
		if r.verdict() == nil {
			t.Errorf("%s is not found", about)
		}
	}
}
