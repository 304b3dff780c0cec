package redis_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/output"
	"github.com/sluiceapi/sluice/sluicetest/servers"
	"github.com/sluiceapi/sluice/state/redis"
)

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// answers tells whether a call is answered.
func answers(s sluice.State) bool {
	_, err := s.Values(context.Background(), "a")
	return err == nil
}

// calls are all sorts of them.
func calls(s sluice.State) map[string]func() error {
	ctx := context.Background()
	return map[string]func() error{
		"take":   func() error { _, err := s.Take(ctx, []byte("a"), hourly(1_000_000), 1); return err },
		"count":  func() error { _, err := s.Count(ctx, []byte("a"), sluice.Window{Rate: hourly(1).Rate}, 1); return err },
		"values": func() error { _, err := s.Values(ctx, "a", "b"); return err },
		"set":    func() error { return s.SetValue(ctx, "a", []byte("b"), time.Hour) },
		"add":    func() error { _, err := s.AddValue(ctx, "a", []byte("b"), time.Hour); return err },
		"delete": func() error { return s.DeleteValues(ctx, "a") },
		"notify": func() error { return s.Notify(ctx, "a", nil) },
	}
}

func TestDownAtStart(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{Password: "hush"})
	r.Kill()
	began := time.Now()
	var log output.Text
	s := openWith(t, redis.Config{URL: sluice.Secret(r.URL())}, slog.NewTextHandler(&log, nil), sluice.NoMetrics{})
	if took := time.Since(began); took > time.Second {
		t.Errorf("to open it took %s", took)
	}
	for name, call := range calls(s) {
		if err := call(); !errors.Is(err, sluice.ErrStore) {
			t.Errorf("%s: error %v, want that the store cannot be reached", name, err)
		}
	}
	heard := make(chan []byte, 10)
	defer s.Listen("a", func(notice []byte) { heard <- notice })()
	r.Restart()
	eventually(t, "redis answers", func() bool { return answers(s) })
	if first := <-heard; first != nil {
		t.Errorf("heard %q, want nil first", first)
	}
	if told := log.String(); strings.Contains(told, "hush") || strings.Count(told, "cannot be reached") != 1 || strings.Count(told, "answers again") != 1 {
		t.Errorf("the log does not tell once that redis was away, and that it is back, without its password:\n%s", told)
	}
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{Password: "right"})
	var log output.Text
	s := openWith(t, redis.Config{URL: sluice.Secret("redis://:wrongest@" + r.Address())}, slog.NewTextHandler(&log, nil), sluice.NoMetrics{})
	if answers(s) {
		t.Error("redis answers to a wrong password")
	}
	log.Await(t, "WRONGPASS", 1)
	if strings.Contains(log.String(), "wrongest") {
		t.Errorf("the log tells the password:\n%s", log.String())
	}
}

// Neither a Redis that stands still nor one that was killed has callers wait longer than the timeout, nor long at all.
func TestFault(t *testing.T) {
	t.Parallel()
	const timeout = 50 * time.Millisecond
	callers := 3000
	if raceEnabled { // it is too slow for so many
		callers = 300
	}
	for _, fault := range []struct {
		name       string
		harm, mend func(r *servers.Redis)
	}{
		{"stopped", (*servers.Redis).Freeze, (*servers.Redis).Thaw},
		{"killed", (*servers.Redis).Kill, (*servers.Redis).Restart},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			r := servers.StartRedis(t, servers.RedisOptions{})
			s := open(t, redis.Config{URL: sluice.Secret(r.URL()), Timeout: timeout})
			eventually(t, "redis answers", func() bool { return answers(s) })
			fault.harm(r)
			// More callers than there are turns, and than a connection has places for. Where they had to wait for one, it
			// would be until the connection is given up, after a second or two. The bounds are wide because the machine may
			// be busy.
			waits, inVain := storm(s, callers, 2*time.Second)
			if most := waits[len(waits)*99/100]; most > timeout+650*time.Millisecond {
				t.Errorf("one in a hundred callers waited %s", most)
			}
			if inVain > len(waits)/4 {
				t.Errorf("%d of %d callers waited in vain, want that they seldom wait at all", inVain, len(waits))
			}
			fault.mend(r)
			eventually(t, "redis answers again", func() bool { return answers(s) })
			eventually(t, "redis gives again", func() bool {
				_, err := s.Take(context.Background(), []byte("a"), hourly(1_000_000), 1)
				return err == nil
			})
		})
	}
}

