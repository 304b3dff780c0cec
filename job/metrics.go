package job

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/sluiceapi/sluice"
)

// levels are the numbers of jobs, as they were a moment ago.
type levels struct {
	record Record

	mu     sync.Mutex // guards what follows, also while the record is asked
	asked  time.Time
	counts map[Count]Count // by endpoint and state
	err    error
}

// The numbers are asked for when metrics are collected, all at once, but no more often than each levelsFresh.
const (
	levelsFresh = time.Second
	levelsTime  = time.Second
)

// of is the count of an endpoint's jobs in a state; it is not there when the record cannot be asked.
func (l *levels) of(endpoint string, s State) (c Count, found bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.asked) > levelsFresh {
		ctx, cancel := context.WithTimeout(context.Background(), levelsTime)
		defer cancel()
		counts, err := l.record.Counts(ctx)
		l.asked, l.err, l.counts = time.Now(), err, map[Count]Count{}
		for _, c := range counts {
			l.counts[Count{Endpoint: c.Endpoint, State: c.State}] = c
		}
	}
	return l.counts[Count{Endpoint: endpoint, State: s}], l.err == nil
}

// gauge has the count of an endpoint's jobs in a state collected. All nodes that share a record tell the same.
func (l *levels) gauge(m sluice.Metrics, name, help, endpoint string, s State, read func(Count) float64) {
	m.Gauge(name, help, func() float64 {
		c, found := l.of(endpoint, s)
		if !found {
			return math.NaN()
		}
		return read(c)
	}, sluice.Label{Name: "endpoint", Value: endpoint})
}

// measure makes the series of an endpoint whose exchanges become jobs.
func (l *line) measure(m sluice.Metrics, k *Keeper) {
	endpoint := l.ep.Name
	label := sluice.Label{Name: "endpoint", Value: endpoint}
	l.waits = m.Histogram("sluice_job_wait_seconds", "Time from when a job was due to its attempt", label)
	l.runs = m.Histogram("sluice_job_run_seconds", "Time of attempts at jobs", label)
	l.ends = map[string]sluice.Counter{}
	for _, outcome := range []string{string(Succeeded), string(Failed), string(Cancelled), string(Dead), "retry", "given_back", "lost"} {
		l.ends[outcome] = m.Counter("sluice_job_attempts_total", "Total attempts at jobs by how they ended", label, sluice.Label{Name: "outcome", Value: outcome})
	}
	if k == nil {
		return
	}
	jobs := func(c Count) float64 { return float64(c.Jobs) }
	k.levels.gauge(m, "sluice_jobs_ready", "Jobs that wait to be worked on, on all nodes", endpoint, Ready, jobs)
	k.levels.gauge(m, "sluice_jobs_running", "Jobs that are worked on, on all nodes", endpoint, Running, jobs)
	k.levels.gauge(m, "sluice_jobs_dead", "Jobs that were given up, on all nodes", endpoint, Dead, jobs)
	k.levels.gauge(m, "sluice_jobs_oldest_ready_seconds", "How long the job that has been due longest has been so; zero for the endpoints of others",
		endpoint, Ready, func(c Count) float64 { return c.Oldest.Seconds() })
}

// tally counts what happens to hints and leases.
type tally struct {
	published, unpublished, claimed, late sluice.Counter
	expired, lost                         sluice.Counter
}

func newTally(m sluice.Metrics) tally {
	hints := func(outcome string) sluice.Counter {
		return m.Counter("sluice_job_hints_total", "Total hints by what became of them", sluice.Label{Name: "outcome", Value: outcome})
	}
	return tally{published: hints("published"), unpublished: hints("lost"), claimed: hints("claimed"), late: hints("late"),
		expired: m.Counter("sluice_job_leases_expired_total", "Total leases that ran out, and were taken back by this process"),
		lost:    m.Counter("sluice_job_leases_lost_total", "Total attempts of this process whose lease was lost, so that what came of them was dropped")}
}
