package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// described is the name under which a statement is described.
const described = "sluice_described"

// Describe checks a statement, exactly one with parameters $1, $2, …, against the database and returns what is known of
// it. No transaction must be open. What would reach past a statement is an error: transactions and settings are not the
// statement's own. Errors are *Error, with the offset of the fault where the server knows it. It takes a few round trips.
func (c *Conn) Describe(ctx context.Context, sql string) (*Stmt, error) {
	if err := c.idle(); err != nil {
		return nil, err
	}
	if c.status != 'I' || c.begun != notBegun {
		return nil, c.misuse("a transaction is open")
	}
	word, err := c.checkText(sql)
	if err != nil {
		return nil, err
	}
	if err := c.limit.under(c, ctx); err != nil {
		return nil, err
	}
	var told []uint32
	params, fields, err := c.describe(described, sql, nil)
	if untyped(err) && c.err == nil {
		if told = c.infer(sql); told != nil {
			params, fields, err = c.describe(described, sql, told)
		}
	}
	if err != nil {
		return nil, err
	}
	defer func() { c.drop = append(c.drop, described) }()
	s := &Stmt{SQL: sql, Params: params, told: told}
	for _, f := range fields {
		s.Columns = append(s.Columns, Column{Name: string(f.Name), OID: f.DataTypeOID, Table: f.TableOID, Attr: f.TableAttributeNumber, form: formOf(f.DataTypeOID)})
	}
	if err := s.fill(); err != nil {
		err.(*Error).Server = c.name
		return nil, err
	}
	if err := c.lookUpTypes(ctx, s); err != nil {
		return nil, err
	}
	plan, err := c.explain(ctx, described, len(params))
	if err != nil {
		return nil, err
	}
	s.Sorts = plan.sorts()
	s.Writes = plan.writes() || !reads(word) || fields == nil // SELECT INTO gives no rows
	return s, c.lookUpNulls(ctx, s, plan)
}

// checkText refuses what the wire can not carry, and what would reach past the statement. It returns the first word.
func (c *Conn) checkText(sql string) (word string, err error) {
	refuse := func(at int, format string, args ...any) error {
		return &Error{Server: c.name, Code: "42601", Message: fmt.Sprintf(format, args...), Offset: at}
	}
	if i := strings.IndexByte(sql, 0); i >= 0 {
		return "", refuse(i, "a zero byte in the statement")
	}
	at := leadingSpace(sql)
	word = firstWord(sql[at:])
	switch word {
	case "":
		if at == len(sql) {
			return "", refuse(-1, "there is no statement")
		}
	case "BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE", "PREPARE", "EXECUTE", "DEALLOCATE",
		"SET", "RESET", "DISCARD", "LISTEN", "UNLISTEN", "COPY", "DECLARE", "FETCH", "MOVE", "CLOSE", "LOAD":
		return "", refuse(at, "%s is not allowed in a statement", word)
	}
	return word, nil
}

// reads tells whether a statement that begins with the word can be one that only reads.
func reads(word string) bool {
	switch word {
	case "SELECT", "WITH", "VALUES", "TABLE", "": // that is a bracket
		return true
	}
	return false
}

// firstWord is the word that sql begins with, in capitals.
func firstWord(sql string) string {
	end := 0
	for end < len(sql) && ('a' <= sql[end]|0x20 && sql[end]|0x20 <= 'z' || sql[end] == '_') {
		end++
	}
	return strings.ToUpper(sql[:end])
}

// ask runs statements of our own and calls f, which may be nil, with each row: its values are in text format, and borrowed.
func (c *Conn) ask(ctx context.Context, sql string, f func(values [][]byte)) error {
	if err := c.limit.under(c, ctx); err != nil {
		return err
	}
	c.wire.after, c.wire.commits = 0, false
	c.out = appendSimple(c.out, sql)
	c.wire.syncs++
	if err := c.flush(); err != nil {
		return err
	}
	var refused error
	for {
		m, err := c.receive()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *pgproto3.DataRow:
			if f != nil {
				f(m.Values)
			}
		case *pgproto3.ErrorResponse:
			refused = c.refused(m, sql)
			if c.err != nil {
				return refused
			}
		case *pgproto3.ReadyForQuery:
			c.answered(m)
			return refused
		case *pgproto3.CopyInResponse, *pgproto3.CopyOutResponse, *pgproto3.CopyBothResponse:
			return c.confused(m)
		}
	}
}

// userType is a type that a database has of its own.
type userType struct {
	domainOf uint32 // zero if it is no domain
	elem     uint32 // zero if it is no array
	numbers  bool   // its elements are numbers
	bools    bool   // or booleans
}

// lookUpTypes finds out how values of the database's own types are read and written.
func (c *Conn) lookUpTypes(ctx context.Context, s *Stmt) error {
	known := make(map[uint32]userType)
	missing := slices.Clone(s.Params)
	for _, column := range s.Columns {
		missing = append(missing, column.OID)
	}
	for {
		missing = slices.DeleteFunc(missing, func(typ uint32) bool {
			_, ok := known[typ]
			return ok || typ < firstUser
		})
		if len(missing) == 0 {
			break
		}
		next, err := c.askTypes(ctx, missing, known)
		if err != nil {
			return err
		}
		missing = next
	}
	for _, typ := range s.Params {
		s.params = append(s.params, userForm(typ, known))
	}
	for i := range s.Columns {
		s.Columns[i].form = userForm(s.Columns[i].OID, known)
	}
	return nil
}

// askTypes asks for types, and returns those that they are domains of.
func (c *Conn) askTypes(ctx context.Context, list []uint32, known map[uint32]userType) (next []uint32, err error) {
	for _, typ := range list {
		known[typ] = userType{} // also where the server knows nothing of it
	}
	err = c.ask(ctx, `SELECT t.oid, t.typbasetype, CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END, e.typcategory
		FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem WHERE t.oid IN (`+joinNumbers(list)+`)`, func(v [][]byte) {
		t := userType{domainOf: parseNumber(v[1]), elem: parseNumber(v[2]), numbers: string(v[3]) == "N", bools: string(v[3]) == "B"}
		known[parseNumber(v[0])] = t
		if t.domainOf > 0 {
			next = append(next, t.domainOf)
		}
	})
	return next, err
}

func userForm(typ uint32, known map[uint32]userType) form {
	for range len(known) + 1 { // no more domains than there are types
		t, ok := known[typ]
		switch {
		case !ok:
			return formOf(typ)
		case t.domainOf > 0:
			typ = t.domainOf
			continue
		case t.elem > 0 && t.numbers:
			return form{textArray, number}
		case t.elem > 0 && t.bools:
			return form{textArray, boolean}
		case t.elem > 0:
			return form{textArray, other}
		}
		break
	}
	return form{}
}

func joinNumbers(list []uint32) string {
	var b strings.Builder
	for i, n := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatUint(uint64(n), 10))
	}
	return b.String()
}

func parseNumber(v []byte) uint32 {
	n, err := strconv.ParseUint(string(v), 10, 32)
	if err != nil {
		return 0 // the server writes no others
	}
	return uint32(n)
}