// storm has so many callers call for a while, and returns how long each call took, sorted, and how many were not answered
// in time.
func storm(s sluice.State, callers int, span time.Duration) (all []time.Duration, inVain int) {
	var mu sync.Mutex
	var running sync.WaitGroup
	const pace = 250 * time.Millisecond
	ends := time.Now().Add(span)
	for i := range callers {
		running.Go(func() {
			var waits []time.Duration
			slow := 0
			for call := 0; ; call++ {
				<-time.After(pace) // or callers that fail at once leave no time for others
				began := time.Now()
				if began.After(ends) {
					break
				}
				var err error
				if call%2 == 0 {
					_, err = s.Take(context.Background(), fmt.Appendf(nil, "key %d", i), hourly(1_000_000), 1)
				} else {
					_, err = s.Values(context.Background(), fmt.Sprint("key ", i))
				}
				if err != nil && strings.Contains(err.Error(), "in time") {
					slow++
				}
				waits = append(waits, time.Since(began))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, waits...)
			inVain += slow
		})
	}
	running.Wait()
	slices.Sort(all)
	return all, inVain
}

// A Redis that comes back empty fills a bucket again, once, and the script that it has forgotten is sent again.
func TestRestartedEmpty(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	s := open(t, redis.Config{URL: sluice.Secret(r.URL())})
	if taken := mustTake(t, s, "a", 60); taken.Granted != 60 {
		t.Fatalf("%+v", taken)
	}
	heard := make(chan []byte, 10)
	defer s.Listen("a", func(notice []byte) { heard <- notice })()
	<-heard
	r.Restart()
	if again := <-heard; again != nil {
		t.Errorf("heard %q after the connection was lost, want nil", again)
	}
	eventually(t, "redis answers", func() bool { // connections that it has closed may be found so one by one
		taken, err := s.Take(context.Background(), []byte("a"), hourly(100), 60)
		return err == nil && taken.Granted == 60
	})
	eventually(t, "the rest is granted", func() bool {
		taken, err := s.Take(context.Background(), []byte("a"), hourly(100), 60)
		if err == nil && taken.Granted != 40 {
			t.Errorf("%+v, want the 40 that are left", taken)
		}
		return err == nil
	})
	eventually(t, "redis takes a notice", func() bool { return s.Notify(context.Background(), "a", []byte("hello")) == nil })
	if got := <-heard; string(got) != "hello" {
		t.Errorf("heard %q", got)
	}
}

// slow is a way to a server that holds back what comes from it.
func slow(t *testing.T, server string, by time.Duration) (address string) {
	t.Helper()
	return way(t, func() string { return server }, by)
}

// way is one to the server of the moment, for new connections.
func way(t *testing.T, server func() string, by time.Duration) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", server())
			if err != nil {
				near.Close()
				continue
			}
			go pass(far, near, 0)
			go pass(near, far, by)
		}
	}()
	return l.Addr().String()
}

func pass(to, from net.Conn, by time.Duration) {
	defer to.Close()
	defer from.Close()
	p := make([]byte, 64<<10)
	for {
		n, err := from.Read(p)
		if err != nil {
			return
		}
		<-time.After(by)
		if _, err := to.Write(p[:n]); err != nil {
			return
		}
	}
}

func TestSlow(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	s := open(t, redis.Config{URL: sluice.Secret("redis://" + slow(t, r.Address(), 80*time.Millisecond)), Timeout: 30 * time.Millisecond})
	waits, _ := storm(s, 50, time.Second)
	if most := waits[len(waits)*9/10]; most > 75*time.Millisecond { // an answer takes longer
		t.Errorf("one in ten callers waited %s of 30 ms", most)
	}
	fast := open(t, redis.Config{URL: sluice.Secret("redis://" + slow(t, r.Address(), 80*time.Millisecond))})
	eventually(t, "a slow redis answers", func() bool { return answers(fast) })
}

