package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceapi/sluice/job"
	jobpostgres "github.com/sluiceapi/sluice/job/postgres"
	jobsqlite "github.com/sluiceapi/sluice/job/sqlite"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

//go:embed jobs.lua
var jobsScript string

// queue is what accepts jobs and does them.
type queue struct {
	name string
	// serve starts what accepts them, work what does them.
	serve func(address string) (*process, error)
	work  func() (*process, error)
	ready string // the path that is answered with 200 once it serves
	// done is how many are done.
	done func(ctx context.Context) (int, error)
}

// Numbers of the benchmark.
const (
	sluiceWorkers = 1000
	riverWorkers  = 1000 // River's own benchmark has 2,000, on more cores
	drainLimit    = 3 * time.Minute
	countEvery    = 250 * time.Millisecond
)

// jobs measures what is accepted and what is done per second, with commits that reach the disk. The jobs themselves do
// nothing.
func jobs(ctx context.Context, args []string) error {
	flags, s := newFlags("jobs")
	if err := flags.Parse(args); err != nil {
		return err
	}
	b, err := newBench(ctx, *s)
	if err != nil {
		return err
	}
	defer b.close()
	return servers.Within(os.Stderr, func(o servers.Owner) error {
		p := servers.StartPostgres(o, servers.Options{Fsync: true, Settings: map[string]string{
			"shared_buffers": "256MB", "max_wal_size": "4GB", "wal_level": "replica",
		}})
		if b.database, err = postmasterOf(p.Folder()); err != nil {
			return err
		}
		if err := pin(b.database, b.loadCores); err != nil {
			return err
		}
		b.versions["PostgreSQL"] = p.Value("SHOW server_version")
		if b.versions[sluiceName], err = (sluice{}).prepare(ctx, b); err != nil {
			return err
		}
		queues := []*queue{}
		for _, where := range []string{"SQLite", "PostgreSQL"} {
			q, err := b.sluiceQueue(ctx, o, where, p)
			if err != nil {
				return err
			}
			queues = append(queues, q)
		}
		q, err := b.riverQueue(ctx, p)
		if err != nil {
			return err
		}
		return b.measureQueues(ctx, append(queues, q))
	})
}

func (b *bench) sluiceQueue(ctx context.Context, o servers.Owner, where string, p *servers.Postgres) (*queue, error) {
	url, file := "", b.path("jobs.db")
	var record job.Record
	var err error
	if where == "SQLite" {
		url = "sqlite:" + file
		record, err = jobsqlite.Open(ctx, file, time.Now)
	} else {
		url = p.Database("sluice_jobs")
		record, err = jobpostgres.Open(url)
	}
	if err != nil {
		return nil, err
	}
	o.Cleanup(func() { record.Close() })
	name := "sluice, " + where
	start := func(name, address, role string) (*process, error) {
		config, err := b.write(strings.ReplaceAll(name, " ", "")+".yaml", fmt.Sprintf(`sluice: 1
listen:
  http: %q
  admin: 127.0.0.1:0
observe:
  access_log: false
state:
  jobs: {url: %q, workers: %d}
endpoints:
  ready:
    route: GET /ready
    static: {body: ready}
  jobs:
    route: POST /jobs
    policies:
      - async: {}
    static: {body: done}
`, address, url, sluiceWorkers))
		if err != nil {
			return nil, err
		}
		return b.start(strings.ReplaceAll(name, " ", ""), b.serverCores, b.path(sluiceName), "run", config, "--roles", role)
	}
	return &queue{
		name: name, ready: "/ready",
		serve: func(address string) (*process, error) { return start(name, address, "api") },
		work:  func() (*process, error) { return start(name+" worker", "127.0.0.1:0", "worker") },
		done: func(ctx context.Context) (n int, err error) {
			counts, err := record.Counts(ctx)
			for _, c := range counts {
				if c.State == job.Succeeded {
					n += int(c.Jobs)
				}
			}
			return n, err
		},
	}, nil
}

