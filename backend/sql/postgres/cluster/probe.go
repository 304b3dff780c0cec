package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// answer is what a server says of itself.
type answer struct {
	began    time.Time // before it was asked
	recovery bool      // it is a replica
	lsn      LSN       // a primary's flushed place, a replica's replayed one
	timeline uint32    // a primary's own; of a replica the one that it receives, or last knew
	end      LSN       // a primary's last replayed place: where it ended the timeline before, if it was promoted
	system   uint64    // the identifier of the cluster
	// timed is set of servers that have no places in a log, such as Aurora's: lag is what they say it is.
	timed    bool
	lag      time.Duration
	lagKnown bool
	facts    facts
}

// facts are what does not change while a server runs, or is only of interest to people.
type facts struct {
	version     string
	start       uint64 // when the server started, in microseconds: it tells servers apart
	connections int    // for all that connect and are no superusers
	synchronous string
	blind       bool // the role may not see the timeline that a replica receives
}

// probe asks one server, on a connection of its own: pools that are exhausted, and a server that is down, look
// different to it.
type probe struct {
	config   *pgconn.Config
	timeout  time.Duration
	now      func() time.Time
	conn     *pgconn.PgConn
	facts    facts
	tells    tells
	lagSQL   string
	timeline uint32 // received last, on this connection: a replica never goes back without a restart
}

// ask asks the server, within the timeout. An error costs the connection, and all that was known by it.
func (p *probe) ask(ctx context.Context) (answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, errSilent)
	defer cancel()
	a, err := p.try(ctx)
	if err != nil {
		p.close()
		if context.Cause(ctx) == errSilent {
			err = errSilent
		}
	}
	return a, err
}

var errSilent = errors.New("it does not answer in time")

// tells is how much a server tells of itself: clouds leave things out.
type tells uint8

const (
	tellsAll  tells = iota
	tellsMost       // nothing of its control file
	tellsLag        // no place in its log either
)

func (p *probe) try(ctx context.Context) (answer, error) {
	if p.conn == nil {
		if err := p.connect(ctx); err != nil {
			return answer{}, err
		}
	}
	for {
		a := answer{began: p.now(), facts: p.facts, timed: p.tells == tellsLag}
		if a.timed {
			return a, p.askTimed(ctx, &a)
		}
		err := p.askPlace(ctx, &a)
		if !unsupported(err) {
			return a, err
		}
		p.tells++
	}
}

// unsupported tells whether a server has no such function, or keeps it to itself.
func unsupported(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "42883" || e.Code == "0A000" || e.Code == "42501")
}

// placeSQL is one statement, so that all it says is of one moment. A CASE keeps each function from the servers on which
// it is an error.
const placeSQL = `SELECT r.r,
CASE WHEN r.r THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_flush_lsn() END,
CASE WHEN r.r THEN NULL ELSE pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) END,
CASE WHEN r.r THEN NULL ELSE pg_catalog.pg_last_wal_replay_lsn() END,
(SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver),
(SELECT count(*) FROM pg_catalog.pg_stat_wal_receiver),
pg_catalog.current_setting('synchronous_standby_names'), %s
FROM (SELECT pg_catalog.pg_is_in_recovery() AS r) AS r`

const (
	controlSQL = `(SELECT system_identifier FROM pg_catalog.pg_control_system()),
GREATEST((SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()), (SELECT min_recovery_end_timeline FROM pg_catalog.pg_control_recovery()))`
	noControlSQL = `NULL, NULL`
)

func (p *probe) askPlace(ctx context.Context, a *answer) error {
	control := controlSQL
	if p.tells > tellsAll {
		control = noControlSQL
	}
	row, err := p.row(ctx, fmt.Sprintf(placeSQL, control), 9)
	if err != nil {
		return err
	}
	a.recovery = row.flag(0)
	a.lsn = row.lsn(1)
	if a.recovery {
		// Where the role may not see what is received, the control file tells, which is late: until the next restart
		// point after a promotion.
		p.timeline = max(p.timeline, uint32(row.number(4)), uint32(row.number(8)))
		a.timeline = p.timeline
		a.facts.blind = row.number(5) > 0 && row.number(4) == 0
	} else {
		a.timeline = row.hex(2)
		a.end = row.lsn(3)
	}
	a.facts.synchronous = row.text(6)
	a.system = row.number(7)
	if a.lsn == 0 && row.err == nil {
		return &pgconn.PgError{Code: "0A000", Message: "there is no place in the log"} // as where the function is missing
	}
	return row.err
}

