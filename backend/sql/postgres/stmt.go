package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/sluiceapi/sluice"
)

// Stmt is a statement that was described. It is immutable, and may be used at once on all connections to databases with
// the same tables; each prepares it when it first runs there.
type Stmt struct {
	SQL     string   // with parameters $1, $2, …
	Params  []uint32 // the types of the parameters, by number
	Columns []Column // what a row has; none for a statement that returns no rows
	// Writes tells whether the statement changes rows or locks them, or does anything but read, as far as its plan shows:
	// not what the functions do that it calls. A transaction that reads only refuses that too.
	Writes bool
	// Sorts tells whether all rows must be sorted before the first is there: no index gives them in the order asked for.
	Sorts bool
	// Int64Text has integers of 64 bits, and numerics, answered as strings. It may be set before the first use.
	Int64Text bool

	pace   pace
	told   []uint32 // types that the server does not infer by itself; nil for most statements
	params []form   // of those that are not PostgreSQL's own, whose numbers differ
	heads  [][]byte
}

// Column is a column of a result.
type Column struct {
	Name  string
	OID   uint32 // its type's number, of a domain that of its base
	Table uint32 // the table's number if the value is that of a table's column, else zero
	Attr  uint16 // the column's number in the table
	// NotNull tells whether the column holds no NULL: the table says so, and nothing in the plan makes one.
	NotNull bool
	form    form
}

// Keys tells whether values of the column can be keys of a page: AppendKey takes them, and they come back as they were.
func (c *Column) Keys() bool {
	switch c.form.kind {
	case void, array, textArray, json, jsonb:
		return false
	}
	return true
}

// Merges tells whether CompareKeys orders values of the column as the server does. Text must be ordered COLLATE "C".
func (c *Column) Merges() bool { return c.Keys() && c.form.kind != other }

// Text tells whether the column is text, which each database may order in its own way.
func (c *Column) Text() bool { return c.form.kind == text }

// fill makes what rows are written with. Two columns of one name are an error.
func (s *Stmt) fill() error {
	seen := make(map[string]bool)
	for i, c := range s.Columns {
		if seen[c.Name] {
			return &Error{Code: "42701", Offset: -1, Message: fmt.Sprintf("two columns are called %q; want AS to give one of them another name", c.Name)}
		}
		seen[c.Name] = true
		head := []byte{','}
		if i == 0 {
			head[0] = '{'
		}
		s.heads = append(s.heads, append(sluice.AppendJSONString(head, []byte(c.Name)), ':'))
	}
	return nil
}

// prepared is a statement on one connection.
type prepared struct {
	name    string
	used    uint64
	params  []form
	alike   bool // the parameters are those of the statement
	steady  bool // on a line: it is shown to call no volatile function
	columns []form
	head    []byte // of the Bind message: the names of the portal and the statement
	formats []byte // its end: in which formats results are wanted
}

// statements are the prepared statements of a connection.
type statements struct {
	known map[*Stmt]*prepared
	clock uint64 // counts uses
	made  uint64 // counts names
}

func (k *statements) init() { k.known = make(map[*Stmt]*prepared) }

// prepared is s on this connection. It is prepared first where it is not: a round trip of its own.
func (c *Conn) prepared(s *Stmt, deadline time.Time, who Contexter) (*prepared, error) {
	k := &c.kept
	k.clock++
	if p := k.known[s]; p != nil {
		p.used = k.clock
		return p, nil
	}
	if err := c.limit.start(c, deadline, who); err != nil {
		return nil, err
	}
	if len(k.known) >= c.options.Statements {
		c.evict()
	}
	k.made++
	p := &prepared{name: fmt.Sprintf("s%d", k.made), used: k.clock}
	params, fields, err := c.describe(p.name, s.SQL, s.told)
	if err != nil {
		return nil, err
	}
	k.known[s] = p // it is there, whether it fits or not
	if err := p.fit(s, params, fields); err != nil {
		c.forget(s)
		err.(*Error).Server = c.name
		return nil, err
	}
	return p, nil
}

