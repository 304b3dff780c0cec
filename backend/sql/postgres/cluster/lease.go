package cluster

import (
	"errors"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/postgres"
	"github.com/sluiceapi/sluice/backend/sql/postgres/pool"
)

// Lease is a connection that was lent for one read or write. It is the borrower's alone until Release.
type Lease struct {
	// Conn is in read-only mode for reads, and in read-write mode for writes.
	Conn *postgres.Conn

	cluster    *Cluster
	server     *server
	pool       *pool.Pool[*session]
	held       *pool.Held[*session]
	generation uint64
	term       *term // of the primary, or the last known
	write      bool
	timed      bool
	reason     Reason
	version    sluice.Version
	known      bool
	lost       bool
}

// Server is the address of the server.
func (l *Lease) Server() string { return l.server.Address }

// Lost tells whether the caller has been told of a write that is not there any more: it was made on a timeline that
// ended before it. What is read comes from the primary.
func (l *Lease) Lost() bool { return l.lost }

// Version is what the server holds at least, from before the statement is sent, and whether that is known: what is
// cached may bear it. On the primary it is one less than what is on its disk, for a commit that is there may not be
// visible yet.
func (l *Lease) Version() (sluice.Version, bool) { return l.version, l.known }

// WantsLSN tells whether a write must ask how far the log is after its commit, for Committed: whether there are others to
// read from, and places to compare.
func (l *Lease) WantsLSN() bool { return l.write && l.cluster.Tokens() && !l.timed }

// Committed is the version from which a write of this lease is seen by all that has committed, or may have. Lsn is how far
// the log was after the commit, zero where WantsLSN is false or nothing was heard any more: then the version is a time.
func (l *Lease) Committed(lsn uint64) (version sluice.Version, ok bool) {
	v := sluice.Version{Source: l.cluster.options.Source}
	if l.term == nil || !l.write || !l.cluster.Tokens() {
		return v, false
	}
	v.Timeline = l.term.timeline
	if v.Position = lsn; l.timed || lsn == 0 {
		v.Timed, v.Position = true, uint64(l.cluster.options.Now().UnixMilli())+1
	}
	return v, true
}

// Release gives the connection back. Err is how what was done with it ended, nil if well: where it says that the server
// is gone, or is no primary any more, all connections to it are dropped, and all servers are asked who is the primary
// now. The lease must not be used again.
func (l *Lease) Release(err error) {
	s, from, held := l.server, l.pool, l.held
	if err != nil && l.failed(err) {
		l.cluster.suspect(s, l.generation, err)
	}
	l.Conn, l.held, l.pool = nil, nil, nil
	held.Conn.lent.Store(unlent)
	s.inFlight.Add(-1)
	from.Release(held, false)
}

// failed tells whether an error says something about the server, not about the statement. A server that is the primary and
// takes no writes by its settings, as services have it when a disk is full, is what it was.
func (l *Lease) failed(err error) bool {
	kept := l.Conn.Setting("in_hot_standby") == "off" && l.Conn.Setting("default_transaction_read_only") == "on"
	return gone(err) || l.write && postgres.IsReadOnly(err) && !kept
}

// gone tells whether a server is gone: it, or the network, ended a connection, or takes none. A session that was ended
// for being idle says nothing of the server.
func gone(err error) bool {
	e, ok := errors.AsType[*postgres.Error](err)
	return ok && postgres.IsGone(err) && e.Code != "57P05"
}

// Retryable tells whether a read that failed may be run again, on another server: nothing had been answered, and its
// server or connection is gone, or a replica gave the read up to go on with what its primary did. Writes may only be run
// again where postgres.IsNotSent says so.
func Retryable(err error) bool {
	return gone(err) || postgres.IsNotSent(err) || postgres.IsConflict(err)
}

// lend takes a connection of a server that was chosen. It is nil without an error if the server was given up since.
func (c *Cluster) lend(at *choice, deadline time.Time, readOnly bool) (*Lease, error) {
	return c.lendFrom(at, at.server.pool, deadline, readOnly)
}

// lendFrom is lend from one of the pools of the server.
func (c *Cluster) lendFrom(at *choice, from *pool.Pool[*session], deadline time.Time, readOnly bool) (*Lease, error) {
	s, generation := at.server, at.generation
	if s.generation.Load() != generation {
		return nil, nil
	}
	s.inFlight.Add(1)
	h, err := from.Acquire(deadline, readOnly)
	if err != nil {
		s.inFlight.Add(-1)
		if _, dial := errors.AsType[*pool.DialError](err); dial && gone(err) {
			c.suspect(s, generation, err)
			return nil, nil
		}
		return nil, refusal(err)
	}
	if s.generation.Load() != generation {
		s.inFlight.Add(-1)
		from.Release(h, false)
		return nil, nil
	}
	if start := s.start.Load(); start != 0 && h.Conn.start != 0 && h.Conn.start != start {
		s.inFlight.Add(-1)
		from.Release(h, true)
		c.doubt(s, generation)
		return nil, nil
	}
	h.Conn.lent.Store(lentToRead)
	if !readOnly {
		h.Conn.lent.Store(lentToWrite)
	}
	l := &h.Conn.lease
	*l = Lease{Conn: h.Conn.conn, cluster: c, server: s, pool: from, held: h, generation: generation, write: !readOnly}
	return l, nil
}

// retryAfter is what a client is told to wait while servers are busy, or away.
const retryAfter = time.Second

// errExhausted is made once: there are many of it when there is one.
var errExhausted = &sluice.Error{Code: sluice.Unavailable, Message: "all connections to the database are in use",
	RetryAfter: retryAfter, Err: pool.ErrExhausted}

// refusal is what a client is told of a pool that gives nothing.
func refusal(err error) error {
	if err == pool.ErrExhausted {
		return errExhausted
	}
	message := "the database can not be reached now"
	if errors.Is(err, pool.ErrExhausted) {
		message = errExhausted.Message
	}
	return &sluice.Error{Code: sluice.Unavailable, Message: message, RetryAfter: retryAfter, Err: err}
}
