package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"

	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// sessionsTrial is the claim that callers see their own writes on any node, and that none is lost, while replicas lag,
// stand still and go, and the primary is replaced.
type sessionsTrial struct {
	stage    *stage
	nodes    []*node
	pg       *servers.Cluster
	sessions []*session
	pairs    int // to be made

	begun                       atomic.Int64 // pairs
	writes, own, later, control *tally       // of which those that fail are stale, or worse
	declined, unknown, again    atomic.Int64 // writes, and reads that were refused
	phases                      []sessionsPhase
	written                     counts
	lost, lostStrong            []string
	reads                       map[string]float64 // by target and reason
}

// sessionsPhase is what was seen while something was the matter.
type sessionsPhase struct {
	name                string
	near                bool // the replicas that are there are not late
	own, later, control counts
	replicas, primary   float64
}

// Numbers of the claim.
const (
	sessionsNodes   = 3
	sessionsClients = 64
	sessionCounters = 8 // of each client
	sessionsLater   = 3 // reads after a while, for each pair
	sessionsPause   = 50 * time.Millisecond
	controlEvery    = 5 // pairs of which one is read without the token
	sessionsLimit   = 3 * time.Minute
)

const sessionsConfig = `sluice: 1
listen: {http: "127.0.0.1:0", admin: "127.0.0.1:0"}
state:
  keys: ["0123456789abcdef0123456789abcdef0123456789abcdef"]
observe: {access_log: false}
backends:
  data:
    sql:
      url: "%s"
endpoints:
  write:
    route: POST /counters/{id}
    input: {id: {type: integer}}
    sql:
      query: UPDATE counters SET n = n + 1 WHERE id = $id RETURNING n
      returns: one
  read:
    route: GET /counters/{id}
    input: {id: {type: integer}}
    sql:
      query: SELECT n FROM counters WHERE id = $id
      returns: one
  all:
    route: GET /counters
    sql:
      query: SELECT id, n FROM counters
      consistency: strong
`