// evict drops the statement used longest ago.
func (c *Conn) evict() {
	var oldest *Stmt
	for s, p := range c.kept.known {
		if oldest == nil || p.used < c.kept.known[oldest].used {
			oldest = s
		}
	}
	c.forget(oldest)
}

// forget drops a statement; the server is told with what is sent next.
func (c *Conn) forget(s *Stmt) {
	if p := c.kept.known[s]; p != nil {
		delete(c.kept.known, s)
		c.drop = append(c.drop, p.name)
	}
}

// appendDrops tells the server which statements to drop.
func (c *Conn) appendDrops(dst []byte) []byte {
	for _, name := range c.drop {
		dst = appendDeallocate(dst, name)
	}
	c.drop = c.drop[:0]
	return dst
}

// Prepare prepares a statement on this connection, so that its first use does not have to.
func (c *Conn) Prepare(ctx context.Context, s *Stmt) error {
	if err := c.idle(); err != nil {
		return err
	}
	deadline, _ := ctx.Deadline()
	_, err := c.prepared(s, deadline, holder{ctx})
	return err
}

// describe prepares a statement and returns what the server says of it. Fields are nil of one that gives no rows.
func (c *Conn) describe(name, sql string, told []uint32) (params []uint32, fields []pgproto3.FieldDescription, err error) {
	c.wire.after, c.wire.commits = 0, false
	c.out = appendDescribe(appendParse(c.appendDrops(c.out[:0]), name, sql, told), name)
	c.sync()
	if err := c.flush(); err != nil {
		return nil, nil, err
	}
	for {
		m, err := c.receive()
		if err != nil {
			return nil, nil, err
		}
		switch m := m.(type) {
		case *pgproto3.ParseComplete, *pgproto3.NoData:
		case *pgproto3.CloseComplete: // of a statement that was dropped
		case *pgproto3.ParameterDescription:
			params = m.ParameterOIDs
		case *pgproto3.RowDescription:
			fields = make([]pgproto3.FieldDescription, 0, len(m.Fields))
			for _, f := range m.Fields {
				f.Name = slices.Clone(f.Name)
				fields = append(fields, f)
			}
		case *pgproto3.ReadyForQuery:
			c.answered(m)
			return params, fields, nil
		case *pgproto3.ErrorResponse:
			return nil, nil, c.failed(m, sql)
		default:
			return nil, nil, c.confused(m)
		}
	}
}

// failed is the error of a statement; the rest of what the server says is passed over.
func (c *Conn) failed(m *pgproto3.ErrorResponse, sql string) error {
	e := c.refused(m, sql)
	if c.err == nil {
		if err := c.settle(); err != nil {
			return err
		}
	}
	return e
}

// fit makes p of what a server says of s: its own numbers of types, but the same columns.
func (p *prepared) fit(s *Stmt, params []uint32, fields []pgproto3.FieldDescription) error {
	changed := &Error{Code: codeChanged, Message: errChanged.Error(), Offset: -1, Outcome: NotSent, cause: errChanged}
	if len(params) != len(s.Params) || len(fields) != len(s.Columns) {
		return changed
	}
	for i, typ := range params {
		f := formOf(typ)
		if typ >= firstUser {
			if s.Params[i] < firstUser {
				return changed
			}
			f = s.params[i]
		}
		p.params = append(p.params, f)
	}
	for i, f := range fields {
		c := &s.Columns[i]
		if string(f.Name) != c.Name || f.DataTypeOID != c.OID && (f.DataTypeOID < firstUser || c.OID < firstUser) {
			return changed
		}
		p.columns = append(p.columns, c.form)
	}
	p.alike = slices.Equal(p.params, s.params)
	p.head = append(append([]byte{0}, p.name...), 0)
	p.formats = append(p.formats, byte(len(p.columns)>>8), byte(len(p.columns)))
	for _, f := range p.columns {
		p.formats = append(p.formats, 0, f.kind.format())
	}
	return nil
}
