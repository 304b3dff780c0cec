package sql

import (
	"sync"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/sqlite"
)

// write answers with what a writing statement gives, once it is committed.
type write struct {
	*backend
	*plan
	watch  watch
	answer answer
	runs   sync.Pool // of *writeRun
}

// writeRun is one exchange on its way through the writer.
type writeRun struct {
	x  *sluice.Exchange
	do func(*sqlite.Conn) error
}

func newWrite(b *backend, p *plan, returns string, w watch) *write {
	h := &write{backend: b, plan: p, watch: w, answer: answers[returns]}
	h.runs.New = func() any {
		run := &writeRun{}
		run.do = func(c *sqlite.Conn) error { return h.write(c, run.x) }
		return run
	}
	return h
}

// Serve has the statement run by the writer, which commits several exchanges at once. The answer is made before the
// commit; should that fail, the error stands in its place.
func (h *write) Serve(x *sluice.Exchange) error {
	call := h.watch.begin(x)
	run := h.runs.Get().(*writeRun)
	run.x = x
	err := h.db.Write(x.Context(), run.do)
	run.x = nil
	h.runs.Put(run)
	return call.end(err)
}

// write runs on the writer's goroutine while Serve waits, and perhaps more than once.
func (h *write) write(c *sqlite.Conn, x *sluice.Exchange) error {
	r, err := h.rows(c, x)
	if err != nil {
		return err
	}
	defer r.Close()
	return h.answer(h.plan, r, x)
}
