package redis_test

import (
	"context"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/sluicetest/servers"
	"github.com/sluiceapi/sluice/state/redis"
)

// patient is a timeout that a busy machine does not reach.
const patient = 5 * time.Second

// open opens a state that is closed when the test ends.
func open(t testing.TB, c redis.Config) *redis.State {
	t.Helper()
	return openWith(t, c, slog.NewTextHandler(t.Output(), nil), sluice.NoMetrics{})
}

func openWith(t testing.TB, c redis.Config, log slog.Handler, m sluice.Metrics) *redis.State {
	t.Helper()
	env := &sluice.Env{Log: slog.New(log), Now: time.Now, Metrics: m}
	t.Cleanup(env.Close)
	if c.Timeout == 0 {
		c.Timeout = patient
	}
	if c.Prefix == "" {
		c.Prefix = "sluice:"
	}
	s, err := redis.Open(env, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func suite(t *testing.T, c redis.Config) {
	sluicetest.State(t, func(t *testing.T) sluice.State {
		s := open(t, c)
		eventually(t, "redis answers", func() bool { return answers(s) })
		return s
	})
}

func TestSuite(t *testing.T) {
	t.Parallel()
	suite(t, redis.Config{URL: sluice.Secret(servers.StartRedis(t, servers.RedisOptions{}).URL())})
}

func TestSuiteTLS(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t, "root")
	client := a.Issue(servers.Leaf{CommonName: "node", Client: true})
	r := servers.StartRedis(t, servers.RedisOptions{Password: "päss w@rd:/%", TLS: a.Issue(servers.Leaf{Server: true}), ClientCA: a.CertFile})
	suite(t, redis.Config{URL: sluice.Secret(r.URL()), CA: a.CertFile, Cert: client.CertFile, Key: client.KeyFile})
}

func TestSuiteCluster(t *testing.T) {
	t.Parallel()
	var hosts []string
	for _, r := range servers.StartRedisCluster(t, servers.RedisOptions{})[:2] {
		hosts = append(hosts, r.Address())
	}
	suite(t, redis.Config{URL: sluice.Secret("redis://" + strings.Join(hosts, ","))})
}

// A user may be given no more than what is needed, and only keys and topics of the prefix.
func TestSuiteUser(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, servers.RedisOptions{})
	r.Do("ACL", "SETUSER", "node", "on", ">secret", "~shop:*", "&shop:*", "-@all", "+evalsha", "+eval", "+time", "+get", "+mget", "+set",
		"+del", "+exists", "+incr", "+pexpire", "+publish", "+subscribe", "+unsubscribe", "+ping", "+hello", "+auth", "+select", "+client|setname")
	u := url.URL{Scheme: "redis", Host: r.Address(), User: url.UserPassword("node", "secret"), Path: "/1"}
	suite(t, redis.Config{URL: sluice.Secret(u.String()), Prefix: "shop:"})
}

func mustTake(t *testing.T, s sluice.State, key string, n int64) sluice.Taken {
	t.Helper()
	taken, err := s.Take(context.Background(), []byte(key), hourly(100), n)
	if err != nil {
		t.Fatalf("take: %v", err)
	}
	return taken
}

func hourly(size int64) sluice.Bucket {
	return sluice.Bucket{Rate: sluice.Rate{Count: 1, Per: time.Hour}, Size: size}
}

func BenchmarkTake(b *testing.B) {
	s := open(b, redis.Config{URL: sluice.Secret(servers.StartRedis(b, servers.RedisOptions{}).URL())})
	limit := sluice.Bucket{Rate: sluice.Rate{Count: 1 << 30, Per: time.Second}, Size: 1 << 30}
	for _, keys := range []int{1, 1000} {
		b.Run("keys="+strconv.Itoa(keys), func(b *testing.B) {
			b.SetParallelism(32)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if _, err := s.Take(context.Background(), strconv.AppendInt(nil, int64(i%keys), 10), limit, 1); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
