package memory

import (
	"context"
	"math"
	"math/bits"
	"time"

	"github.com/sluiceapi/sluice"
)

// bucket is a cell of the generic cell rate algorithm: its theoretical arrival time, at + frac/of nanoseconds since 1970,
// is when the bucket is full again. Where an interval between two is no whole number of nanoseconds it is carried as a
// fraction, so that nothing is rounded.
type bucket struct {
	at       int64
	frac, of uint64
}

func (b bucket) end() int64 { return b.at + 1 }

// Take asks a token bucket.
func (s *State) Take(_ context.Context, key []byte, limit sluice.Bucket, n int64) (sluice.Taken, error) {
	return s.TakeAt(s.now(), key, limit, n), nil
}

// TakeAt asks a token bucket at that time.
func (s *State) TakeAt(at time.Time, key []byte, limit sluice.Bucket, n int64) (taken sluice.Taken) {
	now := at.UnixNano()
	s.buckets.update(key, now, func(b bucket) bucket {
		b, taken = b.take(now, limit, n)
		return b
	})
	return taken
}

// take takes up to n. All times in it are in parts of a nanosecond, of which there are limit.Rate.Count in one: then the
// interval between two is limit.Rate.Per of them.
func (b bucket) take(now int64, limit sluice.Bucket, n int64) (bucket, sluice.Taken) {
	parts, interval := uint64(limit.Rate.Count), uint64(limit.Rate.Per)
	whole := multiply(uint64(limit.Size), interval)
	last := multiply(uint64(limit.Size)-1, interval)
	used := b.ahead(now, parts)
	if whole.less(used) { // the limit is lower than it was, or the clock went back
		used = whole
	}
	free := int64(whole.minus(used).over(interval))
	granted := max(0, min(free, n))
	used = used.plus(multiply(uint64(granted), interval))
	t := sluice.Taken{Granted: granted, Remaining: free - granted, Reset: used.durationOf(parts)}
	if last.less(used) {
		t.Retry = used.minus(last).durationOf(parts)
	}
	at, frac := bits.Div64(used.hi, used.lo, parts)
	return bucket{at: now + int64(at), frac: frac, of: parts}, t
}

// ahead is how far the arrival time lies after now. A fraction of other parts, from before the limit was changed, counts as a
// whole nanosecond.
func (b bucket) ahead(now int64, parts uint64) wide {
	at, frac := b.at, b.frac
	if frac > 0 && b.of != parts {
		at, frac = at+1, 0
	}
	if at < now {
		return wide{}
	}
	return multiply(uint64(at-now), parts).plus(wide{lo: frac})
}

// wide is a number of 128 bits.
type wide struct{ hi, lo uint64 }

func multiply(a, b uint64) (w wide) {
	w.hi, w.lo = bits.Mul64(a, b)
	return w
}

func (w wide) less(o wide) bool { return w.hi < o.hi || w.hi == o.hi && w.lo < o.lo }

func (w wide) plus(o wide) (sum wide) {
	var carry uint64
	sum.lo, carry = bits.Add64(w.lo, o.lo, 0)
	sum.hi, _ = bits.Add64(w.hi, o.hi, carry)
	return sum
}

func (w wide) minus(o wide) (rest wide) {
	var borrow uint64
	rest.lo, borrow = bits.Sub64(w.lo, o.lo, 0)
	rest.hi, _ = bits.Sub64(w.hi, o.hi, borrow)
	return rest
}

// over is the quotient, which must fit.
func (w wide) over(d uint64) uint64 {
	q, _ := bits.Div64(w.hi, w.lo, d)
	return q
}

// durationOf turns parts of a nanosecond into a duration, rounded up.
func (w wide) durationOf(parts uint64) time.Duration {
	q, rest := bits.Div64(w.hi, w.lo, parts)
	if rest > 0 {
		q++
	}
	return time.Duration(min(q, math.MaxInt64))
}
