package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/postgres"
)

// Options say which servers a cluster has, and how they are used. Servers must be given. What is left empty is filled in with
// what is named here, for whoever uses a cluster by itself, as tests do; a config has its own defaults and leaves out only what it
// has no key for.
type Options struct {
	// Servers are those of the cluster, from Parse.
	Servers []Server
	// Conn is for all connections that are lent.
	Conn postgres.Options
	// Pool is for each server.
	Pool Pool
	// MaxLag is how old the data of a replica may be that is read from. 0 is 5 s.
	MaxLag time.Duration
	// ProbeInterval is how often each server is looked at: after this time at least and twice of it at most, so that
	// nodes do not ask all at once. 0 is 200 ms.
	ProbeInterval time.Duration
	// ProbeTimeout is how long a server may take to answer that. 0 is 1 s.
	ProbeTimeout time.Duration
	// TokenTTL is for how long a caller's own writes are remembered. 0 is 30 s.
	TokenTTL time.Duration
	// WriteWait is how long what needs the primary waits while it is not known. 0 is 5 s.
	WriteWait time.Duration
	// Source names the cluster in versions.
	Source uint64
	// Name is the backend's name, and Shard that of its shard if it has several, for logs and labels of metrics.
	Name    string
	Shard   string
	Log     *slog.Logger
	Metrics sluice.Metrics
	Now     func() time.Time
}

// Pool says how many connections are kept to each server, and how long.
type Pool struct {
	// Max is how many there are at most. 0 is 20.
	Max int
	// Lines is how many of them reads share, whole batches at a time: 0 is none. Less than half of Max are lines, however
	// many are asked for.
	Lines int
	// MinIdle is how many are kept open and unused.
	MinIdle int
	// AcquireTimeout is how long a caller waits for one. 0 is 200 ms.
	AcquireTimeout time.Duration
	// IdleTimeout closes those beyond MinIdle that are not used. 0 is 30 minutes.
	IdleTimeout time.Duration
	// Lifetime is how long one is used. 0 is 30 minutes.
	Lifetime time.Duration
}

// skew is how far apart the clocks of nodes may be.
const skew = time.Second

// WithDefaults returns o with its empty fields filled in.
func (o Options) WithDefaults() Options {
	o.Pool.Max = cmp.Or(o.Pool.Max, 20)
	o.Pool.AcquireTimeout = cmp.Or(o.Pool.AcquireTimeout, 200*time.Millisecond)
	o.Pool.IdleTimeout = cmp.Or(o.Pool.IdleTimeout, 30*time.Minute)
	o.Pool.Lifetime = cmp.Or(o.Pool.Lifetime, 30*time.Minute)
	o.MaxLag = cmp.Or(o.MaxLag, 5*time.Second)
	o.ProbeInterval = cmp.Or(o.ProbeInterval, 200*time.Millisecond)
	o.ProbeTimeout = cmp.Or(o.ProbeTimeout, time.Second)
	o.TokenTTL = cmp.Or(o.TokenTTL, 30*time.Second)
	o.WriteWait = cmp.Or(o.WriteWait, 5*time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = sluice.NoMetrics{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Check tells what is wrong with options, with the names that they have in a config.
func (o Options) Check() error {
	o = o.WithDefaults()
	primaries := 0
	for _, s := range o.Servers {
		if s.Place == Primary {
			primaries++
		}
	}
	// A caller whose token has ended may read from any replica within MaxLag: by then each of those has the write.
	late := o.MaxLag + 2*o.ProbeInterval + o.ProbeTimeout + skew
	switch {
	case len(o.Servers) == 0:
		return sluice.At("url", errors.New("there is no server"))
	case primaries > 1:
		return sluice.At("primary", fmt.Errorf("there are %d addresses of the primary; want one", primaries))
	case o.Pool.Lines < 0:
		return sluice.At("pool.lines", fmt.Errorf("it is %d; want 0, which is none, or more", o.Pool.Lines))
	case o.Pool.Max < 1 || o.Pool.MinIdle < 0 || o.Pool.MinIdle > o.Pool.Max:
		return sluice.At("pool", fmt.Errorf("max is %d and min_idle is %d; want max at least 1 and min_idle no more than max", o.Pool.Max, o.Pool.MinIdle))
	case o.Pool.AcquireTimeout < 0 || o.Pool.IdleTimeout < 0 || o.Pool.Lifetime < 0:
		return sluice.At("pool", errors.New("a time is negative; want none below 0"))
	case o.MaxLag < 0 || o.ProbeInterval < time.Millisecond || o.ProbeTimeout < time.Millisecond || o.WriteWait < 0:
		return sluice.At("replicas", errors.New("a time is too short; want at least 1ms"))
	case len(o.Servers) > 1 && late >= o.TokenTTL:
		return sluice.At("replicas.max_lag", fmt.Errorf("with it a replica may be %v late, and callers' own writes are remembered for %v; want a lower max_lag or probe_interval", late, o.TokenTTL))
	}
	return nil
}
