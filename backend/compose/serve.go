package compose

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
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
	name     string
	handler  sluice.Handler
	timeout  time.Duration
	optional bool
	instead  []byte
	failed   sluice.Counter
}

// Serve asks the parts and answers.
func (h *handler) Serve(x *sluice.Exchange) error {
	if _, err := x.Request.Body.Load(h.limit); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(x.Context())
	r := &run{handler: h, x: x, ctx: ctx, cancel: cancel, waits: append([]int(nil), h.plan.needs...),
		forks: make([]*sluice.Exchange, len(h.parts)), done: make(chan answer, len(h.parts))}
	x.OnEnd(r)
	x.SetResult(len(h.parts)-1, nil) // so that results do not move while forks read them
	r.all()
	if r.broken != nil {
		return r.pass()
	}
	h.answer(x, r.degraded)
	return nil
}

// answer is the endpoint's own answer, once all parts are there.
func (h *handler) answer(x *sluice.Exchange, degraded []byte) {
	p := x.Response.Body.Buffer()
	if h.object == nil {
		p = h.json.AppendJSON(p, x)
	} else {
		for i, key := range h.object {
			p = append(append(p, key...), x.Result(i)...)
		}
		p = append(p, '}')
	}
	x.Response.Body.SetBuffer(p)
	x.Response.Header.Set("Content-Type", "application/json")
	if degraded != nil {
		x.Response.Header.SetBytes("Degraded-Parts", degraded)
		x.Response.Header.Set("Cache-Control", "no-store")
	}
}

// run is the parts of one exchange being asked. It belongs to the goroutine that serves the exchange; others only send to
// done.
type run struct {
	*handler
	x      *sluice.Exchange
	ctx    context.Context
	cancel context.CancelFunc
	waits  []int
	forks  []*sluice.Exchange
	done   chan answer
	asked  int
	// broken is the answer that ended all; nil while there is none.
	broken   *answer
	degraded []byte
}

// answer is how a part ended.
type answer struct {
	part int
	// json is its result; nil where it failed.
	json []byte
	// err is why it failed; nil where the fork has a response.
	err error
}

// all asks every part, each as soon as what it needs is there, until all have answered or one that is required has failed.
// It returns when none is being asked any more.
func (r *run) all() {
	ready := r.plan.first
	running := 0
	for {
		for i, n := range ready {
			f := r.fork(n)
			r.asked++
			// What is asked last is asked here: nobody waits for it who could go on meanwhile.
			if i == len(ready)-1 && r.asked == len(r.parts) {
				r.end(r.ask(n, f))
			} else {
				go func() { r.end(r.ask(n, f)) }()
			}
			running++
		}
		ready = ready[:0:0]
		if running == 0 {
			return
		}
		a := <-r.done
		running--
		if r.take(a); r.broken != nil {
			continue
		}
		for _, n := range r.plan.next[a.part] {
			if r.waits[n]--; r.waits[n] == 0 {
				ready = append(ready, n)
			}
		}
	}
}

// end says how a part ended. What the others do is of no use any more where it was required and failed.
func (r *run) end(a answer) {
	needless := a.json == nil && !r.parts[a.part].optional
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
	f.Span = r.x.Span
	if d := r.parts[n].timeout; d > 0 {
		if end := r.now().Add(d); f.Deadline.IsZero() || end.Before(f.Deadline) {
			f.Deadline = end
		}
	}
	return f
}

// ofWhole tells whether a field of the request speaks of the whole answer, so that no part may see it.
func ofWhole(name []byte) bool {
	for _, n := range [...]string{"Accept-Encoding", "Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
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
			a = answer{part: n, err: &sluice.Error{Code: sluice.Internal, Err: fmt.Errorf("part %s: panic: %v\n%s", r.parts[n].name, p, debug.Stack())}}
		}
	}()
	if a.err = r.parts[n].handler.Serve(f); a.err != nil {
		return a
	}
	body, err := f.Response.Body.Load(r.limit)
	status := f.Response.Status
	switch {
	case err != nil:
		a.err = r.unusable(n, err)
	case f.Response.Upgrade != nil || status >= 300 || status != 0 && status < 200:
	case len(bytes.TrimSpace(body)) == 0:
		a.json = []byte("null")
	case !json.Valid(body):
		a.err = r.unusable(n, fmt.Errorf("part %s: what it answers is not JSON", r.parts[n].name))
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
	case r.broken != nil: // it was called off
	case p.optional && r.x.Context().Err() == nil:
		p.failed.Add(1)
		r.log.Debug("a part failed", "part", p.name, "status", f.Response.Status, "error", a.err)
		r.x.SetResult(a.part, p.instead)
		if r.degraded != nil {
			r.degraded = append(r.degraded, ", "...)
		}
		r.degraded = append(r.degraded, p.name...)
	default:
		p.failed.Add(1)
		r.broken = &a
	}
}

// pass makes the answer of the part that failed the endpoint's.
func (r *run) pass() error {
	if r.broken.err != nil {
		return r.broken.err
	}
	from, to := &r.forks[r.broken.part].Response, &r.x.Response
	if from.Upgrade != nil {
		return sluice.Errorf(sluice.BadGateway, nil, "the part %s does not speak HTTP any more", r.parts[r.broken.part].name)
	}
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
