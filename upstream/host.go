package upstream

import (
	"context"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/internal/window"
)

// Host is one address of an upstream. Its methods may be called at once.
type Host[L any] struct {
	// Target is the place in the spec's Targets of the one whose address it is.
	Target int
	// Address is host and port to connect to.
	Address string
	// Link is what the kind keeps for it.
	Link L

	of *Hosts[L]
	// id is random: it tells the host from all others of the process. hash is the same on all nodes.
	id, hash uint64
	// load is how many requests are under way; far below zero once the host is closed.
	load atomic.Int64
	gone atomic.Bool
	// sick is set while its checks fail.
	sick atomic.Bool
	// until is when it may be tried again, in Unix nanoseconds of Env's clock; zero while it is in service. It changes with
	// the hosts' mu held, but for the one request that tries it.
	until atomic.Int64
	// ejected tells why it is out: for its answers, or else because it took no connection.
	ejected atomic.Bool
	// trying is set while it is out and a request tries it, because it is time or because no other host is left.
	trying atomic.Bool
	stop   context.CancelFunc // of its checks; nil without

	// The rest is guarded by mu, which is taken before the hosts' own.
	mu     sync.Mutex
	row    int           // failures one after the other
	recent window.Window // answers, and failures among them
	last   time.Duration // for how long it was out the last time; zero when that is long ago
	back   time.Time     // when it came back
}

// closedLoad is the load of a host that nobody can take any more.
const closedLoad = math.MinInt64 / 2

// newHost makes a host of a target; mu of hs is held.
func (hs *Hosts[L]) newHost(target int, address string) *Host[L] {
	sum := fnv.New64a()
	sum.Write([]byte(address))
	h := &Host[L]{Target: target, Address: address, of: hs, id: rand.Uint64(), hash: mix(sum.Sum64())}
	h.recent = window.New(hs.spec.Config.Ejection.Window)
	h.Link = hs.spec.Link(h)
	if hs.spec.Checks != nil {
		var ctx context.Context
		ctx, h.stop = context.WithCancel(hs.ctx)
		hs.running.Go(func() { hs.check(ctx, h) })
	}
	return h
}

// take counts a request under way, unless the host is closed, or is out and another request tries it just now.
func (h *Host[L]) take(now time.Time) bool {
	if h.load.Add(1) <= 0 {
		h.load.Add(-1)
		return false
	}
	if until := h.until.Load(); until != 0 {
		if now.UnixNano() >= until && !h.until.CompareAndSwap(until, now.Add(trial).UnixNano()) {
			h.Done()
			return false
		}
		h.trying.Store(true)
	}
	return true
}

// trial is how long one request has to find out whether a host that was out is well, before another one tries.
const trial = time.Second

// Done tells that a request is over. It is called once for each Pick.
func (h *Host[L]) Done() {
	if h.load.Add(-1) == 0 && h.gone.Load() {
		h.close()
	}
}

// InFlight is how many requests are under way at the host.
func (h *Host[L]) InFlight() int64 { return max(0, h.load.Load()) }

// leave has the host closed when nobody uses it any more.
func (h *Host[L]) leave() {
	if h.stop != nil {
		h.stop()
	}
	h.gone.Store(true)
	if h.of.ctx.Err() != nil {
		h.load.Add(closedLoad)
		h.of.spec.Close(h)
		return
	}
	if h.load.Load() == 0 {
		h.close()
	}
}

func (h *Host[L]) close() {
	if h.load.CompareAndSwap(0, closedLoad) {
		h.of.spec.Close(h)
	}
}

// standing is how fit a host is to be picked: the lower, the fitter.
type standing uint8

const (
	well  standing = iota
	again          // well, and tried before for this exchange
	poor           // ejected, or its checks fail
	down           // it takes no connection
	never          // tried already in this call
)

func (h *Host[L]) standing(t *sluice.Tried, now int64) standing {
	if t.Now(h.id) {
		return never
	}
	if until := h.until.Load(); until != 0 && now < until {
		if h.ejected.Load() {
			return poor
		}
		return down
	}
	switch {
	case h.sick.Load():
		return poor
	case t.Before(h.id):
		return again
	}
	return well
}

func (t Target) address() string {
	return net.JoinHostPort(t.Name, strconv.Itoa(int(t.Port)))
}

// isName tells whether the target is to be looked up.
func (t Target) isName() bool {
	name := strings.ToLower(strings.TrimSuffix(t.Name, "."))
	_, err := netip.ParseAddr(t.Name)
	return err != nil && name != "localhost" && !strings.HasSuffix(name, ".localhost")
}

// mix spreads the bits of a number over all of it (the finalizer of SplitMix64).
func mix(n uint64) uint64 {
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}
