package postgres

import (
	"context"
	"fmt"
	"time"
)

const (
	// MaxBatch is how many errands a batch may have.
	MaxBatch = 64
	// MaxBatchBytes is how many bytes it may take to send them.
	MaxBatchBytes = 16 << 10
	// silence is how long a line may go without the end of its batch before it is given up.
	silence = 10 * time.Second
	// patience is how many errands of a batch may run into the time that the line gives them: then it is broken off, for
	// those behind have waited long enough.
	patience = 2
)

// LineTime is how long a statement may run on a line, as a rule.
const LineTime = 100 * time.Millisecond

// AsLine makes the connection a line, for good: it reads only, and a statement may run for so long, unless the role gives
// statements less.
func (c *Conn) AsLine(ctx context.Context, limit time.Duration) error {
	if err := c.lookShares(ctx); err != nil {
		return err
	}
	began := time.Now()
	sql := fmt.Sprintf("SET default_transaction_read_only = on; SELECT pg_catalog.set_config('statement_timeout', '%d', false) "+
		"FROM (SELECT pg_catalog.current_setting('statement_timeout')::pg_catalog.interval) AS s (now) WHERE now = '0' OR now > '%[1]d ms'",
		limit.Milliseconds())
	if err := c.ask(ctx, sql, nil); err != nil {
		return err
	}
	c.readOnly, c.wantReadOnly = true, true
	c.batch.trip = time.Since(began)
	return nil
}

// batch is what is under way on a line.
type batch struct {
	// flight is what is sent together. The first, group of them, share one Sync: the server then sends their answers together,
	// and after an error passes over the rest of them. Behind those each has a Sync of its own.
	flight []flight
	group  int
	// alone are those of the flight that are in no group, while it is put together.
	alone []flight
	// shares tells whether statements may share a Sync on this connection, if they are steady.
	shares bool
	// unprepared are the numbers of errands that wait until their statements are prepared.
	unprepared []int
	// complete is how many of the flight are answered. Broken is set when one of the group has failed.
	complete int
	broken   bool
	// slow is how many errands of the batch ran into the time of the line.
	slow int
	timing
}

// flight is what is remembered of an errand that is sent, for it is its caller's again once it is answered. Only errands
// that are in flight may be looked at: a caller may have one on another line by now that was done before.
type flight struct {
	at       int // its number
	stmt     *Stmt
	prepared *prepared
	size     int
	trial    bool
	ok       bool
}

// Batch runs errands on a line: what fails of one is said to that one. Those whose statements are prepared go out in one
// write; then the other statements are prepared, and the rest goes out in another. Errands that can do nothing which the
// others would notice (steady), are known to be quick and seldom fail, share a transaction: those behind one that fails there
// have a detour. Done is called for each errand once it is answered, by its number, in any order; from then on the errand is
// its caller's. Those that were not done when Batch returns were not answered: then it returns why, and the connection is of
// no more use.
func (c *Conn) Batch(errands []*Errand, done func(int)) error {
	if err := c.idle(); err != nil {
		return err
	}
	b := &c.batch
	b.slow = 0
	now := time.Now()
	c.gather(errands, done, now)
	if err := c.fly(errands, done, now); err != nil || len(b.unprepared) == 0 {
		return err
	}
	if err := c.prepareAll(errands, done); err != nil {
		return err
	}
	return c.fly(errands, done, time.Now())
}

// gather puts those errands in flight whose statements are prepared.
func (c *Conn) gather(errands []*Errand, done func(int), now time.Time) {
	b := &c.batch
	b.empty()
	b.unprepared = b.unprepared[:0]
	for i, e := range errands {
		p := c.kept.known[e.stmt]
		if p == nil {
			b.unprepared = append(b.unprepared, i)
			continue
		}
		c.kept.clock++
		p.used = c.kept.clock
		if !b.board(e, i, p, now) {
			done(i)
		}
	}
	b.close()
}

