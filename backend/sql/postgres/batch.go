package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
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
	flight []flight
	// trip is the shortest time in which an answer came, of all batches.
	trip time.Duration
	// told is how many of the flight have been learnt from. The system brought something last at since; what came with
	// that has taken gap.
	told  int
	since time.Duration
	gap   time.Duration
	fills uint64
	slow  int
	// complete is how many of the flight are answered.
	complete int
	// grouped is set where the flight shares one Sync: the server then sends its answers together, and after an error passes
	// over the rest. doubts is how many batches go without, since one that was grouped was slow, and it cannot be told by what.
	grouped, broken bool
	doubts          int
}

// doubtful is how many batches show what a statement takes that made a group slow.
const doubtful = 2 * weight

const (
	// firstAnswer stands for the gap before the first answer of a batch, from which the way there and back is taken: what
	// remains are the statements' own. It may take twice as long as at best, and jitter.
	firstAnswer time.Duration = -1
	jitter                    = 100 * time.Microsecond
)

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

// Batch runs errands on a line, each as a transaction of its own: what fails of one is said to that one. All go out in one
// write, and done is called for each once it is answered, by its number; from then on the errand is its caller's. Those
// that were not done when Batch returns were not answered: then it returns why, and the connection is of no more use.
func (c *Conn) Batch(errands []*Errand, done func(int)) error {
	if err := c.idle(); err != nil {
		return err
	}
	if err := c.prepareAll(errands, done); err != nil || len(c.batch.flight) == 0 {
		return err
	}
	if err := c.clear(); err != nil {
		return err
	}
	if err := c.sendBatch(errands); err != nil {
		return err
	}
	return c.readBatch(errands, done)
}

// clear takes in what came unasked and lies with the frontend, which a batch does not read from.
func (c *Conn) clear() error {
	for tries := 0; c.front.ReadBufferLen() > 0; tries++ {
		if !c.hear() {
			return c.err
		}
		if tries == clearTries {
			return c.broke(errHalf)
		}
	}
	return nil
}

// clearTries is how often the rest of a message is waited for that nobody asked for.
const clearTries = 500

var errHalf = errors.New("the server has sent half a message")

// prepareAll prepares the statements of errands where they are not; those for which that fails are done.
func (c *Conn) prepareAll(errands []*Errand, done func(int)) error {
	b := &c.batch
	b.flight = b.flight[:0]
	until := time.Time{}
	for i, e := range errands {
		p := c.kept.known[e.stmt]
		if p != nil {
			c.kept.clock++
			p.used = c.kept.clock
		} else {
			if until.IsZero() {
				until = time.Now().Add(silence)
			}
			var err error
			if p, err = c.prepared(e.stmt, until, nil); err != nil {
				if c.err != nil {
					return err
				}
				c.turnedDown(e, err)
				done(i)
				continue
			}
		}
		if !p.alike {
			e.detour = Apart
			done(i)
			continue
		}
		e.columns = p.columns
		b.flight = append(b.flight, flight{at: i, stmt: e.stmt, prepared: p, trial: e.trial})
	}
	return nil
}

// turnedDown notes the error of an errand, or its detour if that says nothing of it.
func (c *Conn) turnedDown(e *Errand, err error) {
	if isCode(err, codeTimeout) {
		e.detour = Slow
		e.stmt.pace.away(time.Now(), true)
		return
	}
	e.err = err
}

// sendBatch writes what runs the errands.
func (c *Conn) sendBatch(errands []*Errand) error {
	c.wire.commits, c.wire.after, c.wire.completed = false, 0, false
	c.lead()
	c.out = append(c.out[:0], c.first...)
	c.group()
	for i := range c.batch.flight {
		f := &c.batch.flight[i]
		var at int
		c.out, at = openMessage(c.out, 'B')
		c.out = append(c.out, f.prepared.head...)
		c.out = append(c.out, errands[f.at].bind...)
		c.out = closeMessage(append(c.out, f.prepared.formats...), at)
		if c.out = appendExecuteSome(c.out); !c.batch.grouped {
			c.sync()
		}
	}
	if c.batch.grouped {
		c.sync()
	}
	if err := c.limit.start(c, time.Now().Add(silence), nil); err != nil {
		return err
	}
	b := &c.batch
	b.told, b.slow, b.fills, b.since, b.gap = 0, 0, c.source.fills, c.limit.begun, firstAnswer
	b.complete, b.broken = 0, false
	return c.flush()
}

