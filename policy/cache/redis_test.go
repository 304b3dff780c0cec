package cache_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/sluicetest/servers"
	"github.com/sluiceapi/sluice/state/redis"
	"github.com/sluiceapi/sluice/tag"
)

// deaf is a state whose notices are all lost, and which says nothing of it.
type deaf struct{ sluice.State }

func (deaf) Notify(context.Context, string, []byte) error { return nil }

// system is nodes that share a Redis and a backend.
type system struct {
	nodes []*build.Node
	*backend
}

// newSystem gives Redis more time than a busy machine needs.
func newSystem(t *testing.T, url string, n int, block string, wrap func(sluice.State) sluice.State) *system {
	t.Helper()
	return newSystemWithin(t, 5*time.Second, url, n, block, wrap)
}

func newSystemWithin(t *testing.T, timeout time.Duration, url string, n int, block string, wrap func(sluice.State) sluice.State) *system {
	t.Helper()
	return newSystemBy(t, nil, timeout, url, n, block, wrap)
}

// newSystemBy has the nodes go by a clock; nil is that of the system.
func newSystemBy(t *testing.T, now func() time.Time, timeout time.Duration, url string, n int, block string, wrap func(sluice.State) sluice.State) *system {
	t.Helper()
	s := &system{backend: &backend{serve: echoes}}
	o := build.Options{Now: now, OpenRedis: func(env *sluice.Env, c *config.Redis) (sluice.State, error) {
		state, err := redis.Open(env, redis.Config{URL: c.URL, Timeout: c.Timeout, Prefix: c.Prefix})
		if err != nil || wrap == nil {
			return state, err
		}
		return wrap(state), nil
	}}
	for range n {
		s.nodes = append(s.nodes, join(t, o, block, s.backend, fmt.Sprintf("^state:\n  redis: {url: %q, timeout: %v}", url, timeout)))
	}
	s.connect(t)
	return s
}

// connect waits until every node has reached Redis: until then each keeps what it gets for itself.
func (s *system) connect(t *testing.T) {
	t.Helper()
	first, try := s.nodes[0], 0
	if len(s.nodes) == 1 {
		eventually(t, "the node has reached Redis", func() bool { return isHit(get(t, first, "/e/try")) })
	}
	for _, n := range s.nodes[1:] {
		eventually(t, "the nodes share", func() bool {
			try++
			target := fmt.Sprintf("/e/try-%d", try)
			get(t, first, target)
			return strings.HasSuffix(get(t, n, target).Header["cache-status"], "SHARED")
		})
	}
	s.asked.Store(0)
}

func hear(s sluice.State) sluice.State   { return s }
func hearNo(s sluice.State) sluice.State { return deaf{s} }

func isHit(a sluicetest.Answer) bool {
	return strings.HasPrefix(a.Header["cache-status"], "Sluice; hit")
}

// warm has an answer kept on all nodes.
func (s *system) warm(t *testing.T, target string) {
	t.Helper()
	for i, n := range s.nodes {
		eventually(t, fmt.Sprintf("node %d has kept the answer", i), func() bool { return isHit(get(t, n, target)) })
	}
}

func TestSharedAnswers(t *testing.T) {
	t.Parallel()
	for _, block := range []string{"1m", tagged} {
		r := servers.StartRedis(t, servers.RedisOptions{})
		s := newSystem(t, r.URL(), 2, block, hear)
		s.becomes(says("one", "vary: accept-language", `etag: "v"`))
		get(t, s.nodes[0], "/e/1", "accept-language: de")
		eventually(t, "the other node has it", func() bool {
			a := get(t, s.nodes[1], "/e/1", "accept-language: de")
			return a.Header["cache-status"] == "Sluice; hit; ttl=59; detail=SHARED" && a.Body == "one" && a.Header["etag"] == `"v"`
		})
		wantStatus(t, get(t, s.nodes[1], "/e/1", "accept-language: de"), "Sluice; hit; ttl=59")
		wantAsked(t, s.backend, 1)
	}
}

