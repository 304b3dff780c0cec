package sql

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/sqlite"
)

// sqliteDialect is how SQLite has things.
var sqliteDialect = &dialect{
	name: "SQLite", key: "sqlite", system: "sqlite",
	statement: func(q *Query) *SQL { return &q.SQLite },
	parameter: func(n int) string { return "?" + strconv.Itoa(n) },
	strays:    true, same: "IS", nullsFirst: true, collate: " COLLATE BINARY",
	fault: liteFault, changed: sqlite.IsChanged, writes: never, dead: never, passing: never, mistake: liteMistake,
	validKeys: validLiteKeys, compareKeys: compareLiteKeys,
}

func never(error) bool { return false }

// lite is a SQLite file.
type lite struct {
	db     *sqlite.DB
	conns  sync.Pool // of *liteConn
	writes sync.Pool // of *liteWrite
	once   func() (*sqlite.Stmt, error)
}

func newLite(db *sqlite.DB) *lite {
	l := &lite{db: db, once: sync.OnceValues(func() (*sqlite.Stmt, error) { return db.Prepare("SELECT count(*) FROM sqlite_schema") })}
	l.conns.New = func() any { return &liteConn{of: l} }
	l.writes.New = func() any {
		run := &liteWrite{}
		run.do = func(c *sqlite.Conn) error {
			run.conn.raw = c
			return run.w.write(&run.conn)
		}
		return run
	}
	return l
}

// liteStatement is a statement, and how its rows are written.
type liteStatement struct {
	*sqlite.Stmt
	encoder encoder
}

func (l *lite) prepare(_ context.Context, text string, int64Text bool) (*statement, error) {
	s, err := l.db.Prepare(text)
	if err != nil {
		return nil, err
	}
	own := &liteStatement{Stmt: s}
	if own.encoder, err = newEncoder(s.Columns, int64Text); err != nil {
		return nil, err
	}
	made := &statement{text: text, readOnly: s.ReadOnly, native: own}
	for _, c := range s.Columns {
		made.columns = append(made.columns, c.Name)
		made.texts = append(made.texts, true) // a value of any type may stand in any column
		made.keys = append(made.keys, merges)
	}
	return made, nil
}

// refuses nothing: SQLite's values have types, and its parameters have none.
func (l *lite) refuses(*statement, int, sluice.ValueType) string { return "" }

func (l *lite) sorts(s *statement) (bool, error) {
	steps, err := l.db.Explain(s.text)
	return slices.ContainsFunc(steps, func(p sqlite.Plan) bool {
		return strings.HasPrefix(p.Detail, "USE TEMP B-TREE") && strings.HasSuffix(p.Detail, "ORDER BY")
	}), err
}

// liteConn is a reader, or the writer while a write runs.
type liteConn struct {
	of   *lite
	raw  *sqlite.Conn
	rows liteRows
}

// read takes a reader: what runs on it ends at the deadline, and when the client leaves.
func (l *lite) read(x *sluice.Exchange, _ consistency, _ string) (conn, error) {
	c, err := l.db.Acquire(context.Background()) // it waits shortly at most, so the exchange need not make a context
	if err != nil {
		return nil, err
	}
	c.SetDeadline(x.Deadline)
	c.SetContexter(x)
	lent := l.conns.Get().(*liteConn)
	lent.raw = c
	return lent, nil
}

func (c *liteConn) release(error) {
	c.of.db.Release(c.raw)
	c.raw, c.rows = nil, liteRows{}
	c.of.conns.Put(c)
}

func (c *liteConn) server() string { return "" }

func (c *liteConn) snapshot() error { return c.raw.Snapshot() }

func (c *liteConn) run(s *statement, in input) (rows, error) {
	own := s.native.(*liteStatement)
	r, err := c.raw.Rows(own.Stmt)
	if err != nil {
		return nil, err
	}
	for i := range in.refs {
		bindValue(r, i+1, in.refs[i].Value(in.x))
	}
	bindKeys(r, len(in.refs)+1, in.keys)
	c.rows = liteRows{r, &own.encoder}
	return &c.rows, nil
}

// bindValue binds a value. What is absent or null stays unbound, which is NULL.
func bindValue(r *sqlite.Rows, i int, v sluice.Value) {
	switch v.Type() {
	case sluice.Text, sluice.JSON:
		r.BindText(i, v.Bytes())
	case sluice.Integer:
		r.BindInt(i, v.Int())
	case sluice.Number:
		r.BindFloat(i, v.Float())
	case sluice.Boolean:
		n := int64(0)
		if v.Bool() {
			n = 1
		}
		r.BindInt(i, n)
	}
}

// liteWrite is one write on its way through the writer.
type liteWrite struct {
	w    writer
	conn liteConn
	do   func(*sqlite.Conn) error
}

// write has the writer run w; it commits several at once.
func (l *lite) write(x *sluice.Exchange, w writer, _ bool) error {
	run := l.writes.Get().(*liteWrite)
	run.w = w
	err := l.db.Write(x.Context(), run.do)
	run.w, run.conn = nil, liteConn{}
	l.writes.Put(run)
	return err
}

