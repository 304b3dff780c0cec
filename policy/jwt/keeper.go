package jwt

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
)

// origin is where a set of keys is read from, by one goroutine.
type origin interface {
	// load reads the set. known is the version of the set that was taken last, or "". Its error is for the log.
	load(ctx context.Context, known string) (loaded, error)
}

// loaded is what an origin gave.
type loaded struct {
	// text is the set as it was written; nil when it is of the known version still.
	text []byte
	// version tells this text from others; "" is a text that has to be read again to know.
	version string
	// fresh is how long it need not be asked again.
	fresh time.Duration
}

// keeper keeps the keys of an origin. Its goroutine reads them from time to time, and those who ask never wait while
// there is a usable set, but for tokens whose key is not in it.
type keeper struct {
	origin   origin
	parse    func([]byte) (*keySet, []dropped, error)
	log      *slog.Logger
	now      func() time.Time
	cooldown time.Duration
	maxStale time.Duration
	// ready is called when there is a set for the first time.
	ready func()
	// least and most bound the pause after a failure.
	least, most time.Duration

	current atomic.Pointer[keySet]
	// loadedAt is when the origin last gave a set or said that it is the same, in nanoseconds since 1970; zero before.
	loadedAt     atomic.Int64
	loads, fails atomic.Int64
	tried        chan struct{} // closed after the first try to read the keys
	wake         chan struct{} // holds one when a flight waits

	mu      sync.Mutex // guards what follows
	flight  *flight    // the forced reload that waits or goes on; nil when there is none
	forced  time.Time  // when the last was asked for
	waiting int
	unknown unknown
	clients clients

	// What follows is the goroutine's own.
	digest   [sha256.Size]byte
	version  string
	failures int
	// fresh is how long what was read last need not be read again.
	fresh time.Duration
}

// flight is a forced reload, for all who wait for it.
type flight struct {
	// done is closed when it is over.
	done chan struct{}
	// kid is whose token caused it.
	kid string
}

// maxWaiting is how many exchanges may wait for a forced reload at once; others are refused at once, so that a flood
// of unknown keys holds no more than these.
const maxWaiting = 64

func newKeeper(env *sluice.Env) *keeper {
	return &keeper{now: env.Now, log: env.Log, least: 250 * time.Millisecond, most: time.Minute, ready: func() {},
		tried: make(chan struct{}), wake: make(chan struct{}, 1), clients: newClients()}
}

// set is the set of the moment; nil while there is none that may be used.
func (k *keeper) set() *keySet { return k.current.Load() }

// run reads the keys after a pause, and from then on until ctx ends.
func (k *keeper) run(ctx context.Context, pause time.Duration) {
	first := sync.OnceFunc(func() { close(k.tried) })
	defer first()
	for {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-k.wake:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
		f := k.takeOff()
		err := k.load(ctx)
		if ctx.Err() != nil {
			return
		}
		if pause = k.fresh; err != nil {
			pause = k.failed(err)
		}
		if f != nil {
			k.land(f)
		}
		first()
	}
}

// first waits, where no set was read yet, until it was tried once: so a reload that changes where the keys are refuses
// nobody.
func (k *keeper) first(x *sluice.Exchange) *keySet {
	select {
	case <-k.tried:
		return k.set() // without making a context, for a flood
	default:
	}
	select {
	case <-k.tried:
	case <-x.Context().Done():
	}
	return k.set()
}

// takeOff is the flight that waits, or nil.
func (k *keeper) takeOff() *flight {
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-k.wake:
	default:
	}
	return k.flight
}

// load reads the keys once. A set that cannot be used never takes the place of a good one.
func (k *keeper) load(ctx context.Context) error {
	k.loads.Add(1)
	known := k.version
	if k.current.Load() == nil {
		known = ""
	}
	l, err := k.origin.load(ctx, known)
	if err == nil && l.text != nil {
		err = k.take(l.text)
	}
	if err != nil {
		return err
	}
	if k.failures > 0 {
		k.log.Info("the keys can be read again", "failures", k.failures)
	}
	k.failures, k.version = 0, l.version
	k.fresh = jitter(min(l.fresh, k.maxStale/2))
	k.loadedAt.Store(k.now().UnixNano())
	return nil
}

// take makes a text the set of the moment, unless it is so already.
func (k *keeper) take(text []byte) error {
	digest := sha256.Sum256(text)
	if k.current.Load() != nil && digest == k.digest {
		return nil
	}
	set, gone, err := k.parse(text)
	for _, d := range gone {
		level := slog.LevelWarn
		if d.plain {
			level = slog.LevelDebug
		}
		k.log.Log(context.Background(), level, "a key is not used", "place", d.place, "kid", d.id, "error", d.err)
	}
	if err != nil {
		return err
	}
	k.log.Info("keys", "count", set.size)
	k.digest = digest
	k.mu.Lock()
	k.current.Store(set)
	k.unknown.clear()
	k.mu.Unlock()
	k.ready()
	return nil
}

// failed tells of a failure, gives up a set that is too old, and tells how long to pause.
func (k *keeper) failed(err error) time.Duration {
	k.fails.Add(1)
	k.failures++
	if k.failures&(k.failures-1) == 0 { // ever more seldom
		k.log.Warn("the keys cannot be read", "failures", k.failures, "error", err)
	}
	pause := k.most
	if shift := k.failures - 1; shift < 16 {
		pause = min(k.least<<shift, k.most)
	}
	if k.current.Load() == nil {
		return jitter(pause)
	}
	left := time.Unix(0, k.loadedAt.Load()).Add(k.maxStale).Sub(k.now())
	if left > 0 {
		return min(jitter(pause), left)
	}
	k.log.Error("the keys are too old to be used; nobody is let in until they can be read", "max_stale", k.maxStale)
	k.current.Store(nil)
	return jitter(pause)
}

// jitter is a time up to a tenth shorter, so that nodes do not ask all at once.
func jitter(d time.Duration) time.Duration { return d - time.Duration(rand.Int64N(int64(d)/10+1)) }

// renew asks for the keys again for a token with an unknown key, and waits until they are there. It tells whether the
// key may be known now. How often that happens does not depend on how many ask: not within the cooldown, counted from
// when the last was asked for, not for a key that was asked for in vain, and not too often for one client.
func (k *keeper) renew(x *sluice.Exchange, kid []byte) bool {
	f := k.board(x, kid)
	if f == nil {
		return false
	}
	defer func() {
		k.mu.Lock()
		k.waiting--
		k.mu.Unlock()
	}()
	select {
	case <-f.done:
		return true
	case <-x.Context().Done():
		return false
	}
}

// board finds or starts the reload to wait for; nil when there is none to wait for.
func (k *keeper) board(x *sluice.Exchange, kid []byte) *flight {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if k.waiting >= maxWaiting || k.unknown.has(kid, now) {
		return nil
	}
	if k.flight == nil {
		if !k.forced.IsZero() && now.Sub(k.forced) < k.cooldown || !k.clients.take(x.Request.Client, now) {
			return nil
		}
		k.forced = now
		k.flight = &flight{done: make(chan struct{}), kid: string(kid)}
		select {
		case k.wake <- struct{}{}:
		default:
		}
	}
	k.waiting++
	return k.flight
}

// land ends a forced reload. If it came to its end and the key is still not there, it is noted as unknown: but only
// the key that it was started for, since the others may have been published after it began.
func (k *keeper) land(f *flight) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.flight = nil
	if set := k.current.Load(); set != nil && k.failures == 0 && set.named[f.kid] == nil {
		k.unknown.add(f.kid, k.now())
	}
	close(f.done)
}
