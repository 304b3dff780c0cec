// Package postgres runs statements on PostgreSQL servers: connections, statements and their types, rows as JSON,
// transactions, and migrations.
//
// The wire protocol is that of PostgreSQL 10 and later, https://www.postgresql.org/docs/current/protocol.html: all that
// a statement needs goes out in one write, and nothing is allocated for it or for its rows.
package postgres

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// Options are what connections have in common.
type Options struct {
	// Canceller ends on the server what a connection that is given up leaves running there; without one the server ends
	// it when it finds nobody to send rows to.
	Canceller *Canceller
	// MaxMessage is the most bytes that a row, or another message of the server, may have: 64 MiB if zero. A longer one is
	// IsTooBig, and costs the connection.
	MaxMessage int
	// Statements is how many prepared statements a connection keeps: 512 if zero. The one used longest ago makes room.
	Statements int
}

func (o *Options) fill() {
	if o.MaxMessage == 0 {
		o.MaxMessage = 64 << 20
	}
	if o.Statements == 0 {
		o.Statements = 512
	}
}

// Conn is a connection that its holder has to itself. It is not safe for concurrent use, and neither is what it hands out.
// It has one statement under way at a time, and one Rows, whose memory it reuses.
type Conn struct {
	raw      *pgconn.PgConn // hijacked: good for cancel requests only
	net      net.Conn
	source   source
	front    *pgproto3.Frontend
	options  Options
	name     string // of the server, for errors
	settings map[string]string
	probe    probe
	sender   sender

	out    []byte   // what the next flush writes
	first  []byte   // what comes before it
	drop   []string // prepared statements that the server is to drop
	binder binder
	wire   wire
	batch  batch
	limit  limit
	status byte  // of the transaction: I, T or E, as ReadyForQuery says
	err    error // why the connection is of no more use

	readOnly, wantReadOnly bool
	begun                  begun
	reads                  bool      // the transaction can not write
	until                  time.Time // the deadline of the last statement
	kept                   statements
	rows                   Rows
}

// sessionSettings are the settings that a session starts with, so that text on the wire means the same on every server. Poolers
// in between know them too.
var sessionSettings = [...][2]string{
	{"client_encoding", "UTF8"},
	{"DateStyle", "ISO, YMD"},
	{"IntervalStyle", "iso_8601"},
	{"standard_conforming_strings", "on"},
	{"TimeZone", "UTC"},
}

// Dial connects to a server, until ctx ends. The settings of a session that change what text means are ours; others in
// config, such as search_path, hold too. The caller closes the connection. Of several hosts the first that answers is
// taken.
func Dial(ctx context.Context, config *pgconn.Config, o Options) (*Conn, error) {
	o.fill()
	config = session(config)
	raw, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, dialError(config, err)
	}
	c, err := take(ctx, raw, o)
	if err != nil {
		_ = raw.Close(ctx) // it is of no use, and err says why
		return nil, err
	}
	return c, nil
}

// session is a copy of config with the settings that sessions start with.
func session(config *pgconn.Config) *pgconn.Config {
	config = config.Copy()
	params := maps.Clone(config.RuntimeParams)
	if params == nil {
		params = make(map[string]string)
	}
	if params["application_name"] == "" {
		params["application_name"] = "sluice"
	}
	for _, s := range sessionSettings {
		params[s[0]] = s[1]
	}
	config.RuntimeParams = params
	return config
}

// take makes a Conn of a connection that is open.
func take(ctx context.Context, raw *pgconn.PgConn, o Options) (*Conn, error) {
	name := raw.Conn().RemoteAddr().String()
	if raw.ParameterStatus("server_encoding") == "SQL_ASCII" {
		return nil, &Error{Server: name, Code: codeConfig, Offset: -1,
			Message: "the database has the encoding SQL_ASCII, which says nothing of what its bytes mean; want a database made with ENCODING 'UTF8'"}
	}
	if err := raw.SyncConn(ctx); err != nil {
		return nil, lost(name, err)
	}
	h, err := raw.Hijack()
	if err != nil {
		return nil, lost(name, err)
	}
	c := &Conn{raw: raw, net: h.Conn, options: o, name: name, settings: h.ParameterStatuses, status: h.TxStatus}
	c.binder.server, c.source.net = name, c.net
	c.front = pgproto3.NewFrontend(&c.source, c.net)
	c.front.SetMaxBodyLen(o.MaxMessage)
	c.limit.init()
	c.rows.conn = c
	c.kept.init()
	c.probe.init(socket(c.net))
	c.sender.init(c.net)
	if err := c.limit.under(c, ctx); err != nil {
		return nil, err
	}
	return c, c.prepareVerbs()
}

// socket is the connection below TLS.
func socket(c net.Conn) net.Conn {
	if t, ok := c.(*tls.Conn); ok {
		return t.NetConn()
	}
	return c
}

// Name is the server's address.
func (c *Conn) Name() string { return c.name }

// Setting is what the server last said of one of the settings that it reports, such as server_version or in_hot_standby;
// "" of others.
func (c *Conn) Setting(name string) string { return c.settings[name] }

// Usable tells whether the connection can serve the next: it is whole, no transaction is open, and no rows are.
func (c *Conn) Usable() bool {
	return c.err == nil && c.status == 'I' && c.begun == notBegun && !c.rows.open && c.wire.syncs == 0
}

// Alive tells whether an idle connection still has its server, as far as that can be seen without asking it: in about a
// microsecond. What the server has said meanwhile is taken in.
func (c *Conn) Alive() bool {
	if c.err != nil {
		return false
	}
	if c.heard() && c.probe.quiet() {
		return true
	}
	return c.hear()
}

// hearing is how long it may take to read what has arrived: TLS may hold a part of it only.
const hearing = 2 * time.Millisecond

// hear reads what a server says to an idle connection: settings and notices, or that it closes it.
func (c *Conn) hear() bool {
	for {
		c.limit.short(c, hearing)
		m, err := c.front.Receive()
		switch {
		case isTimeout(err):
			return true
		case err != nil:
			c.fail(lost(c.name, err))
			return false
		}
		// Any message that belongs to a statement is one too many; an error here is the server's farewell.
		if err := c.unasked(m); err != nil {
			c.fail(err)
			return false
		}
		if c.heard() && c.probe.quiet() {
			return true
		}
	}
}

// Cut breaks the connection, which may be in use: the statement that runs fails, as when the network has broken. Unlike all
// else it may be called at any time, by anyone. The holder still closes the connection.
func (c *Conn) Cut() { _ = socket(c.net).Close() } // that it is closed already is as good

// Close ends the session. What still runs there is ended by Options.Canceller.
func (c *Conn) Close() error {
	if c.err != nil {
		return nil
	}
	if c.wire.syncs > 0 {
		c.kill(errClosed)
		return nil
	}
	c.err = errClosed
	c.limit.end()
	_ = c.net.SetDeadline(time.Now().Add(farewell)) // an error shows in Write
	_, err := c.net.Write([]byte{'X', 0, 0, 0, 4})
	if closeErr := socket(c.net).Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("close the connection to %s: %w", c.name, err)
	}
	return nil
}

// farewell is how long a session's last message may take to be written.
const farewell = time.Second

// SetReadOnly makes the transactions from here on read only, those of single statements too, or ends that. The server is
// told with the next statement. It holds until it is set again.
func (c *Conn) SetReadOnly(on bool) { c.wantReadOnly = on }