// timedSQL asks servers that have no places. What they say of lag is used as it is.
const timedSQL = `SELECT pg_catalog.pg_is_in_recovery(), CASE WHEN pg_catalog.pg_is_in_recovery() THEN (%s) END`

const (
	auroraLag = `SELECT replica_lag_in_msec FROM aurora_replica_status() WHERE server_id = aurora_db_instance_identifier()`
	replayLag = `SELECT 1000 * extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp())`
)

func (p *probe) askTimed(ctx context.Context, a *answer) error {
	row, err := p.row(ctx, fmt.Sprintf(timedSQL, p.lagSQL), 2)
	if err != nil {
		return err
	}
	a.recovery = row.flag(0)
	if text := row.text(1); text != "" {
		ms, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("the lag is %q: %w", text, err)
		}
		a.lag, a.lagKnown = time.Duration(max(0, ms)*float64(time.Millisecond)), true
	}
	return row.err
}

// factsSQL asks once on each connection. What is reserved is for superusers and, from version 16 on, for others with a
// privilege for it.
const factsSQL = `SELECT pg_catalog.current_setting('server_version'),
pg_catalog.current_setting('max_connections')::int - pg_catalog.current_setting('superuser_reserved_connections')::int
 - coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::int,
EXISTS (SELECT FROM pg_catalog.pg_proc WHERE proname = 'aurora_replica_status'), (` + startSQL + `)`

// startSQL tells servers apart that answer at one address.
const startSQL = `SELECT (1000000 * extract(epoch FROM pg_catalog.pg_postmaster_start_time()))::bigint`

// connect opens the connection and asks for the facts.
func (p *probe) connect(ctx context.Context) error {
	conn, err := pgconn.ConnectConfig(ctx, p.config)
	if err != nil {
		return err
	}
	p.conn = conn
	row, err := p.row(ctx, factsSQL, 4)
	if err != nil {
		return err
	}
	p.facts = facts{version: row.text(0), connections: int(row.number(1)), start: row.number(3)}
	p.lagSQL = replayLag
	if row.flag(2) {
		p.lagSQL = auroraLag
	}
	return row.err
}

// close gives the connection up, and what was known by it.
func (p *probe) close() {
	if p.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	_ = p.conn.Close(ctx) // it is of no use either way
	p.conn, p.tells, p.timeline = nil, tellsAll, 0
}

// farewell is how long the end of a session may take.
const farewell = 100 * time.Millisecond

// row asks for one row of so many columns, in text. A server that is stuck must not keep the statements of probes that
// gave up; a pooler in between must not keep the setting for others.
func (p *probe) row(ctx context.Context, sql string, columns int) (*row, error) {
	results, err := p.conn.Exec(ctx, fmt.Sprintf("SET LOCAL statement_timeout = %d; %s", p.timeout.Milliseconds(), sql)).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(results) != 2 || len(results[1].Rows) != 1 || len(results[1].Rows[0]) != columns {
		return nil, errors.New("the server's answer has not the form that was asked for")
	}
	return &row{values: results[1].Rows[0]}, nil
}

// row reads values, and keeps the first error. NULL is a zero.
type row struct {
	values [][]byte
	err    error
}

func (r *row) text(i int) string { return string(r.values[i]) }

func (r *row) flag(i int) bool { return string(r.values[i]) == "t" }

func (r *row) number(i int) uint64 { return r.parse(i, 10, 64) }

func (r *row) hex(i int) uint32 { return uint32(r.parse(i, 16, 32)) }

func (r *row) parse(i, base, bits int) uint64 {
	if r.values[i] == nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(r.values[i])), base, bits)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("the server says %q where a number was asked for", r.values[i])
	}
	return n
}

func (r *row) lsn(i int) LSN {
	if r.values[i] == nil {
		return 0
	}
	l, err := ParseLSN(string(r.values[i]))
	if err != nil && r.err == nil {
		r.err = err
	}
	return l
}
