package sql

import (
	"cmp"
	"context"
	"errors"
	"hash/fnv"
	"strconv"
	"sync"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/postgres"
	"github.com/sluiceapi/sluice/backend/sql/postgres/cluster"
)

// postgresDialect is how PostgreSQL has things.
var postgresDialect = &dialect{
	name: "PostgreSQL", key: "postgres", system: "postgresql",
	statement: func(q *Query) *SQL { return &q.Postgres },
	parameter: func(n int) string { return "$" + strconv.Itoa(n) },
	same:      "IS NOT DISTINCT FROM", collate: ` COLLATE "C"`,
	byBytes: `SELECT 1 WHERE 'B' COLLATE "default" < 'a'`,
	fault:   pgFault, changed: postgres.IsChanged, writes: postgres.IsReadOnly, dead: pgDead, passing: pgPassing, mistake: pgMistake,
	validKeys: postgres.ValidKeys, compareKeys: comparePGKeys,
}

// pg is the servers of one PostgreSQL database.
type pg struct {
	cluster   *cluster.Cluster
	source    uint64
	canceller postgres.Canceller
	conns     sync.Pool // of *pgConn
}

// servers are those of the database, as the config gives them.
func (s *Servers) servers() ([]cluster.Server, error) {
	if !s.URL.isZero() {
		all, err := s.URL.servers()
		return all, sluice.At("url", err)
	}
	all, err := s.Primary.servers()
	if err != nil {
		return nil, sluice.At("primary", err)
	}
	cluster.At(cluster.Primary, all)
	for i := range s.Replicas {
		more, err := s.Replicas[i].servers()
		if err != nil {
			return nil, sluice.At("replicas["+strconv.Itoa(i)+"]", err)
		}
		all = append(all, cluster.At(cluster.Replica, more)...)
	}
	return all, nil
}

// options say how the servers are used.
func (w *Where) clusterOptions(servers []cluster.Server) cluster.Options {
	return cluster.Options{
		Servers: servers, MaxLag: w.Replicas.MaxLag, ProbeInterval: w.Replicas.ProbeInterval, TokenTTL: sluice.SeenFor,
		Pool: cluster.Pool{Max: w.Pool.Max, Lines: w.Pool.Lines, MinIdle: min(w.Pool.MinIdle, w.Pool.Max), AcquireTimeout: w.Pool.AcquireTimeout,
			IdleTimeout: w.Pool.IdleTimeout, Lifetime: w.Pool.Lifetime},
	}
}

// sourceOf names a shard's data in versions, the same on all nodes.
func sourceOf(backend, shard string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(backend + "\x00" + shard))
	return h.Sum64()
}

// openServers opens the servers of a shard, which need not be there.
func (s *shard) openServers(env *sluice.Env, w *Where, d named) error {
	servers, err := d.servers.servers()
	if err != nil {
		return s.at(err)
	}
	o := w.clusterOptions(servers)
	if err := o.Check(); err != nil {
		return err
	}
	s.namespace, s.reached = servers[0].Database(), make(chan struct{})
	s.long = make(chan struct{}, max(1, w.Pool.Max/2))
	if env.Dry {
		return nil
	}
	p := &pg{source: sourceOf(env.Name, s.name)}
	p.conns.New = func() any { return &pgConn{of: p} }
	o.Conn.Canceller = &p.canceller
	o.Source, o.Name, o.Shard, o.Log, o.Metrics, o.Now = p.source, env.Name, s.name, s.log(env), env.Metrics, env.Now
	if p.cluster, err = cluster.Open(o); err != nil {
		return s.at(err)
	}
	env.Cleanup(func() {
		if err := p.close(); err != nil {
			s.log(env).Error("closing a database", "error", err)
		}
	})
	s.database, s.reached = p, p.cluster.Reached()
	return nil
}

