package ratelimit_test

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/sluicetest/servers"
	"github.com/sluiceapi/sluice/state/redis"
)

// storeNode is one of two nodes that count in a Redis, with an endpoint /NAME for each entry.
func storeNode(t *testing.T, r *servers.Redis, m sluice.Metrics, entries ...string) *build.Node {
	t.Helper()
	text := "sluice: 1\nnodes: 2\nstate:\n  redis: {url: " + r.URL() + ", timeout: 1s}\n  keys: [a-key-that-both-have]\nendpoints:\n"
	for i, entry := range entries {
		text += fmt.Sprintf("  e%d:\n    route: GET /%d\n    policies: [{rate_limit: {%s}}]\n    test_handler: {name: ok}\n", i, i, entry)
	}
	doc := sluicetest.Document(t, text)
	open := func(env *sluice.Env, c *config.Redis) (sluice.State, error) {
		return redis.Open(env, redis.Config{URL: c.URL, Timeout: c.Timeout, Prefix: c.Prefix})
	}
	n, err := build.Make(doc, build.Options{Kinds: kinds, OpenRedis: open, Metrics: m, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Retire)
	return n
}

func TestNodesCountTogether(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	entries := []string{"rate: 10/h", "rate: 10/d, algorithm: fixed_window", "rate: 10/h, by: header.x-api-key"}
	one, other := storeNode(t, r, nil, entries...), storeNode(t, r, nil, entries...)
	for i := range entries {
		request := func() *sluice.Exchange {
			return from(t, fmt.Sprintf("GET /%d", i), "192.0.2.1", "x-api-key: very-secret")
		}
		if got := through(t, one, 7, request); got != 7 {
			t.Errorf("%s: %d of 7 are let through", entries[i], got)
		}
		if got := through(t, other, 7, request); got != 3 {
			t.Errorf("%s: %d are let through by the other node, want the 3 that were left", entries[i], got)
		}
	}
	keys, err := r.Run("KEYS", "*")
	if err != nil || len(keys) != len(entries) || strings.Contains(fmt.Sprint(keys), "very-secret") {
		t.Errorf("keys %q, %v; want one for each limit, without the secret", keys, err)
	}
}

// series counts what is told of policies.
type series struct {
	sluice.NoMetrics
	failures, refused, wouldRefuse counter
}

type counter struct{ n atomic.Int64 }

func (c *counter) Add(n float64) { c.n.Add(int64(n)) }

func (s *series) Counter(name, help string, labels ...sluice.Label) sluice.Counter {
	switch {
	case name == "sluice_rate_limit_store_failures_total":
		return &s.failures
	case name == "sluice_rate_limit_requests_total" && labels[1].Value == "refused":
		return &s.refused
	case name == "sluice_rate_limit_requests_total" && labels[1].Value == "would_refuse":
		return &s.wouldRefuse
	}
	return s.NoMetrics.Counter(name, help, labels...)
}

func TestStoreFailure(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	var m series
	n := storeNode(t, r, &m, "rate: 10/h", "rate: 9/d, algorithm: fixed_window, on_store_failure: local", "rate: 10/h, on_store_failure: allow",
		"rate: 10/h, on_store_failure: deny", "rate: 10/h, on_store_failure: deny, dry_run: true")
	r.Kill()
	for i, want := range []int{5, 4, 20} { // each of two nodes has half
		if got := through(t, n, 20, func() *sluice.Exchange { return from(t, fmt.Sprintf("GET /%d", i), "192.0.2.1") }); got != want {
			t.Errorf("endpoint %d: %d of 20 are let through without a store, want %d", i, got, want)
		}
	}
	for range 3 {
		a := sluicetest.Do(n, from(t, "GET /3", "192.0.2.1"))
		if e := sluice.ErrorOf(a.Err); e.Code != sluice.Unavailable || e.RetryAfter == 0 {
			t.Errorf("deny: %v, want 503 with the time to try again", a.Err)
		}
		if a := sluicetest.Do(n, from(t, "GET /4", "192.0.2.1")); a.Err != nil {
			t.Errorf("a dry run refuses: %v", a.Err)
		}
	}
	for what, c := range map[string]struct{ got, want int64 }{
		"store failures": {m.failures.n.Load(), 66}, "refused": {m.refused.n.Load(), 15 + 16 + 3}, "would be refused": {m.wouldRefuse.n.Load(), 3},
	} {
		if c.got != c.want {
			t.Errorf("%d %s are counted, want %d", c.got, what, c.want)
		}
	}
	r.Restart()
	back := func() bool {
		before := m.failures.n.Load()
		a := sluicetest.Do(n, from(t, "GET /3", "192.0.2.1"))
		return a.Err == nil && m.failures.n.Load() == before
	}
	for deadline := time.Now().Add(20 * time.Second); !back(); {
		if time.Now().After(deadline) {
			t.Fatal("the store is back, and not used")
		}
		<-time.After(10 * time.Millisecond)
	}
}