// liteRows are rows of SQLite with the encoder of their statement.
type liteRows struct {
	*sqlite.Rows
	encoder *encoder
}

// AppendRow appends the row as a JSON object.
func (r *liteRows) AppendRow(dst []byte) []byte { return r.encoder.appendRow(dst, r.Rows) }

// IsNull tells whether the value of a column is NULL.
func (r *liteRows) IsNull(i int) bool { return r.Type(i) == sqlite.Null }

// Int is the value of a column, if it is an integer.
func (r *liteRows) Int(i int) (int64, bool) {
	if r.Type(i) != sqlite.Integer {
		return 0, false
	}
	return r.Rows.Int(i), true
}

// AppendKey appends a value as a key: its type, as SQLite numbers it, and the value, numbers in 8 bytes, big end
// first, and texts and blobs behind their length.
func (r *liteRows) AppendKey(dst []byte, i int) []byte {
	typ := r.Type(i)
	dst = append(dst, byte(typ))
	switch typ {
	case sqlite.Integer:
		return binary.BigEndian.AppendUint64(dst, uint64(r.Rows.Int(i)))
	case sqlite.Float:
		return binary.BigEndian.AppendUint64(dst, math.Float64bits(r.Float(i)))
	case sqlite.Text:
		return appendSized(dst, r.Text(i))
	case sqlite.Blob:
		return appendSized(dst, r.Blob(i))
	}
	return dst
}

func (l *lite) ping(ctx context.Context) error {
	s, err := l.once()
	if err != nil {
		return err
	}
	c, err := l.db.Acquire(ctx)
	if err != nil {
		return err
	}
	defer l.db.Release(c)
	r, err := c.Rows(s)
	if err != nil {
		return err
	}
	r.Step()
	return r.Err()
}

func (l *lite) crowded(int) error { return nil }

func (l *lite) whyNot() error { return nil }

// withHere gives the writer what it asks: SQLite has the function from this process.
func (l *lite) withHere(h *here, scripts []script) []script {
	l.db.SetHere(func(v sqlite.Type, n int64, text []byte) bool {
		switch {
		case h == nil:
			return true
		case v == sqlite.Integer:
			return h.has(sluice.IntValue(n))
		case v == sqlite.Text:
			return h.has(sluice.TextValue(text))
		}
		return false
	})
	return scripts
}

func (l *lite) close() error { return l.db.Close() }

func (l *lite) alone(ctx context.Context, f func() error) error { return l.db.Alone(ctx, f) }

func (l *lite) tables(ctx context.Context) ([]string, error) {
	found, err := l.query(ctx, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`)
	var names []string
	for _, row := range found {
		if !ownTable(row[0]) {
			names = append(names, row[0])
		}
	}
	return names, err
}

func (l *lite) holds(ctx context.Context, table string) (bool, error) {
	found, err := l.query(ctx, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '"+table+"'")
	return len(found) > 0, err
}

func (l *lite) query(ctx context.Context, sql string) ([][]string, error) {
	var all [][]string
	err := l.db.Write(ctx, func(c *sqlite.Conn) error {
		all = nil
		return c.Query(sql, func(r *sqlite.Rows) {
			row := make([]string, r.Columns())
			for i := range row {
				row[i] = string(r.Text(i))
			}
			all = append(all, row)
		})
	})
	return all, err
}

var errOnlyChecked = errors.New("only checked")

func (l *lite) transact(ctx context.Context, scripts []script, undo bool) error {
	err := l.db.Write(ctx, func(c *sqlite.Conn) error {
		for _, s := range scripts {
			run := func(text string) error { return c.Script(text, func(int) { s.tell() }) }
			if undo {
				run = c.Check
			}
			if err := run(s.text); err != nil {
				return s.place(err, liteMistake)
			}
		}
		if undo {
			return errOnlyChecked
		}
		return nil
	})
	if errors.Is(err, errOnlyChecked) {
		return nil
	}
	return err
}

func (l *lite) migrations(files fs.FS) migrations { return liteMigrations{l.db.Migrations(files)} }

type liteMigrations struct{ of *sqlite.Migrations }

func (m liteMigrations) Up(ctx context.Context) ([]migration, error) { return migrated(m.of.Up(ctx)) }

func (m liteMigrations) Down(ctx context.Context) ([]migration, error) {
	return migrated(m.of.Down(ctx))
}

func (m liteMigrations) Status(ctx context.Context) ([]migration, error) {
	return migrated(m.of.Status(ctx))
}

func migrated(from []sqlite.Migration, err error) ([]migration, error) {
	var all []migration
	for _, m := range from {
		all = append(all, migration(m))
	}
	return all, err
}

// liteMistake reads what SQLite says of a statement.
func liteMistake(err error) (mistake, bool) {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return mistake{}, false
	}
	m := mistake{message: e.Message, offset: e.Offset}
	if table, missing := strings.CutPrefix(e.Message, "no such table: "); missing {
		m.table = table[strings.LastIndexByte(table, '.')+1:] // without the schema before it
	}
	return m, true
}
