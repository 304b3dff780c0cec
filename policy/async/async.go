// Package async is the policy that accepts a request at once and has it served later.
package async

import (
	_ "embed"
	"errors"
	"time"

	"github.com/sluiceapi/sluice"
)

//go:embed async.go
var source string

// Kind is the kind of async.
var Kind = sluice.NewPolicy("async", Config{
	Attempts: 5, Backoff: Backoff{Base: time.Second, Cap: 10 * time.Minute}, Timeout: 5 * time.Minute, ResultTTL: 24 * time.Hour,
	IdempotencyKey: Key{TTL: 24 * time.Hour}, MaxResult: 1 << 20,
}, open, sluice.Manual(source), sluice.Defers(),
	sluice.After(sluice.Authentication, "who asks must be known when the job is accepted: it decides whose job it is"),
	sluice.After("cors", "a browser must be able to read that the job was accepted"),
	sluice.After("compress", "a result is kept as it is, for clients that read it in different ways"),
	sluice.After("cache", "what is cached is answered at once"))

// Config answers with 202 and the address of a job once what stands before it has run. What stands behind it, and the backend,
// run later, on a process with the role worker. All inputs are checked before the request is accepted.
//
// The job is kept before the answer is sent (state.jobs), and survives the end of every process. It is tried until it is
// answered with a status that no other attempt mends (below 500, or 501 and 505, and none of 408, 425 and 429), or its
// attempts are used up. So what stands behind it may
// be done more than once, and in any order: the request carries the fields Idempotency-Key, with the id of the job, and
// Job-Attempt. An attempt that a stopping process gives back does not count; one that a crash ends does.
//
//	GET    /_jobs/{id}          how it is: queued, running, retrying, succeeded, failed, cancelled or dead
//	GET    /_jobs/{id}/result   what the backend answered, once it has succeeded or failed
//	DELETE /_jobs/{id}          cancel it
//	POST   /_jobs/{id}/retry    try it again, after it has failed, was cancelled or is dead
//
// They find out who asks as the endpoint does, and answer only who made the job. A request with the field Prefer: wait=N
// waits up to N seconds for the result, or for a change.
//
// A request with the field Idempotency-Key can be sent again without harm: it gets the job that it has made already.
type Config struct {
	// How often the job is tried at most.
	Attempts int `yaml:"attempts" min:"1" max:"1000"`
	// The time before the next attempt.
	Backoff Backoff `yaml:"backoff"`
	// The longest time of one attempt.
	Timeout time.Duration `yaml:"timeout" min:"1ms" max:"24h"`
	// How long after it was accepted the job may still be started. Zero is for ever.
	Expire time.Duration `yaml:"expire" min:"0s"`
	// How long a job that is over, and its result, can be asked for.
	ResultTTL time.Duration `yaml:"result_ttl" min:"1s"`
	// Keys that clients name their requests by.
	IdempotencyKey Key `yaml:"idempotency_key"`
	// Fields of the request that are kept with the job, beside those that the endpoint refers to and those that say what the
	// body is. Others, such as Authorization and Cookie, are not there when the job is worked on.
	Headers []string `yaml:"headers,one"`
	// The size of a result. A larger one fails the attempt.
	MaxResult sluice.Size `yaml:"max_result" min:"1B"`
}

// Backoff is the time before the next attempt. It is random between zero and base, which doubles with each attempt up to
// cap, but never shorter than the backend's Retry-After says.
type Backoff struct {
	// The most before the second attempt.
	Base time.Duration `yaml:"base" min:"0s"`
	// The most before any attempt.
	Cap time.Duration `yaml:"cap" min:"0s"`
}

// Key is the field Idempotency-Key of requests (draft-ietf-httpapi-idempotency-key-header-07).
type Key struct {
	// Refuse requests without one.
	Required bool `yaml:"required"`
	// How long a key stands for its job.
	TTL time.Duration `yaml:"ttl" min:"1s"`
}

// Check wants a cap that is no less than the base, and names of fields.
func (c *Config) Check() error {
	var errs []error
	if c.Backoff.Cap < c.Backoff.Base {
		errs = append(errs, sluice.At("backoff.cap", errors.New("it is less than base; want at least as much")))
	}
	for _, h := range c.Headers {
		if !sluice.ValidFieldName([]byte(h)) {
			errs = append(errs, sluice.At("headers", errors.New(h+" is no name of a header field; want letters, digits and -")))
		}
	}
	return errors.Join(errs...)
}

func open(env *sluice.Env, ep *sluice.Endpoint, c *Config) (sluice.Policy, error) {
	switch {
	case ep == nil:
		return nil, errors.New("jobs belong to an endpoint; want async among the policies of one")
	case env.Jobs == nil:
		return nil, errors.New("no jobs are kept here")
	}
	return env.Jobs.Defer(ep, sluice.JobPlan{
		Attempts: c.Attempts, Base: c.Backoff.Base, Cap: c.Backoff.Cap, Timeout: c.Timeout, Expire: c.Expire, Keep: c.ResultTTL,
		KeyRequired: c.IdempotencyKey.Required, KeyKeep: c.IdempotencyKey.TTL, Headers: c.Headers, MaxResult: int64(c.MaxResult),
	})
}
