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
// byte. What is not done by then is given up, and the client gets 504.
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

// Serve brings the deadline forward. It stays there for a streamed answer; after an error it goes back to what it
// was, for a policy above that tries again.
func (h *handler) Serve(x *sluice.Exchange) error {
	before, mine := x.Deadline, h.now().Add(h.after)
	if !before.IsZero() && before.Before(mine) {
		return h.next.Serve(x)
	}
	x.Deadline = mine
	err := h.next.Serve(x)
	if err != nil {
		x.Deadline = before
	}
	return err
}
