package memory

import (
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

// model is a token bucket that reckons with fractions.
type model struct {
	full *big.Rat // when it is full again, in nanoseconds
}

// take takes up to n and tells when the next is there, and when the bucket is full.
func (m *model) take(now int64, limit sluice.Bucket, n int64) (granted, remaining int64, retry, reset *big.Rat) {
	interval := big.NewRat(int64(limit.Rate.Per), limit.Rate.Count)
	at := new(big.Rat).SetInt64(now)
	if m.full == nil || m.full.Cmp(at) < 0 {
		m.full = new(big.Rat).Set(at)
	}
	room := new(big.Rat).Sub(new(big.Rat).Mul(interval, new(big.Rat).SetInt64(limit.Size)), new(big.Rat).Sub(m.full, at))
	free := new(big.Rat).Quo(room, interval)
	whole := new(big.Int).Div(free.Num(), free.Denom()).Int64()
	granted = min(whole, n)
	m.full.Add(m.full, new(big.Rat).Mul(interval, new(big.Rat).SetInt64(granted)))
	reset = new(big.Rat).Sub(m.full, at)
	retry = new(big.Rat).Sub(reset, new(big.Rat).Mul(interval, new(big.Rat).SetInt64(limit.Size-1)))
	if retry.Sign() < 0 {
		retry.SetInt64(0)
	}
	return granted, whole - granted, retry, reset
}

// ceil is a number of nanoseconds as a duration, rounded up.
func ceil(r *big.Rat) time.Duration {
	n := new(big.Int).Add(r.Num(), new(big.Int).Sub(r.Denom(), big.NewInt(1)))
	return time.Duration(n.Div(n, r.Denom()).Int64())
}

func TestBucketIsExact(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 11))
	pick := func(all ...int64) int64 { return all[random.IntN(len(all))] }
	for range 300 {
		limit := sluice.Bucket{
			Rate: sluice.Rate{Count: pick(1, 3, 7, 500, 7001, 999_983, 1+random.Int64N(1_000_000)),
				Per: time.Duration(pick(int64(time.Millisecond), int64(time.Second), 7_000_003, int64(time.Minute), 24*int64(time.Hour)))},
			Size: pick(1, 2, 51, 1000, 1_000_003, 1+random.Int64N(100)),
		}
		if limit.Check() != nil {
			continue
		}
		now, b, m := int64(1_764_109_730_123_456_789), bucket{}, model{}
		interval := int64(limit.Rate.Per)/limit.Rate.Count + 1
		for step := range 200 {
			n := pick(1, 1, 1, 2, 5, limit.Size, 2*limit.Size)
			next, taken := b.take(now, limit, n)
			granted, remaining, retry, reset := m.take(now, limit, n)
			want := sluice.Taken{Granted: granted, Remaining: remaining, Retry: ceil(retry), Reset: ceil(reset)}
			if taken != want {
				t.Fatalf("%v of %d, step %d, take %d: %+v, want %+v", limit.Rate, limit.Size, step, n, taken, want)
			}
			b = next
			switch random.IntN(4) {
			case 0:
				now += random.Int64N(interval)
			case 1:
				now += int64(taken.Retry)
			case 2:
				now += max(0, int64(taken.Retry)-1)
			case 3:
				now += random.Int64N(3 * interval)
			}
		}
	}
}

// The next is there exactly when it was said to be, and not before.
func TestRetryIsExact(t *testing.T) {
	t.Parallel()
	for _, limit := range []sluice.Bucket{
		{Rate: sluice.Rate{Count: 7, Per: time.Second}, Size: 1}, {Rate: sluice.Rate{Count: 3, Per: time.Second}, Size: 4},
		{Rate: sluice.Rate{Count: 7000, Per: time.Second}, Size: 50}, {Rate: sluice.Rate{Count: 1, Per: 24 * time.Hour}, Size: 2},
	} {
		now := int64(1_764_109_730_000_000_000)
		b, taken := bucket{}.take(now, limit, limit.Size)
		for range 1000 {
			if taken.Remaining != 0 || taken.Retry == 0 {
				t.Fatalf("%v: %+v of an empty bucket", limit, taken)
			}
			if _, early := b.take(now+int64(taken.Retry)-1, limit, 1); early.Granted != 0 || early.Retry != 1 {
				t.Fatalf("%v: %+v one nanosecond early", limit, early)
			}
			now += int64(taken.Retry)
			if b, taken = b.take(now, limit, 1); taken.Granted != 1 {
				t.Fatalf("%v: %+v at the time that was told", limit, taken)
			}
		}
	}
}

// Over a long time a bucket gives its rate: rounding adds nothing and loses nothing.
func TestRateIsKept(t *testing.T) {
	t.Parallel()
	limit := sluice.Bucket{Rate: sluice.Rate{Count: 7001, Per: time.Second}, Size: 2}
	const start = int64(1_764_109_730_000_000_000)
	now, b, given := start, bucket{}, int64(0)
	for now < start+int64(100*time.Second) {
		next, taken := b.take(now, limit, 1)
		b, given = next, given+taken.Granted
		now += int64(taken.Retry)
	}
	if want := 100*limit.Rate.Count + limit.Size - 1; given != want { // one of those that it held is there at the end
		t.Errorf("%d were given in 100 s, want %d", given, want)
	}
}

func TestChangedLimit(t *testing.T) {
	t.Parallel()
	const now = int64(1_764_109_730_000_000_000)
	wide := sluice.Bucket{Rate: sluice.Rate{Count: 1, Per: time.Hour}, Size: 100}
	narrow := sluice.Bucket{Rate: sluice.Rate{Count: 3, Per: time.Second}, Size: 2}
	b, _ := bucket{}.take(now, wide, 100)
	b, taken := b.take(now, narrow, 1)
	if taken.Granted != 0 || taken.Reset != 666_666_667 {
		t.Errorf("%+v, want an empty bucket of the new size", taken)
	}
	if _, taken = b.take(now+333_333_334, narrow, 1); taken.Granted != 1 {
		t.Errorf("%+v, want one when the new rate says so", taken)
	}
}

// A clock that is set back costs no more than the bucket.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	const now = int64(1_764_109_730_000_000_000)
	limit := sluice.Bucket{Rate: sluice.Rate{Count: 1, Per: time.Second}, Size: 3}
	b, _ := bucket{}.take(now, limit, 1)
	back := now - int64(time.Hour)
	b, taken := b.take(back, limit, 1)
	if taken.Granted != 0 || taken.Retry != time.Second {
		t.Errorf("%+v, want an empty bucket", taken)
	}
	if _, taken = b.take(back+int64(time.Second), limit, 1); taken.Granted != 1 {
		t.Errorf("%+v, want one after a second", taken)
	}
}
