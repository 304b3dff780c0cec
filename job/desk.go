package job

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceapi/sluice"
)

// Root is the path below which callers find their jobs.
const Root = "/_jobs/"

// Guard sets how it is found out who asks about jobs of an endpoint: by policies around a handler that marks the exchange
// as known, which Guard gives.
func (j *Jobs) Guard(endpoint string, around func(sluice.Handler) sluice.Handler) {
	if l := j.lines[endpoint]; l != nil {
		l.guard = around(sluice.HandlerFunc(func(x *sluice.Exchange) error {
			x.Response.Status = reached
			return nil
		}))
	}
}

// reached marks an exchange that has come through all that finds out who asks.
const reached = -1

// Order is what a caller can do about a job.
type Order uint8

// The orders.
const (
	Look Order = iota
	Fetch
	End
	Again
)

// Orders are the routes by which callers reach their jobs, with what each does.
func Orders() map[string]Order {
	return map[string]Order{
		"GET " + Root + "{id}":        Look,
		"GET " + Root + "{id}/result": Fetch,
		"DELETE " + Root + "{id}":     End,
		"POST " + Root + "{id}/retry": Again,
	}
}

// Handler answers one of the Orders.
func (j *Jobs) Handler(o Order) sluice.Handler {
	return sluice.HandlerFunc(func(x *sluice.Exchange) error {
		found, err := j.find(x)
		if err != nil || found == nil {
			return err
		}
		switch o {
		case Fetch:
			return j.fetch(x, found)
		case End:
			return j.end(x, found)
		case Again:
			return j.again(x, found)
		}
		return j.look(x, found)
	})
}

var errNoSuchJob = &sluice.Error{Code: sluice.NotFound, Message: "there is no such job, or it is not yours"}

// find is the job that the path names, if it is the caller's; nil without an error where what finds out who asks has
// answered itself.
func (j *Jobs) find(x *sluice.Exchange) (*Job, error) {
	id, _ := x.Request.Param("id")
	if !ValidID(string(id)) {
		return nil, errNoSuchJob
	}
	found, err := j.keeper.Record.Job(x.Context(), string(id))
	switch {
	case errors.Is(err, ErrNoJob):
		return nil, errNoSuchJob
	case err != nil:
		return nil, unavailable(err)
	}
	l := j.lines[found.Endpoint]
	if l == nil || l.guard == nil {
		return nil, errNoSuchJob // its endpoint is not served here any more, so nobody can say whose it is
	}
	if err := l.guard.Serve(x); err != nil {
		return nil, err
	}
	if x.Response.Status != reached {
		return nil, nil
	}
	x.Response.Status = 0
	if found.Caller != "" && found.Caller != callerKey(x) {
		return nil, errNoSuchJob
	}
	return found, nil
}

// accepted answers whoever sent the request of a job: with 202, or with its result where it is there in the time that the
// caller wants to wait (RFC 7240, section 4.3).
func (j *Jobs) accepted(x *sluice.Exchange, found *Job) error {
	if wait := waitOf(x); wait > 0 {
		var err error
		if found, err = j.wait(x, found, wait, func(o *Job) bool { return o.State.Final() }); err != nil {
			return err
		}
		x.Response.Header.Set("Preference-Applied", "wait="+strconv.Itoa(int(wait/time.Second)))
		if found.State == Succeeded || found.State == Failed {
			x.Response.Header.Set("Content-Location", Root+found.ID+"/result")
			return j.fetch(x, found)
		}
	}
	x.Response.Status = 202
	x.Response.Header.Set("Location", Root+found.ID)
	j.tell(x, found)
	return nil
}

// maxWait bounds how long a caller may have its request wait.
const maxWait = time.Minute

// waitOf is how long the caller wants to wait, in whole seconds.
func waitOf(x *sluice.Exchange) time.Duration {
	for _, f := range x.Request.Header.Fields() {
		if !sluice.SameToken(f.Name, "Prefer") {
			continue
		}
		for preference := range strings.SplitSeq(string(f.Value), ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(preference), "=")
			if n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31); err == nil && strings.EqualFold(strings.TrimSpace(name), "wait") {
				return min(time.Duration(n)*time.Second, maxWait)
			}
		}
	}
	return 0
}

