// Package job is the life of a job: an exchange that was accepted to be served later. The record of a job is the truth,
// and outlives every process; a bell only wakes those who work.
package job

import (
	"crypto/rand"
	"encoding/base32"
	"time"
)

// State is where a job is in its life.
type State string

// The states. A job is Ready until a worker claims it, Running while a lease lasts, and then Ready again or in one of the
// final states: Succeeded and Failed hold what the backend answered, Cancelled and Dead hold why there is no answer.
const (
	Ready     State = "ready"
	Running   State = "running"
	Succeeded State = "succeeded"
	Failed    State = "failed"
	Cancelled State = "cancelled"
	Dead      State = "dead"
)

// States are all states.
func States() []State { return []State{Ready, Running, Succeeded, Failed, Cancelled, Dead} }

// Final tells whether nothing more happens to a job by itself.
func (s State) Final() bool { return s != Ready && s != Running }

// The reasons why a job is Dead, as Job.Reason has them.
const (
	// Exhausted is a job whose last attempt failed.
	Exhausted = "attempts_exhausted"
	// Crashed is a job during which processes ended, or leases ran out, too often.
	Crashed = "crashed"
	// Expired is a job that nobody started in time.
	Expired = "expired"
	// Unreadable is a job whose endpoint, or request, no node can restore any more.
	Unreadable = "unreadable"
)

// MaxCrashes is how often an attempt may end with its process, or without an extended lease, before the job is Dead.
const MaxCrashes = 3

// Job is the record of a job, without its request and its result.
type Job struct {
	ID       string
	Endpoint string
	// Caller is who made it: Caller.AppendKey, or "" when nobody was known.
	Caller string
	State  State
	// Attempt counts the attempts begun, without those that were given back; MaxAttempts bounds it.
	Attempt, MaxAttempts int
	// Claims counts all claims. It only grows, so it tells attempts apart also outside the record.
	Claims int
	// Crashes counts the claims whose lease ran out.
	Crashes int
	// Version grows with each change.
	Version int64
	// CancelRequested is set on a running job that somebody wants to end.
	CancelRequested bool
	// Trace is the traceparent, and after a newline the tracestate, under which the job was accepted (W3C Trace Context).
	Trace string
	// Reason is why it is dead, cancelled or to be tried again; "" when there is nothing to say.
	Reason string
	// Created is when it was accepted, RunAt when it may be claimed next, Finished when it came to its final state, Expires
	// until when it may be started for the first time; zero where there is no such time. They are of the record's clock.
	Created, RunAt, Finished, Expires time.Time
	// Keep is how long the job stays after it has finished.
	Keep time.Duration
}

// Status is the job's state as clients see it: queued, running, retrying, or the final state.
func (j *Job) Status() string {
	switch {
	case j.State == Ready && j.Attempt == 0:
		return "queued"
	case j.State == Ready:
		return "retrying"
	}
	return string(j.State)
}

// idEncoding sorts as the bytes do, and is safe in paths, headers and file names.
var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID makes the id of a job: 48 bits of the time in milliseconds, so that ids sort by age, and 128 random bits, so that
// nobody can guess one. It has 36 letters.
func NewID(now time.Time) string {
	var raw [22]byte
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		raw[i] = byte(ms >> (40 - 8*i))
	}
	rand.Read(raw[6:])
	return idEncoding.EncodeToString(raw[:])
}

// ValidID tells whether a text can be the id of a job.
func ValidID(id string) bool {
	if len(id) != 36 {
		return false
	}
	_, err := idEncoding.DecodeString(id)
	return err == nil
}

// NewLease makes the token of a lease: 128 random bits in the letters of ids.
func NewLease() string {
	var raw [16]byte
	rand.Read(raw[:])
	return idEncoding.EncodeToString(raw[:])
}