func (b *bench) riverQueue(ctx context.Context, p *servers.Postgres) (*queue, error) {
	const module, name = "bench/river", "river"
	if _, err := b.goBuild(ctx, module, ".", name); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "github.com/riverqueue/river")
	cmd.Dir = filepath.Join(b.root, module)
	version, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("asking for River's version: %w", err)
	}
	b.versions[name] = strings.TrimSpace(string(version))
	url := p.Database("river_jobs")
	return &queue{
		name: "river, PostgreSQL", ready: "/ready",
		serve: func(address string) (*process, error) {
			return b.start(name, b.serverCores, b.path(name), "serve", address, url)
		},
		work: func() (*process, error) {
			return b.start(name+"worker", b.serverCores, b.path(name), "work", url, strconv.Itoa(riverWorkers))
		},
		done: func(ctx context.Context) (int, error) {
			rows, err := p.Run(ctx, "river_jobs", "SELECT count(*) FROM river_job WHERE state = 'completed'")
			if err != nil {
				return 0, err
			}
			return strconv.Atoi(rows[0][0])
		},
	}, nil
}

// measureQueues fills each queue for a while, and then has it emptied.
func (b *bench) measureQueues(ctx context.Context, queues []*queue) error {
	b.writeRivals(os.Stdout)
	script, err := b.write("jobs.lua", jobsScript)
	if err != nil {
		return err
	}
	t := table{header: []string{"durable commits", "accepted/s", "p50", "p99", "CPU per accept", "jobs", "done/s", "CPU per job"}}
	rates := map[string][2]float64{}
	for _, q := range queues {
		row, rate, err := b.measureQueue(ctx, q, script)
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		t.rows, rates[q.name] = append(t.rows, row), rate
	}
	t.writeTo(os.Stdout)
	ours, theirs := rates["sluice, PostgreSQL"], rates["river, PostgreSQL"]
	fmt.Printf("\nsluice, PostgreSQL, to river: accepts %.2f, done %.2f\n", ours[0]/theirs[0], ours[1]/theirs[1])
	return nil
}

func (b *bench) measureQueue(ctx context.Context, q *queue, script string) (row []string, rate [2]float64, err error) {
	defer b.stopAll()
	address, err := freeAddress()
	if err != nil {
		return nil, rate, err
	}
	server, err := q.serve(address)
	if err != nil {
		return nil, rate, err
	}
	if err := server.waitReady(ctx, "http://"+address+q.ready); err != nil {
		return nil, rate, err
	}
	used, err := cpuTime(server.cmd.Process.Pid)
	if err != nil {
		return nil, rate, err
	}
	l, err := b.wrk(ctx, b.duration, "http://"+address+"/jobs", script)
	if err != nil {
		return nil, rate, err
	}
	if l.errors > 0 {
		return nil, rate, fmt.Errorf("%d of %d jobs were not accepted; it printed:\n%s", l.errors, l.requests, server.lastOutput())
	}
	after, err := cpuTime(server.cmd.Process.Pid)
	if err != nil {
		return nil, rate, err
	}
	b.stopAll()
	worker, err := q.work()
	if err != nil {
		return nil, rate, err
	}
	n, perSecond, cpu, err := drain(ctx, q, worker, l.requests)
	if err != nil {
		return nil, rate, fmt.Errorf("%w; it printed:\n%s", err, worker.lastOutput())
	}
	micros := func(d time.Duration, n int) string {
		return fmt.Sprintf("%.0f µs", float64(d.Microseconds())/float64(n))
	}
	return []string{q.name, fmt.Sprintf("%.0f", l.perSecond), l.p50.String(), l.p99.String(), micros(after-used, l.requests),
		strconv.Itoa(n), fmt.Sprintf("%.0f", perSecond), micros(cpu, n)}, [2]float64{l.perSecond, perSecond}, nil
}

// drain waits until at least the jobs that were answered are done, and tells how many were done per second between the
// first look that found some done and the last.
func drain(ctx context.Context, q *queue, worker *process, most int) (n int, perSecond float64, cpu time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	var first time.Time
	before := 0
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, 0, 0, fmt.Errorf("%d of %d jobs are done: %w", n, most, ctx.Err())
		}
		if n, err = q.done(ctx); err != nil {
			return 0, 0, 0, err
		}
		now := time.Now()
		switch {
		case n > 0 && first.IsZero():
			first, before = now, n
		case n >= most:
			if n == before {
				return 0, 0, 0, errors.New("they were done before it could be seen how fast; want a longer -duration")
			}
			if cpu, err = cpuTime(worker.cmd.Process.Pid); err != nil {
				return 0, 0, 0, err
			}
			return n, float64(n-before) / now.Sub(first).Seconds(), cpu, nil
		}
	}
}