func sessions(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("prove sessions", flag.ContinueOnError)
	pairs := flags.Int("pairs", 50_000, "writes that are read at once on another node")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s, err := newStage(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	t := &sessionsTrial{stage: s, pairs: *pairs, writes: newTally(), own: newTally(), later: newTally(), control: newTally()}
	err = servers.Within(os.Stderr, func(o servers.Owner) error {
		progress("starting a primary with two replicas")
		t.pg = servers.StartCluster(o, servers.Options{}, 2)
		began := time.Now()
		if err := t.run(ctx); err != nil {
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

// run has the clients write and read while the servers go through all that can befall them. Commits wait until one
// replica has them, not until it shows them: that one is promoted.
func (t *sessionsTrial) run(ctx context.Context) error {
	first, r1, r2 := t.pg.Primary, t.pg.Replicas[0], t.pg.Replicas[1]
	first.Exec("CREATE TABLE counters (id bigint PRIMARY KEY, n bigint NOT NULL)",
		fmt.Sprintf("INSERT INTO counters SELECT n, 0 FROM generate_series(0, %d) AS n", sessionsClients*sessionCounters-1))
	await(first, r1)
	t.pg.Sync()
	path, err := t.stage.write("sessions.yaml", fmt.Sprintf(sessionsConfig, t.pg.URL("postgres")))
	if err != nil {
		return err
	}
	for range sessionsNodes {
		n, err := t.stage.start(ctx, path)
		if err != nil {
			return err
		}
		t.nodes = append(t.nodes, n)
	}
	clientsCtx, cancel := context.WithTimeout(ctx, sessionsLimit)
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel()
	for i := range sessionsClients {
		s := &session{first: i * sessionCounters, counters: make([]bounds, sessionCounters)}
		t.sessions = append(t.sessions, s)
		clients.Go(func() { t.live(clientsCtx, s) })
	}
	delays := func(ms1, ms2 int) error {
		r1.Set("recovery_min_apply_delay", fmt.Sprint(ms1))
		r2.Set("recovery_min_apply_delay", fmt.Sprint(ms2))
		return nil
	}
	nothing := func() error { return nil }
	for _, p := range []struct {
		name  string
		until float64 // of all pairs
		near  bool
		begin func() error
	}{
		{"no lag", 0.3, true, nothing},
		{"lag of 20 ms and 300 ms", 0.42, false, func() error { return delays(20, 300) }},
		{"one paused", 0.48, false, func() error { r2.Pause(); return nil }},
		{"both paused", 0.52, false, func() error { r1.Pause(); return nil }},
		{"no lag again", 0.65, true, func() error { r1.Resume(); r2.Resume(); return delays(0, 0) }},
		{"one replica killed", 0.7, true, func() error { r2.Kill(); return nil }},
		{"it is back", 0.75, true, func() error { r2.Restart(); return nil }},
		{"the primary replaced", 0.79, false, func() error { return t.replace(clientsCtx, first, r1) }},
		{"a new replica", 0.92, false, func() error { r2.Rejoin(r1, "r2"); return nil }},
		{"it is late, and the old primary back", 1, false, func() error {
			first.Restart()
			r2.Set("recovery_min_apply_delay", "100")
			return nil
		}},
	} {
		progress(p.name)
		before, err := countReads(t.nodes)
		if err != nil {
			return err
		}
		if err := p.begin(); err != nil {
			return err
		}
		if err := t.wait(clientsCtx, int64(p.until*float64(t.pairs))); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		after, err := countReads(t.nodes)
		if err != nil {
			return err
		}
		t.phases = append(t.phases, sessionsPhase{p.name, p.near, t.own.take(), t.later.take(), t.control.take(),
			after["replica"] - before["replica"], after["primary"] - before["primary"]})
		t.reads = after
	}
	clients.Wait()
	t.written = t.writes.take()
	return t.compare(r1)
}

// replace kills the primary, and promotes a replica after a while.
func (t *sessionsTrial) replace(ctx context.Context, old, next *servers.Postgres) error {
	old.Kill()
	if !rest(ctx, promotionDelay) {
		return ctx.Err()
	}
	next.Promote()
	return nil
}

// wait waits until so many pairs were begun.
func (t *sessionsTrial) wait(ctx context.Context, pairs int64) error {
	for t.begun.Load() < pairs {
		if !rest(ctx, 10*time.Millisecond) {
			return fmt.Errorf("%w after %d of %d pairs; the last lines of a node:\n%s", ctx.Err(), t.begun.Load(), t.pairs, t.nodes[0].log.last(8))
		}
	}
	return nil
}

// live is the life of a client: it writes a counter of its own on one node, reads it at once on another, and reads others
// after a while.
func (t *sessionsTrial) live(ctx context.Context, s *session) {
	clients := clientsOf(t.nodes)
	defer closeAll(clients)
	for n := 0; ctx.Err() == nil; {
		counter := rand.IntN(len(s.counters))
		at := rand.IntN(len(clients))
		if !t.write(&clients[at], s, counter) {
			rest(ctx, sessionsPause)
			continue
		}
		next := &clients[(at+1+rand.IntN(len(clients)-1))%len(clients)]
		if n++; n%controlEvery == 0 {
			t.read(ctx, next, s, counter, t.control, "")
			continue
		}
		if t.begun.Add(1) > int64(t.pairs) {
			return
		}
		t.read(ctx, next, s, counter, t.own, s.token)
		rest(ctx, time.Duration(float64(sessionsPause)*(0.5+rand.Float64())))
		for range sessionsLater {
			t.read(ctx, &clients[rand.IntN(len(clients))], s, rand.IntN(len(s.counters)), t.later, s.token)
		}
	}
}

// write tells whether the write was acknowledged.
func (t *sessionsTrial) write(c *client, s *session, counter int) bool {
	began := time.Now()
	a, err := c.do(s.request("POST", counter, s.token))
	o, err := outcomeOf(a, err)
	number := 0
	if err == nil && o == acknowledged {
		number, err = counterOf(a)
	}
	s.keep(a)
	if err == nil {
		err = s.counters[counter].write(o, number)
	}
	switch {
	case err != nil:
		t.writes.add(0, false, fmt.Errorf("counter %d: %w", s.id(counter), err))
	case o == declined:
		t.declined.Add(1)
	case o == unknown:
		t.unknown.Add(1)
	default:
		t.writes.add(time.Since(began), false, nil)
	}
	return err == nil && o == acknowledged
}

// read reads a counter, again when that is refused for the moment. Without the token nothing is promised, and nothing taken in.
func (t *sessionsTrial) read(ctx context.Context, c *client, s *session, counter int, in *tally, token string) {
	for {
		began := time.Now()
		a, err := c.do(s.request("GET", counter, token))
		if err == nil && a.status == 503 && a.header.Get("Retry-After") != "" {
			t.again.Add(1)
			if rest(ctx, sessionsPause) {
				continue
			}
			return
		}
		number := 0
		if err == nil {
			number, err = counterOf(a)
		}
		b := &s.counters[counter]
		switch {
		case err != nil:
		case token == "":
			err = b.check(number)
		case a.header.Get("Consistency-Lost") != "":
			err = errors.New("the answer says that a write is lost")
		default:
			s.keep(a)
			err = b.read(number)
		}
		if err != nil {
			err = fmt.Errorf("counter %d: %w", s.id(counter), err)
		}
		in.add(time.Since(began), false, err)
		return
	}
}

// compare looks at all counters in the end: on the primary, and through each node.
func (t *sessionsTrial) compare(primary *servers.Postgres) error {
	look := func(into *[]string, id, n int) {
		s := t.sessions[id/sessionCounters]
		if err := s.counters[id%sessionCounters].check(n); err != nil {
			*into = append(*into, fmt.Sprintf("counter %d is %v", id, err))
		}
	}
	rows := primary.Rows("postgres", "SELECT id, n FROM counters")
	for _, row := range rows {
		var id, n int
		if _, err := fmt.Sscan(row[0]+" "+row[1], &id, &n); err != nil {
			return err
		}
		look(&t.lost, id, n)
	}
	for _, node := range t.nodes {
		c := client{address: node.http}
		a, err := c.do(get("/counters"))
		if err != nil {
			return err
		}
		var all []struct{ ID, N int }
		if err := json.Unmarshal(a.body, &all); err != nil {
			return fmt.Errorf("status %d: %.200s", a.status, a.body)
		}
		if len(all) != len(rows) || len(all) != sessionsClients*sessionCounters {
			return fmt.Errorf("there are %d counters, and %d are read; want %d", len(rows), len(all), sessionsClients*sessionCounters)
		}
		for _, row := range all {
			look(&t.lostStrong, row.ID, row.N)
		}
		c.close()
	}
	return nil
}
