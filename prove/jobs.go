package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// jobsTrial is the claim that every request that was answered with 202 ends exactly once, whatever befalls the processes.
type jobsTrial struct {
	stage    *stage
	jobs     int
	apis     []*jobsNode
	workers  []*jobsNode
	effects  *effects
	ledger   *jobsLedger
	postgres *servers.Postgres
	rabbit   *servers.RabbitMQ

	span    time.Duration  // in which the jobs are ordered
	ordered atomic.Bool    // all jobs are accepted
	befell  map[string]int // what was done to whom, and how often
	refused atomic.Int64   // requests that were not answered with 202, and sent again
	changed int            // jobs that were not afterwards what they were when they were over
}

// jobsNode is a place for a process, which is started there again and again.
type jobsNode struct {
	name    string
	config  string
	address string
	flags   []string
	*node
}

// Numbers of the claim.
const (
	jobsAPIs      = 2
	jobsWorkers   = 3
	jobsClients   = 16
	jobsLease     = 5 * time.Second
	jobsFrozen    = jobsLease + 4*time.Second // longer than a lease
	jobsPause     = 700 * time.Millisecond    // between what befalls the processes
	jobsLongest   = 10 * time.Minute
	jobsSettled   = 2 * jobsLease // after the last end, for what comes late
	jobsAttempts  = 100
	jobsHTTPLimit = 10 * time.Second
)

func proveJobs(ctx context.Context, args []string) error {
	t := &jobsTrial{befell: map[string]int{}}
	flags := flag.NewFlagSet("prove jobs", flag.ContinueOnError)
	flags.IntVar(&t.jobs, "jobs", 20_000, "how many jobs")
	flags.DurationVar(&t.span, "span", 40*time.Second, "the time in which they are ordered")
	onPostgres := flags.Bool("postgres", false, "keep jobs in PostgreSQL and ring by RabbitMQ, instead of SQLite and polling")
	unfenced := flags.Bool("unfenced", false, "take the fence out of the record, so that what comes late is recorded, and want this to be found")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, jobsLongest)
	defer cancel()
	build := newStage
	if *unfenced {
		build = newUnfencedStage
	}
	s, err := build(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	t.stage = s
	err = servers.Within(os.Stderr, func(o servers.Owner) error {
		state := fmt.Sprintf("jobs: {url: %q, lease: %s}", "sqlite:"+s.dir+"/jobs.db", jobsLease)
		if *onPostgres {
			progress("starting PostgreSQL and RabbitMQ")
			t.postgres = servers.StartPostgres(o, servers.Options{Fsync: true})
			t.rabbit = servers.StartRabbitMQ(o, servers.RabbitMQOptions{})
			state = fmt.Sprintf("jobs: {url: %q, lease: %s}\n  bell: {url: %q}", t.postgres.URL("postgres"), jobsLease, t.rabbit.URL())
		}
		began := time.Now()
		if err := t.run(ctx, state); err != nil {
			return err
		}
		t.print(time.Since(began))
		return nil
	})
	if err != nil {
		return err
	}
	err = t.verdict()
	if !*unfenced {
		return err
	}
	if err == nil {
		return errors.New("the fence was taken out, and nothing was found: the check does not see what it is for")
	}
	fmt.Println("without the fence it does not hold, as it must be:", err)
	return nil
}

func (t *jobsTrial) run(ctx context.Context, state string) (err error) {
	t.effects, err = startEffects()
	if err != nil {
		return err
	}
	defer t.effects.close()
	t.ledger = newJobsLedger(t.jobs)
	for i := range jobsAPIs + jobsWorkers {
		n := &jobsNode{name: fmt.Sprintf("api%d", i), flags: []string{"--roles", "api"}}
		if i >= jobsAPIs {
			n.name, n.flags = fmt.Sprintf("worker%d", i-jobsAPIs), []string{"--roles", "worker"}
		}
		if n.address, err = freeAddress(); err != nil {
			return err
		}
		if n.config, err = t.stage.write(n.name+".yaml", t.config(state, n)); err != nil {
			return err
		}
		if err := t.start(ctx, n); err != nil {
			return err
		}
		if i < jobsAPIs {
			t.apis = append(t.apis, n)
		} else {
			t.workers = append(t.workers, n)
		}
	}
	progress(fmt.Sprintf("%d jobs, while processes are killed and frozen", t.jobs))
	var clients sync.WaitGroup
	numbers := make(chan int)
	for range jobsClients {
		clients.Go(func() { t.order(ctx, numbers) })
	}
	harm, stop := context.WithCancel(ctx)
	defer stop()
	harmed := make(chan error, 1)
	go func() { harmed <- t.harm(ctx, harm.Done()) }()
	watched := make(chan error, 1)
	go func() { watched <- t.watch(ctx, t.ledger.unfinished, t.ledger.ended) }()
	began := time.Now()
	for i := range t.jobs {
		rest(ctx, time.Until(began.Add(t.span*time.Duration(i)/time.Duration(t.jobs))))
		select {
		case numbers <- i:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d jobs were ordered: %w", i, t.jobs, ctx.Err())
		}
	}
	close(numbers)
	clients.Wait()
	t.ordered.Store(true)
	progress("all are accepted; waiting for them to end")
	err = <-watched
	stop()
	if err != nil {
		return errors.Join(err, <-harmed)
	}
	if err := <-harmed; err != nil {
		return err
	}
	progress("all have ended; looking at them again after what could come late")
	if !rest(ctx, jobsSettled) {
		return ctx.Err()
	}
	return t.watch(ctx, t.ledger.all, func(n int, j jobSeen) bool {
		if !t.ledger.same(n, j) {
			t.changed++
		}
		return true
	})
}

