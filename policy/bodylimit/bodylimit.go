// Package bodylimit refuses requests whose body is too large.
package bodylimit

import (
	_ "embed"
	"sync"

	"github.com/sluiceapi/sluice"
)

//go:embed bodylimit.go
var source string

// Kind is the policy `body_limit`.
var Kind = sluice.NewPolicy("body_limit", Config{}, open, sluice.Manual(source),
	sluice.Before("async", "what is stored for later must have been measured"))

// Config refuses requests whose body is larger than max with 413: at once when the request says how large it is,
// else as soon as more has arrived. It can only lower what listen.limits.max_body lets in.
//
//	policies:
//	  - body_limit: 64KB
type Config struct {
	// The largest body that is let through, such as 64KB or 2MiB. 0B lets only requests without a body through.
	Max sluice.Size `yaml:"max,short" required:"true"`
}

func open(_ *sluice.Env, _ *sluice.Endpoint, c *Config) (sluice.Policy, error) {
	return func(next sluice.Handler) sluice.Handler {
		h := &handler{max: int64(c.Max), next: next}
		h.refusal = sluice.Errorf(sluice.TooLarge, nil, "the body is larger than %s", c.Max)
		h.counters.New = func() any { return &counter{home: &h.counters} }
		return h
	}, nil
}

type handler struct {
	max      int64
	next     sluice.Handler
	refusal  error
	counters sync.Pool
}

// Serve judges a body by its length where that is known; only a stream of unknown length is counted.
func (h *handler) Serve(x *sluice.Exchange) error {
	body := &x.Request.Body
	size := body.Len()
	if size > h.max {
		return h.refusal
	}
	if size < 0 {
		c := h.counters.Get().(*counter)
		c.from, c.left, c.refusal = body.Stream, h.max, h.refusal
		body.SetStream(c, -1)
		x.OnEnd(c)
	}
	return h.next.Serve(x)
}

// counter is a stream that fails once more than left bytes have come. It goes home when the exchange has ended,
// because until then somebody may read it.
type counter struct {
	from    sluice.Stream
	left    int64
	refusal error
	home    *sync.Pool
}

// Read asks for one byte more than is left, so that a body of just the limit can be told from a larger one.
func (c *counter) Read(p []byte) (int, error) {
	if c.left < 0 {
		return 0, c.refusal
	}
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.from.Read(p)
	if int64(n) > c.left {
		n, err = int(c.left), c.refusal
		c.left = -1
		return n, err
	}
	c.left -= int64(n)
	return n, err
}

func (c *counter) Close(why error) { c.from.Close(why) }

func (c *counter) End(*sluice.Exchange, sluice.Outcome) {
	*c = counter{home: c.home}
	c.home.Put(c)
}