// wait waits for a job until it is as wanted, or the time is over; a little of the exchange's own time is left to answer.
func (j *Jobs) wait(x *sluice.Exchange, found *Job, most time.Duration, enough func(*Job) bool) (*Job, error) {
	end := time.Now().Add(most)
	if d := x.Deadline.Add(-time.Second); !x.Deadline.IsZero() && d.Before(end) {
		end = d
	}
	ctx, cancel := context.WithDeadline(x.Context(), end)
	defer cancel()
	for !enough(found) && ctx.Err() == nil {
		next, err := j.keeper.Wait(ctx, found)
		if errors.Is(err, ErrNoJob) {
			return nil, errNoSuchJob
		} else if err != nil {
			return nil, unavailable(err)
		}
		found = next
	}
	return found, x.Context().Err()
}

// look tells how a job is.
func (j *Jobs) look(x *sluice.Exchange, found *Job) error {
	known := x.Request.Header.Value("If-None-Match")
	same := func(o *Job) bool { return known != nil && bytes.Equal(known, etag(o)) }
	if wait := waitOf(x); wait > 0 {
		var err error
		found, err = j.wait(x, found, wait, func(o *Job) bool { return o.State.Final() || known != nil && !same(o) })
		if err != nil {
			return err
		}
		x.Response.Header.Set("Preference-Applied", "wait="+strconv.Itoa(int(wait/time.Second)))
	}
	if same(found) {
		x.Response.Status = 304
		x.Response.Header.SetBytes("ETag", etag(found))
		return nil
	}
	j.tell(x, found)
	return nil
}

func etag(j *Job) []byte { return fmt.Appendf(nil, `"%d"`, j.Version) }

// tell answers with how a job is.
func (j *Jobs) tell(x *sluice.Exchange, found *Job) {
	h := &x.Response.Header
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.SetBytes("ETag", etag(found))
	if !found.State.Final() {
		h.Set("Retry-After", "1")
	}
	p := x.Response.Body.Buffer()
	p = fmt.Appendf(p, `{"id":"%s","status":"%s","attempt":%d,"created_at":"%s"`, found.ID, found.Status(), found.Attempt,
		found.Created.UTC().Format(time.RFC3339Nano))
	if !found.Finished.IsZero() {
		p = fmt.Appendf(p, `,"finished_at":"%s"`, found.Finished.UTC().Format(time.RFC3339Nano))
	}
	if found.Reason != "" {
		p = sluice.AppendJSONString(append(p, `,"reason":`...), []byte(found.Reason))
	}
	p = fmt.Appendf(p, `,"links":{"self":"%[1]s%[2]s","result":"%[1]s%[2]s/result"}}`, Root, found.ID)
	x.Response.Body.SetBuffer(p)
}

// fetch answers with a job's result.
func (j *Jobs) fetch(x *sluice.Exchange, found *Job) error {
	if found.State != Succeeded && found.State != Failed {
		e := &sluice.Error{Code: sluice.Conflict, Message: "the job has no result: it is " + found.Status()}
		if !found.State.Final() {
			e.Message, e.RetryAfter = "the job has no result yet: it is "+found.Status(), time.Second
		}
		return e
	}
	r, err := j.keeper.Record.Result(x.Context(), found.ID)
	switch {
	case errors.Is(err, ErrNoJob) || err == nil && r == nil:
		return errNoSuchJob
	case err != nil:
		return unavailable(err)
	}
	x.Response.Status = r.Status
	for i := 0; i+1 < len(r.Header); i += 2 {
		x.Response.Header.Add(r.Header[i], r.Header[i+1])
	}
	x.Response.Body.SetBytes(r.Body)
	return nil
}

// end cancels a job.
func (j *Jobs) end(x *sluice.Exchange, found *Job) error {
	if found.State.Final() {
		return &sluice.Error{Code: sluice.Conflict, Message: "the job is over: it is " + found.Status()}
	}
	return j.change(x, found, j.keeper.Record.Cancel)
}

// again has a job tried again.
func (j *Jobs) again(x *sluice.Exchange, found *Job) error {
	if !found.State.Final() || found.State == Succeeded {
		return &sluice.Error{Code: sluice.Conflict, Message: "the job cannot be tried again: it is " + found.Status()}
	}
	return j.change(x, found, j.keeper.Record.Retry)
}

func (j *Jobs) change(x *sluice.Exchange, found *Job, order func(context.Context, string) (*Job, error)) error {
	next, err := order(x.Context(), found.ID)
	switch {
	case errors.Is(err, ErrNoJob):
		return errNoSuchJob
	case err != nil:
		return unavailable(err)
	}
	j.keeper.changed(next.ID)
	if next.CancelRequested {
		j.keeper.end(next.ID)
	}
	if next.State == Ready {
		j.keeper.Ring(Hint{Job: next.ID, Endpoint: next.Endpoint, Trace: next.Trace})
	}
	x.Response.Status = 202
	j.tell(x, next)
	return nil
}
