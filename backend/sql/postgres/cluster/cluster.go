// Package cluster chooses among the servers that hold one database: which is the primary, which replicas have caught up,
// and which of them serves a read or a write.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sluiceapi/sluice"
)

// Cluster is a primary and its replicas. All its methods may be called at once.
//
// Each server has a pool, and a goroutine of the cluster's that asks it every so often who it is and how far it has
// come. What follows from all answers is a view, which never changes and is replaced: whoever reads or writes looks at
// one view and takes no lock.
type Cluster struct {
	options Options
	servers []*server
	view    atomic.Pointer[view]
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup

	errands sync.Pool // of *Errand

	reached chan struct{}
	counts  counts
	away    sluice.Histogram // how long there was no primary

	mu      sync.Mutex // guards what follows, and the servers' part; held for no longer than it takes to think
	samples samples
	warming bool
	warm    bool
	cold    error     // why it is not warm, if it should be
	told    []State   // what was logged of each server last
	lostAt  time.Time // when the primary was lost; zero while there is one
}

// Open makes a cluster and begins to look at its servers. It waits for nothing, and servers that are down are no error:
// see Reached. The caller closes it.
func Open(o Options) (*Cluster, error) {
	o = o.WithDefaults()
	if err := o.Check(); err != nil {
		return nil, err
	}
	c, err := build(o)
	if err != nil {
		return nil, err
	}
	for _, s := range c.servers {
		c.running.Go(func() { c.watch(c.ctx, s) })
	}
	return c, nil
}

// build makes a cluster that does not look at its servers yet.
func build(o Options) (*Cluster, error) {
	c := &Cluster{options: o, reached: make(chan struct{})}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.errands.New = func() any { return &Errand{signal: make(chan struct{}, 1)} }
	c.view.Store(&view{problem: errNotYet, next: make(chan struct{})})
	for _, one := range o.Servers {
		s, err := c.newServer(one)
		if err != nil {
			c.Close()
			return nil, fmt.Errorf("%s: %w", one.Address, err)
		}
		c.servers = append(c.servers, s)
	}
	c.told = make([]State, len(c.servers))
	c.measure()
	return c, nil
}

// Close ends all connections, after those that are lent have come back or a few seconds have passed.
func (c *Cluster) Close() {
	c.mu.Lock()
	c.stop()
	c.mu.Unlock()
	c.running.Wait()
	var closing sync.WaitGroup
	for _, s := range c.servers {
		closing.Go(s.pool.Close)
		if s.lines != nil {
			closing.Go(s.lines.close)
		}
	}
	closing.Wait()
}

// interval is the time to the next probe.
func (c *Cluster) interval() time.Duration {
	return c.options.ProbeInterval + rand.N(c.options.ProbeInterval)
}

// probeConfig is how the probe connects: as the pool does, under a name by which it can be told apart.
func probeConfig(s Server) *pgconn.Config {
	config := s.config.Copy()
	config.RuntimeParams["application_name"] = "sluice probe"
	return config
}

var (
	errNotYet  = errors.New("no server has answered yet")
	errDemoted = errors.New("it is not the primary any more")
)

// Reached is closed once a server was reached and its connections are open: the primary, or a replica while no primary
// is known.
func (c *Cluster) Reached() <-chan struct{} { return c.reached }

// Err is why there is no primary, or why no connection to it could be opened since Open; nil if neither holds.
func (c *Cluster) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.view.Load(); v.primary == nil {
		return v.problem
	}
	return c.cold
}

// Ping tells whether something can be read: nil if a server has answered its last probe, else why not. It asks nobody,
// for probes do.
func (c *Cluster) Ping() error {
	if v := c.view.Load(); v.primary == nil && len(v.replicas) == 0 {
		return v.problem
	}
	return nil
}

// Tokens tells whether callers must be told how far their writes have come, to read them again: whether there is more
// than one server.
func (c *Cluster) Tokens() bool { return len(c.servers) > 1 }

// warmUp waits for the first server's connections, once; also for its lines, without which reads do as well, if slower.
// mu is held.
func (c *Cluster) warmUp(v *view) {
	s := v.primary
	if s == nil && len(v.replicas) > 0 {
		s = v.replicas[0].server
	}
	if c.warm || c.warming || s == nil || c.ctx.Err() != nil {
		return
	}
	c.warming = true
	c.running.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, c.options.WriteWait)
		defer cancel()
		err := s.pool.Warm(ctx)
		if s.lines != nil && err == nil {
			if err := s.lines.pool.Warm(ctx); err != nil && c.ctx.Err() == nil {
				c.options.Log.Warn("no connection that reads share could be opened yet", "server", s.Address, "error", err)
			}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.warming, c.cold = false, err
		if err == nil {
			c.warm = true
			close(c.reached)
		}
	})
}
