package sql

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/sluiceapi/sluice"
)

// Handle compiles and checks the statements of an endpoint and picks what runs them.
func (b *backend) Handle(env *sluice.Env, ep *sluice.Endpoint, use *Use) (sluice.Handler, error) {
	if err := b.checkUse(ep, use); err != nil {
		return nil, err
	}
	writes := false // guarded by the lock of fresh
	again := func() (sluice.Handler, error) { return b.handle(env, ep, use, writes) }
	turn := b.turns()
	h, err := again()
	switch {
	case errors.Is(err, errUnknown):
		env.Log.Warn("a statement is not checked: the database has no tables yet", "endpoint", ep.Name)
		return sluice.HandlerFunc(func(*sluice.Exchange) error { return errUnknown }), nil
	case errors.Is(err, errUnreached):
		h = sluice.HandlerFunc(func(*sluice.Exchange) error { return errLater })
	case err != nil:
		return nil, err
	}
	f := newFresh(h, env, func(err error) bool { return err == errNullKey.Err || b.dialect.changed(err) }, again)
	if !ep.ReadOnly() {
		f.writes = b.dialect.writes
		f.learn = func() { writes = true }
	}
	b.follow(env, f, turn)
	return f, nil
}

// handle makes the handler. With writes set a statement is run as a write, whatever the database says of it: what its
// functions do shows only when they run.
func (b *backend) handle(env *sluice.Env, ep *sluice.Endpoint, use *Use, writes bool) (sluice.Handler, error) {
	base := handler{backend: b, key: &use.Shard, want: use.consistency(), writes: writes}
	if b.split != nil {
		base.noKey = b.split.errNoKey(&use.Shard)
	}
	if len(use.TX) > 0 {
		return base.handleTX(env, ep, use)
	}
	p, err := b.plan(ep, "query", &use.Query)
	if err != nil {
		return nil, err
	}
	returns := use.Returns
	if returns == "" {
		returns = "many"
		if len(p.columns) == 0 {
			returns = "count"
		}
	}
	if err := p.check(returns); err != nil {
		return nil, err
	}
	base.watch = b.watching(env, ep, p.verb, p.text)
	base.watch.bound = len(p.refs) > 0 || use.Page != nil
	switch {
	case use.scatters(len(b.shards)):
		return base.handleScatter(env, ep, use, p, returns)
	case use.Page != nil:
		return base.handlePage(env, ep, use, p)
	case !p.readOnly || writes:
		return newWrite(base, p, returns, ep.Int64Text), nil
	case returns == "many":
		return &list{handler: base, plan: p}, nil
	}
	return &read{handler: base, plan: p, answer: answers[returns], int64Text: ep.Int64Text}, nil
}

// consistency is how new the data of a read must be.
type consistency uint8

const (
	session consistency = iota
	eventual
	strong
)

func (u *Use) consistency() consistency {
	switch u.Consistency {
	case "eventual":
		return eventual
	case "strong":
		return strong
	}
	return session
}

// handler is what all handlers of the backend have.
type handler struct {
	*backend
	watch watch
	// key names the shard, and noKey is the answer to a request without it.
	key   *sluice.Reference
	noKey *sluice.Error
	// want is how new the data of a read must be.
	want consistency
	// writes is set when a function of a statement writes.
	writes bool
}

// check refuses what a statement cannot return.
func (p *plan) check(returns string) error {
	switch n := len(p.columns); {
	case returns != "count" && returns != "none" && n == 0:
		return sluice.At("returns", fmt.Errorf("this %s gives no rows; want RETURNING in it, or returns: count or none", p.verb))
	case returns == "count" && p.readOnly && n != 1:
		return sluice.At("returns", fmt.Errorf("count answers with the one number that a read gives, and this one gives %d columns; "+
			"want SELECT count(*), or returns: many", n))
	}
	return nil
}

// answer makes the response of a statement that runs. What is left of it when it fails the error replaces.
type answer func(s *statement, r rows, x *sluice.Exchange, int64Text bool) error

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

func answerOne(_ *statement, r rows, x *sluice.Exchange, _ bool) error {
	if !r.Step() {
		if err := r.Err(); err != nil {
			return err
		}
		return errNoRow
	}
	body := r.AppendRow(x.Response.Body.Buffer())
	if r.Step() {
		return errTooMany
	}
	if err := r.Err(); err != nil {
		return err
	}
	setJSON(x, body)
	return nil
}

func answerMany(_ *statement, r rows, x *sluice.Exchange, _ bool) error {
	body := append(x.Response.Body.Buffer(), '[')
	for first := true; r.Step(); first = false {
		if !first {
			body = append(body, ',')
		}
		if body = r.AppendRow(body); len(body) > maxAnswer {
			return errLarge
		}
	}
	if err := r.Err(); err != nil {
		return err
	}
	setJSON(x, append(body, ']'))
	return nil
}

func answerCount(s *statement, r rows, x *sluice.Exchange, int64Text bool) error {
	n, err := howMany(s, r)
	if err != nil {
		return err
	}
	setCount(x, n, int64Text)
	return nil
}

// howMany is the number that a read gives, or of the rows that a write changed.
func howMany(s *statement, r rows) (int64, error) {
	if !s.readOnly {
		return r.Exec()
	}
	if r.Step() {
		if n, ok := r.Int(0); ok {
			_, err := r.Exec() // to the end, for it may write
			return n, err
		}
	}
	if err := r.Err(); err != nil {
		return 0, err
	}
	return 0, errNumber
}

func setCount(x *sluice.Exchange, n int64, int64Text bool) {
	body := append(x.Response.Body.Buffer(), `{"count":`...)
	if int64Text {
		body = append(strconv.AppendInt(append(body, '"'), n, 10), '"')
	} else {
		body = strconv.AppendInt(body, n, 10)
	}
	setJSON(x, append(body, '}'))
}

func answerNone(_ *statement, r rows, x *sluice.Exchange, _ bool) error {
	if _, err := r.Exec(); err != nil {
		return err
	}
	x.Response.Status = 204
	return nil
}

// read answers with what a reading statement gives, kept whole in memory.
type read struct {
	handler
	*plan
	answer    answer
	int64Text bool
}

// Serve reads on a connection that it has to itself.
func (h *read) Serve(x *sluice.Exchange) error {
	call := h.watch.begin(x)
	return call.end(h.reading(x, h))
}

func (h *read) readOn(x *sluice.Exchange, at int, c conn) error {
	r, err := h.run(at, c, h.input(x))
	if err != nil {
		return err
	}
	defer r.Close()
	return h.answer(h.statement, r, x, h.int64Text)
}

// reader answers from a connection that only reads.
type reader interface {
	readOn(x *sluice.Exchange, at int, c conn) error
}

// reading lends r a connection to the exchange's shard, and another one when the first died before it answered: a read
// may run twice.
func (h *handler) reading(x *sluice.Exchange, r reader) error {
	at, err := h.place(x)
	if err != nil {
		return err
	}
	return h.readingFrom(x, at, r)
}

// readingFrom is reading from a shard.
func (h *handler) readingFrom(x *sluice.Exchange, at int, r reader) error {
	failed := ""
	for again := false; ; again = true {
		c, err := h.shards[at].read(x, h.want, failed)
		if err != nil {
			return err
		}
		err = r.readOn(x, at, c)
		failed = c.server()
		c.release(err)
		if err == nil || again || !h.dialect.dead(err) {
			return err
		}
	}
}