// config is that of a node. A worker tells who it is by the path of what it asks for.
func (t *jobsTrial) config(state string, n *jobsNode) string {
	return fmt.Sprintf(`sluice: 1
listen:
  http: %q
  admin: 127.0.0.1:0
state:
  %s
backends:
  effects:
    http:
      urls: ["http://%s"]
endpoints:
  work:
    route: POST /work/{n}
    policies:
      - async: {attempts: %d, backoff: {base: 100ms, cap: 2s}, timeout: 1m}
    http:
      backend: effects
      path: /effect/%s
`, n.address, state, t.effects.address, jobsAttempts, n.name)
}

func (t *jobsTrial) start(ctx context.Context, n *jobsNode) (err error) {
	n.node, err = t.stage.start(ctx, n.config, n.flags...)
	if err != nil {
		return fmt.Errorf("%s: %w", n.name, err)
	}
	return nil
}

// order has jobs made, each with a key, and asks for as long as it takes until it is answered with 202.
func (t *jobsTrial) order(ctx context.Context, numbers <-chan int) {
	ask := newAsker()
	for n := range numbers {
		for try := 0; ctx.Err() == nil; try++ {
			id, err := ask.order(ctx, t.apis[(n+try)%len(t.apis)].address, n)
			if err == nil {
				t.ledger.accepted(n, id)
				// Some are sent again though they were accepted: the key must give the same job.
				if n%50 != 0 || try > 0 {
					break
				}
				continue
			}
			t.refused.Add(1)
			rest(ctx, 20*time.Millisecond)
		}
	}
}

// harm does something to a process each time, in turn, until enough.
func (t *jobsTrial) harm(ctx context.Context, enough <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var frozen chan error // answers when the last worker, which is never killed, has thawed
	thawed := func() error {
		if frozen == nil {
			return nil
		}
		return <-frozen
	}
	for turn := 0; ; turn++ {
		select {
		case <-enough:
			return thawed()
		case <-time.After(jobsPause):
		}
		w, a := t.workers[turn/3%(jobsWorkers-1)], t.apis[turn/6%len(t.apis)]
		var err error
		switch turn % 6 {
		case 0, 3:
			t.befell["a worker killed"]++
			t.effects.harmed(w.name, time.Now())
			w.kill()
			err = t.start(ctx, w)
		case 1:
			t.befell["an API node killed"]++
			a.kill()
			err = t.start(ctx, a)
		case 2:
			if err = thawed(); err == nil {
				frozen = make(chan error, 1)
				t.befell["a worker frozen"]++
				go func() { frozen <- t.freeze(ctx, t.workers[jobsWorkers-1]) }()
			}
		case 4:
			if t.postgres != nil {
				t.befell["PostgreSQL killed"]++
				t.postgres.Kill()
				rest(ctx, time.Second)
				t.postgres.Restart()
			}
		case 5:
			if t.rabbit != nil && turn%12 == 5 {
				t.befell["RabbitMQ restarted"]++
				t.rabbit.Restart()
			} else if t.rabbit != nil {
				t.befell["RabbitMQ emptied"]++
				t.rabbit.Empty()
			}
		}
		if err != nil {
			return errors.Join(err, thawed())
		}
	}
}

// freeze has a worker stand still for longer than its leases last: others take its jobs over, and it comes late.
func (t *jobsTrial) freeze(ctx context.Context, w *jobsNode) error {
	began := time.Now()
	if err := w.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	rest(ctx, jobsFrozen)
	t.effects.frozen(w.name, began, time.Now())
	return w.signal(syscall.SIGCONT)
}

// watch asks for jobs until each was taken.
func (t *jobsTrial) watch(ctx context.Context, left func() []int, take func(int, jobSeen) bool) error {
	for {
		ordered := t.ordered.Load()
		numbers := left()
		if len(numbers) == 0 && ordered {
			return nil
		}
		queue := make(chan int)
		var mu sync.Mutex
		var askers sync.WaitGroup
		missing := 0
		for range jobsClients {
			askers.Go(func() {
				ask := newAsker()
				for n := range queue {
					seen, found := ask.look(ctx, t.apis, t.ledger.id(n))
					mu.Lock()
					if !found || !take(n, seen) {
						missing++
					}
					mu.Unlock()
				}
			})
		}
		for _, n := range numbers {
			queue <- n
		}
		close(queue)
		askers.Wait()
		if missing == 0 && ordered {
			return nil
		}
		if !rest(ctx, 200*time.Millisecond) {
			return fmt.Errorf("%d of %d jobs have not ended: %w; the last lines of a worker:\n%s", missing, t.jobs, ctx.Err(), t.workers[0].log.last(10))
		}
	}
}
