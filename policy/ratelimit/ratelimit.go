// Package ratelimit lets no more requests through than a rate allows.
package ratelimit

import (
	"context"
	_ "embed"
	"sync"
	"time"

	"github.com/sluiceapi/sluice"
)

//go:embed config.go
var source string

// Kind is the policy `rate_limit`.
var Kind = sluice.NewPolicy("rate_limit", defaults(), open, sluice.Manual(source),
	sluice.Before("async", "who was told that a request is accepted can no longer be refused"))

func open(env *sluice.Env, _ *sluice.Endpoint, c *Config) (sluice.Policy, error) {
	by := c.By
	if len(by) == 0 {
		clientIP, err := sluice.ParseReference("client_ip")
		if err != nil {
			return nil, err
		}
		if err := clientIP.Bind(sluice.Scope{}); err != nil {
			return nil, err
		}
		by = []sluice.Reference{clientIP}
	}
	name := c.Name
	if name == "" {
		name = env.Path
	}
	limit := newLimit(env, c)
	h := handler{limit: limit, subject: newSubject(name, by, limit.at != nil), told: newTold(c), dry: c.DryRun, metrics: newMetrics(env, name)}
	return func(next sluice.Handler) sluice.Handler {
		h := h
		h.next = next
		return &h
	}, nil
}

type handler struct {
	limit   limit
	subject subject
	told    told
	dry     bool
	metrics metrics
	next    sluice.Handler
}

// keys are buffers for keys, which would escape to the heap in each exchange.
var keys = sync.Pool{New: func() any { return new([]byte) }}

// Serve counts the exchange and lets it through, or refuses it. Clients are told after next, because what is set before may be
// taken back.
func (h *handler) Serve(x *sluice.Exchange) error {
	buffer := keys.Get().(*[]byte)
	key := h.subject.appendKey((*buffer)[:0], x)
	taken, known, failed := h.limit.take(x, key)
	*buffer = key
	keys.Put(buffer)
	if failed {
		h.metrics.failures.Add(1)
	}
	switch {
	case h.dry:
		h.metrics.count(known && taken.Granted > 0 || !known && h.limit.failOpen, h.metrics.wouldRefuse)
		return h.next.Serve(x)
	case !known:
		h.metrics.count(h.limit.failOpen, h.metrics.refused)
		if h.limit.failOpen {
			return h.next.Serve(x)
		}
		return errUnknown
	case taken.Granted == 0:
		h.metrics.refused.Add(1)
		h.told.tell(&x.Response.Header, taken)
		return h.told.refusal(taken.Retry)
	}
	h.metrics.allowed.Add(1)
	err := h.next.Serve(x)
	h.told.tell(&x.Response.Header, taken)
	return err
}

var errUnknown = &sluice.Error{Code: sluice.Unavailable, Message: "it cannot be told now whether this request is within its rate", RetryAfter: time.Second}

// limit is what is counted, and where.
type limit struct {
	state, local sluice.Counters
	// at is state where that is within the process, now the clock for it.
	at       sluice.CountersAt
	now      func() time.Time
	windowed bool
	bucket   sluice.Bucket
	window   sluice.Window
	// share is this node's part, for when the store fails; it is used when failLocal is set.
	share               sluice.Bucket
	shareWindow         sluice.Window
	failLocal, failOpen bool
}

func newLimit(env *sluice.Env, c *Config) limit {
	l := limit{state: env.State, local: env.Local, now: env.Now, windowed: c.Algorithm == fixedWindow, bucket: c.bucket(), window: c.window(),
		failLocal: c.OnStoreFailure == localOnFailure, failOpen: c.OnStoreFailure == allowOnFailure}
	l.at, _ = env.State.(sluice.CountersAt)
	nodes := int64(max(1, env.Nodes))
	l.share = l.bucket
	l.share.Rate.Per *= time.Duration(nodes)
	l.share.Size = max(1, l.bucket.Size/nodes)
	if l.share.Check() != nil { // the period became longer than can be counted
		l.share = l.bucket
		l.share.Rate.Count = max(1, l.bucket.Rate.Count/nodes)
	}
	l.shareWindow = l.window
	l.shareWindow.Rate.Count = max(1, l.window.Rate.Count/nodes)
	return l
}

// take takes one. known is unset when nothing can be said, failed is set when the store failed.
func (l *limit) take(x *sluice.Exchange, key []byte) (t sluice.Taken, known, failed bool) {
	switch {
	case l.at == nil:
	case l.windowed:
		return l.at.CountAt(x.Now(l.now), key, l.window, 1), true, false
	default:
		return l.at.TakeAt(x.Now(l.now), key, l.bucket, 1), true, false
	}
	defer x.Waited()
	t, err := l.from(l.state, key, &l.bucket, &l.window)
	if err == nil {
		return t, true, false
	}
	if l.failLocal {
		if t, err = l.from(l.local, key, &l.share, &l.shareWindow); err == nil {
			return t, true, true
		}
	}
	return sluice.Taken{}, false, true
}

// from takes one from a store. It is not given up when the client leaves: the store answers in time, or fails.
func (l *limit) from(c sluice.Counters, key []byte, b *sluice.Bucket, w *sluice.Window) (sluice.Taken, error) {
	if l.windowed {
		return c.Count(context.Background(), key, *w, 1)
	}
	return c.Take(context.Background(), key, *b, 1)
}

// metrics are what is told of a policy.
type metrics struct{ allowed, refused, wouldRefuse, failures sluice.Counter }

func newMetrics(env *sluice.Env, name string) metrics {
	policy := sluice.Label{Name: "policy", Value: name}
	of := func(result string) sluice.Counter {
		return env.Metrics.Counter("sluice_rate_limit_requests_total", "Requests that a rate limit has let through or refused, or would have refused if it were no dry run",
			policy, sluice.Label{Name: "result", Value: result})
	}
	return metrics{allowed: of("allowed"), refused: of("refused"), wouldRefuse: of("would_refuse"),
		failures: env.Metrics.Counter("sluice_rate_limit_store_failures_total", "Requests of which on_store_failure has decided", policy)}
}

// count counts a request as allowed, or as otherwise.
func (m *metrics) count(allowed bool, otherwise sluice.Counter) {
	if allowed {
		otherwise = m.allowed
	}
	otherwise.Add(1)
}