func (p *pg) prepare(ctx context.Context, text string, int64Text bool) (*statement, error) {
	ctx, cancel := context.WithTimeout(ctx, prepareWait)
	defer cancel()
	var s *postgres.Stmt
	err := p.lead(ctx, func(c *postgres.Conn) (err error) {
		s, err = c.Describe(ctx, text)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.Int64Text = int64Text
	made := &statement{text: text, readOnly: !s.Writes, native: s}
	for i := range s.Columns {
		c := &s.Columns[i]
		made.columns = append(made.columns, c.Name)
		made.texts = append(made.texts, c.Text())
		made.keys = append(made.keys, keyKind(c))
	}
	return made, nil
}

func keyKind(c *postgres.Column) keying {
	switch {
	case c.Merges():
		return merges
	case c.Keys():
		return pagesOnly
	}
	return noKey
}

// prepareWait is how long a statement waits to be checked, and how long what is not a request's waits for a connection.
const prepareWait = 10 * time.Second

// lead runs f on a connection to the primary.
func (p *pg) lead(ctx context.Context, f func(*postgres.Conn) error) error {
	deadline := time.Now().Add(prepareWait)
	if until, ok := ctx.Deadline(); ok && until.Before(deadline) {
		deadline = until
	}
	l, err := p.cluster.Write(deadline)
	if err != nil {
		return err
	}
	err = f(l.Conn)
	l.Release(err)
	return err
}

func (p *pg) nullable(s *statement, column int) bool {
	return !s.native.(*postgres.Stmt).Columns[column].NotNull
}

func (p *pg) refuses(s *statement, param int, t sluice.ValueType) string {
	return s.native.(*postgres.Stmt).Refuses(param, t)
}

func (p *pg) sorts(s *statement) (bool, error) { return s.native.(*postgres.Stmt).Sorts, nil }

// pgConn is what one exchange has of the servers: a connection, or a place on a line for one statement. A read takes
// one or the other when its statement is known.
type pgConn struct {
	of    *pg
	lease *cluster.Lease
	// x reads, as new as want says, where lease is nil.
	x       *sluice.Exchange
	want    cluster.Want
	errand  *cluster.Errand
	address string
	// single has each statement be a transaction of its own and, with lsn, say how far the log is behind it.
	single, lsn bool
	// open is set in a transaction.
	open bool
	rows *postgres.Rows
}

func (p *pg) conn(l *cluster.Lease) *pgConn {
	c := p.conns.Get().(*pgConn)
	c.lease, c.address = l, l.Server()
	return c
}

// lostField tells a caller that a write of its own is lost.
const lostField = "Consistency-Lost"

func (p *pg) read(x *sluice.Exchange, want consistency, failed string) (conn, error) {
	w := cluster.Want{Consistency: [...]cluster.Consistency{session: cluster.Session, eventual: cluster.Eventual, strong: cluster.Strong}[want], Except: failed}
	if want != eventual {
		w.Floor, w.HasFloor = x.Seen.Floor(p.source)
	}
	c := p.conns.Get().(*pgConn)
	c.x, c.want = x, w
	return c, nil
}

// borrow takes a connection to read on, unless there is one.
func (c *pgConn) borrow() error {
	if c.lease != nil {
		return nil
	}
	l, err := c.of.cluster.Read(c.x.Deadline, c.want)
	if err != nil {
		return err
	}
	c.lease, c.address = l, l.Server()
	v, known := l.Version()
	c.note(l.Lost(), v, known)
	return nil
}

// note tells the exchange of a read what is known of the data that it reads.
func (c *pgConn) note(lost bool, v sluice.Version, known bool) {
	if lost {
		c.x.Response.Header.Set(lostField, "1")
	}
	if known {
		c.x.Seen.Read(v)
	}
}

func (c *pgConn) server() string { return c.address }

func (c *pgConn) snapshot() error {
	if err := c.borrow(); err != nil {
		return err
	}
	c.open = true
	return c.lease.Conn.Begin(true)
}

func (c *pgConn) run(s *statement, in input) (rows, error) {
	stmt, with := s.native.(*postgres.Stmt), postgres.Input{Refs: in.refs, X: in.x, Keys: in.keys}
	if c.lease == nil {
		if done, err := c.share(stmt, &with); err != nil {
			return nil, err
		} else if done {
			return c.errand, nil
		}
		if err := c.borrow(); err != nil {
			return nil, err
		}
	}
	query := c.lease.Conn.Query
	if c.single && c.lsn {
		query = c.lease.Conn.QueryLSN
	}
	r, err := query(stmt, with, in.x.Deadline, in.x)
	if err != nil {
		return nil, err
	}
	c.rows = r
	return r, nil
}

// share runs a statement on a line. It is not done where the statement needs a connection of its own.
func (c *pgConn) share(s *postgres.Stmt, in *postgres.Input) (done bool, err error) {
	all := c.of.cluster
	if !all.Lines() {
		return false, nil
	}
	if c.errand == nil {
		c.errand = all.NewErrand()
	}
	e := c.errand
	if fits, err := all.Bind(e, s, in); err != nil || !fits {
		return false, err
	}
	kept, err := all.Run(e, c.x.Deadline, c.want, c.x)
	if !kept {
		c.errand = nil
	}
	if err != nil {
		return false, err
	}
	c.address = e.Server()
	v, known := e.Version()
	c.note(e.Lost(), v, known)
	return e.Detour() == postgres.Straight, e.Err()
}

func (c *pgConn) release(err error) {
	if c.open && c.lease != nil {
		c.lease.Conn.Rollback()
	}
	if c.lease != nil {
		c.lease.Release(err)
	}
	if c.errand != nil {
		c.of.cluster.Done(c.errand)
	}
	*c = pgConn{of: c.of}
	c.of.conns.Put(c)
}

// write runs w on the primary. What was not sent is sent once more; what was sent and not answered never is, and the
// caller's next read finds out what became of it.
func (p *pg) write(x *sluice.Exchange, w writer, single bool) error {
	for again := false; ; again = true {
		l, err := p.cluster.Write(x.Deadline)
		if err != nil {
			return err
		}
		c := p.conn(l)
		c.single, c.lsn = single, l.WantsLSN()
		lsn, err := c.commit(w)
		if err == nil || postgres.IsUnknown(err) {
			if v, ok := l.Committed(lsn); ok {
				x.Seen.Advance(v)
			}
		}
		c.release(err)
		if err == nil || again || !postgres.IsNotSent(err) || postgres.IsUnfit(err) {
			return err
		}
	}
}

// commit runs w and commits it; it returns how far the log is then.
func (c *pgConn) commit(w writer) (uint64, error) {
	if c.single {
		if err := w.write(c); err != nil || c.rows == nil {
			return 0, err
		}
		return c.rows.LSN(), nil
	}
	conn := c.lease.Conn
	if err := conn.Begin(false); err != nil {
		return 0, err
	}
	c.open = true
	if err := w.write(c); err != nil {
		return 0, err
	}
	c.open = false
	return conn.Commit(c.lsn)
}

func (p *pg) ping(context.Context) error { return p.cluster.Ping() }

func (p *pg) crowded(nodes int) error {
	var errs []error
	for _, why := range p.cluster.Budget(nodes) {
		errs = append(errs, errors.New(why))
	}
	return errors.Join(errs...)
}

func (p *pg) whyNot() error { return p.cluster.Err() }

func (p *pg) close() error {
	p.cluster.Close()
	p.canceller.Close()
	return nil
}

// pgPassing tells whether an error is of servers that cannot be reached now.
func pgPassing(err error) bool {
	if e, ok := errors.AsType[*sluice.Error](err); ok {
		return e.Code == sluice.Unavailable
	}
	return postgres.IsGone(err) || postgres.IsBusy(err) || postgres.IsTimeout(err) || cluster.IsNoPrimary(err)
}

// pgDead tells whether a read may run again on another server.
func pgDead(err error) bool { return cluster.Retryable(err) && !postgres.IsUnfit(err) }

// pgMistake reads what PostgreSQL says of a statement.
func pgMistake(err error) (mistake, bool) {
	e, ok := errors.AsType[*postgres.Error](err)
	if !ok || postgres.IsGone(err) {
		return mistake{}, false
	}
	m := mistake{message: e.Message, offset: e.Offset, grammar: e.Code == "42601"}
	if postgres.IsUnknownTable(err) {
		m.table = cmp.Or(e.Table, tableOf(e.Message))
	}
	return m, true
}

func comparePGKeys(a, b []byte, keys []Key) int {
	var space [8]bool
	desc := space[:0]
	for i := range keys {
		desc = append(desc, keys[i].Descending)
	}
	return postgres.CompareKeys(a, b, desc...)
}
