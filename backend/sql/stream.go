package sql

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/sluiceapi/sluice"
)

const (
	// keepAt is how much of a long answer is kept in memory while all connections for long answers are lent.
	keepAt = 1 << 20
	// lendWait is how long a long answer waits for one then.
	lendWait = 200 * time.Millisecond
	// stall is how long a client may read nothing of a long answer before it loses its connection.
	stall = 10 * time.Second
)

// list answers with the rows of a reading statement as an array: short ones whole, long ones as they are read.
type list struct {
	handler
	*plan
}

// Serve reads the start of the answer, and all of a short one.
func (h *list) Serve(x *sluice.Exchange) error {
	call := h.watch.begin(x)
	at, err := h.place(x)
	if err != nil {
		return call.end(err)
	}
	failed := ""
	for again := false; ; again = true {
		c, err := h.shards[at].read(x, h.want, failed)
		if err != nil {
			return call.end(err)
		}
		streams, err := h.start(x, at, c, call)
		if streams {
			return nil
		}
		failed = c.server()
		c.release(err)
		if err == nil || again || !h.dialect.dead(err) {
			return call.end(err)
		}
	}
}

// start reads rows until the answer is whole, or long: then the stream has the connection.
func (h *list) start(x *sluice.Exchange, at int, c conn, call call) (streams bool, err error) {
	r, err := h.run(at, c, h.input(x))
	if err != nil {
		return false, err
	}
	body := append(x.Response.Body.Buffer(), '[')
	for first := true; r.Step(); first = false {
		if !first {
			body = append(body, ',')
		}
		body = r.AppendRow(body)
		if len(body) < flushAt {
			continue
		}
		if lent, err := h.shards[at].lend(len(body) >= keepAt); err != nil {
			return false, err
		} else if lent {
			h.stream(x, at, c, r, body, call)
			return true, nil
		}
	}
	err = r.Err()
	r.Close()
	if err != nil {
		return false, err
	}
	setJSON(x, append(body, ']'))
	return false, nil
}

// lend takes one of the connections for long answers. It waits for one only when it must.
func (h *shard) lend(must bool) (bool, error) {
	select {
	case h.long <- struct{}{}:
		return true, nil
	default:
	}
	if !must {
		return false, nil
	}
	timer := time.NewTimer(lendWait)
	defer timer.Stop()
	select {
	case h.long <- struct{}{}:
		return true, nil
	case <-timer.C:
		return false, errLent
	}
}

var (
	errLent  = &sluice.Error{Code: sluice.Unavailable, Message: "too many long answers are being read", RetryAfter: retryAfter}
	errStall = &sluice.Error{Code: sluice.ClientLeft, Err: errors.New("the client read too slowly")}
	errEnded = errors.New("the answer has been given up")
)

// stream is a long answer. It holds its connection until the last row is read, the client has left, or reads nothing
// for too long.
type stream struct {
	list     *list
	shard    *shard
	call     call
	deadline time.Time

	mu    sync.Mutex // guards all below: the timer ends a stream between two reads
	conn  conn
	rows  rows
	timer *time.Timer
	last  time.Time // when the client read last
	part  []byte    // read and not yet taken is part[taken:]
	taken int
	err   error // what Read gives when part is taken
}

func (h *list) stream(x *sluice.Exchange, at int, c conn, r rows, start []byte, call call) {
	s := &stream{list: h, shard: h.shards[at], call: call, deadline: x.Deadline, conn: c, rows: r, last: h.watch.now()}
	s.part = append(make([]byte, 0, len(start)+4<<10), start...)
	s.mu.Lock() // the timer may go off at once
	s.timer = time.AfterFunc(s.patience(), s.giveUp)
	s.mu.Unlock()
	setJSON(x, start) // its memory stays with the exchange
	x.Response.Body.SetStream(s, -1)
}

// patience is how long the client may still take until its next read.
func (s *stream) patience() time.Duration {
	until := s.last.Add(stall)
	if !s.deadline.IsZero() && s.deadline.Before(until) {
		until = s.deadline
	}
	return until.Sub(s.list.watch.now())
}

// giveUp takes the connection from a client that does not read, and at the deadline from any.
func (s *stream) giveUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return
	}
	if left := s.patience(); left > 0 { // it has read since the timer went off
		s.timer.Reset(left)
		return
	}
	s.part, s.taken = nil, 0
	if !s.deadline.IsZero() && !s.list.watch.now().Before(s.deadline) {
		s.finish(context.DeadlineExceeded)
		return
	}
	s.finish(errStall)
}

// Read gives what is read of the rows, and reads on when that is taken.
func (s *stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken == len(s.part) {
		if s.err == nil {
			s.fill()
		}
		if s.taken == len(s.part) {
			return 0, s.err
		}
	}
	n := copy(p, s.part[s.taken:])
	s.taken += n
	if s.conn != nil {
		s.last = s.list.watch.now()
	}
	return n, nil
}

// fill reads the next part. An error drops the part, so that no array is ever ended that is not whole.
func (s *stream) fill() {
	s.part, s.taken = s.part[:0], 0
	for len(s.part) < flushAt {
		if s.rows.Step() {
			s.part = s.rows.AppendRow(append(s.part, ','))
			continue
		}
		if err := s.rows.Err(); err != nil {
			s.part = s.part[:0]
			s.finish(err)
			return
		}
		s.part = append(s.part, ']')
		s.finish(nil)
		return
	}
}

// finish gives the connection back. mu is held.
func (s *stream) finish(why error) {
	s.timer.Stop()
	s.rows.Close()
	s.conn.release(why)
	<-s.shard.long
	s.conn, s.rows = nil, nil
	if s.err = s.call.end(why); s.err == nil {
		s.err = io.EOF
	}
}

// Close gives the connection back when the answer was not read to its end.
func (s *stream) Close(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return
	}
	s.part, s.taken = nil, 0
	if _, known := errors.AsType[*sluice.Error](why); !known {
		why = &sluice.Error{Code: sluice.ClientLeft, Err: cmp.Or(why, errEnded)}
	}
	s.finish(why)
}
