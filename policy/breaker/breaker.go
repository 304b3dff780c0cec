// Package breaker spares what stands below it while that fails.
package breaker

import (
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/sluiceapi/sluice"
)

//go:embed config.go
var source string

// Kind is the policy `breaker`.
var Kind = sluice.NewPolicy("breaker", defaults(), openPolicy, sluice.Manual(source),
	sluice.After(sluice.Authentication, unasked), sluice.After("rate_limit", unasked), sluice.After("ip_filter", unasked),
	sluice.After("cache", "what is kept can be answered while the backend fails"))

const unasked = "requests that are turned away before the backend say nothing of it"

func openPolicy(env *sluice.Env, ep *sluice.Endpoint, c *Config) (sluice.Policy, error) {
	if ep == nil {
		return nil, errors.New("a breaker is for one endpoint; want it among the policies of one, or in every_endpoint")
	}
	labels := []sluice.Label{{Name: "endpoint", Value: ep.Name}, {Name: "policy", Value: env.Path}}
	circuit, err := sluice.Share(env, fmt.Sprintf("%s %s %+v", ep.Name, env.Path, *c), func(env *sluice.Env) (*circuit, error) {
		env.Log = env.Log.With("endpoint", ep.Name)
		return newCircuit(env, c, labels), nil
	})
	if err != nil {
		return nil, err
	}
	refusals := env.Metrics.Counter("sluice_breaker_refusals_total", "Requests that a breaker has refused.", labels...)
	return func(next sluice.Handler) sluice.Handler {
		return &handler{circuit: circuit, refusals: refusals, now: env.Now, next: next}
	}, nil
}

type handler struct {
	circuit  *circuit
	refusals sluice.Counter
	now      func() time.Time
	next     sluice.Handler
}

// Serve lets the exchange go on or refuses it.
func (h *handler) Serve(x *sluice.Exchange) error {
	turn, s, wait := h.circuit.admit(h.now())
	if s == open {
		h.refusals.Add(1)
		mark(x, "open")
		return &sluice.Error{Code: sluice.Unavailable, Message: "the backend has failed and is spared for a while", RetryAfter: wait, Err: errOpen}
	}
	if s == halfOpen {
		mark(x, "half_open")
	}
	o := failed // as it is after a panic
	defer func() { h.circuit.heard(turn, o, h.now()) }()
	err := h.next.Serve(x)
	o = judge(x, err)
	return err
}

var errOpen = fmt.Errorf("the breaker is open: %w", sluice.ErrRefused)

func mark(x *sluice.Exchange, state string) {
	if x.Span != nil {
		x.Span.SetText("sluice.breaker.state", state)
	}
}

// judge tells what an exchange says of what stands below.
func judge(x *sluice.Exchange, err error) outcome {
	status := x.Response.Status
	if err != nil {
		code := sluice.ErrorOf(err).Code
		if code == sluice.ClientLeft || code == sluice.RequestTimeout {
			return nothing
		}
		status = code.Status()
	}
	switch status {
	case 500, 502, 503, 504:
		return failed
	}
	return succeeded
}
