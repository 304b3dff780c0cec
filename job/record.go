package job

import (
	"context"
	"errors"
	"time"
)

// Record keeps jobs. What a method has returned without an error is kept: it survives the end of every process and, as far
// as the database's own settings go, of the machine. Times are the record's own: nodes give durations, so that their
// clocks need not agree. All methods may be called at once, by many processes.
//
// Of an error it is not known whether the change was made; every change can be asked for again without harm.
type Record interface {
	Work
	Desk
	// Ping tells whether the record can be reached now.
	Ping(ctx context.Context) error
	// Close lets go of the record. Nothing else may be called after it.
	Close() error
}

// Work is the part of a record that makes jobs and carries them out. Its methods take many at once, for one commit.
type Work interface {
	// Accept keeps new jobs, each with its key where it has one, all or none of them. The answer for each is the job that
	// stands for it: itself, or the one that its key has already made.
	Accept(ctx context.Context, all []New) ([]Accepted, error)
	// Claim begins attempts at ready jobs whose time has come. Each job is claimed by at most one caller at a time.
	Claim(ctx context.Context, c Claim) ([]Claimed, error)
	// Extend has leases last on, and tells of each that is still held whether somebody wants its job to end. A lease that is
	// not in the answer is lost.
	Extend(ctx context.Context, e Extend) ([]Extended, error)
	// Finish ends attempts, each in one transaction with its result, and tells of each whether its lease was still held.
	// Where it was not, nothing of that job is changed.
	Finish(ctx context.Context, all []Finished) ([]bool, error)
	// Sweep repairs what was left behind, a bounded number of jobs at a time.
	Sweep(ctx context.Context, s Sweep) (Swept, error)
}

// Desk is the part of a record that answers questions about jobs, and takes orders from people.
type Desk interface {
	// Job is the job of an id, or ErrNoJob.
	Job(ctx context.Context, id string) (*Job, error)
	// Result is the result of a job that has one, else nil, or ErrNoJob.
	Result(ctx context.Context, id string) (*Result, error)
	// List are jobs, the newest first.
	List(ctx context.Context, f Filter) ([]Job, error)
	// Cancel ends a job that is ready, and asks for the end of one that runs; the job is as it is then. A job that is final
	// stays as it is.
	Cancel(ctx context.Context, id string) (*Job, error)
	// Retry makes a job that has failed, was cancelled or is dead ready again, with its attempts and crashes set to zero and
	// its result forgotten. Any other job stays as it is.
	Retry(ctx context.Context, id string) (*Job, error)
	// Counts are the numbers of jobs by endpoint and state, from counters that are kept.
	Counts(ctx context.Context) ([]Count, error)
}

var (
	// ErrNoJob is a job that is not in the record, or no longer.
	ErrNoJob = errors.New("there is no such job")
	// ErrKeyReused is a key that stands for another request already.
	ErrKeyReused = errors.New("the key was used for another request")
)

// New is a job to be accepted.
type New struct {
	ID, Endpoint, Caller, Trace string
	MaxAttempts                 int
	// Expire is how long from now it may be started for the first time; zero is for ever.
	Expire time.Duration
	// Keep is how long it stays after it has finished.
	Keep time.Duration
	// Request is the stored exchange.
	Request []byte
	// Key is the idempotency key that it was made with; the zero Key is none.
	Key Key
}

// Key is what a client names a request by, so that it can send it again without harm. It stands for a job within Caller
// and Endpoint, for Keep.
type Key struct {
	Text string
	// Fingerprint is a hash of the request: a key that comes with another one is refused.
	Fingerprint [32]byte
	Keep        time.Duration
}

// Accepted is what a New came to.
type Accepted struct {
	// Job is the job that stands for it.
	Job Job
	// Known is set when the key had made the job before.
	Known bool
	// Err is ErrKeyReused where the key stands for another request, and then there is no job; else nil.
	Err error
}

// Claim asks for attempts.
type Claim struct {
	// IDs are the jobs wanted; where there are none, those are wanted whose time came first.
	IDs []string
	// Endpoints are those that the worker knows. Jobs of others are left alone.
	Endpoints []string
	// Limit is how many at most.
	Limit int
	// Lease is for how long.
	Lease time.Duration
}

// Held names a lease: the job, and the token that its claim made. A token is never used again, so what comes late, from an
// attempt whose lease was lost, changes nothing.
type Held struct{ ID, Lease string }

// Claimed is an attempt that was begun.
type Claimed struct {
	Job   Job
	Lease string
	// Request is the stored exchange.
	Request []byte
}

// Held names the lease of the attempt.
func (c Claimed) Held() Held { return Held{ID: c.Job.ID, Lease: c.Lease} }

// Extend asks for leases to last for Lease from now.
type Extend struct {
	Held  []Held
	Lease time.Duration
}

// Extended is a lease that lasts on.
type Extended struct {
	ID string
	// Cancel is set when somebody wants the job to end.
	Cancel bool
}

// Finished is how an attempt ended.
type Finished struct {
	Held Held
	// To is the state: a final one, or Ready for another attempt. Where somebody wants the job to end, Ready becomes
	// Cancelled.
	To State
	// After is the time from now until the next attempt, for Ready.
	After time.Duration
	// GiveBack does not count the attempt: it was ended for a reason that is not the job's.
	GiveBack bool
	// Reason is kept as Job.Reason.
	Reason string
	// Result is kept with the job; nil where there is none.
	Result *Result
}

// Result is what the backend answered: the whole response.
type Result struct {
	Status int
	// Header holds the fields as name, value, name, value.
	Header []string
	Body   []byte
}

// Sweep says what to repair.
type Sweep struct {
	// Limit bounds each of the repairs, in jobs.
	Limit int
	// Unheard is how long ago a ready job must have been rung for to be rung for again; zero rings for none.
	Unheard time.Duration
	// Crash is the time before the next attempt at a job whose lease ran out, of each crash that it has had.
	Crash time.Duration
}

// Swept is what was repaired.
type Swept struct {
	// Ring are the ready jobs to be rung for.
	Ring []Hint
	// Lost are the jobs whose leases had run out; Dead of them are dead now. Expired were not started in time.
	Lost, Dead, Expired int
	// Deleted are the finished jobs, and the keys, whose time was over.
	Deleted int
}

// Filter chooses jobs; a zero field chooses all.
type Filter struct {
	State    State
	Endpoint string
	// Before chooses jobs older than the one of that id.
	Before string
	// Limit is how many at most; zero is 100.
	Limit int
}

// Count is how many jobs of an endpoint are in a state.
type Count struct {
	Endpoint string
	State    State
	Jobs     int64
	// Oldest is how long the job of all that has been due longest has been so, where it is of that endpoint and Ready; else
	// zero.
	Oldest time.Duration
}
