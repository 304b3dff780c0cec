package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// freshTrial is the claim that caches are fresh: nodes that share a Redis and a database, writers and readers.
type freshTrial struct {
	stage  *stage
	nodes  []*node
	redis  *servers.Redis
	ledger *ledger

	writes, reads, own     *tally // own are reads of a writer of what it has just written
	written, read, ownRead counts
	before, after          cacheCounts
	outage                 time.Duration
	unended                atomic.Int64 // writes that were acknowledged without having ended what was kept
	remains                error        // what is old when all is over
	cold                   coldTrial
}

// Numbers of the claim.
const (
	freshNodes = 4
	freshItems = 1000
	freshLimit = 100 * time.Millisecond // how long after an acknowledged write another node may give the old answer
	freshHits  = 0.3                    // the least share of hits: without hits everything is fresh
	writers    = 4
	readers    = 8
	writePause = 5 * time.Millisecond
)

func freshness(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("prove freshness", flag.ContinueOnError)
	span := flags.Duration("span", 15*time.Second, "how long is written and read; in the middle Redis is away for a while, comes back empty, and takes no notices any more")
	keys := flags.Int("cold", 5, "cold keys that 1,000 clients ask for at once")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s, err := newStage(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	return servers.Within(os.Stderr, func(o servers.Owner) error {
		f := &freshTrial{stage: s, redis: servers.StartRedis(o, servers.RedisOptions{}), ledger: newLedger(freshItems),
			writes: newTally(), reads: newTally(), own: newTally()}
		if err := f.run(ctx, *span, *keys); err != nil {
			return err
		}
		f.print()
		return f.verdict()
	})
}

// run starts the nodes, lets them be written to and read from, and asks for cold keys.
func (f *freshTrial) run(ctx context.Context, span time.Duration, keys int) (err error) {
	path, err := f.stage.writeFresh(f.redis.URL())
	if err != nil {
		return err
	}
	for range freshNodes {
		n, err := f.stage.start(ctx, path)
		if err != nil {
			return err
		}
		f.nodes = append(f.nodes, n)
	}
	progress(fmt.Sprintf("%d clients ask for each of %d cold keys", coldClients, keys))
	if f.cold, err = askCold(ctx, f.nodes, keys); err != nil {
		return err
	}
	if f.before, err = countCaches(f.nodes); err != nil {
		return err
	}
	progress("writing and reading")
	if err := f.load(ctx, span); err != nil {
		return err
	}
	if f.after, err = countCaches(f.nodes); err != nil {
		return err
	}
	f.remains, err = f.sweep(ctx)
	f.written, f.read, f.ownRead = f.writes.take(), f.reads.take(), f.own.take()
	return err
}

// load writes and reads for a while. In the middle Redis is killed, and started again empty; from then on it refuses
// notices, as if all of them were lost.
func (f *freshTrial) load(ctx context.Context, span time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for i := range writers {
		all.Go(func() { f.write(ctx, i) })
	}
	for range readers {
		all.Go(func() { f.look(ctx) })
	}
	if !rest(ctx, span*2/5) {
		return ctx.Err()
	}
	progress("Redis is killed")
	began := time.Now()
	f.redis.Kill()
	if !rest(ctx, span/10) {
		return ctx.Err()
	}
	f.redis.Restart()
	f.outage = time.Since(began)
	f.redis.Do("ACL", "SETUSER", "default", "-publish")
	progress("Redis is back, empty, and takes no notices any more")
	if !rest(ctx, span/2) {
		return ctx.Err()
	}
	return nil
}

// write is the life of a writer. It writes items of its own, one after the other, each to some node, and reads each on all
// nodes at once after, with the token that it got.
func (f *freshTrial) write(ctx context.Context, number int) {
	clients := clientsOf(f.nodes)
	defer closeAll(clients)
	for rest(ctx, writePause) {
		item := number + writers*rand.IntN(freshItems/writers)
		version := f.ledger.begin(item)
		began := time.Now()
		a, err := clients[rand.IntN(len(clients))].do(put(item, version))
		if err == nil && a.status != 200 {
			err = fmt.Errorf("writing item %d: status %d: %.200s", item, a.status, a.body)
		}
		f.writes.add(time.Since(began), false, err)
		if err != nil {
			continue
		}
		// An answer without a token has not ended what was kept: Redis is away. Nothing is promised until it is back.
		token := a.header.Get("Consistency-Token")
		if token == "" {
			f.unended.Add(1)
			continue
		}
		f.ledger.acknowledge(item, version, time.Now())
		for i := range clients {
			f.readOwn(&clients[i], item, version, token)
		}
	}
}

// readOwn reads what was just written.
func (f *freshTrial) readOwn(c *client, item, version int, token string) {
	began := time.Now()
	a, err := c.do(getItem(item, token))
	var got int
	if err == nil {
		got, err = versionOf(a)
	}
	if err == nil && got < version {
		err = fmt.Errorf("item %d: its writer reads version %d after it has written %d: %s", item, got, version, a.header.Get("Cache-Status"))
	}
	f.own.add(time.Since(began), false, err)
}

// look is the life of a reader, who gives back no token. Most of what it reads is of a few items, as in a shop.
func (f *freshTrial) look(ctx context.Context) {
	clients := clientsOf(f.nodes)
	defer closeAll(clients)
	for ctx.Err() == nil {
		item := rand.IntN(freshItems)
		if rand.IntN(10) > 0 {
			item %= freshItems / 20
		}
		began := time.Now()
		a, err := clients[rand.IntN(len(clients))].do(getItem(item, ""))
		took := time.Since(began)
		var got int
		if err == nil {
			got, err = versionOf(a)
		}
		if err == nil {
			if late := f.ledger.late(item, got, began); late > freshLimit {
				err = fmt.Errorf("item %d: version %d is read %s after the next was acknowledged: %s", item, got, milliseconds(late), a.header.Get("Cache-Status"))
			}
		}
		f.reads.add(took, false, err)
	}
}

// sweep reads every item on every node when all is written, and ended as soon as it can be: none may be old.
func (f *freshTrial) sweep(ctx context.Context) (old, err error) {
	progress("reading all items on all nodes")
	for c := f.after; c.waiting > 0; c, err = countCaches(f.nodes) {
		if err != nil || !rest(ctx, 100*time.Millisecond) {
			return nil, errors.Join(err, ctx.Err())
		}
	}
	if !rest(ctx, freshLimit) {
		return nil, ctx.Err()
	}
	clients := clientsOf(f.nodes)
	defer closeAll(clients)
	for i := range clients {
		for item := range freshItems {
			a, err := clients[i].do(getItem(item, ""))
			if err != nil {
				return nil, err
			}
			got, err := versionOf(a)
			if last := f.ledger.last(item); err == nil && got != last {
				err = fmt.Errorf("item %d: node %d gives version %d in the end, and %d was written last: %s", item, i, got, last, a.header.Get("Cache-Status"))
			}
			if err != nil {
				return err, nil
			}
		}
	}
	return nil, nil
}

func (f *freshTrial) verdict() error {
	var errs []error
	if share := f.hitShare(); share < freshHits {
		errs = append(errs, fmt.Errorf("only %.0f %% of the reads were hits, so their freshness proves little; want %.0f %%", 100*share, 100*freshHits))
	}
	if f.written.served == 0 || f.ownRead.served == 0 {
		errs = append(errs, fmt.Errorf("%d writes and %d reads of a writer with its token; want some", f.written.served, f.ownRead.served))
	}
	return errors.Join(append(errs, f.written.fault("writes"), f.read.fault("reads"), f.ownRead.fault("reads of what was just written"), f.remains, f.cold.verdict())...)
}

func (f *freshTrial) hitShare() float64 {
	hits := f.after.hits - f.before.hits
	return hits / max(1, hits+f.after.misses-f.before.misses)
}

func (f *freshTrial) print() {
	fmt.Printf(`
fresh caches: %d nodes with one Redis, which was killed, away for %s, came back empty, and lost all notices then
  writes              %d acknowledged, %d failed; p50 %s, p99 %s; %d of them while Redis was away, in the end no answer is older
  reads               %d, %.0f per second, %.1f %% of them hits; p50 %s, p99 %s
  old answers         %d later than %s after the write was acknowledged; the latest %s after it
  own writes          %d reads with the token on every node, %d of them old; p50 %s, p99 %s
  cold keys           %s
`, freshNodes, seconds(f.outage),
		f.written.served, f.written.failed, milliseconds(f.written.quantile(0.5)), milliseconds(f.written.quantile(0.99)), f.unended.Load(),
		f.read.served+f.read.failed, f.read.perSecond(), 100*f.hitShare(), milliseconds(f.read.quantile(0.5)), milliseconds(f.read.quantile(0.99)),
		f.read.failed, freshLimit, milliseconds(f.ledger.latest()),
		f.ownRead.served+f.ownRead.failed, f.ownRead.failed, milliseconds(f.ownRead.quantile(0.5)), milliseconds(f.ownRead.quantile(0.99)),
		f.cold)
}
