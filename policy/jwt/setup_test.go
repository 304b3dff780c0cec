package jwt

import (
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/issuer"
	"github.com/sluiceapi/sluice/sluicetest/output"
)

// The names that tests use.
const (
	testIssuer   = "https://id.example.org"
	testAudience = "shop"
)

// keyOf is a key of an algorithm, made once: RSA keys take their time.
func keyOf(t testing.TB, alg string) *issuer.Key {
	t.Helper()
	keysMade.Lock()
	defer keysMade.Unlock()
	k := keysMade.of[alg]
	if k == nil {
		var err error
		if k, err = issuer.NewKey(alg, "key-"+alg); err != nil {
			t.Fatal(err)
		}
		keysMade.of[alg] = k
	}
	return k
}

var keysMade = struct {
	sync.Mutex
	of map[string]*issuer.Key
}{of: map[string]*issuer.Key{}}

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// environment is one that ends with the test.
func environment(t testing.TB, now func() time.Time, log *output.Text) *sluice.Env {
	t.Helper()
	if now == nil {
		now = time.Now
	}
	if log == nil {
		log = &output.Text{}
	}
	env := &sluice.Env{
		Name: "jwt", Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), Metrics: sluice.NoMetrics{}, Now: now,
		Hold: func(string) func() { return func() {} },
	}
	t.Cleanup(env.Close)
	return env
}

// config is a block with its defaults.
func config(change func(c *Config)) *Config {
	c := Kind.NewUse().(*Config)
	c.Issuer, c.Audience = testIssuer, []string{testAudience}
	change(c)
	return c
}

// policy opens a block around a handler that answers with nothing.
func policy(t testing.TB, env *sluice.Env, c *Config) *handler {
	t.Helper()
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	p, err := Kind.OpenPolicy(env, &sluice.Endpoint{Name: "e"}, c)
	if err != nil {
		t.Fatal(err)
	}
	return p(sluice.HandlerFunc(func(*sluice.Exchange) error { return nil })).(*handler)
}

// exchange is a request with a token.
func exchange(token string) *sluice.Exchange {
	x := sluice.NewExchange(nil)
	x.Request.Header.Add("authorization", "Bearer "+token)
	return x
}

// why is why a policy refuses a token, "" when it does not.
func why(h *handler, token string) refusal {
	_, why := h.claims(exchange(token), []byte(token))
	return why
}

// good are claims that are taken, changed.
func good(change func(c map[string]any)) map[string]any {
	now := time.Now().Unix()
	c := map[string]any{"iss": testIssuer, "aud": testAudience, "sub": "ann", "iat": now, "exp": now + 3600}
	if change != nil {
		change(c)
	}
	return c
}

func secretOf(k *issuer.Key) sluice.Secret { return sluice.Secret(k.Private.([]byte)) }

func jsonOf(v any) []byte { return must(json.Marshal(v)) }
