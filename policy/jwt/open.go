package jwt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
)

// shareKey tells apart all that a verifier depends on. It is a hash, for it holds secrets.
func (c *Config) shareKey() string {
	var secrets []string
	for _, s := range c.Secret {
		secrets = append(secrets, s.Reveal())
	}
	text, err := json.Marshal([]any{c.Keys, secrets, c.Algorithms, c.OnStart, c.Cooldown, c.MaxStale, c.CA, c.Cache})
	if err != nil {
		panic("jwt: " + err.Error()) // it holds texts and numbers alone
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func openVerifier(env *sluice.Env, c *Config) (*verifier, error) {
	v := &verifier{allowed: c.allowed(), now: env.Now, verified: newVerified(int64(c.Cache)), failures: newFailures(),
		log: &refusalLog{log: env.Log, now: env.Now}}
	switch {
	case v.allowed != nil:
	case len(c.Secret) > 0:
		v.allowed = allowed{v.allowed.choose(symmetric, nil)}
	default:
		v.allowed = slices.DeleteFunc(slices.Clone(algorithms), func(a *algorithm) bool { return a.kind == symmetric })
	}
	v.readers.New = func() any { return &reader{} }
	var err error
	if len(c.Secret) > 0 {
		v.keys, err = secretKeys(c)
	} else {
		v.keys, err = openKeeper(env, c)
	}
	if err != nil {
		return nil, err
	}
	v.counts.register(env, c)
	return v, nil
}

func secretKeys(c *Config) (keys, error) {
	var all []*key
	for i, s := range c.Secret {
		k, err := newKey([]byte(s.Reveal()), nil, c.allowed())
		if err != nil {
			return nil, sluice.At(fmt.Sprintf("secret[%d]", i), err)
		}
		all = append(all, k)
	}
	return fixed{newKeySet(all, true)}, nil
}

// openKeeper starts what reads the keys. A file must be readable at once, an address need not.
func openKeeper(env *sluice.Env, c *Config) (keys, error) {
	list := c.allowed()
	k := newKeeper(env)
	k.log = env.Log.With("keys", c.Keys.shown())
	k.cooldown, k.maxStale = c.Cooldown, c.MaxStale
	pause := time.Duration(0)
	if c.Keys.remote() {
		origin, err := newRemote(c.Keys, string(c.CA))
		if err != nil {
			return nil, sluice.At("ca", err)
		}
		k.origin = origin
		k.parse = func(text []byte) (*keySet, []dropped, error) { return parseJWKS(text, list) }
		env.Cleanup(origin.close)
	} else {
		k.origin, k.most = &file{string(c.Keys), env.Now}, fileFresh
		k.parse = func(text []byte) (*keySet, []dropped, error) { return parseFile(text, list) }
		if err := k.load(context.Background()); err != nil {
			return nil, sluice.At("keys", err)
		}
		pause = k.fresh
	}
	if !env.Dry {
		k.start(env, c, pause)
	}
	return k, nil
}

// start runs the keeper until env is closed.
func (k *keeper) start(env *sluice.Env, c *Config, pause time.Duration) {
	if c.OnStart == startWait && k.set() == nil {
		k.ready = sync.OnceFunc(env.Hold("the keys at " + c.Keys.shown()))
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.run(ctx, pause)
	}()
	env.Cleanup(func() {
		cancel()
		<-done
		k.ready() // nobody waits for these keys any longer
	})
	label := sluice.Label{Name: "keys", Value: c.Keys.shown()}
	env.Metrics.Total("sluice_jwt_key_loads_total", "Times that keys were read or fetched", count(&k.loads), label)
	env.Metrics.Total("sluice_jwt_key_load_failures_total", "Times that keys could not be read or fetched, or not be used", count(&k.fails), label)
	env.Metrics.Gauge("sluice_jwt_keys", "Keys that verify tokens; zero while nobody can be let in", func() float64 {
		if set := k.set(); set != nil {
			return float64(set.size)
		}
		return 0
	}, label)
	env.Metrics.Gauge("sluice_jwt_keys_age_seconds", "Time since keys were last found as they are", func() float64 {
		if at := k.loadedAt.Load(); at > 0 {
			return k.now().Sub(time.Unix(0, at)).Seconds()
		}
		return 0
	}, label)
}

func count(n *atomic.Int64) func() float64 { return func() float64 { return float64(n.Load()) } }

// counts are of tokens.
type counts struct {
	cached, verified, refused atomic.Int64
}

func (n *counts) register(env *sluice.Env, c *Config) {
	from := c.Keys.shown()
	if from == "" {
		from = "secret"
	}
	for result, counter := range map[string]*atomic.Int64{"cached": &n.cached, "verified": &n.verified, "refused": &n.refused} {
		env.Metrics.Total("sluice_jwt_tokens_total", "Tokens by what became of them: cached ones were verified before",
			count(counter), sluice.Label{Name: "keys", Value: from}, sluice.Label{Name: "result", Value: result})
	}
}
