package compose

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/sluiceapi/sluice"
)

// handler asks the parts of one endpoint and makes one answer of theirs.
type handler struct {
	plan  *plan
	parts []part
	json  sluice.JSONTemplate
	// object holds the texts before the values, where json is empty.
	object [][]byte
	limit  int64
	now    func() time.Time
	log    *slog.Logger
}

type part struct {
	name, span string
	handler    sluice.Handler
	timeout    time.Duration
	// alone tells whether the endpoint answers also when the part fails; instead is its answer then, nil where it is missing.
	alone   bool
	instead []byte
	failed  sluice.Counter
}

// Serve asks the parts and answers.
func (h *handler) Serve(x *sluice.Exchange) error {
	if _, err := x.Request.Body.Load(h.limit); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(x.Context())
	r := &run{handler: h, x: x, ctx: ctx, cancel: cancel, waits: slices.Clone(h.plan.needs), ready: slices.Clone(h.plan.first),
		left: len(h.parts), forks: make([]*sluice.Exchange, len(h.parts)), done: make(chan answer, len(h.parts))}
	x.OnEnd(r)
	x.SetResult(len(h.parts)-1, nil) // so that results do not move while forks read them
	r.all()
	if r.broken != nil {
		return r.pass()
	}
	r.answer()
	return nil
}

// run is the parts of one exchange being asked. It belongs to the goroutine that serves the exchange; others only send to
// done.
type run struct {
	*handler
	x      *sluice.Exchange
	ctx    context.Context
	cancel context.CancelFunc
	// waits is how many parts each still waits for; ready are those that can be asked, and left is how many there are still
	// to ask.
	waits []int
	ready []int
	left  int
	forks []*sluice.Exchange
	done  chan answer
	// broken is the answer that ended all; nil while there is none.
	broken *answer
	// failed are the parts that failed alone; nil while there is none.
	failed []bool
}

// answer is how a part ended.
type answer struct {
	part int
	// json is its result; nil where it failed.
	json []byte
	// err is why it failed; nil where the fork has a response.
	err error
	// off tells whether it was called off before it ended.
	off bool
}

// all asks every part, each as soon as what it needs is there, until all have answered or one that is required has failed.
// It returns when none is being asked any more.
func (r *run) all() {
	for running := 0; ; {
		for len(r.ready) > 0 && r.broken == nil {
			n := r.ready[0]
			r.ready, r.left = r.ready[1:], r.left-1
			if r.lacks(n) {
				r.without(n, nil)
				r.unlock(n)
				continue
			}
			f := r.fork(n)
			running++
			// It is asked here where nobody waits who could go on meanwhile.
			if len(r.ready) == 0 && (r.left == 0 || running == 1) {
				r.end(r.ask(n, f), f)
			} else {
				go func() { r.end(r.ask(n, f), f) }()
			}
		}
		if running == 0 {
			return
		}
		a := <-r.done
		running--
		if r.take(a); r.broken == nil {
			r.unlock(a.part)
		}
	}
}

// unlock finds what waited for that part alone.
func (r *run) unlock(part int) {
	for _, n := range r.plan.next[part] {
		if r.waits[n]--; r.waits[n] == 0 {
			r.ready = append(r.ready, n)
		}
	}
}

// lacks tells whether an answer is missing that the part refers to.
func (r *run) lacks(n int) bool {
	for _, m := range r.plan.refers[n] {
		if r.failed != nil && r.failed[m] && r.parts[m].instead == nil {
			return true
		}
	}
	return false
}

// end says how a part ended. What the others do is of no use any more where it was required and failed.
func (r *run) end(a answer, f *sluice.Exchange) {
	a.off = r.ctx.Err() != nil
	if f.Span != nil {
		f.Span.End(a.err)
	}
	needless := a.json == nil && !r.parts[a.part].alone
	r.done <- a
	if needless {
		r.cancel()
	}
}

// fork is the exchange on which a part is asked.
func (r *run) fork(n int) *sluice.Exchange {
	f := r.x.Fork(r.ctx)
	r.forks[n] = f
	if f.Request.Method == "HEAD" {
		f.Request.Method = "GET"
	}
	var header sluice.Header
	for _, field := range r.x.Request.Header.Fields() {
		if !ofWhole(field.Name) {
			header.AddBytes(field.Name, field.Value)
		}
	}
	f.Request.Header = header
	if r.x.Span != nil {
		f.Span = r.x.Span.Child(r.parts[n].span)
	}
	if d := r.parts[n].timeout; d > 0 {
		if end := r.now().Add(d); f.Deadline.IsZero() || end.Before(f.Deadline) {
			f.Deadline = end
		}
	}
	return f
}

