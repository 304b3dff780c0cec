package sql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluiceapi/sluice"
)

// plan is one statement of an endpoint made ready: on each shard what the database made of it, and what is bound to it.
type plan struct {
	// on holds the statement of each shard; nil for one that could not be reached yet.
	on []*statement
	// what is known of it, the same on all shards.
	*statement
	refs []sluice.Reference
	verb string
}

// errUnknown is that of a statement that could not be checked, for want of tables.
var errUnknown = errors.New("the statement could not be checked")

// errUnreached is that of a database that has not been reached since the node started.
var errUnreached = errors.New("the database has not been reached yet")

// plan checks a statement on every shard. Errors name the place in the text as it was written.
func (b *backend) plan(ep *sluice.Endpoint, field string, q *Query) (*plan, error) {
	s, at := q.of(b.dialect)
	if s.IsZero() {
		return nil, sluice.At(field, fmt.Errorf("there is no statement for %s; want one under %s", b.dialect.name, b.dialect.key))
	}
	field += at
	verb := s.verb()
	if at := s.stray(); at >= 0 && b.dialect.strays {
		return nil, strayError(field, at)
	}
	writes := fmt.Errorf("a GET endpoint only reads, and this %s writes; want a route with POST, PUT, PATCH or DELETE", verb)
	if ep.ReadOnly() && slices.Contains([]string{"INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE"}, verb) {
		return nil, sluice.At(field, writes) // that much is known without the database
	}
	p, err := b.prepare(field, s.numbered(b.dialect), ep.Int64Text, func(at *shard, err error) error { return b.misprint(field, s, at, err) })
	if err != nil {
		return nil, err
	}
	p.refs, p.verb = s.refs, verb
	if ep.ReadOnly() && !p.readOnly {
		return nil, sluice.At(field, writes)
	}
	return p, b.checkInputs(ep, field, p)
}

func strayError(field string, at int) error {
	return &sluice.FieldError{Field: field, Offset: at + 1,
		Err: errors.New("a parameter that nothing is bound to; want a reference behind $, such as $id")}
}

// checkInputs refuses inputs of which no value is ever taken where it stands.
func (b *backend) checkInputs(ep *sluice.Endpoint, field string, p *plan) error {
	for i := range p.refs {
		r := &p.refs[i]
		input, ok := r.Input()
		if !ok {
			continue
		}
		for at, s := range p.on {
			if s == nil {
				continue
			}
			if is := b.shards[at].refuses(s, i, ep.Inputs[input].Type); is != "" {
				return &sluice.FieldError{Field: field, Offset: r.Offset(),
					Err: fmt.Errorf("%s is declared as %s, and stands here for %s; want type: string", r, ep.Inputs[input].Type, is)}
			}
			break // the shards have the same tables
		}
	}
	return nil
}

// prepare has every shard check a statement. Those that cannot be reached are passed over, unless all are.
func (b *backend) prepare(field, text string, int64Text bool, misprint func(*shard, error) error) (*plan, error) {
	p := &plan{on: make([]*statement, len(b.shards))}
	for i, at := range b.shards {
		if !at.isReached() {
			continue
		}
		s, err := at.prepare(context.Background(), text, int64Text)
		switch {
		case err != nil && b.dialect.passing(err):
			b.lose(at, err)
			continue
		case err != nil:
			return nil, misprint(at, err)
		}
		if p.statement != nil && !p.statement.like(s) {
			return nil, sluice.At(field, fmt.Errorf("the shards %s and %s differ in what it gives: %v and %v; want the same tables on both",
				b.shards[slices.Index(p.on, p.statement)].name, at.name, p.columns, s.columns))
		}
		if p.on[i] = s; p.statement == nil {
			p.statement = s
		}
	}
	if p.statement == nil {
		return nil, errUnreached
	}
	return p, nil
}

func (s *statement) like(o *statement) bool {
	return s.readOnly == o.readOnly && slices.Equal(s.columns, o.columns)
}

// input is what the statement runs with for an exchange.
func (p *plan) input(x *sluice.Exchange) input { return input{refs: p.refs, x: x} }

// run starts the statement on a connection to a shard.
func (p *plan) run(at int, c conn, in input) (rows, error) {
	s := p.on[at]
	if s == nil {
		return nil, errLater
	}
	return c.run(s, in)
}

// misprint says where in a statement a mistake stands.
func (b *backend) misprint(field string, s *SQL, at *shard, err error) error {
	m, ok := b.dialect.mistake(err)
	if !ok {
		return sluice.At(field, err)
	}
	if m.table != "" && at.blank {
		return errUnknown
	}
	offset, message := m.offset, m.message
	switch {
	case offset >= 0:
		offset = s.written(b.dialect, offset)
	case m.table != "":
		offset = s.find(m.table)
	}
	// Where "?" can be an operator it is a parameter if the grammar fails there.
	if stray := s.stray(); stray >= 0 && m.grammar && offset >= stray && strings.TrimSpace(s.text[stray+1:max(stray+1, offset)]) == "" {
		return strayError(field, stray)
	}
	if m.table != "" {
		message += at.nearTable(m.table)
	}
	return &sluice.FieldError{Field: field, Offset: offset + 1, Err: errors.New(message)}
}

// nearTable says which table could be meant.
func (s *shard) nearTable(name string) string {
	tables, err := s.tables(context.Background())
	if near := sluice.Nearest(name, tables); err == nil && near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}