// prepareAll prepares the statements of errands where they are not, and puts those in flight. Those for which that fails are
// done: at once where it has failed for one before, for each attempt may take as long as a statement may run.
func (c *Conn) prepareAll(errands []*Errand, done func(int)) error {
	b := &c.batch
	b.empty()
	now := time.Now()
	var failed map[*Stmt]error
	for _, i := range b.unprepared {
		e := errands[i]
		p, err := c.kept.known[e.stmt], failed[e.stmt]
		if p == nil && err == nil {
			switch {
			case b.slow >= patience:
				e.detour = Behind
			case e.stmt.pace.off.Load() && !e.trial: // since it was queued
				e.detour = Slow
			default:
				p, err = c.preparedSteady(e.stmt, now.Add(silence))
			}
			if c.err != nil {
				return err
			}
			if err != nil {
				if failed == nil {
					failed = make(map[*Stmt]error)
				}
				if failed[e.stmt] = err; isCode(err, codeTimeout) {
					b.slow++
				}
			}
		}
		if err != nil {
			e.turnedDown(err)
		}
		if p == nil || !b.board(e, i, p, now) {
			done(i)
		}
	}
	b.unprepared = b.unprepared[:0]
	b.close()
	return nil
}

// empty begins a flight.
func (b *batch) empty() { b.flight, b.alone = b.flight[:0], b.alone[:0] }

// board puts an errand in flight: in the group if it is steady, known to be quick, and fails seldom. It is false if it has a detour.
func (b *batch) board(e *Errand, i int, p *prepared, now time.Time) bool {
	if !p.alike {
		e.detour = Apart
		return false
	}
	e.columns = p.columns
	f := flight{at: i, stmt: e.stmt, prepared: p, trial: e.trial}
	if p.steady && !e.trial && e.stmt.pace.inGroup(now) {
		b.flight = append(b.flight, f)
	} else {
		b.alone = append(b.alone, f)
	}
	return true
}

// close ends a flight that is put together.
func (b *batch) close() {
	if b.group = len(b.flight); b.group == 1 {
		b.group = 0
	}
	b.flight = append(b.flight, b.alone...)
}

// syncs is how many Syncs the flight has.
func (b *batch) syncs() int {
	if b.group == 0 {
		return len(b.flight)
	}
	return len(b.flight) - b.group + 1
}

// fly sends the flight and reads its answers.
func (c *Conn) fly(errands []*Errand, done func(int), now time.Time) error {
	if len(c.batch.flight) == 0 {
		return nil
	}
	if err := c.clear(); err != nil {
		return err
	}
	if err := c.sendBatch(errands, now); err != nil {
		return err
	}
	return c.readBatch(errands, done)
}

// sendBatch writes what runs the flight.
func (c *Conn) sendBatch(errands []*Errand, now time.Time) error {
	b := &c.batch
	c.wire.commits, c.wire.after, c.wire.completed = false, 0, false
	c.lead()
	c.out = append(c.out[:0], c.first...)
	for i := range b.flight {
		f := &b.flight[i]
		c.out = errands[f.at].append(c.out, f.prepared)
		if i+1 >= b.group {
			c.sync()
		}
	}
	if err := c.limit.start(c, now.Add(silence), nil); err != nil {
		return err
	}
	b.complete, b.broken = 0, false
	b.begin(c.source.fills, c.limit.begun, now)
	return c.flush()
}

// append appends what runs the errand: for maxRows and one more, which tells that there are more.
func (e *Errand) append(dst []byte, p *prepared) []byte {
	dst, at := openMessage(dst, 'B')
	dst = append(dst, p.head...)
	dst = append(dst, e.bind...)
	dst = closeMessage(append(dst, p.formats...), at)
	return append(dst, 'E', 0, 0, 0, 9, 0, 0, 0, byte((maxRows+1)>>8), byte((maxRows+1)&0xff))
}
