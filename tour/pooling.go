package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

// pool is a config with the shop's pool and a query that holds a connection for 10 ms.
const pool = `sluice: 1
listen:
  http: 127.0.0.1:0
  admin: 127.0.0.1:0
backends:
  work:
    sql:
      url: "${WORK_URL}"
      pool:
        max: 20
        idle_timeout: 30s
endpoints:
  work:
    route: GET /work
    sql:
      query: SELECT 1 AS done FROM (SELECT pg_sleep(0.01)) AS s
      returns: one
`

// pooling has 200 callers share the 20 connections that a node may open.
func pooling(ctx context.Context, s *site) ([]string, error) {
	const callers, each, most = 200, 10, 20
	url := s.stack.Fleet.Catalog.Database("work")
	config, err := s.write("pool.yaml", pool)
	if err != nil {
		return nil, err
	}
	n, err := s.start(ctx, []string{config}, "WORK_URL="+url)
	if err != nil {
		return nil, err
	}
	defer n.Stop()
	if err := n.Ready(ctx); err != nil {
		return nil, err
	}
	began := time.Now()
	var w waits
	peak, err := s.peak(ctx, "work", func() error {
		w, err = crowd(ctx, callers, each, get(n.HTTP+"/work"))
		return err
	})
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	// One connection more watches the server.
	if peak < most || peak > most+1 {
		return nil, errUnlike("connections at most", peak, most)
	}
	return []string{
		fmt.Sprintf("%d callers at once: %d queries of 10 ms, all answered in %.2f s;", callers, callers*each, took.Seconds()),
		fmt.Sprintf("%d connections, and one that watches; %s", most, w),
	}, nil
}

// peak is the most connections to a database of the catalog's server while f runs, as the server says.
func (s *site) peak(ctx context.Context, database string, f func() error) (most int, err error) {
	done := make(chan error, 1)
	go func() { done <- f() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return most, err
		case <-tick.C:
		}
		rows, err := s.stack.Fleet.Catalog.Run(ctx, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE datname = '"+database+"'")
		if err != nil {
			return most, err
		}
		n, err := strconv.Atoi(rows[0][0])
		if err != nil {
			return most, err
		}
		most = max(most, n)
	}
}

// crowd has many callers ask at once, each a number of times, and wants 200 each time.
func crowd(ctx context.Context, callers, each int, q question) (waits, error) {
	var mu sync.Mutex
	var all waits
	var first error
	var running sync.WaitGroup
	for range callers {
		running.Go(func() {
			w, err := measure(ctx, each, func(int) question { return q })
			mu.Lock()
			defer mu.Unlock()
			all = append(all, w...)
			if first == nil {
				first = err
			}
		})
	}
	running.Wait()
	slices.Sort(all)
	return all, first
}
