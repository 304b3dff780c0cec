package sql

import (
	"errors"
	"fmt"
	"sync"

	"github.com/sluiceapi/sluice"
)

// tx answers with several statements in one transaction, on one shard.
type tx struct {
	handler
	steps    []step
	results  int
	readOnly bool
	runs     sync.Pool // of *txRun
}

// step is one statement of it.
type step struct {
	*plan
	slot   int // of the result, or -1
	rows   int64
	expect *sluice.Error // nil when nothing is expected
}

// txRun is one exchange in the transaction, and the memory of its results until the exchange ends.
type txRun struct {
	tx      *tx
	x       *sluice.Exchange
	at      int
	results []byte
}

func (base handler) handleTX(env *sluice.Env, ep *sluice.Endpoint, use *Use) (sluice.Handler, error) {
	base.watch = base.watching(env, ep, "TRANSACTION", "")
	h := &tx{handler: base, readOnly: !base.writes}
	var errs []error
	for i := range use.TX {
		s, err := h.step(ep, i, &use.TX[i])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		h.steps = append(h.steps, s)
		h.readOnly = h.readOnly && s.readOnly
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	h.runs.New = func() any { return &txRun{tx: h} }
	return h, nil
}

// step compiles one statement; h.results counts the results that were made above it.
func (h *tx) step(ep *sluice.Endpoint, i int, c *Step) (step, error) {
	at := fmt.Sprintf("tx[%d]", i)
	s := step{slot: -1}
	above := h.results
	if c.As != "" {
		s.slot = h.results
		h.results++
	}
	var err error
	if s.plan, err = h.backend.plan(ep, at+".query", &c.Query); err != nil {
		return s, err
	}
	for j := range s.refs {
		if slot, ok := s.refs[j].Result(); ok && slot >= above {
			return s, &sluice.FieldError{Field: at + ".query", Offset: s.refs[j].Offset(),
				Err: fmt.Errorf("%s is not made yet; a statement can use the results of those above it", &s.refs[j])}
		}
	}
	if c.As != "" && len(s.columns) == 0 {
		return s, sluice.At(at+".as", fmt.Errorf("this %s gives no row to keep; want RETURNING in it", s.verb))
	}
	if e := c.Expect; e != nil {
		code, _ := sluice.CodeOf(e.Else)
		s.rows = e.Rows
		s.expect = &sluice.Error{Code: code, Message: "a condition of the request does not hold, and nothing was changed",
			Err: fmt.Errorf("%s.expect: not %d rows", at, e.Rows)}
	}
	return s, nil
}

// Serve runs the transaction: as a write, or on a reader when it only reads.
func (h *tx) Serve(x *sluice.Exchange) error {
	call := h.watch.begin(x)
	run := h.runs.Get().(*txRun)
	run.x = x
	if err := h.serve(x, run); err != nil {
		for slot := range h.results {
			x.SetResult(slot, nil)
		}
		run.giveBack()
		return call.end(err)
	}
	x.OnEnd(run)
	if h.results == 0 {
		x.Response.Status = 204
	} else {
		x.Response.Header.Set("Content-Type", jsonType)
		x.Response.Body.SetBytes(x.Result(h.results - 1))
	}
	return call.end(nil)
}

func (h *tx) serve(x *sluice.Exchange, run *txRun) (err error) {
	if h.readOnly {
		return h.reading(x, run)
	}
	if run.at, err = h.place(x); err != nil {
		return err
	}
	return h.shards[run.at].write(x, run, false)
}

// readOn runs the statements on one state of the database.
func (run *txRun) readOn(_ *sluice.Exchange, at int, c conn) error {
	run.at = at
	if err := c.snapshot(); err != nil {
		return err
	}
	return run.write(c)
}

// End gives the run back when the exchange is over, and nobody reads its results any more.
func (run *txRun) End(*sluice.Exchange, sluice.Outcome) { run.giveBack() }

// giveBack lets another exchange have the run and its memory.
func (run *txRun) giveBack() {
	run.x = nil
	if cap(run.results) > flushAt {
		run.results = nil
	}
	run.tx.runs.Put(run)
}

// write runs the statements, and starts afresh each time it is called.
func (run *txRun) write(c conn) error {
	run.results = run.results[:0]
	for i := range run.tx.steps {
		if err := run.step(c, &run.tx.steps[i]); err != nil {
			return err
		}
	}
	return nil
}

func (run *txRun) step(c conn, s *step) error {
	r, err := s.run(run.at, c, s.input(run.x))
	if err != nil {
		return err
	}
	defer r.Close()
	start, rows := len(run.results), int64(0)
	for r.Step() {
		if rows++; rows == 1 && s.slot >= 0 {
			run.results = r.AppendRow(run.results)
		}
	}
	if err := r.Err(); err != nil {
		return err
	}
	if !s.readOnly {
		if rows, err = r.Exec(); err != nil {
			return err
		}
	}
	if s.expect != nil && rows != s.rows {
		return s.expect
	}
	if s.slot >= 0 {
		if len(run.results) == start {
			run.results = append(run.results, "null"...)
		}
		run.x.SetResult(s.slot, run.results[start:len(run.results):len(run.results)])
	}
	return nil
}