func TestSharedInCluster(t *testing.T) {
	t.Parallel()
	var hosts []string
	for _, r := range servers.StartRedisCluster(t, servers.RedisOptions{}) {
		hosts = append(hosts, r.Address())
	}
	s := newSystem(t, "redis://"+strings.Join(hosts, ","), 2, tagged, hear)
	s.warm(t, "/e/1")
	s.becomes(says("new"))
	put(t, s.nodes[0], "/e/1")
	eventually(t, "the new answer is there", func() bool { return get(t, s.nodes[1], "/e/1").Body == "new" })
}

// What a purge has ended is served by no node for longer than MaxLag, and not at all to its writer: with notices, and
// when all of them are lost.
func TestPurgeReachesAllNodes(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(sluice.State) sluice.State{"notices": hear, "lost notices": hearNo} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := servers.StartRedis(t, servers.RedisOptions{})
			s := newSystem(t, r.URL(), 3, `{ttl: 1h, tags: ["e:{id}"]}`, wrap)
			for i := range 20 {
				s.becomes(says(fmt.Sprint(i)))
				s.warm(t, "/e/1")
				x := sluicetest.Exchange(t, "PUT /e/1", "x")
				s.becomes(says(fmt.Sprint(i + 1)))
				sluicetest.Do(s.nodes[i%3], x)
				done := time.Now()
				floor, ok := x.Seen.Floor(tag.Source)
				if !ok {
					t.Fatal("the write gives no floor")
				}
				y := sluicetest.Exchange(t, "GET /e/1", "")
				y.Seen.SetFloor(floor)
				if a := sluicetest.Do(s.nodes[(i+1)%3], y); a.Body != fmt.Sprint(i+1) {
					t.Fatalf("the writer of %d reads %q: %v", i+1, a.Body, a.Header)
				}
				for begun := time.Now(); time.Since(done) < 150*time.Millisecond; begun = time.Now() {
					a := get(t, s.nodes[(i+2)%3], "/e/1")
					if a.Body == fmt.Sprint(i+1) {
						break
					}
					if late := begun.Sub(done); late > tag.MaxLag {
						t.Fatalf("the old answer is served %v after the purge", late)
					}
				}
			}
		})
	}
}

func TestColdKeyIsJoinedOverNodes(t *testing.T) {
	t.Parallel()
	for _, block := range []string{"1m", tagged} {
		r := servers.StartRedis(t, servers.RedisOptions{})
		s := newSystem(t, r.URL(), 4, block, hear)
		g := newGate()
		s.becomes(g.holds(says("one")))
		var crowds []*crowd
		for _, n := range s.nodes {
			crowds = append(crowds, many(t, n, 100, func(a sluicetest.Answer) {
				if a.Err != nil || a.Body != "one" {
					t.Errorf("got %q, %v", a.Body, a.Err)
				}
			}))
		}
		<-g.came
		for _, c := range crowds {
			eventually(t, "all wait", func() bool { return c.waiting.Load() >= 100 })
		}
		close(g.open)
		for _, c := range crowds {
			c.Wait()
		}
		wantAsked(t, s.backend, 1)
	}
}

func TestUncacheableReleasesOtherNodes(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	s := newSystem(t, r.URL(), 2, "1m", hear)
	g := newGate()
	s.becomes(g.holds(says("one", "cache-control: no-store")))
	first := many(t, s.nodes[0], 1, func(sluicetest.Answer) {})
	<-g.came
	began := time.Now()
	second := many(t, s.nodes[1], 10, func(a sluicetest.Answer) {
		if a.Body != "one" {
			t.Errorf("got %+v", a)
		}
	})
	eventually(t, "they wait", func() bool { return second.waiting.Load() >= 10 })
	close(g.open)
	first.Wait()
	second.Wait()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("they waited for %v", took)
	}
	wantAsked(t, s.backend, 11)
}