// group decides whether the flight shares one Sync: it does where all of it is known to be quick and to fail seldom.
func (c *Conn) group() {
	b := &c.batch
	if b.grouped = false; len(b.flight) < 2 {
		return
	}
	if b.doubts > 0 {
		b.doubts--
		return
	}
	now := time.Now()
	for i := range b.flight {
		if f := &b.flight[i]; f.trial || !f.stmt.pace.inGroup(now) {
			return
		}
	}
	b.grouped = true
}

// appendExecuteSome runs the unnamed portal for maxRows and one more, which tells that there are more.
func appendExecuteSome(dst []byte) []byte {
	return append(dst, 'E', 0, 0, 0, 9, 0, 0, 0, byte((maxRows+1)>>8), byte((maxRows+1)&0xff))
}

// readBatch reads the answers.
func (c *Conn) readBatch(errands []*Errand, done func(int)) error {
	flight := c.batch.flight
	syncs := len(flight)
	if c.batch.grouped {
		syncs = 1
	}
	for c.wire.syncs > syncs { // of what leads
		if err := c.readErrand(nil, nil); err != nil {
			return err
		}
	}
	n := 0
	for n < len(flight) {
		f := &flight[n]
		if err := c.readErrand(errands[f.at], f); err != nil {
			return err
		}
		n++
		c.batch.complete = n
		done(f.at)
		if c.batch.broken {
			passOver(errands, flight[n:], done)
			break
		}
		if c.batch.slow >= patience && n < len(flight) {
			return c.giveUp(errands, flight[n:], done)
		}
	}
	if c.batch.grouped {
		if err := c.readErrand(nil, nil); err != nil {
			return err
		}
	}
	c.learn(n)
	c.limit.end()
	return nil
}

// passOver sends errands on their way that the server has passed over.
func passOver(errands []*Errand, behind []flight, done func(int)) {
	for i := range behind {
		at := behind[i].at
		errands[at].detour = Behind
		done(at)
	}
}

// giveUp breaks a line off on which statements run that are too slow, and sends those behind on their way. The server ends
// what runs when it finds nobody there.
func (c *Conn) giveUp(errands []*Errand, behind []flight, done func(int)) error {
	err := &Error{Server: c.name, Code: codeTimeout, Message: "statements took too long on a line", Offset: -1}
	c.fail(err)
	passOver(errands, behind, done)
	return err
}

// readErrand reads the answer to one errand, up to the end of its group of messages; e is nil for what is nobody's.
func (c *Conn) readErrand(e *Errand, f *flight) error {
	rows := 0
	for {
		typ, size, body, err := c.message()
		if err != nil {
			return err
		}
		switch typ {
		case 'D':
			rows++
			switch {
			case e == nil:
				return c.strange(typ)
			case size > len(body):
				e.detour = Large
				if err := c.pass(size - len(body)); err != nil {
					return err
				}
			case e.detour == Straight && (rows > maxRows || !e.keep(body)):
				e.detour = Large
			}
			if f != nil {
				f.size += size
			}
		case 'C', 'I', 's': // CommandComplete, EmptyQueryResponse, PortalSuspended
			if c.batch.grouped && f != nil {
				f.answered(e)
				return nil
			}
		case '2', '3': // BindComplete, CloseComplete
		case 'Z':
			if len(body) != 1 {
				return c.strange(typ)
			}
			c.status = body[0]
			c.wire.syncs--
			if c.status != 'I' {
				return c.strange(typ)
			}
			if f != nil {
				f.answered(e)
			}
			return nil
		case 'E':
			if err := c.errand(e, f, body); err != nil {
				return err
			}
			if c.batch.grouped && f != nil {
				c.batch.broken = true
				f.answered(e)
				return nil
			}
		case 'S':
			var m pgproto3.ParameterStatus
			if err := m.Decode(body); err != nil {
				return c.broke(err)
			}
			c.settings[m.Name] = m.Value
		case 'N', 'A':
			if err := c.pass(size - len(body)); err != nil {
				return err
			}
		default:
			return c.strange(typ)
		}
	}
}

