package redis

import (
	"context"
	"fmt"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// at makes a script take the time from its last argument.
func at(t *testing.T, source string, argument int) *rueidis.Lua {
	t.Helper()
	const own = "tonumber(time[1]) * 1000000 + tonumber(time[2])"
	if strings.Count(source, own) != 1 {
		t.Fatal("the script does not take the time as it did")
	}
	source = strings.Replace(source, own, fmt.Sprintf("tonumber(ARGV[%d])", argument), 1)
	return rueidis.NewLuaScript(strings.Replace(source, ", 'PX',", ") -- ", 1)) // expiry goes by the server's clock
}

func connect(t *testing.T) rueidis.Client {
	t.Helper()
	env := &sluice.Env{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Metrics: sluice.NoMetrics{}}
	t.Cleanup(env.Close)
	s, err := Open(env, Config{URL: sluice.Secret(servers.StartRedis(t, servers.RedisOptions{}).URL()), Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for s.gate.Load() == nil {
		<-time.After(time.Millisecond)
	}
	return s.gate.Load().client
}

// model is a token bucket that reckons with fractions of microseconds.
type model struct{ full *big.Rat }

func (m *model) take(now int64, i interval, size, n int64) []int64 {
	between, at := new(big.Rat).SetFrac64(int64(i.p), int64(i.q)), new(big.Rat).SetInt64(now)
	if m.full == nil || m.full.Cmp(at) < 0 {
		m.full = at
	}
	times := func(n int64) *big.Rat { return new(big.Rat).Mul(between, new(big.Rat).SetInt64(n)) }
	room := new(big.Rat).Sub(times(size), new(big.Rat).Sub(m.full, at))
	free := new(big.Rat).Quo(room, between)
	whole := new(big.Int).Div(free.Num(), free.Denom()).Int64()
	granted := min(whole, n)
	m.full = new(big.Rat).Add(m.full, times(granted))
	reset := new(big.Rat).Sub(m.full, at)
	return []int64{granted, whole - granted, max(0, ceil(new(big.Rat).Sub(reset, times(size-1)))), ceil(reset)}
}

func ceil(r *big.Rat) int64 {
	n := new(big.Int).Add(r.Num(), new(big.Int).Sub(r.Denom(), big.NewInt(1)))
	return n.Div(n, r.Denom()).Int64()
}

// The script gives exactly what a model with fractions gives, also where numbers are as large as they may be.
func TestTakeScriptIsExact(t *testing.T) {
	t.Parallel()
	c := connect(t)
	script := at(t, takeSource, 5)
	random := rand.New(rand.NewPCG(3, 5))
	pick := func(all ...int64) int64 { return all[random.IntN(len(all))] }
	for round := range 60 {
		b := sluice.Bucket{Rate: sluice.Rate{Count: pick(1, 3, 7, 500, 7001, 999_983, 1+random.Int64N(1_000_000)),
			Per: time.Duration(pick(int64(time.Second), 7_000_003, int64(time.Minute), 24*int64(time.Hour)))},
			Size: pick(1, 2, 51, 1000, 1_000_003, 1+random.Int64N(100))}
		if b.Check() != nil {
			continue
		}
		i, m, now := intervalOf(b), model{}, int64(1_764_109_730_123_456)
		for step := range 50 {
			n := pick(1, 1, 1, 2, 5, b.Size, 2*b.Size)
			args := []string{decimal(i.p), decimal(i.q), decimal(uint64(b.Size)), decimal(uint64(n)), decimal(uint64(now))}
			got, err := run(c, script, fmt.Sprint("bucket ", round), args, 4)
			if err != nil {
				t.Fatal(err)
			}
			if want := m.take(now, i, b.Size, n); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("%v of %d (%v), step %d, take %d: %v, want %v", b.Rate, b.Size, i, step, n, got, want)
			}
			switch random.IntN(4) {
			case 0:
				now += random.Int64N(int64(i.p/i.q) + 2)
			case 1:
				now += got[2]
			case 2:
				now += max(0, got[2]-1)
			case 3:
				now += random.Int64N(3 * (int64(i.p/i.q) + 2))
			}
		}
	}
}

// A clock that is set back costs no more than the bucket, and a window.
func TestScriptsWithClockSetBack(t *testing.T) {
	t.Parallel()
	c := connect(t)
	script := at(t, takeSource, 5)
	take := func(now int64) []int64 {
		got, err := run(c, script, "a", []string{"1000000", "1", "3", "1", decimal(uint64(now))}, 4)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	const now, back = int64(1_764_109_730_000_000), int64(1_764_106_130_000_000)
	take(now)
	if got := take(back); got[0] != 0 || got[2] != 1_000_000 {
		t.Errorf("%v, want an empty bucket", got)
	}
	if got := take(back + 1_000_000); got[0] != 1 {
		t.Errorf("%v, want one after a second", got)
	}
}

func TestCountScript(t *testing.T) {
	t.Parallel()
	c := connect(t)
	script := at(t, countSource, 4)
	const hour, start = int64(3_600_000_000), int64(1_764_108_000_000_000) // 22:00
	for _, step := range []struct {
		now, n int64
		want   string
	}{
		{start, 2, "[2 1 3600000000]"}, {start + 5, 2, "[0 1 3599999995]"}, {start + hour - 1, 1, "[1 0 1]"}, {start + hour - 1, 1, "[0 0 1]"},
		{start + hour, 3, "[3 0 3600000000]"}, {start + hour, 0, "[0 0 3600000000]"}, {start + 5*hour + 7, 1, "[1 2 3599999993]"},
	} {
		got, err := run(c, script, "a", []string{decimal(uint64(hour)), "3", decimal(uint64(step.n)), decimal(uint64(step.now))}, 3)
		if err != nil || fmt.Sprint(got) != step.want {
			t.Errorf("%d at %d: %v, %v; want %s", step.n, step.now-start, got, err, step.want)
		}
	}
	if _, err := run(c, countScript, "b", []string{decimal(uint64(hour)), "3", "1"}, 3); err != nil {
		t.Fatal(err)
	}
	ttl, err := c.Do(context.Background(), c.B().Pttl().Key("b").Build()).AsInt64()
	if err != nil || ttl <= 0 || ttl > hour/1000 {
		t.Errorf("the window is kept for %d ms, %v", ttl, err)
	}
}

// The interval is never shorter than it ought to be, and longer by next to nothing.
func FuzzInterval(f *testing.F) {
	f.Add(int64(500), int64(time.Second), int64(51))
	f.Add(int64(999_983), 24*int64(time.Hour), int64(1_000_003))
	f.Add(int64(1_000_000_007), 31*24*int64(time.Hour)+1, int64(999_999_937))
	f.Add(int64(1)<<39+1, int64(time.Second)+1, int64(1)<<40)
	f.Fuzz(func(t *testing.T, count, per, size int64) {
		b := sluice.Bucket{Rate: sluice.Rate{Count: count, Per: time.Duration(per)}, Size: size}
		if b.Check() != nil {
			return
		}
		i := intervalOf(b)
		got := new(big.Rat).SetFrac(new(big.Int).SetUint64(i.p), new(big.Int).SetUint64(i.q))
		want := new(big.Rat).Quo(new(big.Rat).SetFrac64(per, 1000), new(big.Rat).SetInt64(count))
		if got.Cmp(want) < 0 {
			t.Fatalf("%v of %d: an interval of %v is shorter than %v", b.Rate, size, i, want)
		}
		if got.Cmp(want) != 0 {
			part := new(big.Rat).Quo(new(big.Rat).Sub(got, want), want)
			if bound := new(big.Rat).SetFrac64(2*size, exact); part.Cmp(bound) > 0 {
				t.Errorf("%v of %d: an interval of %v is longer by the part %v", b.Rate, size, i, part.FloatString(20))
			}
		}
		hi := new(big.Int).Mul(new(big.Int).SetUint64(i.p), big.NewInt(size))
		if hi.Cmp(big.NewInt(2*exact)) >= 0 || i.q > exact {
			t.Errorf("%v of %d: %v is more than a double holds", b.Rate, size, i)
		}
	})
}

func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"redis://host", "rediss://user:p%40ss@host:1,[::1]:2/0", "redis://[::1]", "redis://a,b,c", "redis://:x@y@host/15"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAddress(text)
		if err != nil {
			return
		}
		if len(a.hosts) == 0 || a.database < 0 {
			t.Errorf("%q: %+v", text, a)
		}
		for _, host := range a.hosts {
			if !strings.Contains(host, ":") {
				t.Errorf("%q: host %q has no port", text, host)
			}
		}
	})
}

func TestAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"redis://host":                         "{[host:6379]   0 false}",
		"redis://host:1/":                      "{[host:1]   0 false}",
		"rediss://:p%40ss%3A@host:1/7":         "{[host:1]  p@ss: 7 true}",
		"redis://user:p@ss:w/rd@a,b:2,[::1]:3": "{[a:6379 b:2 [::1]:3] user p@ss:w/rd 0 false}",
		"redis://[::1]":                        "{[[::1]:6379]   0 false}",
		"redis://user@::1":                     "{[[::1]:6379] user  0 false}",
	} {
		a, err := parseAddress(text)
		if got := fmt.Sprint(a); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", text, got, err, want)
		}
	}
}