// Without Redis answers with tags are not given, those without go on, and writes are answered; what was ended meanwhile is
// ended when Redis is there again, empty or not.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	for name, persist := range map[string]bool{"back as it was": true, "back empty": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := servers.StartRedis(t, servers.RedisOptions{Persist: persist})
			with := newSystem(t, r.URL(), 2, tagged, hear)
			without := newSystem(t, r.URL(), 2, `{ttl: 1m, key: [query.apart]}`, hear)
			with.warm(t, "/e/1")
			without.warm(t, "/e/1")
			r.Kill()
			eventually(t, "nobody gives answers with tags", func() bool {
				return !isHit(get(t, with.nodes[0], "/e/1")) && !isHit(get(t, with.nodes[1], "/e/1"))
			})
			if a := get(t, without.nodes[0], "/e/1"); !isHit(a) {
				t.Errorf("got %v, want a hit", a.Header)
			}
			with.becomes(says("new"))
			if a := put(t, with.nodes[0], "/e/1"); a.Status != 200 {
				t.Errorf("the write gets %+v", a)
			}
			if a := get(t, with.nodes[0], "/e/1"); a.Body != "new" {
				t.Errorf("got %+v from the node of the write", a)
			}
			r.Restart()
			for _, n := range with.nodes {
				eventually(t, "the new answer is kept", func() bool {
					a := get(t, n, "/e/1")
					return isHit(a) && a.Body == "new"
				})
			}
			for range 20 {
				if a := get(t, with.nodes[1], "/e/1"); a.Body != "new" {
					t.Fatalf("got %+v", a)
				}
			}
		})
	}
}

// A Redis that is away brings the backend two requests at once for a key, and not all.
func TestRedisAwayIsNoStorm(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	s := newSystem(t, r.URL(), 1, tagged, hear)
	s.warm(t, "/e/1")
	r.Kill()
	eventually(t, "nobody gives answers with tags", func() bool { return !isHit(get(t, s.nodes[0], "/e/1")) })
	g := newGate()
	s.becomes(g.holds(says("new")))
	asked := s.asked.Load()
	first := many(t, s.nodes[0], 1, func(sluicetest.Answer) {})
	<-g.came
	collapsed := 0
	crowd := many(t, s.nodes[0], 200, func(a sluicetest.Answer) {
		if a.Body != "new" {
			t.Errorf("got %+v", a)
		}
		if strings.HasSuffix(a.Header["cache-status"], "collapsed") {
			collapsed++
		}
	})
	eventually(t, "all wait", func() bool { return crowd.waiting.Load() >= 400 })
	close(g.open)
	first.Wait()
	crowd.Wait()
	if n := s.asked.Load() - asked; n < 2 || n > 4 || collapsed < 190 { // some may line up only after the gate has opened
		t.Errorf("the backend was asked %d times, and %d shared an answer; want hardly more than 2, and all but one", n, collapsed)
	}
}

// Also while nothing can be kept, nobody gets the variant of another.
func TestRedisAwayVaries(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	s := newSystem(t, r.URL(), 1, tagged, hear)
	r.Kill()
	eventually(t, "nobody gives answers with tags", func() bool { return !isHit(get(t, s.nodes[0], "/e/try")) })
	speaks := func(x *sluice.Exchange) error {
		x.Response.Header.Add("Vary", "Accept-Language")
		return says(string(x.Request.Header.Value("accept-language")))(x)
	}
	g := newGate()
	s.becomes(g.holds(speaks))
	first := many(t, s.nodes[0], 1, func(sluicetest.Answer) {})
	<-g.came
	crowd := &crowd{}
	for _, language := range []string{"de", "en", "fr"} {
		x := over(crowd, sluicetest.Exchange(t, "GET /e/1", "", "accept-language: "+language))
		crowd.Go(func() {
			if a := sluicetest.Do(s.nodes[0], x); a.Body != language {
				t.Errorf("got %+v for %s", a, language)
			}
		})
	}
	eventually(t, "all wait", func() bool { return crowd.waiting.Load() >= 6 })
	close(g.open)
	first.Wait()
	crowd.Wait()
}

