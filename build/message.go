package build

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/broker"
	"github.com/sluiceapi/sluice/config"
	"github.com/sluiceapi/sluice/job"
)

// consumer serves the messages of a queue as requests of an endpoint.
type consumer struct {
	env     *sluice.Env
	ep      *sluice.Endpoint
	route   string
	queue   string
	plan    config.Consume
	handler sluice.Handler
	runs    sluice.Histogram
	method  string
	path    []segment
	// query are the fields that stand in the query, params those that are parameters and stand nowhere.
	query, params []string
	// headers are the fields of a message's header that its request gets, in lower case.
	headers map[string]bool
	// json tells that the body is looked into; limit is how large it may be, zero without limit.
	json  bool
	limit int64
}

// segment is one of a path: text, or a field of the message.
type segment struct {
	text, field string
	rest        bool
}

// serve serves a message, and judges what came of it.
func (c *consumer) serve(ctx context.Context, d *broker.Delivery, attempt int) broker.Verdict {
	x := sluice.NewExchange(nil)
	x.Within(ctx)
	x.Endpoint, x.Route, x.Start = c.ep, c.route, c.env.Now()
	x.Deadline = x.Start.Add(c.plan.Timeout)
	err := c.ask(&x.Request, d, attempt)
	var status int
	var after time.Duration
	if err == nil {
		status, after, err = c.answer(x)
	}
	if err != nil {
		e := sluice.ErrorOf(err)
		status, after = e.Code.Status(), e.RetryAfter
		c.env.Log.Info("an attempt at a message failed", "endpoint", c.ep.Name, "queue", c.queue, "message", d.ID, "attempt", attempt, "status", status, "error", err)
	}
	x.End(sluice.Outcome{Status: status, Received: int64(len(d.Body)), Err: err})
	c.runs.Observe(c.env.Now().Sub(x.Start))
	why := fmt.Sprintf("it was answered with %d", status)
	if err != nil {
		why = sluice.ErrorOf(err).Code.String() + ": " + sluice.ErrorOf(err).Message
	}
	switch {
	case status < 400:
		return broker.Verdict{}
	case !job.Retryable(status) && status != sluice.ClientLeft.Status(), attempt >= c.plan.Attempts:
		return broker.Verdict{Dead: why}
	}
	return broker.Verdict{Again: true, After: job.Backoff(attempt, c.plan.Backoff.Base, c.plan.Backoff.Cap, min(after, c.plan.Backoff.Cap))}
}

// answer has the endpoint answer, reads the answer to its end, and forgets it.
func (c *consumer) answer(x *sluice.Exchange) (status int, after time.Duration, err error) {
	if err := c.guarded(x); err != nil {
		return 0, 0, err
	}
	r := &x.Response
	if r.Upgrade != nil {
		return 0, 0, sluice.Errorf(sluice.NotSupported, nil, "a message cannot be upgraded to another protocol")
	}
	if s := r.Body.Stream; s != nil {
		_, err := io.Copy(io.Discard, s)
		if err != nil {
			return 0, 0, sluice.Errorf(sluice.BadGateway, err, "the answer broke off")
		}
		r.Body.Close(nil)
	}
	if status = r.Status; status == 0 {
		status = 200
	}
	return status, job.RetryAfter(r.Header.Value("Retry-After"), c.env.Now()), nil
}

// guarded is the handler's Serve; a panic is an error, for it would end the process.
func (c *consumer) guarded(x *sluice.Exchange) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &sluice.Error{Code: sluice.Internal, Err: fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
		}
	}()
	return c.handler.Serve(x)
}

// ask makes the request of a message.
func (c *consumer) ask(r *sluice.Request, d *broker.Delivery, attempt int) error {
	if c.limit > 0 && int64(len(d.Body)) > c.limit {
		return sluice.Errorf(sluice.TooLarge, nil, "the message is larger than %s", sluice.Size(c.limit))
	}
	r.Method = c.method
	r.Body.SetBytes(d.Body)
	for _, f := range d.Header {
		if name := []byte(f.Name); c.headers[string(bytes.ToLower(name))] && sluice.ValidFieldName(name) && sluice.ValidFieldValue([]byte(f.Value)) {
			r.Header.Add(f.Name, f.Value)
		}
	}
	fields := len(c.params)+len(c.query) > 0 || c.hasField()
	valid := (fields || c.json && d.Type == "") && json.Valid(d.Body)
	switch {
	case d.Type != "" && sluice.ValidFieldValue([]byte(d.Type)):
		r.Header.Set("Content-Type", d.Type)
	case valid:
		r.Header.Set("Content-Type", "application/json")
	}
	if d.ID != "" && sluice.ValidFieldValue([]byte(d.ID)) {
		r.Header.Set("Idempotency-Key", d.ID)
	}
	r.Header.Set("Message-Attempt", strconv.Itoa(attempt))
	if fields && !(valid && bytes.TrimLeft(d.Body, " \t\r\n")[0] == '{') {
		return sluice.Errorf(sluice.BadRequest, nil, "the message is no JSON object")
	}
	return c.bind(r, d.Body)
}

func (c *consumer) hasField() bool {
	for i := range c.path {
		if c.path[i].field != "" {
			return true
		}
	}
	return false
}

// bind puts fields of the message where the request has them.
func (c *consumer) bind(r *sluice.Request, body []byte) error {
	var faults []sluice.InputError
	field := func(name string) (text []byte, found bool) {
		var arena []byte
		switch v := sluice.LookupJSON(body, []string{name}, &arena); v.Type() {
		case sluice.Absent, sluice.Null:
			return nil, false
		case sluice.JSON:
			faults = append(faults, sluice.InputError{Name: name, Message: "it is an object or an array; want one value"})
			return nil, false
		default:
			return v.AppendText(nil), true
		}
	}
	for _, s := range c.path {
		r.Path = append(r.Path, '/')
		if s.field == "" {
			r.Path = append(r.Path, s.text...)
			continue
		}
		text, _ := field(s.field)
		start := len(r.Path)
		if s.rest {
			r.Path = sluice.AppendPath(r.Path, text)
		} else {
			r.Path = sluice.AppendSegment(r.Path, text)
		}
		value := bytes.Clone(r.Path[start:])
		if canonical, _, err := sluice.Target(nil, append([]byte{'/'}, value...)); err != nil || !bytes.Equal(canonical[1:], value) || len(value) == 0 && !s.rest {
			faults = append(faults, sluice.InputError{Name: s.field, Message: "it is missing, or cannot stand in a path; want a value without slashes and other than dots"})
		}
		r.Params = append(r.Params, sluice.Param{Name: s.field, Value: value})
	}
	for _, name := range c.params {
		if text, found := field(name); found {
			r.Params = append(r.Params, sluice.Param{Name: name, Value: sluice.AppendSegment(nil, text)})
		}
	}
	for _, name := range c.query {
		if text, found := field(name); found {
			if len(r.Query) > 0 {
				r.Query = append(r.Query, '&')
			}
			r.Query = append(append(append(r.Query, url.QueryEscape(name)...), '='), url.QueryEscape(string(text))...)
		}
	}
	if len(faults) > 0 {
		return &sluice.Error{Code: sluice.BadRequest, Message: "what the message brings does not fit", Fields: faults}
	}
	return nil
}
