package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// coldClients ask for one cold key at once, as many at each node.
const coldClients = 1000

// coldTrial is what became of cold keys.
type coldTrial struct {
	keys    int
	queries float64
	counts
}

func (c coldTrial) String() string {
	return fmt.Sprintf("%d, each asked for by %d clients over %d nodes at once, caused %.0f queries; p50 %s, p99 %s", c.keys, coldClients, freshNodes,
		c.queries, milliseconds(c.quantile(0.5)), milliseconds(c.quantile(0.99)))
}

func (c coldTrial) verdict() error {
	err := c.fault("cold keys")
	if c.queries != float64(c.keys) {
		err = errors.Join(err, fmt.Errorf("%d cold keys caused %.0f queries; want one each", c.keys, c.queries))
	}
	return err
}

// askCold has the clients of all nodes ask for one cold key after the other.
func askCold(ctx context.Context, nodes []*node, keys int) (c coldTrial, err error) {
	before, err := countCaches(nodes)
	if err != nil {
		return c, err
	}
	clients := make([]client, coldClients)
	for i := range clients {
		clients[i].address = nodes[i%len(nodes)].http
	}
	defer closeAll(clients)
	t := newTally()
	for c.keys < keys && ctx.Err() == nil {
		askAtOnce(clients, fmt.Sprintf("/cold/%d", c.keys), t)
		c.keys++
	}
	after, err := countCaches(nodes)
	c.queries, c.counts = after.queries-before.queries, t.take()
	return c, errors.Join(err, ctx.Err())
}

// askAtOnce has each client connect, wait for all others, and ask.
func askAtOnce(clients []client, path string, t *tally) {
	var ready, asked sync.WaitGroup
	start := make(chan struct{})
	for i := range clients {
		ready.Add(1)
		asked.Go(func() {
			_, err := clients[i].do(get("/absent")) // which connects
			ready.Done()
			<-start
			began := time.Now()
			var a answer
			if err == nil {
				a, err = clients[i].do(get(path))
			}
			if err == nil && a.status != 200 {
				err = fmt.Errorf("status %d: %.200s", a.status, a.body)
			}
			t.add(time.Since(began), false, err)
		})
	}
	ready.Wait()
	close(start)
	asked.Wait()
}

// cacheCounts are sums over all nodes.
type cacheCounts struct {
	hits, misses float64 // of the endpoint item
	queries      float64 // of the endpoint cold
	waiting      float64 // purges that have not reached Redis
}

func countCaches(nodes []*node) (c cacheCounts, err error) {
	for _, n := range nodes {
		k := client{address: n.admin}
		a, err := k.do(get("/metrics"))
		k.close()
		if err != nil {
			return c, fmt.Errorf("asking for the metrics: %w", err)
		}
		text := string(a.body)
		c.hits += sum(text, "sluice_cache_requests_total", `endpoint="item"`, `result="hit"`)
		c.misses += sum(text, "sluice_cache_requests_total", `endpoint="item"`, `result="miss"`)
		c.waiting += sum(text, "sluice_cache_purges_waiting")
		c.queries += sum(text, "sluice_sql_duration_seconds_count", `endpoint="cold"`)
	}
	return c, nil
}

// sum adds up the series of that name with those labels in Prometheus' text.
func sum(metrics, name string, labels ...string) (total float64) {
	for line := range strings.Lines(metrics) {
		line, is := strings.CutPrefix(strings.TrimSpace(line), name)
		series, value, found := strings.Cut(line, "} ")
		if !found {
			series, value = "", line
		}
		if !is || found != strings.HasPrefix(series, "{") || !found && !strings.HasPrefix(value, " ") {
			continue
		}
		fits := true
		for _, label := range labels {
			fits = fits && strings.Contains(series, label)
		}
		var n float64
		if _, err := fmt.Sscan(value, &n); err == nil && fits {
			total += n
		}
	}
	return total
}
