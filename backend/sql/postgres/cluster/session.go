package cluster

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/sluiceapi/sluice/backend/sql/postgres"
)

// session is a connection as its server's pool has it.
type session struct {
	conn  *postgres.Conn
	of    *sessions
	start uint64 // of its server; zero if it does not say
	lease Lease
	lent  atomic.Uint32 // what for
}

// What a session is lent for.
const (
	unlent uint32 = iota
	lentToRead
	lentToWrite
)

// Close ends the session.
func (s *session) Close() error {
	s.of.remove(s)
	return s.conn.Close()
}

// Alive tells whether the connection stands.
func (s *session) Alive() bool { return s.conn.Alive() }

// Usable tells whether another may have the connection.
func (s *session) Usable() bool { return s.conn.Usable() }

// SetReadOnly sets the mode of transactions from the next on.
func (s *session) SetReadOnly(readOnly bool) { s.conn.SetReadOnly(readOnly) }

// dial opens a connection, and asks which server it leads to.
func dial(ctx context.Context, s Server, o postgres.Options, of *sessions) (*session, error) {
	conn, err := postgres.Dial(ctx, s.config, o)
	if err != nil {
		return nil, err
	}
	n := &session{conn: conn, of: of}
	err = conn.Ask(ctx, startSQL, func(values [][]byte) {
		n.start, _ = strconv.ParseUint(string(values[0]), 10, 64) // zero where it is no number: it is not compared then
	})
	if err != nil && !conn.Usable() {
		_ = conn.Close() // it is of no use, and err says why
		return nil, err
	}
	of.add(n)
	return n, nil
}

// sessions are all that are open to a server, with those that are lent.
type sessions struct {
	mu  sync.Mutex // guards all
	all map[*session]struct{}
}

func (o *sessions) add(s *session) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil {
		o.all = make(map[*session]struct{})
	}
	o.all[s] = struct{}{}
}

func (o *sessions) remove(s *session) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.all, s)
}

// cut breaks those that are lent for reads, or for writes.
func (o *sessions) cut(reads, writes bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for s := range o.all {
		if lent := s.lent.Load(); reads && lent == lentToRead || writes && lent == lentToWrite {
			s.conn.Cut()
		}
	}
}

// breakOff ends what waits in vain for a server: writes once another is the primary, and reads of a server that is silent
// once there is another to read from. Where there is no other, it may yet answer. One that is lent right now may be
// missed, and is found when the servers are judged next.
func (c *Cluster) breakOff(v *view) {
	for _, s := range c.servers {
		replaced := v.primary != nil && v.primary != s
		silent := s.sight == nil && s.err == errSilent
		elsewhere := silent && (replaced || len(v.replicas) > 0)
		s.sessions.cut(elsewhere, replaced)
		if s.lines != nil {
			s.lines.sessions.cut(elsewhere, false)
		}
	}
}
