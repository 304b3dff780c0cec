package sql

import (
	"sync"

	"github.com/sluiceapi/sluice"
)

// write answers with what a writing statement gives, once it is committed.
type write struct {
	handler
	*plan
	answer    answer
	int64Text bool
	// single is set when nothing in the answer can undo the write.
	single bool
	runs   sync.Pool // of *writeRun
}

// writeRun is one exchange on its way through a transaction.
type writeRun struct {
	of *write
	x  *sluice.Exchange
	at int
}

func newWrite(base handler, p *plan, returns string, int64Text bool) *write {
	h := &write{handler: base, plan: p, answer: answers[returns], int64Text: int64Text, single: returns == "count" || returns == "none"}
	h.runs.New = func() any { return &writeRun{of: h} }
	return h
}

// Serve has the statement run and committed. The answer is made before the commit; should that fail, the error stands
// in its place.
func (h *write) Serve(x *sluice.Exchange) error {
	call := h.watch.begin(x)
	at, err := h.place(x)
	if err != nil {
		return call.end(err)
	}
	run := h.runs.Get().(*writeRun)
	run.x, run.at = x, at
	err = h.shards[at].write(x, run, h.single)
	run.x = nil
	h.runs.Put(run)
	return call.end(err)
}

// write runs while Serve waits, and perhaps more than once.
func (run *writeRun) write(c conn) error {
	h := run.of
	r, err := h.run(run.at, c, h.input(run.x))
	if err != nil {
		return err
	}
	defer r.Close()
	return h.answer(h.statement, r, run.x, h.int64Text)
}