func TestRedisFrozen(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	s := newSystemWithin(t, 200*time.Millisecond, r.URL(), 1, tagged, hear)
	s.warm(t, "/e/1")
	r.Freeze()
	s.becomes(says("new"))
	began := time.Now()
	put(t, s.nodes[0], "/e/1")
	var running sync.WaitGroup
	var old atomic.Int64
	for range 50 {
		x := sluicetest.Exchange(t, "GET /e/1", "")
		running.Go(func() {
			if a := sluicetest.Do(s.nodes[0], x); a.Body != "new" {
				old.Add(1)
			}
		})
	}
	running.Wait()
	if took := time.Since(began); took > 5*time.Second || old.Load() > 0 {
		t.Errorf("it took %v, and %d got the old answer", took, old.Load())
	}
	r.Thaw()
	eventually(t, "the new answer is kept", func() bool {
		a := get(t, s.nodes[0], "/e/1")
		return isHit(a) && a.Body == "new"
	})
}

// An emptied Redis makes nothing valid again that was ended.
func TestRedisEmptied(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	s := newSystem(t, r.URL(), 2, tagged, hearNo)
	s.warm(t, "/e/1")
	s.becomes(says("new"))
	put(t, s.nodes[0], "/e/1")
	r.FlushAll()
	eventually(t, "the new answer is there", func() bool { return get(t, s.nodes[1], "/e/1").Body == "new" })
	s.warm(t, "/e/1")
	if a := get(t, s.nodes[0], "/e/1"); a.Body != "new" {
		t.Errorf("got %+v", a)
	}
}

// A Redis that is restored from an older snapshot has lost purges: nothing that was kept before is given any more.
func TestRedisGoesBack(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	s := newSystem(t, r.URL(), 2, tagged, hear)
	const generation, number = "sluice:v:{cache}tag:e:1", "sluice:v:{cache}purges"
	put(t, s.nodes[0], "/e/1") // so that there is a number
	r.Do("COPY", generation, "before")
	r.Do("COPY", number, "before-number")
	s.becomes(says("new"))
	x := sluicetest.Exchange(t, "PUT /e/1", "x")
	sluicetest.Do(s.nodes[0], x)
	s.warm(t, "/e/1")
	floor, _ := x.Seen.Floor(tag.Source)
	for _, n := range s.nodes { // who asks with what the purge gave has the node know its number
		y := sluicetest.Exchange(t, "GET /e/1", "")
		y.Seen.SetFloor(floor)
		if a := sluicetest.Do(n, y); !isHit(a) {
			t.Fatalf("got %v, want a hit", a.Header)
		}
	}
	// Both go back to what they were.
	r.Do("COPY", "before", generation, "REPLACE")
	r.Do("COPY", "before-number", number, "REPLACE")
	asked := s.asked.Load()
	eventually(t, "what was kept is not given any more", func() bool {
		for _, n := range s.nodes {
			if a := get(t, n, "/e/1"); a.Body != "new" {
				t.Fatalf("got %+v", a)
			}
		}
		return s.asked.Load() > asked
	})
}

// outage is a state whose values cannot be read for a while.
type outage struct {
	sluice.State
	away atomic.Bool
}

func (o *outage) Values(ctx context.Context, keys ...string) ([][]byte, error) {
	if o.away.Load() {
		return nil, sluice.ErrStore
	}
	return o.State.Values(ctx, keys...)
}

// newOutage is a node with Redis, and what has taken its values away. Before, it has kept some answers.
func newOutage(t *testing.T, now func() time.Time) (*system, *outage) {
	t.Helper()
	o := &outage{}
	s := newSystemBy(t, now, 5*time.Second, servers.StartRedis(t, servers.RedisOptions{}).URL(), 1, tagged, func(s sluice.State) sluice.State {
		o.State = s
		return o
	})
	for _, target := range []string{"/e/1", "/e/a", "/e/b", "/e/probe"} {
		s.warm(t, target)
	}
	o.away.Store(true)
	eventually(t, "nobody gives answers with tags", func() bool { return !isHit(get(t, s.nodes[0], "/e/probe")) })
	return s, o
}

