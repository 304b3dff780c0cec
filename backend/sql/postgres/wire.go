package postgres

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// wire is what has been sent and is not answered.
type wire struct {
	syncs int // Syncs that no ReadyForQuery has answered
	// commits is set while what was sent may have been committed, and nobody has said so.
	commits bool
	after   int // how many Syncs come behind that which commits
	behind  int // how many bytes of the next flush do
	// completed is set once the statement has: an error may still come, from the commit.
	completed bool
}

const (
	// keptBuffer is how much memory a connection keeps for what it writes.
	keptBuffer = 32 << 10
	// writeTimeout is how long a server may take no bytes at all of a request longer than what the system buffers.
	writeTimeout = 10 * time.Second
)

// Messages are built in place: a type byte, a length that counts itself, and the body
// (https://www.postgresql.org/docs/current/protocol-message-formats.html).

// openMessage begins a message; closeMessage fills in its length.
func openMessage(dst []byte, typ byte) ([]byte, int) {
	return append(dst, typ, 0, 0, 0, 0), len(dst) + 1
}

func closeMessage(dst []byte, at int) []byte {
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at))
	return dst
}

// appendParse prepares a statement. The server infers the types of the parameters beyond those that it is told, and of
// those that are zero.
func appendParse(dst []byte, name, sql string, told []uint32) []byte {
	dst, at := openMessage(dst, 'P')
	dst = append(append(dst, name...), 0)
	dst = append(append(dst, sql...), 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(told)))
	for _, oid := range told {
		dst = binary.BigEndian.AppendUint32(dst, oid)
	}
	return closeMessage(dst, at)
}

func appendDescribe(dst []byte, name string) []byte {
	dst, at := openMessage(dst, 'D')
	dst = append(append(append(dst, 'S'), name...), 0)
	return closeMessage(dst, at)
}

func appendDeallocate(dst []byte, name string) []byte {
	dst, at := openMessage(dst, 'C')
	dst = append(append(append(dst, 'S'), name...), 0)
	return closeMessage(dst, at)
}

// appendExecute runs the unnamed portal to its end.
func appendExecute(dst []byte) []byte { return append(dst, 'E', 0, 0, 0, 9, 0, 0, 0, 0, 0) }

func appendSimple(dst []byte, sql string) []byte {
	dst, at := openMessage(dst, 'Q')
	return closeMessage(append(append(dst, sql...), 0), at)
}

// sync ends a group of messages: an error skips what follows up to it, and a transaction that nobody opened ends with it.
func (c *Conn) sync() {
	c.out = append(c.out, 'S', 0, 0, 0, 4)
	c.wire.syncs++
}

// askLSN asks how far the log is, if lsn is set, behind the Sync that commits.
func (c *Conn) askLSN(lsn bool) {
	if c.wire.after = 0; !lsn {
		return
	}
	c.wire.after = 1
	before := len(c.out)
	c.out = appendVerb(c.out, flushed)
	c.sync()
	c.wire.behind = len(c.out) - before
}

// flush writes what there is. When it fails the server has not got the last Sync, so it commits nothing of it, unless it
// commits at the Sync before.
func (c *Conn) flush() error {
	if len(c.out) > keptBuffer {
		until := time.Now().Add(writeTimeout)
		if at := c.limit.opened.Add(c.limit.deadline); c.limit.deadline > 0 && at.Before(until) {
			until = at
		}
		_ = c.net.SetWriteDeadline(until) // an error shows in Write
		defer func() { _ = c.net.SetWriteDeadline(time.Time{}) }()
	}
	all, behind := len(c.out), c.wire.behind
	c.wire.behind = 0
	n, err := c.sender.send(c.net, c.out)
	if c.out = c.out[:0]; cap(c.out) > keptBuffer {
		c.out = nil
	}
	if cap(c.binder.scratch) > keptBuffer {
		c.binder.scratch = nil
	}
	if err != nil {
		e := lost(c.name, err)
		if e.Outcome = NotSent; behind > 0 && n >= all-behind {
			e.Outcome = c.outcome()
		}
		c.fail(e)
		return e
	}
	return nil
}

