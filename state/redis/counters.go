package redis

import (
	"context"
	_ "embed"
	"fmt"
	"math/bits"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/sluiceapi/sluice"
)

//go:embed take.lua
var takeSource string

//go:embed count.lua
var countSource string

var (
	takeScript  = rueidis.NewLuaScript(takeSource)
	countScript = rueidis.NewLuaScript(countSource)
)

// Take asks a token bucket. Where a call for the bucket is under way further ones wait for it and then go together, and
// a bucket that Redis has said to be empty is not asked for before it has something again.
func (s *State) Take(ctx context.Context, key []byte, limit sluice.Bucket, n int64) (sluice.Taken, error) {
	var buffer [keyBuffer]byte
	return s.limits.take(ctx, s, append(append(append(buffer[:0], s.prefix...), "b:"...), key...), limit, n)
}

// Count adds to the counter of a window. A window that is full is not asked for before it has ended.
func (s *State) Count(ctx context.Context, key []byte, limit sluice.Window, n int64) (sluice.Taken, error) {
	var buffer [keyBuffer]byte
	return s.limits.count(ctx, s, append(append(append(buffer[:0], s.prefix...), "w:"...), key...), limit, n)
}

// keyBuffer is room for a key of usual length.
const keyBuffer = 192

// askTake asks Redis for a bucket.
func (s *State) askTake(ctx context.Context, key string, limit sluice.Bucket, n int64) (t sluice.Taken, err error) {
	i := intervalOf(limit)
	args := []string{decimal(i.p), decimal(i.q), decimal(uint64(limit.Size)), decimal(uint64(max(0, n)))}
	var got []int64
	err = s.call(ctx, &s.metrics.take, func(c rueidis.Client) (err error) {
		got, err = run(c, takeScript, key, args, 4)
		return err
	})
	if err != nil {
		return sluice.Taken{}, err
	}
	return sluice.Taken{Granted: got[0], Remaining: got[1], Retry: microseconds(got[2]), Reset: microseconds(got[3])}, nil
}

// askCount asks Redis for a window.
func (s *State) askCount(ctx context.Context, key string, limit sluice.Window, n int64) (t sluice.Taken, err error) {
	per := uint64((limit.Rate.Per + time.Microsecond - 1) / time.Microsecond)
	args := []string{decimal(per), decimal(uint64(limit.Rate.Count)), decimal(uint64(max(0, n)))}
	var got []int64
	err = s.call(ctx, &s.metrics.count, func(c rueidis.Client) (err error) {
		got, err = run(c, countScript, key, args, 3)
		return err
	})
	if err != nil {
		return sluice.Taken{}, err
	}
	t = sluice.Taken{Granted: got[0], Remaining: got[1], Reset: microseconds(got[2])}
	if t.Remaining == 0 {
		t.Retry = t.Reset
	}
	return t, nil
}

// run runs a script that answers with so many numbers.
func run(c rueidis.Client, script *rueidis.Lua, key string, args []string, numbers int) ([]int64, error) {
	got, err := script.Exec(context.Background(), c, []string{key}, args).AsIntSlice()
	if err == nil && len(got) != numbers {
		err = fmt.Errorf("a script answers with %d numbers, want %d", len(got), numbers)
	}
	return got, err
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

func microseconds(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// interval is the time between two that flow into a bucket: p/q microseconds.
type interval struct{ p, q uint64 }

// exact is above what a script reckons with, so that doubles hold it.
const exact = 1 << 52

// intervalOf is the interval of a bucket that was checked. A bucket whose numbers are too large to be reckoned with exactly
// has one that is longer, by a part of less than Size in 2^52.
func intervalOf(b sluice.Bucket) interval {
	const nanoseconds = 1000
	p, q := uint64(b.Rate.Per), nanoseconds*uint64(b.Rate.Count)
	d := divisor(p, q)
	p, q = p/d, q/d
	hi, lo := bits.Mul64(p, uint64(b.Size))
	if hi == 0 && lo < exact && q < exact {
		return interval{p, q}
	}
	fill, _ := bits.Div64(hi, lo, q)
	coarse := max(1, exact/(fill+1))
	hi, lo = bits.Mul64(p, coarse)
	up, rest := bits.Div64(hi, lo, q)
	if rest > 0 {
		up++
	}
	return interval{up, coarse}
}

// divisor is the greatest that two numbers share.
func divisor(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
