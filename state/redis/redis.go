// Package redis is what all nodes share: cells, values and notices in Redis, or in what speaks like it.
package redis

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/sluiceapi/sluice"
)

// Config says where Redis is, and how long it may take.
type Config struct {
	// URL is redis://user:password@host:port/database, or rediss:// for TLS; several hosts with commas between them are
	// those of a cluster.
	URL sluice.Secret
	// Timeout is the longest time that a call waits.
	Timeout time.Duration
	// Prefix is what every key and every topic starts with.
	Prefix string
	// CA, Cert and Key are PEM files: the authorities that vouch for Redis, and the certificate to show it.
	CA, Cert, Key string
}

// State keeps everything in Redis. A call fails with sluice.ErrStore, at the latest when the timeout has passed. After
// some failures in a row calls fail at once, and Redis is tried in the background until it answers; then calls return
// to it, few at first.
type State struct {
	prefix  string
	timeout time.Duration
	option  rueidis.ClientOption
	log     *slog.Logger
	dry     bool
	metrics metrics

	gate    atomic.Pointer[gate] // nil while Redis is not to be asked
	limits  limits
	notices notices
	// complained is when an error that Redis answered was last logged, in nanoseconds since 1970.
	complained atomic.Int64

	ctx     context.Context // ends when the state is closed
	running sync.WaitGroup
}

var _ sluice.State = (*State)(nil)

// startPatience is how long Open waits for Redis, so that a node's first requests find it. It goes on without.
const startPatience = 100 * time.Millisecond

// Open opens what is in Redis, whether it can be reached or not; an error is a mistake in the config. The state is closed
// with env. Where env is dry, only the config is checked and nothing is asked.
func Open(env *sluice.Env, c Config) (*State, error) {
	option, err := clientOption(&c)
	if err != nil {
		return nil, err
	}
	s := &State{prefix: c.Prefix, timeout: c.Timeout, option: option, log: env.Log, dry: env.Dry}
	s.limits.init()
	s.notices.init(s)
	s.metrics = newMetrics(env.Metrics, s)
	ctx, cancel := context.WithCancel(context.Background())
	s.ctx = ctx
	env.Cleanup(func() {
		cancel()
		s.running.Wait()
	})
	if env.Dry {
		return s, nil
	}
	tried := make(chan struct{})
	s.running.Go(func() { s.keepConnected(tried) })
	patience := time.NewTimer(startPatience)
	defer patience.Stop()
	select {
	case <-tried:
	case <-patience.C:
	}
	return s, nil
}

// Shared tells that other nodes see it.
func (s *State) Shared() bool { return true }

// How long to wait before Redis is tried again: twice as long each time, and up to as much again by chance, so that
// nodes do not all come at once.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 500 * time.Millisecond
)

// keepConnected opens the gate whenever Redis answers, until the state is closed. It closes tried after the first try.
func (s *State) keepConnected(tried chan struct{}) {
	pause, told := firstPause, false
	for s.ctx.Err() == nil {
		client, err := s.connect()
		if err == nil {
			if told {
				s.log.Info("redis answers again")
			}
			told = false
			g := newGate(client, s.timeout)
			s.gate.Store(g)
			once(&tried)
			select {
			case <-g.broken:
				err = g.why
			case <-s.ctx.Done():
			}
			s.gate.Store(nil)
			if time.Since(g.made) > lastPause {
				pause = firstPause
			}
			s.running.Go(client.Close) // which waits for what is under way
		}
		once(&tried)
		if s.ctx.Err() == nil && !told {
			told = true
			s.log.Warn("redis cannot be reached; what needs it does what it says for that", "error", err)
		}
		rest(s.ctx, jitter(pause))
		pause = min(2*pause, lastPause)
	}
}

// connect makes a client that Redis has answered.
func (s *State) connect() (rueidis.Client, error) {
	client, err := rueidis.NewClient(s.option)
	if err != nil {
		if client != nil {
			client.Close()
		}
		return nil, err
	}
	ctx, cancel := context.WithTimeout(s.ctx, connectTimeout)
	defer cancel()
	if err := client.Do(ctx, client.B().Ping().Build()).Error(); err != nil {
		client.Close()
		return nil, fmt.Errorf("ping: %w", err)
	}
	return client, nil
}

// once closes a channel unless that was done.
func once(c *chan struct{}) {
	if *c != nil {
		close(*c)
		*c = nil
	}
}
