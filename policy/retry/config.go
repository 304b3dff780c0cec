package retry

import (
	"errors"
	"time"

	"github.com/sluiceapi/sluice"
)

// Config sends a request once more that got no usable answer: 502, 503 or 504 from what stands below, or no connection, no
// answer in time, or one that is broken off at its head. Nothing is tried again once a byte of an answer has gone to the
// client.
//
//	policies:
//	  - retry: {tries: 3}
//	  - timeout: 2s        # for each try
//
// Only requests are tried again whose method is idempotent (RFC 9110, section 9.2.2): GET, HEAD, OPTIONS, TRACE, PUT and
// DELETE; it is the method that the client used which counts. Their body must be short, and of a length that was told. What a
// breaker refuses is not tried again, nor is what the deadline leaves no time for. Where the backend has several hosts, the
// next try goes to another one.
//
// A service that fails is not helped by more requests, so there is a budget: each endpoint may add only so many tries to its
// requests.
type Config struct {
	// How often a request is sent at most, the first time included.
	Tries int `yaml:"tries,short" min:"2"`
	// How many tries may be added.
	Budget Budget `yaml:"budget"`
	// How long to wait between tries.
	Backoff Backoff `yaml:"backoff"`
	// The longest Retry-After of an answer that is waited for. An answer that asks for more time is passed on.
	RetryAfter time.Duration `yaml:"retry_after" min:"0s"`
	// Whether requests of methods that are not idempotent, such as POST, are tried again too. never; idempotency_key: those
	// with a field Idempotency-Key, where the service does a thing once for each key; always: where doing it twice does no
	// harm.
	OtherMethods string `yaml:"other_methods" enum:"never,idempotency_key,always"`
	// The longest body of a request that is kept, to be sent again.
	MaxBody sluice.Size `yaml:"max_body" min:"0B"`
}

// Budget bounds the tries that are added, so that retries do not multiply the load of a service that fails.
type Budget struct {
	// The share of the requests within the window.
	Share sluice.Percent `yaml:"share,short"`
	// So many within the window in any case, for endpoints with few requests.
	Least int `yaml:"least" min:"0"`
	// The time over which requests and tries are counted.
	Window time.Duration `yaml:"window"`
}

// Backoff is the time before the next try. It is random between zero and base, which doubles with each try up to cap, and
// longer where an answer has Retry-After.
type Backoff struct {
	// The most before the second try.
	Base time.Duration `yaml:"base,short" min:"0s"`
	// The most before any try.
	Cap time.Duration `yaml:"cap" min:"0s"`
}

const (
	never          = "never"
	idempotencyKey = "idempotency_key"
	always         = "always"
)

func defaults() Config {
	return Config{
		Tries:   3,
		Budget:  Budget{Share: 20, Least: 5, Window: 10 * time.Second},
		Backoff: Backoff{Base: 25 * time.Millisecond, Cap: time.Second}, RetryAfter: 5 * time.Second,
		OtherMethods: never, MaxBody: 64 << 10,
	}
}

// Check refuses retries that never happen.
func (c *Config) Check() error {
	var errs []error
	if c.Budget.Share <= 0 && c.Budget.Least == 0 {
		errs = append(errs, sluice.At("budget", errors.New("nothing may be tried again; want a share such as 20%")))
	}
	if c.Budget.Window < 100*time.Millisecond {
		errs = append(errs, sluice.At("budget.window", errors.New("too short to count in; want 100ms or more")))
	}
	if c.Backoff.Cap < c.Backoff.Base {
		errs = append(errs, sluice.At("backoff.cap", errors.New("it is less than base; want at least as much")))
	}
	return errors.Join(errs...)
}