// answered notes what became of the errand.
func (f *flight) answered(e *Errand) {
	f.ok = e.detour == Straight && e.err == nil
	if e.detour == Large {
		e.stmt.pace.away(time.Now(), true)
	}
}

// errand takes in an error that the server has of an errand. It returns what ends the connection.
func (c *Conn) errand(e *Errand, f *flight, body []byte) error {
	var m pgproto3.ErrorResponse
	if err := m.Decode(body); err != nil {
		return c.broke(err)
	}
	sql := ""
	if e != nil {
		sql = e.stmt.SQL
		e.stmt.pace.erred.Store(time.Now().UnixNano())
	}
	refused := c.refused(&m, sql)
	switch {
	case c.err != nil:
		return refused
	case e == nil: // our own: then nothing that follows runs as it must
		c.fail(refused)
		return refused
	case stale(refused):
		if c.kept.known[e.stmt] == f.prepared {
			c.forget(e.stmt)
		}
		e.detour = Stale
	default:
		c.turnedDown(e, refused)
		if e.detour == Slow {
			c.batch.slow++
		}
	}
	return nil
}

// message is the next message as it came.
func (c *Conn) message() (typ byte, size int, body []byte, err error) {
	for {
		typ, size, body, err = c.source.message(c.options.MaxMessage)
		if c.source.fills != c.batch.fills {
			c.arrived()
		}
		if err == nil {
			return typ, size, body, nil
		}
		if err := c.late(err); err != nil {
			return 0, 0, nil, err
		}
	}
}

// late judges an error of reading: nil if it is to be gone on.
func (c *Conn) late(err error) error {
	if !isTimeout(err) {
		return c.broke(err)
	}
	why := c.limit.late(c)
	if why == nil {
		return nil
	}
	e := c.interrupted(why, Undone).(*Error)
	c.fail(e) // and nothing is cancelled: whatever runs there
	return e
}

// pass passes over the rest of a message.
func (c *Conn) pass(n int) error {
	for n > 0 {
		left, err := c.source.skip(n)
		if err != nil {
			if err := c.late(err); err != nil {
				return err
			}
		}
		n = left
	}
	return nil
}

// strange gives up a line on which something came that has no place there.
func (c *Conn) strange(typ byte) error {
	e := &Error{Server: c.name, Code: codeLost, Offset: -1, Message: fmt.Sprintf("a message of the server has no place here: %q", typ)}
	c.fail(e)
	return e
}

// arrived notes that the system has brought something: whatever is complete with it shares the time since it brought
// something before.
func (c *Conn) arrived() {
	b := &c.batch
	if !b.grouped {
		c.learn(b.complete)
	}
	b.fills = c.source.fills
	now := time.Since(c.limit.opened)
	if gap := now - b.since; b.gap == firstAnswer {
		b.trip = min(b.trip, gap)
		b.gap = max(0, gap-2*b.trip-jitter)
	} else {
		b.gap += gap
	}
	b.since = now
}

// learn takes in what those of the flight have taken that are complete, the first n.
func (c *Conn) learn(n int) {
	b := &c.batch
	if n <= b.told {
		return
	}
	each := max(0, b.gap) / time.Duration(n-b.told)
	if b.grouped && each > surelyQuick {
		b.doubts, b.told, b.gap = doubtful, n, 0
		return
	}
	for i := b.told; i < n; i++ {
		if f := &b.flight[i]; f.ok {
			f.stmt.pace.learn(each, f.size, f.trial)
		}
	}
	b.told, b.gap = n, 0
}
