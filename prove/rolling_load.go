package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// rollingLoad is what clients ask of nginx while nodes come and go. None of them sends anything twice.
type rollingLoad struct {
	tally   *tally
	cancel  context.CancelFunc
	clients sync.WaitGroup

	mu       sync.Mutex // guards what follows
	ids      []string   // of the jobs that were accepted
	orders   int        // that were placed
	victim   string     // the address of a node that is killed; "" is none
	killing  time.Time  // since when it may be dead
	dead     time.Time  // since when it is; zero while that is not known
	failures []failure  // that may be of the killed node
}

// failure is a request that failed while a node was killed.
type failure struct {
	sent, got time.Time
	node      string // that nginx asked last; "" where nothing tells
	err       error
}

// Traffic: so many clients of each sort, and the pause that each takes after an answer.
const (
	rollingEach  = 2
	rollingThink = 5 * time.Millisecond
)

func startRollingLoad(address string) *rollingLoad {
	ctx, cancel := context.WithCancel(context.Background())
	l := &rollingLoad{tally: newTally(), cancel: cancel}
	for i, r := range l.roles() {
		l.clients.Go(func() { l.ask(ctx, address, fmt.Sprintf("127.0.2.%d", i+1), r) })
	}
	return l
}

// roles are the sorts of traffic: answers from caches, from SQL, over HTTP and over gRPC, orders, and jobs.
func (l *rollingLoad) roles() (all []role) {
	n := 0
	turn := func() int { // a number for each request, of clients that do not wait for each other
		l.mu.Lock()
		defer l.mu.Unlock()
		n++
		return n
	}
	read := func(name, path string, most int, want string) role {
		return role{name: name, next: func() request { return get(fmt.Sprint(path, turn()%most+1)) }, check: having(200, want)}
	}
	for range rollingEach {
		all = append(all,
			read("GET cached", "/api/products/", 50, `"sku"`),
			read("GET from SQL", "/user/", 50000, `"credit_cents"`),
			read("GET over HTTP", "/http/user/", 1000, `"email"`),
			read("GET over gRPC", "/grpc/user/", 1000, `"email"`),
			role{name: "POST an order", next: func() request {
				return postJSON("/api/orders", fmt.Sprintf(`{"user_id": %d, "product_id": 7, "quantity": 1}`, turn()%50000+1))
			}, check: l.ordered},
			role{name: "POST a job", next: func() request { return postJSON("/api/process", `{"category": "books"}`) }, check: l.accepted},
		)
	}
	return all
}

// having makes a check for an answer with that status, and a text in its body.
func having(status int, text string) func(answer) error {
	return func(a answer) error {
		if a.status != status || !strings.Contains(string(a.body), text) {
			return fmt.Errorf("status %d: %.200s", a.status, a.body)
		}
		return nil
	}
}

func (l *rollingLoad) ordered(a answer) error {
	if err := having(201, `"placed"`)(a); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.orders++
	return nil
}

func (l *rollingLoad) accepted(a answer) error {
	var job struct{ ID string }
	if err := json.Unmarshal(a.body, &job); err != nil || a.status != 202 || job.ID == "" {
		return fmt.Errorf("status %d: %.200s", a.status, a.body)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ids = append(l.ids, job.ID)
	return nil
}

// ask is the life of one client.
func (l *rollingLoad) ask(ctx context.Context, address, from string, r role) {
	k := client{address: address, from: from}
	defer k.close()
	for ctx.Err() == nil {
		began := time.Now()
		a, err := k.do(r.next())
		if err == nil {
			err = r.check(a)
		}
		if err != nil {
			asked := a.header.Get("X-Node")
			err = fmt.Errorf("%s, of %q: %w", r.name, asked, err)
			if l.hold(failure{began, time.Now(), asked, err}) {
				continue
			}
		}
		l.tally.add(time.Since(began), false, err)
		rest(ctx, rollingThink)
	}
}

// excuse has what fails from now on put aside: it may be what a node that is killed had in hand.
func (l *rollingLoad) excuse(node string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.victim, l.killing = node, time.Now()
}

// over tells that the node is dead.
func (l *rollingLoad) over() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = time.Now()
}

// hold puts a failure aside while a node is killed.
func (l *rollingLoad) hold(f failure) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.victim == "" {
		return false
	}
	l.failures = append(l.failures, f)
	return true
}

// excused counts what the killed node had in hand: what was sent before it was dead, ended after it may have been, and was
// last asked of it. All else that was put aside is a failure after all.
func (l *rollingLoad) excused() (n int) {
	l.mu.Lock()
	held, victim, killing, dead := l.failures, l.victim, l.killing, l.dead
	l.failures, l.victim = nil, ""
	l.mu.Unlock()
	for _, f := range held {
		if f.inHand(victim, killing, dead) {
			n++
			continue
		}
		l.tally.add(0, false, errors.Join(f.err, errors.New("and the killed node did not have it in hand")))
	}
	return n
}

// inHand tells whether a node had the request when it was killed. nginx names the nodes that it has asked, the last one last.
func (f failure) inHand(victim string, killing, dead time.Time) bool {
	return f.sent.Before(dead) && f.got.After(killing) && strings.HasSuffix(f.node, victim)
}

// stop has every client finish its request, and waits for it.
func (l *rollingLoad) stop() {
	l.cancel()
	l.clients.Wait()
}