// A name may lead to another server after a failover, while the one that was there goes on to answer as a replica.
func TestDemoted(t *testing.T) {
	t.Parallel()
	old, next := servers.StartRedis(t, servers.RedisOptions{}), servers.StartRedis(t, servers.RedisOptions{})
	var server atomic.Pointer[servers.Redis]
	server.Store(old)
	s := open(t, redis.Config{URL: sluice.Secret("redis://" + way(t, func() string { return server.Load().Address() }, 0))})
	writes := func() bool { return s.SetValue(context.Background(), "a", []byte("1"), time.Minute) == nil }
	eventually(t, "redis takes values", writes)
	server.Store(next)
	host, port, err := net.SplitHostPort(next.Address())
	if err != nil {
		t.Fatal(err)
	}
	if answer := old.Do("REPLICAOF", host, port); answer != "OK" {
		t.Fatal(answer)
	}
	eventually(t, "the other server takes values, though this one answers", func() bool {
		for range 3 {
			answers(s)
		}
		return writes()
	})
}

// Callers of one bucket go together, and an empty bucket is not asked for: a flood costs Redis next to nothing.
func TestFlood(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	s := open(t, redis.Config{URL: sluice.Secret(r.URL())})
	eventually(t, "redis answers", func() bool { return answers(s) })
	mustTake(t, s, "a", 100)
	before := commands(r)
	for range 10_000 {
		if taken := mustTake(t, s, "a", 1); taken.Granted != 0 || taken.Retry <= 0 || taken.Retry > time.Hour {
			t.Fatalf("%+v of an empty bucket", taken)
		}
	}
	w := sluice.Window{Rate: sluice.Rate{Count: 5, Per: 24 * time.Hour}}
	for range 10_000 {
		if _, err := s.Count(context.Background(), []byte("a"), w, 1); err != nil {
			t.Fatal(err)
		}
	}
	if n := commands(r) - before; n > 30 {
		t.Errorf("20,000 calls for what is used up cost redis %d commands", n)
	}
}

// commands is how many scripts Redis has run.
func commands(r *servers.Redis) (n int) {
	for _, line := range strings.Split(r.Do("INFO", "commandstats"), "\r\n") {
		if strings.HasPrefix(line, "cmdstat_eval") {
			var calls int
			fmt.Sscanf(line[strings.Index(line, "calls="):], "calls=%d", &calls)
			n += calls
		}
	}
	return n
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]redis.Config{
		"url: not the address":     {URL: "http://secret@host"},
		"url: user or password":    {URL: "redis://user:secret%@host"},
		"url: what stands after":   {URL: "redis://:secret@host/secret"},
		"url: a cluster has one":   {URL: "redis://:secret@a,b/1"},
		"url: a host or a port is": {URL: "redis://user:secret"},
		"url: a host or a port":    {URL: "redis://:secret@host:99999"},
		"url: a host or":           {URL: "redis://:secret@"},
		"url: certificates are fo": {URL: "redis://:secret@host", CA: "ca.pem"},
		"ca: open missing.pem":     {URL: "rediss://:secret@host", CA: "missing.pem"},
		"cert: open missing.pem":   {URL: "rediss://:secret@host", Cert: "missing.pem", Key: "missing.pem"},
		"ca: address.go holds no":  {URL: "rediss://:secret@host", CA: "address.go"},
	} {
		_, err := redis.Open(&sluice.Env{Dry: true, Metrics: sluice.NoMetrics{}}, c)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want one that begins with %q", c.URL, err, want)
		}
	}
	s, err := redis.Open(&sluice.Env{Dry: true, Metrics: sluice.NoMetrics{}}, redis.Config{URL: "redis://127.0.0.1:1", Timeout: time.Second})
	if err != nil || answers(s) {
		t.Errorf("a dry state: %v", err)
	}
}

// Where one server of a cluster is gone, what the others hold is there.
func TestClusterServerGone(t *testing.T) {
	t.Parallel()
	nodes := servers.StartRedisCluster(t, servers.RedisOptions{Settings: map[string]string{"cluster-require-full-coverage": "no"}})
	s := open(t, redis.Config{URL: sluice.Secret("redis://" + nodes[0].Address() + "," + nodes[1].Address()), Timeout: 200 * time.Millisecond})
	eventually(t, "the cluster answers", func() bool { return answers(s) })
	nodes[2].Kill()
	var answered atomic.Int64
	const callers, each = 20, 100
	var running sync.WaitGroup
	for caller := range callers {
		running.Go(func() {
			for i := range each {
				if _, err := s.Take(context.Background(), fmt.Appendf(nil, "key %d of %d", i, caller), hourly(1), 1); err == nil {
					answered.Add(1)
				}
			}
		})
	}
	running.Wait()
	if n := answered.Load(); n < callers*each/2 || n > callers*each*9/10 {
		t.Errorf("%d of %d are answered while a third of the cluster is gone", n, callers*each)
	}
}
