// Package timeout ends an exchange that takes too long.
package timeout

import (
	_ "embed"
	"errors"
	"time"

	"github.com/sluiceapi/sluice"
)

//go:embed timeout.go
var source string

// Kind is the policy `timeout`.
var Kind = sluice.NewPolicy("timeout", Config{}, open, sluice.Manual(source))

// Config gives everything below this policy a deadline: the policies after it, the backend, and the answer's last
// byte. What is not done by then is given up, and the client gets 504; an answer that has begun is cut off.
//
// An answer that lasts until one side ends it, as a WebSocket and a stream of events do, must only begin by then.
//
// It can only shorten what listen.limits.whole_timeout leaves. A backend that pays no heed to the deadline, as a Go
// function may, is not stopped by it: the client gets its 504 when that returns.
type Config struct {
	// The time from here to the answer's last byte.
	After time.Duration `yaml:"after,short" required:"true"`
}

// Check refuses a timeout of nothing.
func (c *Config) Check() error {
	if c.After <= 0 {
		return sluice.At("after", errors.New("a timeout of nothing lets nothing through; want a duration such as 5s"))
	}
	return nil
}

func open(env *sluice.Env, _ *sluice.Endpoint, c *Config) (sluice.Policy, error) {
	return func(next sluice.Handler) sluice.Handler {
		return &handler{after: c.After, now: env.Now, next: next}
	}, nil
}

type handler struct {
	after time.Duration
	now   func() time.Time
	next  sluice.Handler
}

// Serve brings the deadline forward. It stays there: a streamed answer, or a request's body that is still read, falls
// under it too. Where the answer lasts it is put back.
func (h *handler) Serve(x *sluice.Exchange) error {
	before, mine := x.Deadline, x.Now(h.now).Add(h.after)
	if before.IsZero() || mine.Before(before) {
		x.Deadline = mine
	}
	err := h.next.Serve(x)
	if err == nil && x.Response.Leave != nil {
		x.Deadline = before
	}
	return err
}
