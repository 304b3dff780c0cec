package sql

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/sqlite"
)

// plan is one statement made ready: what is bound to it and how its rows are written.
type plan struct {
	stmt *sqlite.Stmt
	refs []sluice.Reference
	verb string
	encoder
}

// errUnknown is that of a statement that could not be checked, for want of tables.
var errUnknown = errors.New("the statement could not be checked")

// plan compiles a statement. Errors name the place in the text as it was written.
func (b *backend) plan(ep *sluice.Endpoint, field string, s *SQL) (*plan, error) {
	stmt, err := b.prepare(field, s)
	if err != nil {
		return nil, err
	}
	p := &plan{stmt: stmt, refs: s.refs, verb: s.verb()}
	if p.encoder, err = newEncoder(stmt.Columns, ep.Int64Text); err != nil {
		return nil, sluice.At(field, err)
	}
	if ep.ReadOnly() && !stmt.ReadOnly {
		return nil, sluice.At(field, fmt.Errorf("a GET endpoint only reads, and this %s writes; want a route with POST, PUT, PATCH or DELETE", p.verb))
	}
	return p, nil
}

func (b *backend) prepare(field string, s *SQL) (*sqlite.Stmt, error) {
	if at := s.stray(); at >= 0 {
		return nil, &sluice.FieldError{Field: field, Offset: at + 1,
			Err: errors.New("a parameter that nothing is bound to; want a reference behind $, such as $id")}
	}
	stmt, err := b.db.Prepare(s.numbered())
	if err != nil {
		return nil, b.misprint(field, s, err)
	}
	return stmt, nil
}

// misprint says where in a statement a mistake stands.
func (b *backend) misprint(field string, s *SQL, err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return sluice.At(field, err)
	}
	table, missing := strings.CutPrefix(e.Message, "no such table: ")
	if missing && b.blank {
		return errUnknown
	}
	at, bare := e.Offset, table[strings.LastIndexByte(table, '.')+1:] // without the schema before it
	switch {
	case at >= 0:
		at = s.written(at)
	case missing:
		at = s.find(bare)
	}
	message := e.Message
	if missing {
		message += b.nearTable(bare)
	}
	return &sluice.FieldError{Field: field, Offset: at + 1, Err: errors.New(message)}
}

// nearTable says which table could be meant.
func (b *backend) nearTable(name string) string {
	c, err := b.db.Acquire(context.Background())
	if err != nil {
		return ""
	}
	defer b.db.Release(c)
	tables, err := userTables(c)
	if near := sluice.Nearest(name, tables); err == nil && near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// bind binds the references' values. What is absent or null stays unbound, which is NULL.
func (p *plan) bind(r *sqlite.Rows, x *sluice.Exchange) {
	for i := range p.refs {
		bindValue(r, i+1, p.refs[i].Value(x))
	}
}

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

// rows starts the statement on a connection with the values of an exchange.
func (p *plan) rows(c *sqlite.Conn, x *sluice.Exchange) (*sqlite.Rows, error) {
	r, err := c.Rows(p.stmt)
	if err != nil {
		return nil, err
	}
	p.bind(r, x)
	return r, nil
}
