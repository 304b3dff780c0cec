package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// arrival is when a request is to be sent, and to which node.
type arrival struct {
	at   time.Duration
	node int
}

// arrivals are requests of a Poisson process, always the same ones, spread over nodes by their shares.
func arrivals(perSecond float64, span time.Duration, shares []float64) (all []arrival) {
	random := rand.New(rand.NewPCG(1, 2))
	for at := time.Duration(0); ; {
		at += time.Duration(random.ExpFloat64() / perSecond * float64(time.Second))
		if at >= span {
			return all
		}
		part, n := random.Float64(), 0
		for part -= shares[0]; part > 0 && n < len(shares)-1; part -= shares[n] {
			n++
		}
		all = append(all, arrival{at, n})
	}
}

// shot is a request that was sent: when, when its answer was there, and what it was.
type shot struct {
	node      int
	sent, got time.Duration // since the load began
	status    int
	err       error
}

// shoot sends requests at their times, whether those before are answered or not, and returns them in the order in which they
// were sent.
func shoot(ctx context.Context, nodes []*node, r request, all []arrival) (shots []shot) {
	const connections = 32 // to each node: far more than are in use at once
	var mu sync.Mutex
	var clients sync.WaitGroup
	began := time.Now()
	queues := make([]chan struct{}, len(nodes))
	for i, n := range nodes {
		queues[i] = make(chan struct{}, len(all))
		for range connections {
			clients.Go(func() {
				c := client{address: n.http}
				defer c.close()
				for range queues[i] {
					s := shot{node: i, sent: time.Since(began)}
					a, err := c.do(r)
					s.got, s.status, s.err = time.Since(began), a.status, err
					mu.Lock()
					shots = append(shots, s)
					mu.Unlock()
				}
			})
		}
	}
	for _, a := range all {
		if wait := a.at - time.Since(began); wait > 0 && !rest(ctx, wait) {
			break
		}
		queues[a.node] <- struct{}{}
	}
	for _, q := range queues {
		close(q)
	}
	clients.Wait()
	slices.SortFunc(shots, func(a, b shot) int { return int(a.sent - b.sent) })
	return shots
}

// admitted counts the shots that were let through.
func admitted(shots []shot) (n int) {
	for _, s := range shots {
		if s.status == 200 {
			n++
		}
	}
	return n
}

// failures is an error when a shot got another answer than to be let through or to wait.
func failures(when string, shots []shot) error {
	var faults []string
	for _, s := range shots {
		if s.err != nil || s.status != 200 && s.status != 429 {
			faults = append(faults, fmt.Sprintf("status %d, error %v", s.status, s.err))
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %d of %d requests failed, among them:\n  %s", when, len(faults), len(shots), strings.Join(faults[:min(5, len(faults))], "\n  "))
}

// quantileOf is the wait that the share q of all shots does not exceed.
func quantileOf(shots []shot, q float64) time.Duration {
	var c counts
	for _, s := range shots {
		c.waits = append(c.waits, s.got-s.sent)
	}
	slices.Sort(c.waits)
	return c.quantile(q)
}

// bucket is a token bucket: it holds so many, and so many flow in each second.
type bucket struct{ rate, size float64 }

// central is how many of the shots one bucket would let through that sees each in the middle between its being sent and
// answered.
func (b bucket) central(shots []shot) (n int) {
	moments := make([]time.Duration, len(shots))
	for i, s := range shots {
		moments[i] = (s.sent + s.got) / 2
	}
	slices.Sort(moments)
	held, last := b.size, time.Duration(0)
	for _, m := range moments {
		held = min(b.size, held+(m-last).Seconds()*b.rate)
		if last = m; held >= 1 {
			held--
			n++
		}
	}
	return n
}

// excess is how many shots too many were let through at the worst: of all spans of time, the one in which most were surely
// let through beyond what the bucket holds and what flows in meanwhile. Zero is none.
func (b bucket) excess(shots []shot) (most float64) {
	var through []shot
	for _, s := range shots {
		if s.status == 200 {
			through = append(through, s)
		}
	}
	slices.SortFunc(through, func(a, b shot) int { return int(a.got - b.got) })
	for _, first := range through {
		n := 0.0
		for _, s := range through {
			if s.sent < first.sent {
				continue
			}
			n++
			most = max(most, n-b.size-(s.got-first.sent).Seconds()*b.rate)
		}
	}
	return math.Max(0, most)
}
