package job

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/sluiceapi/sluice"
)

// Jobs has exchanges of one node's endpoints served later. It implements sluice.Jobs.
type Jobs struct {
	// Open opens what keeps the jobs, once, when the first endpoint has some. It is nil where nothing is opened.
	Open func() (*Keeper, error)
	// AtOnce is how many jobs the node works on at the same time.
	AtOnce int
	Times  Times
	// MaxRequest is the bytes that the body of a request may have.
	MaxRequest int64
	// Observe puts around a handler what is told of attempts; nil puts nothing.
	Observe func(next sluice.Handler) sluice.Handler
	Env     *sluice.Env

	keeper *Keeper
	lines  map[string]*line
}

// line is an endpoint whose exchanges become jobs.
type line struct {
	ep   *sluice.Endpoint
	plan sluice.JobPlan
	// run serves an attempt.
	run sluice.Handler
	// guard finds out who asks about a job of the endpoint.
	guard sluice.Handler
	waits sluice.Histogram
	runs  sluice.Histogram
	ends  map[string]sluice.Counter // by what Worker.Told is told
}

// Defer makes the policy that accepts exchanges of an endpoint.
func (j *Jobs) Defer(ep *sluice.Endpoint, plan sluice.JobPlan) (sluice.Policy, error) {
	if j.Open != nil && j.keeper == nil {
		k, err := j.Open()
		if err != nil {
			return nil, err
		}
		j.keeper = k
	}
	l := &line{ep: ep, plan: plan}
	l.measure(j.Env.Metrics, j.keeper)
	if j.lines == nil {
		j.lines = map[string]*line{}
		j.Env.Work(j.work)
	}
	j.lines[ep.Name] = l
	return func(next sluice.Handler) sluice.Handler {
		l.run = next
		if j.Observe != nil {
			l.run = j.Observe(next)
		}
		return &accept{jobs: j, line: l, headers: keptFields(ep, plan.Headers)}
	}, nil
}

// Defers tells whether an endpoint's exchanges become jobs.
func (j *Jobs) Defers() bool { return len(j.lines) > 0 }

// work carries out the jobs of the node's endpoints.
func (j *Jobs) work(take, keep context.Context) {
	w := &Worker{Keeper: j.keeper, AtOnce: j.AtOnce, Times: j.Times, Log: j.Env.Log, Run: map[string]func(context.Context, Claimed) Ended{}}
	for name, l := range j.lines {
		w.Run[name] = func(ctx context.Context, c Claimed) Ended { return j.attempt(ctx, l, c) }
	}
	w.Told = func(endpoint, outcome string) { j.lines[endpoint].ends[outcome].Add(1) }
	w.Work(take, keep)
}

// attempt serves the exchange of a job once.
func (j *Jobs) attempt(ctx context.Context, l *line, c Claimed) (e Ended) {
	began := j.Env.Now()
	l.waits.Observe(max(0, began.Sub(c.Job.RunAt)))
	defer func() { l.runs.Observe(j.Env.Now().Sub(began)) }()
	x, err := sluice.Restore(c.Request, func(string) *sluice.Endpoint { return l.ep })
	if err != nil {
		j.Env.Log.Error("a job cannot be restored", "job", c.Job.ID, "endpoint", l.ep.Name, "error", err)
		return Ended{To: Dead, Reason: Unreadable}
	}
	x.Start, x.Deadline = began, began.Add(l.plan.Timeout)
	x.Within(ctx)
	x.Request.Header.Set("Idempotency-Key", c.Job.ID)
	x.Request.Header.Set("Job-Attempt", strconv.Itoa(c.Job.Attempt))
	setTrace(&x.Request.Header, c.Job.Trace)
	status, r, after, err := j.serve(x, l)
	reason := strconv.Itoa(status)
	if err != nil {
		j.Env.Log.Info("an attempt at a job failed", "job", c.Job.ID, "endpoint", l.ep.Name, "attempt", c.Job.Attempt, "status", status, "error", err)
	}
	return Judge(&c.Job, &l.plan, status, after, reason, r)
}

// serve serves an attempt's exchange to its end, and reads what it answers.
func (j *Jobs) serve(x *sluice.Exchange, l *line) (status int, r *Result, after time.Duration, err error) {
	outcome := sluice.Outcome{}
	defer func() {
		outcome.Status, outcome.Err = status, err
		x.End(outcome)
	}()
	err = j.guarded(x, l)
	resp := &x.Response
	var body []byte
	if err == nil {
		body, err = resp.Body.Load(l.plan.MaxResult)
		if err != nil {
			err = sluice.Errorf(sluice.BadGateway, err, "the answer cannot be kept")
		}
	}
	if err == nil && resp.Upgrade != nil {
		err = sluice.Errorf(sluice.NotSupported, nil, "a job cannot be upgraded to another protocol")
	}
	if err != nil {
		e := sluice.ErrorOf(err)
		status = e.Code.Status()
		return status, &Result{Status: status, Header: []string{"Content-Type", "application/problem+json"},
			Body: e.AppendProblem(nil, x.RequestID())}, e.RetryAfter, err
	}
	if status = resp.Status; status == 0 {
		status = 200
	}
	r = &Result{Status: status, Body: append([]byte{}, body...)}
	for _, f := range resp.Header.Fields() {
		r.Header = append(r.Header, string(f.Name), string(f.Value))
	}
	return status, r, RetryAfter(resp.Header.Value("Retry-After"), j.Env.Now()), nil
}

// guarded is the handler's Serve; a panic is an error, for it would end the process and all its jobs.
func (j *Jobs) guarded(x *sluice.Exchange, l *line) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &sluice.Error{Code: sluice.Internal, Err: fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
		}
	}()
	return l.run.Serve(x)
}

// RetryAfter reads a field of seconds, or of a date (RFC 9110, section 10.2.3); zero when it is neither.
func RetryAfter(value []byte, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(string(value), 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	for _, layout := range []string{time.RFC1123, time.RFC850, time.ANSIC} {
		if at, err := time.Parse(layout, string(value)); err == nil {
			return max(0, at.Sub(now))
		}
	}
	return 0
}

// unavailable is the error of a record that cannot be reached.
func unavailable(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &sluice.Error{Code: sluice.Unavailable, Message: "jobs cannot be kept now", RetryAfter: time.Second, Err: err}
}
