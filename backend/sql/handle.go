package sql

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/sqlite"
)

// Handle compiles and checks the statements of an endpoint and picks what runs them.
func (b *backend) Handle(env *sluice.Env, ep *sluice.Endpoint, use *Use) (sluice.Handler, error) {
	h, err := b.handle(env, ep, use)
	if errors.Is(err, errUnknown) {
		env.Log.Warn("a statement is not checked: the database has no tables yet", "endpoint", ep.Name)
		return sluice.HandlerFunc(func(*sluice.Exchange) error { return errUnknown }), nil
	}
	if err != nil {
		return nil, err
	}
	return newFresh(h, env, func() (sluice.Handler, error) { return b.handle(env, ep, use) }), nil
}

func (b *backend) handle(env *sluice.Env, ep *sluice.Endpoint, use *Use) (sluice.Handler, error) {
	if len(use.TX) > 0 {
		return b.handleTX(env, ep, use)
	}
	p, err := b.plan(ep, "query", &use.Query)
	if err != nil {
		return nil, err
	}
	returns := use.Returns
	if returns == "" {
		returns = "many"
		if len(p.stmt.Columns) == 0 {
			returns = "count"
		}
	}
	if err := p.check(returns); err != nil {
		return nil, err
	}
	w := b.watch(env, ep, p.verb, p.stmt.SQL)
	switch {
	case use.Page != nil:
		return b.handlePage(env, ep, use, p, w)
	case !p.stmt.ReadOnly:
		return newWrite(b, p, returns, w), nil
	case returns == "many":
		return &list{backend: b, plan: p, watch: w}, nil
	}
	return &read{backend: b, plan: p, watch: w, answer: answers[returns]}, nil
}

// check refuses what a statement cannot return.
func (p *plan) check(returns string) error {
	switch n := len(p.stmt.Columns); {
	case returns != "count" && returns != "none" && n == 0:
		return sluice.At("returns", fmt.Errorf("this %s gives no rows; want RETURNING in it, or returns: count or none", p.verb))
	case returns == "count" && p.stmt.ReadOnly && n != 1:
		return sluice.At("returns", fmt.Errorf("count answers with the one number that a read gives, and this one gives %d columns; "+
			"want SELECT count(*), or returns: many", n))
	}
	return nil
}

// answer makes the response of a statement that runs. What is left of it when it fails the error replaces.
type answer func(p *plan, r *sqlite.Rows, x *sluice.Exchange) error

// answers are those that keep the whole response in memory.
var answers = map[string]answer{"one": answerOne, "many": answerMany, "count": answerCount, "none": answerNone}

const (
	jsonType = "application/json"
	// flushAt is when an answer is long: it is streamed from there on, in pieces of that size.
	flushAt = 32 << 10
	// maxAnswer is the most memory for an answer that must be whole before it is sent.
	maxAnswer = 16 << 20
)

func setJSON(x *sluice.Exchange, body []byte) {
	x.Response.Header.Set("Content-Type", jsonType)
	x.Response.Body.SetBuffer(body)
}

func answerOne(p *plan, r *sqlite.Rows, x *sluice.Exchange) error {
	if !r.Step() {
		if err := r.Err(); err != nil {
			return err
		}
		return errNoRow
	}
	body := p.appendRow(x.Response.Body.Buffer(), r)
	if r.Step() {
		return errTooMany
	}
	if err := r.Err(); err != nil {
		return err
	}
	setJSON(x, body)
	return nil
}

func answerMany(p *plan, r *sqlite.Rows, x *sluice.Exchange) error {
	body := append(x.Response.Body.Buffer(), '[')
	for first := true; r.Step(); first = false {
		if !first {
			body = append(body, ',')
		}
		if body = p.appendRow(body, r); len(body) > maxAnswer {
			return errLarge
		}
	}
	if err := r.Err(); err != nil {
		return err
	}
	setJSON(x, append(body, ']'))
	return nil
}

func answerCount(p *plan, r *sqlite.Rows, x *sluice.Exchange) error {
	var n int64
	if p.stmt.ReadOnly {
		if !r.Step() || r.Type(0) != sqlite.Integer {
			return errors.Join(r.Err(), errNumber)
		}
		n = r.Int(0)
	} else {
		var err error
		if n, err = r.Exec(); err != nil {
			return err
		}
	}
	body := append(x.Response.Body.Buffer(), `{"count":`...)
	if p.int64Text {
		body = append(strconv.AppendInt(append(body, '"'), n, 10), '"')
	} else {
		body = strconv.AppendInt(body, n, 10)
	}
	setJSON(x, append(body, '}'))
	return nil
}

func answerNone(_ *plan, r *sqlite.Rows, x *sluice.Exchange) error {
	if _, err := r.Exec(); err != nil {
		return err
	}
	x.Response.Status = 204
	return nil
}

// read answers with what a reading statement gives, kept whole in memory.
type read struct {
	*backend
	*plan
	watch  watch
	answer answer
}

// Serve reads on a connection that it has to itself.
func (h *read) Serve(x *sluice.Exchange) error {
	call := h.watch.begin(x)
	return call.end(h.read(x))
}

func (h *read) read(x *sluice.Exchange) error {
	c, err := h.acquire(x)
	if err != nil {
		return err
	}
	defer h.db.Release(c)
	r, err := h.rows(c, x)
	if err != nil {
		return err
	}
	return h.answer(h.plan, r, x)
}

// acquire takes a reader for an exchange: what runs on it ends at the deadline, and when the client leaves.
func (b *backend) acquire(x *sluice.Exchange) (*sqlite.Conn, error) {
	c, err := b.db.Acquire(context.Background()) // it waits shortly at most, so the exchange need not make a context
	if err != nil {
		return nil, err
	}
	c.SetDeadline(x.Deadline)
	c.SetContexter(x)
	return c, nil
}