// ofWhole tells whether a field of the request speaks of the whole answer, so that no part may see it.
func ofWhole(name []byte) bool {
	for _, n := range [...]string{"Accept-Encoding", "Upgrade", "Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since",
		"If-Unmodified-Since"} {
		if sluice.SameToken(name, n) {
			return true
		}
	}
	return false
}

// ask asks a part. It may run beside others.
func (r *run) ask(n int, f *sluice.Exchange) (a answer) {
	a.part = n
	defer func() {
		if p := recover(); p != nil {
			a.json, a.err = nil, fmt.Errorf("part %s: panic: %v\n%s", r.parts[n].name, p, debug.Stack())
		}
	}()
	if a.err = r.parts[n].handler.Serve(f); a.err != nil {
		return a
	}
	body, err := f.Response.Body.Load(r.limit)
	body = bytes.TrimSpace(body)
	status := f.Response.Status
	if f.Span != nil && f.Span.Recording() {
		f.Span.SetInt("http.response.status_code", int64(cmp.Or(status, 200)))
	}
	switch {
	case err != nil:
		a.err = r.unusable(n, err)
	case f.Response.Upgrade != nil || status != 0 && status < 200:
		a.err = r.unusable(n, fmt.Errorf("status %d is not the end of an answer", status))
	case status >= 300:
	case len(body) == 0:
		a.json = []byte("null")
	case !json.Valid(body):
		a.err = r.unusable(n, errors.New("what it answers is not JSON"))
	default:
		a.json = body
	}
	return a
}

// unusable is the error of a part whose answer cannot be taken.
func (r *run) unusable(n int, err error) error {
	if r.ctx.Err() != nil {
		return err
	}
	return sluice.Errorf(sluice.BadGateway, err, "the answer of the part %s cannot be used", r.parts[n].name)
}

// take takes an answer over into the exchange.
func (r *run) take(a answer) {
	p, f := &r.parts[a.part], r.forks[a.part]
	r.x.Join(f)
	switch {
	case a.json != nil:
		r.x.SetResult(a.part, a.json)
	case p.alone && r.broken == nil && r.x.Context().Err() == nil:
		r.without(a.part, a.err)
	case !p.alone && !a.off:
		p.failed.Add(1)
		if r.broken == nil || r.broken.off || a.part < r.broken.part {
			r.broken = &a
		}
	case r.broken == nil: // the exchange is over
		r.broken = &a
	}
}

// without goes on without a part. A failure that nobody named is the operator's to see, since no client will.
func (r *run) without(n int, err error) {
	p := &r.parts[n]
	p.failed.Add(1)
	if f := r.forks[n]; err != nil && sluice.ErrorOf(err).Code == sluice.Internal {
		r.log.Error("a part failed", "part", p.name, "request_id", string(r.x.RequestID()), "error", err)
	} else if f != nil {
		r.log.Debug("a part failed", "part", p.name, "status", f.Response.Status, "error", err)
	}
	if r.failed == nil {
		r.failed = make([]bool, len(r.parts))
	}
	r.failed[n] = true
	r.x.SetResult(n, p.result())
}

// result is what stands for the answer of a part that failed alone.
func (p *part) result() []byte {
	if p.instead != nil {
		return p.instead
	}
	return []byte("null")
}

// answer is the endpoint's own answer, once all parts are there.
func (r *run) answer() {
	resp := &r.x.Response
	b := resp.Body.Buffer()
	if r.object == nil {
		b = r.json.AppendJSON(b, r.x)
	} else {
		for i, key := range r.object {
			b = append(append(b, key...), r.x.Result(i)...)
		}
		b = append(b, '}')
	}
	resp.Body.SetBuffer(b)
	resp.Header.Set("Content-Type", "application/json")
	if r.failed != nil {
		resp.Header.SetBytes("Degraded-Parts", r.degraded())
	}
	r.heed()
}

// pass makes the answer of the part that failed the endpoint's.
func (r *run) pass() error {
	if r.broken.err != nil {
		return r.broken.err
	}
	from, to := &r.forks[r.broken.part].Response, &r.x.Response
	to.Status = from.Status
	for _, field := range from.Header.Fields() {
		to.Header.AddBytes(field.Name, field.Value)
	}
	to.Body.SetBytes(from.Body.Bytes)
	return nil
}

// End lets go of what the parts have made, once the answer is out.
func (r *run) End(_ *sluice.Exchange, o sluice.Outcome) {
	for _, f := range r.forks {
		if f != nil {
			f.End(o)
		}
	}
	r.cancel()
}