// receive is the next message of the server but for what it says unasked. Messages are valid until the next.
func (c *Conn) receive() (pgproto3.BackendMessage, error) {
	for {
		m, err := c.front.Receive()
		switch {
		case err == nil:
		case !isTimeout(err):
			return nil, c.broke(err)
		default:
			if why := c.limit.late(c); why != nil {
				return nil, c.interrupt(why)
			}
			continue
		}
		switch m := m.(type) {
		case *pgproto3.ParameterStatus:
			c.settings[m.Name] = m.Value
		case *pgproto3.NoticeResponse, *pgproto3.NotificationResponse:
		default:
			return m, nil
		}
	}
}

// outcome is that of what is under way, if the connection ends here.
func (c *Conn) outcome() Outcome {
	if c.wire.commits {
		return Unknown
	}
	return Undone
}

// broke gives up a connection that can not be read any more.
func (c *Conn) broke(cause error) error {
	e := lost(c.name, cause)
	e.Outcome = c.outcome()
	c.fail(e)
	return e
}

// interrupt gives up a connection whose statement must end.
func (c *Conn) interrupt(why error) error {
	e := c.interrupted(why, c.outcome())
	c.kill(e)
	return e
}

func (c *Conn) interrupted(why error, o Outcome) error {
	return &Error{Server: c.name, Code: codeTimeout, Message: "the statement was ended", Offset: -1, Outcome: o, cause: why}
}

// confused gives up a connection on which a message came that has no place there.
func (c *Conn) confused(m pgproto3.BackendMessage) error {
	e := &Error{Server: c.name, Code: codeLost, Offset: -1, Outcome: c.outcome(), Message: fmt.Sprintf("a message of the server has no place here: %T", m)}
	switch m.(type) {
	case *pgproto3.CopyInResponse, *pgproto3.CopyOutResponse, *pgproto3.CopyBothResponse:
		e.Code, e.Message = codeConfig, "COPY is not for statements"
	}
	c.kill(e)
	return e
}

// refused makes an error of what the server says of a statement. If it says so as it closes the connection, that is of no
// more use.
func (c *Conn) refused(m *pgproto3.ErrorResponse, sql string) *Error {
	e := response(c.name, sql, m)
	if m.Severity == "FATAL" || m.Severity == "PANIC" || m.SeverityUnlocalized == "FATAL" || m.SeverityUnlocalized == "PANIC" {
		if c.wire.completed {
			e.Outcome = c.outcome() // it may come from behind the commit
		}
		c.fail(e)
	}
	c.wire.commits = false
	return e
}

// unasked takes in the message that was just read of an idle connection, and returns what ends it.
func (c *Conn) unasked(m pgproto3.BackendMessage) error {
	switch m := m.(type) {
	case *pgproto3.ParameterStatus:
		c.settings[m.Name] = m.Value
	case *pgproto3.NoticeResponse, *pgproto3.NotificationResponse:
	case *pgproto3.ErrorResponse:
		return response(c.name, "", m)
	default:
		return c.confused(m)
	}
	return nil
}

// answered takes in the end of a group of messages.
func (c *Conn) answered(m *pgproto3.ReadyForQuery) {
	c.status = m.TxStatus
	c.wire.completed = false
	if c.wire.syncs--; c.wire.syncs <= c.wire.after {
		c.wire.commits = false
	}
	if c.wire.syncs == 0 {
		c.limit.end()
	}
}

// settle passes over the rest of what the server has to say. It returns the connection's own failure only.
func (c *Conn) settle() error {
	for c.wire.syncs > 0 && c.err == nil {
		m, err := c.receive()
		if err != nil {
			return err
		}
		if m, ok := m.(*pgproto3.ReadyForQuery); ok {
			c.answered(m)
		}
	}
	return c.err
}

// fail notes that the connection is of no more use, and closes it.
func (c *Conn) fail(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	c.limit.end()
	_ = socket(c.net).Close() // err has told what there is to tell
}

// kill closes the connection and has what runs on it ended.
func (c *Conn) kill(err error) {
	if c.err != nil {
		return
	}
	if c.wire.syncs > 0 {
		c.options.Canceller.cancel(c.raw)
	}
	c.fail(err)
}
