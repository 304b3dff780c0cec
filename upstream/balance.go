package upstream

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/sluiceapi/sluice"
)

// choose chooses the fittest host, by the balance where several are equally fit; nil when all were tried.
func (hs *Hosts[L]) choose(x *sluice.Exchange, now time.Time) *Host[L] {
	hosts, at := *hs.hosts.Load(), now.UnixNano()
	switch len(hosts) {
	case 0:
		return nil
	case 1:
		if hosts[0].standing(&x.Tried, at) == never {
			return nil
		}
		return hosts[0]
	}
	balance := &hs.spec.Config.Balance
	if c := balance.ConsistentHash; c != nil {
		if key := c.By.Value(x); !key.IsAbsent() {
			var space [64]byte
			return byKey(hosts, hashOf(key.AppendText(space[:0])), float64(c.Over), &x.Tried, at)
		}
	}
	if balance.Method == roundRobin {
		return inTurn(hosts, int(hs.turn.Add(1)%uint32(len(hosts))), &x.Tried, at)
	}
	return leastLoaded(hosts, &x.Tried, at)
}

// inTurn is the first of the fittest, from one on.
func inTurn[L any](hosts []*Host[L], from int, t *sluice.Tried, now int64) (best *Host[L]) {
	least := never
	for i := range hosts {
		h := hosts[(from+i)%len(hosts)]
		if s := h.standing(t, now); s < least {
			if best, least = h, s; s == well {
				break
			}
		}
	}
	return best
}

// leastLoaded is the less loaded of two at random (Mitzenmacher, The Power of Two Choices in Randomized Load Balancing,
// 2001): it does not have all nodes choose the same host, as the least loaded of all would. Where one of the two is not
// well, it is the least loaded of the fittest.
func leastLoaded[L any](hosts []*Host[L], t *sluice.Tried, now int64) (best *Host[L]) {
	i := rand.IntN(len(hosts))
	j := rand.IntN(len(hosts) - 1)
	if j >= i {
		j++
	}
	if a, b := hosts[i], hosts[j]; a.standing(t, now) == well && b.standing(t, now) == well {
		if b.load.Load() < a.load.Load() {
			return b
		}
		return a
	}
	least, load := never, int64(0)
	for k := range hosts {
		h := hosts[(i+k)%len(hosts)]
		s, l := h.standing(t, now), h.load.Load()
		if s < least || s == least && s < never && l < load {
			best, least, load = h, s, l
		}
	}
	return best
}

// freely is how many requests a host takes whatever the average is: with few requests under way, two that come together
// say nothing of a host's load.
const freely = 8

// byKey is the host of the highest hash with the key (Thaler and Ravishankar, Using Name-Based Mappings to Increase Hit
// Rates, 1998) among the fittest whose load is bounded (Mirrokni et al., Consistent Hashing with Bounded Loads, 2017): at
// most over percent above the average.
func byKey[L any](hosts []*Host[L], key uint64, over float64, t *sluice.Tried, now int64) *Host[L] {
	least, total, count := never, int64(0), 0
	for _, h := range hosts {
		switch s := h.standing(t, now); {
		case s == never || s > least:
		case s < least:
			least, total, count = s, h.load.Load(), 1
		default:
			total += h.load.Load()
			count++
		}
	}
	if count == 0 {
		return nil
	}
	most := max(freely, int64(math.Ceil(float64(total+1)/float64(count)*(1+over/100))))
	var best, roomy *Host[L]
	var bestScore, roomyScore uint64
	for _, h := range hosts {
		if h.standing(t, now) != least {
			continue
		}
		score := mix(key ^ h.hash)
		if best == nil || score > bestScore {
			best, bestScore = h, score
		}
		if h.load.Load() < most && (roomy == nil || score > roomyScore) {
			roomy, roomyScore = h, score
		}
	}
	if roomy != nil {
		return roomy
	}
	return best
}

// hashOf is FNV-1a of 64 bits.
func hashOf(key []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range key {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}
