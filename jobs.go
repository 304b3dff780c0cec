package sluice

import "time"

// Jobs has exchanges served later, by a node that works, and tells of them meanwhile. All methods may be called at once.
type Jobs interface {
	// Defer makes the policy that accepts exchanges of an endpoint as jobs: it answers 202 as soon as the job is kept where
	// it outlives the process. Each attempt at the job is served by what stands behind the policy, on an exchange restored
	// from what came. It is called once for an endpoint, while the node is made.
	Defer(ep *Endpoint, plan JobPlan) (Policy, error)
}

// JobPlan says how the jobs of an endpoint are tried.
type JobPlan struct {
	// Attempts is how often a job is tried at most; one that a crash or a lost lease ended counts.
	Attempts int
	// Base and Cap bound the time before the next attempt: random up to Base, doubled with each attempt, at most Cap.
	Base, Cap time.Duration
	// Timeout is what one attempt may take.
	Timeout time.Duration
	// Expire is how long after it was accepted a job may still be started for the first time; zero is for ever.
	Expire time.Duration
	// Keep is how long a job that is over, and its result, can be asked for.
	Keep time.Duration
	// KeyRequired refuses requests without the field Idempotency-Key; KeyKeep is how long a key stands for its job.
	KeyRequired bool
	KeyKeep     time.Duration
	// Headers are the fields of the request that are kept with the job, beside those that always are and those that the
	// endpoint refers to.
	Headers []string
	// MaxResult is the bytes that the body of a result may have.
	MaxResult int64
}
