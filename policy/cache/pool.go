package cache

import (
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/sluiceapi/sluice"
)

// pool is memory for answers.
type pool struct{ table *otter.Cache[key, *entry] }

// openPool opens the memory of a cache: its own, or the one of all caches that ask for none of their own.
func openPool(env *sluice.Env, ep *sluice.Endpoint, size sluice.Size) (*pool, error) {
	name, id := ep.Name, fmt.Sprintf("%s %d", ep.Name, size)
	if size == 0 {
		name, id, size = "", "", defaultMaxSize
	}
	return sluice.Share(env, id, func(env *sluice.Env) (*pool, error) { return newPool(env, name, size) })
}

func newPool(env *sluice.Env, name string, size sluice.Size) (*pool, error) {
	label := sluice.Label{Name: "endpoint", Value: name}
	evicted := env.Metrics.Counter("sluice_cache_evictions_total", "Answers that were dropped from memory to make room.", label)
	clock := otter.NewCoarseClock(time.Second) // an entry says itself until when it can be given
	table, err := otter.New(&otter.Options[key, *entry]{
		MaximumWeight:    uint64(size),
		Weigher:          func(k key, e *entry) uint32 { return uint32(len(k) + e.size()) },
		ExpiryCalculator: otter.ExpiryWritingFunc(lifetime), // a calculator of our own would be asked at each reading
		Clock:            clock,
		Executor:         func(f func()) { f() }, // what is to be done takes less time than to have another do it
		OnAtomicDeletion: func(d otter.DeletionEvent[key, *entry]) {
			if d.Cause == otter.CauseOverflow {
				evicted.Add(1)
			}
		},
	})
	if err != nil {
		clock.Stop()
		return nil, err
	}
	env.Metrics.Gauge("sluice_cache_bytes", "Memory of cached answers; without an endpoint, of all that share it.",
		func() float64 { return float64(table.WeightedSize()) }, label)
	env.Metrics.Gauge("sluice_cache_entries", "Cached answers in memory.", func() float64 { return float64(table.EstimatedSize()) }, label)
	env.Cleanup(func() {
		table.StopAllGoroutines()
		clock.Stop()
	})
	return &pool{table}, nil
}

// lifetime has an entry leave the memory when it can be given no more.
func lifetime(e otter.Entry[key, *entry]) time.Duration {
	return max(time.Duration(e.Value.stale-e.Value.born), time.Second)
}

// get keeps nothing of the key, which may be borrowed.
func (p *pool) get(k key) *entry {
	e, _ := p.table.GetIfPresent(k)
	return e
}

func (p *pool) set(k key, e *entry) { p.table.Set(k, e) }

func (p *pool) drop(k key) { p.table.Invalidate(k) }