// Those who wait in turn while the store is away get their own answer when it is back, also where it was kept before.
func TestStoreIsBackForThoseInTurn(t *testing.T) {
	t.Parallel()
	s, o := newOutage(t, nil)
	g := newGate()
	s.becomes(func(x *sluice.Exchange) error {
		if string(x.Request.Path) == "/e/probe" {
			return echoes(x)
		}
		return g.holds(echoes)(x)
	})
	ctx, hangUp := context.WithCancel(t.Context())
	var all sync.WaitGroup
	crowd, hits := &crowd{}, atomic.Int64{}
	const each = 20
	for _, target := range []string{"/e/a", "/e/b"} {
		do := func(w sluice.Wire, check func(sluicetest.Answer)) {
			x := over(w, sluicetest.Exchange(t, "GET "+target, ""))
			all.Go(func() { check(sluicetest.Do(s.nodes[0], x)) })
		}
		do(leaving{t.Context()}, func(sluicetest.Answer) {}) // is with the backend
		<-g.came
		next := &counted{ctx: ctx} // waits for its turn, and leaves
		do(next, func(sluicetest.Answer) {})
		eventually(t, "the next waits for its turn", func() bool { return next.asked.Load() >= 2 })
		for range each {
			do(crowd, func(a sluicetest.Answer) {
				if a.Body != target+"?" {
					t.Errorf("%s gets %q, %v", target, a.Body, a.Err)
				}
				if isHit(a) {
					hits.Add(1)
				}
			})
		}
	}
	eventually(t, "all wait", func() bool { return crowd.waiting.Load() >= 4*each })
	o.away.Store(false)
	eventually(t, "answers with tags are given", func() bool { return isHit(get(t, s.nodes[0], "/e/probe")) })
	hangUp()
	close(g.open)
	all.Wait()
	if n := hits.Load(); n != 2*each {
		t.Errorf("%d of %d get what was kept", n, 2*each)
	}
}

// counted is a connection whose client can hang up, and which counts how often that was asked.
type counted struct {
	leaving
	ctx   context.Context
	asked atomic.Int64
}

func (c *counted) Context() context.Context {
	c.asked.Add(1)
	return c.ctx
}

// Who has waited goes on by the time that it is then, not by that of its arrival.
func TestTimeAfterWaiting(t *testing.T) {
	t.Parallel()
	const n, wait = 10, time.Hour
	// The backend notes by what time each goes on. The answer cannot be kept, so all must go there.
	watch := func(now func() time.Time, g *gate) (sluice.HandlerFunc, func(t *testing.T, came time.Time)) {
		var mu sync.Mutex
		var times []time.Time
		no := says("one", "cache-control: no-store")
		note := func(x *sluice.Exchange) error {
			mu.Lock()
			times = append(times, x.Now(now))
			mu.Unlock()
			return g.holds(no)(x)
		}
		return note, func(t *testing.T, came time.Time) {
			t.Helper()
			late := 0
			for _, at := range times {
				if !at.Before(came.Add(wait)) {
					late++
				}
			}
			if len(times) != n+1 || late != n {
				t.Errorf("%d of %d went on by the time after they had waited, want %d of %d", late, len(times), n, n+1)
			}
		}
	}
	t.Run("for another's answer", func(t *testing.T) {
		t.Parallel()
		c, g := newClock(), newGate()
		serve, check := watch(c.Now, g)
		h, _ := setup(t, build.Options{Now: c.Now}, "1m", serve)
		came := c.Now()
		running := many(t, h, n+1, func(sluicetest.Answer) {})
		<-g.came
		eventually(t, "all wait", func() bool { return running.waiting.Load() == n+1 })
		c.move(wait)
		close(g.open)
		running.Wait()
		check(t, came)
	})
	t.Run("in turn", func(t *testing.T) {
		t.Parallel()
		var ahead atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		g := newGate()
		serve, check := watch(now, g)
		s, _ := newOutage(t, now)
		s.becomes(serve)
		came := now()
		first := many(t, s.nodes[0], 1, func(sluicetest.Answer) {})
		<-g.came
		running := many(t, s.nodes[0], n, func(sluicetest.Answer) {})
		eventually(t, "all wait", func() bool { return running.waiting.Load() == 2*n })
		ahead.Store(int64(wait))
		close(g.open)
		first.Wait()
		running.Wait()
		check(t, came)
	})
}
