package postgres

import (
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

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

// readBatch reads the answers to what is in flight.
func (c *Conn) readBatch(errands []*Errand, done func(int)) error {
	b := &c.batch
	for syncs := b.syncs(); c.wire.syncs > syncs; { // of what leads
		if err := c.readErrand(nil, nil); err != nil {
			return err
		}
	}
	for b.complete < len(b.flight) {
		f := &b.flight[b.complete]
		if err := c.readErrand(errands[f.at], f); err != nil {
			if IsTooBig(err) { // and the connection is of no more use: but that is nothing of those behind
				errands[f.at].detour = Large
				f.answered(errands[f.at])
				c.strand(errands, done)
			}
			return err
		}
		b.complete++
		done(f.at)
		if b.broken && b.complete < b.group {
			passOver(errands, b.flight[b.complete:b.group], done)
			b.complete = b.group
		}
		if b.complete == b.group {
			if err := c.readErrand(nil, nil); err != nil {
				return err
			}
		}
		if b.slow >= patience && b.complete < len(b.flight) {
			return c.giveUp(errands, done)
		}
	}
	c.learn(b.complete)
	c.limit.end()
	return nil
}

// passOver sends those on their way that are not answered because of another before them.
func passOver(errands []*Errand, behind []flight, done func(int)) {
	for i := range behind {
		at := behind[i].at
		if errands[at].detour == Straight {
			errands[at].detour = Behind
		}
		done(at)
	}
}

// strand sends all on their way whom a line leaves that has ended by the doing of one.
func (c *Conn) strand(errands []*Errand, done func(int)) {
	b := &c.batch
	passOver(errands, b.flight[b.complete:], done)
	for _, i := range b.unprepared {
		errands[i].detour = Behind
		done(i)
	}
}

// giveUp breaks a line off on which statements run that are too slow. The server ends what runs when it finds nobody there.
func (c *Conn) giveUp(errands []*Errand, done func(int)) error {
	err := &Error{Server: c.name, Code: codeTimeout, Message: "statements took too long on a line", Offset: -1}
	c.fail(err)
	c.strand(errands, done)
	return err
}

// readErrand reads the answer to one errand: of one in a group up to its own end, else up to that of its group of messages. E
// and f are nil for what is nobody's.
func (c *Conn) readErrand(e *Errand, f *flight) error {
	rows := 0
	grouped := f != nil && c.batch.complete < c.batch.group
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
			f.size += size
		case 'C', 'I', 's': // CommandComplete, EmptyQueryResponse, PortalSuspended
			if grouped {
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
			if c.status != 'I' || grouped {
				return c.strange(typ)
			}
			if f != nil {
				f.answered(e)
			}
			return nil
		case 'E':
			if err := c.errand(e, f, body, size); err != nil {
				return err
			}
			if grouped {
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

// errand takes in an error that the server has of an errand, of so many bytes. It returns what ends the connection.
func (c *Conn) errand(e *Errand, f *flight, body []byte, size int) error {
	sql := ""
	if e != nil {
		sql = e.stmt.SQL
		e.stmt.pace.erred.Store(time.Now().UnixNano())
		if size > len(body) { // it quotes a value, as a whole
			e.detour = Large
			return c.pass(size - len(body))
		}
	}
	var m pgproto3.ErrorResponse
	if err := m.Decode(body); err != nil {
		return c.broke(err)
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
		if e.turnedDown(refused); e.detour == Slow {
			c.batch.slow++
		}
	}
	return nil
}

// turnedDown notes the error of an errand, or its detour if that says nothing of it.
func (e *Errand) turnedDown(err error) {
	if isCode(err, codeTimeout) {
		e.detour = Slow
		e.stmt.pace.away(time.Now(), true)
		return
	}
	e.err = err
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
	c.fail(e) // and nothing is cancelled: that would hit whatever errand runs there
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
