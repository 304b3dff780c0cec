// Package retry sends requests once more that got no usable answer.
package retry

import (
	_ "embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sluiceapi/sluice"
)

//go:embed config.go
var source string

// Kind is the policy `retry`.
var Kind = sluice.NewPolicy("retry", defaults(), open, sluice.Manual(source),
	sluice.After(sluice.Authentication, "who asks is found out once"),
	sluice.After("rate_limit", "each try would count as a request of the client"),
	sluice.After("async", "a job is accepted once, and what is tried again is its work"))

func open(env *sluice.Env, ep *sluice.Endpoint, c *Config) (sluice.Policy, error) {
	if ep == nil {
		return nil, errors.New("what is tried again is an endpoint's; want retry among the policies of one, or in every_endpoint")
	}
	key := fmt.Sprintf("%s %s %+v", ep.Name, env.Path, c.Budget)
	budget, err := sluice.Share(env, key, func(*sluice.Env) (*budget, error) { return newBudget(&c.Budget), nil })
	if err != nil {
		return nil, err
	}
	labels := []sluice.Label{{Name: "endpoint", Value: ep.Name}, {Name: "policy", Value: env.Path}}
	h := handler{config: c, budget: budget, now: env.Now,
		added:     env.Metrics.Counter("sluice_retry_tries_total", "Tries beyond the first.", labels...),
		exhausted: env.Metrics.Counter("sluice_retry_exhausted_total", "Requests that were not tried again because the budget was used up.", labels...)}
	return func(next sluice.Handler) sluice.Handler {
		h := h
		h.next = next
		return &h
	}, nil
}

type handler struct {
	config           *Config
	budget           *budget
	now              func() time.Time
	added, exhausted sluice.Counter
	next             sluice.Handler
}

// marks are reused, because a request has many fields.
var marks = sync.Pool{New: func() any { return new(sluice.Mark) }}

// Serve serves the exchange, and serves it again as long as that may help.
func (h *handler) Serve(x *sluice.Exchange) error {
	h.budget.request(h.now())
	repeatable, err := h.repeatable(x)
	if err != nil {
		return err
	}
	if !repeatable {
		return h.next.Serve(x)
	}
	m := marks.Get().(*sluice.Mark)
	x.Mark(m)
	deadline := x.Deadline
	err = h.next.Serve(x)
	for tried := 1; tried < h.config.Tries; tried++ {
		wait, may := h.judge(x, err, tried, deadline)
		if !may {
			break
		}
		x.Again(m, errAgain)
		if wait > 0 && !pause(x, wait) {
			err = x.Context().Err()
			break
		}
		h.added.Add(1)
		if x.Span != nil {
			x.Span.SetInt("sluice.retry.tries", int64(tried+1))
		}
		err = h.next.Serve(x)
	}
	m.Reset()
	marks.Put(m)
	return err
}

var errAgain = errors.New("the request is sent once more")

// repeatable tells whether a request may be sent again, and can be: its body is in memory then.
func (h *handler) repeatable(x *sluice.Exchange) (bool, error) {
	if !h.mayRepeat(&x.Request) {
		return false, nil
	}
	b, limit := &x.Request.Body, int64(h.config.MaxBody)
	size := b.Len()
	if size < 0 || size > limit {
		return false, nil
	}
	if b.Stream == nil {
		return true, nil
	}
	body, err := b.Load(limit)
	x.Waited()
	switch {
	case err != nil:
		return false, requestError(err)
	case int64(len(body)) != size:
		return false, sluice.Errorf(sluice.BadRequest, nil, "the request's body did not arrive whole")
	}
	return true, nil
}

// requestError is the error of a body that could not be read: the client's fault, or its leaving.
func requestError(err error) error {
	e := sluice.ErrorOf(err)
	switch e.Code {
	case sluice.Internal:
		return sluice.Errorf(sluice.BadRequest, err, "the request's body did not arrive whole")
	case sluice.GatewayTimeout:
		return sluice.Errorf(sluice.RequestTimeout, err, "the request's body did not arrive in time")
	}
	return e
}

// mayRepeat tells whether doing what the request asks for twice is the same as doing it once.
func (h *handler) mayRepeat(r *sluice.Request) bool {
	switch r.Method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	switch h.config.OtherMethods {
	case always:
		return true
	case idempotencyKey:
		return len(r.Header.Value("Idempotency-Key")) > 0
	}
	return false
}

// judge tells whether a try that failed should be followed by another one, and after what time. It takes that from the
// budget.
func (h *handler) judge(x *sluice.Exchange, err error, tried int, deadline time.Time) (wait time.Duration, may bool) {
	now := h.now()
	after, failed := failure(x, err, now)
	if !failed || after > h.config.RetryAfter {
		return 0, false
	}
	wait = max(after, h.backoff(tried))
	if !deadline.IsZero() && !now.Add(wait).Before(deadline) {
		return 0, false
	}
	if !h.budget.take(now) {
		h.exhausted.Add(1)
		return 0, false
	}
	return wait, true
}

// backoff is the time before the try that follows so many: full jitter, as Brooker has it (Exponential Backoff And Jitter,
// 2015).
func (h *handler) backoff(tried int) time.Duration {
	b := &h.config.Backoff
	most := b.Cap
	if shift := tried - 1; shift < 32 && b.Base<<shift < b.Cap && b.Base<<shift>>shift == b.Base {
		most = b.Base << shift
	}
	if most <= 0 {
		return 0
	}
	return rand.N(most)
}

// failure tells whether what came of a try speaks for another one, and when the backend wants that.
func failure(x *sluice.Exchange, err error, now time.Time) (after time.Duration, failed bool) {
	if err != nil {
		e := sluice.ErrorOf(err)
		switch e.Code {
		case sluice.BadGateway, sluice.Unavailable, sluice.GatewayTimeout:
			return e.RetryAfter, !errors.Is(err, sluice.ErrRefused)
		}
		return 0, false
	}
	switch x.Response.Status {
	case 502, 503, 504:
		return retryAfter(x.Response.Header.Value("Retry-After"), now), true
	}
	return 0, false
}

// pause waits, and tells whether the client is still there then.
func pause(x *sluice.Exchange, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-x.Context().Done():
		return false
	}
}
