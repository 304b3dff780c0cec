package sqlite

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/ncruces/go-sqlite3"
)

// Stmt is a statement that was checked. It is immutable, belongs to the DB that made it, and may be used on all of its
// connections at once; each compiles it when it first runs there.
type Stmt struct {
	SQL      string
	Params   []string // Params[i] is the name of parameter i+1 as written (?1, $id), "" if a bare ? or never named
	Columns  []Column // what a row has; none for a statement that returns no rows
	ReadOnly bool     // it changes nothing in the file, so a reader can run it
	id       int
	db       *DB
}

// Column is a column of a result.
type Column struct {
	Name    string
	Type    string // the declared type of the table's column, as written there; "" for an expression
	NotNull bool   // the table's column can hold no NULL; what stands between, such as an outer join or a scalar subquery, may give one
}

// Plan is a row of EXPLAIN QUERY PLAN.
type Plan struct {
	ID, Parent int
	Detail     string // like "SEARCH t USING INDEX i (a=?)" or "USE TEMP B-TREE FOR ORDER BY"
}

// catalog holds the statements of a DB, and the connection that checks new ones.
type catalog struct {
	mu    sync.Mutex // guards all below
	conn  *Conn      // nil when closed
	known map[string]*Stmt
	next  int
	deny  string // what the authorizer refused last
	own   bool   // a statement of our own is compiled, which may ask for a pragma
}

func (k *catalog) init(c *Conn) {
	k.conn, k.known = c, make(map[string]*Stmt)
	// The error of SetAuthorizer is misuse only, of a connection that is not open.
	_ = c.raw.SetAuthorizer(k.authorize)
}

func (k *catalog) close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.conn
	k.conn = nil
	if c == nil {
		return nil
	}
	return c.close()
}

// authorize refuses what would reach past a statement: transactions are the DB's own, and its settings too.
func (k *catalog) authorize(a sqlite3.AuthorizerActionCode, arg, _, _, _ string) sqlite3.AuthorizerReturnCode {
	if k.own {
		return sqlite3.AUTH_OK
	}
	switch a {
	case sqlite3.AUTH_TRANSACTION:
		k.deny = arg
	case sqlite3.AUTH_SAVEPOINT:
		k.deny = "SAVEPOINT"
	case sqlite3.AUTH_PRAGMA:
		k.deny = "PRAGMA " + arg
	case sqlite3.AUTH_ATTACH:
		k.deny = "ATTACH"
	case sqlite3.AUTH_DETACH:
		k.deny = "DETACH"
	default:
		return sqlite3.AUTH_OK
	}
	return sqlite3.AUTH_DENY
}

// Prepare checks a statement against the database and returns what is known of it. The same text gives the same
// Stmt, unless the tables have changed since; a Stmt is kept until the DB is closed. A text that is not
// exactly one statement, or that is BEGIN, COMMIT, ROLLBACK, SAVEPOINT, PRAGMA, ATTACH or DETACH, is an
// error. Errors are *Error, with the offset of the fault where SQLite knows it.
func (db *DB) Prepare(sql string) (*Stmt, error) {
	k := &db.stmts
	k.mu.Lock()
	defer k.mu.Unlock()
	raw, err := k.compile(sql)
	if err != nil {
		return nil, err
	}
	defer raw.Close()
	s := k.describe(sql, raw)
	if old := k.known[sql]; old != nil && old.equal(s) {
		return old, nil
	}
	s.id, s.db = k.next, db
	k.next++
	k.known[sql] = s
	return s, nil
}

// Explain returns how SQLite would run a statement that Prepare accepts.
func (db *DB) Explain(sql string) ([]Plan, error) {
	k := &db.stmts
	k.mu.Lock()
	defer k.mu.Unlock()
	const prefix = "EXPLAIN QUERY PLAN "
	raw, err := k.compile(prefix + sql)
	if err != nil {
		if e, ok := err.(*Error); ok && e.Offset >= len(prefix) {
			e.Offset -= len(prefix)
		}
		return nil, err
	}
	defer raw.Close()
	var plan []Plan
	for raw.Step() {
		plan = append(plan, Plan{ID: raw.ColumnInt(0), Parent: raw.ColumnInt(1), Detail: raw.ColumnText(3)})
	}
	return plan, wrap(db.name, sql, raw.Err(), nil)
}

// compile compiles exactly one statement. Mu is held.
func (k *catalog) compile(sql string) (*sqlite3.Stmt, error) {
	if k.conn == nil {
		return nil, errClosed
	}
	name := k.conn.db.name
	if i := strings.IndexByte(sql, 0); i >= 0 {
		return nil, &Error{File: name, Code: int(sqlite3.ERROR), Message: "a zero byte in the statement", Offset: i}
	}
	// To compile alone looks at the tables as they were last seen; to read looks whether they have changed.
	if err := k.conn.exec("SELECT 1 FROM sqlite_schema LIMIT 1"); err != nil {
		return nil, err
	}
	k.deny = ""
	raw, tail, err := k.conn.raw.Prepare(sql)
	if err != nil {
		e := wrap(name, sql, err, nil)
		if k.deny != "" {
			e.(*Error).Message = fmt.Sprintf("%s is not allowed in a statement", k.deny)
		}
		return nil, e
	}
	if raw == nil {
		return nil, &Error{File: name, Code: int(sqlite3.ERROR), Message: "there is no statement", Offset: -1}
	}
	if more, _, err := k.conn.raw.Prepare(tail); more != nil || err != nil {
		more.Close()
		raw.Close()
		return nil, &Error{File: name, Code: int(sqlite3.ERROR), Message: "there is more than one statement", Offset: len(sql) - len(tail)}
	}
	return raw, nil
}

func (k *catalog) describe(sql string, raw *sqlite3.Stmt) *Stmt {
	s := &Stmt{SQL: sql, ReadOnly: raw.ReadOnly()}
	for i := range raw.BindCount() {
		s.Params = append(s.Params, raw.BindName(i+1))
	}
	for i := range raw.ColumnCount() {
		s.Columns = append(s.Columns, Column{Name: raw.ColumnName(i), Type: raw.ColumnDeclType(i), NotNull: k.notNull(raw, i)})
	}
	return s
}

// notNull says whether a column comes from a table's column that can hold no NULL. A PRIMARY KEY can, unless it is the
// rowid or the table has none, or is STRICT (https://sqlite.org/lang_createtable.html): only the rowid is known here.
func (k *catalog) notNull(raw *sqlite3.Stmt, i int) bool {
	table, column := raw.ColumnTableName(i), raw.ColumnOriginName(i)
	if table == "" || column == "" {
		return false
	}
	declared, _, notNull, primary, _, err := k.conn.raw.TableColumnMetadata(raw.ColumnDatabaseName(i), table, column)
	return err == nil && (notNull || primary && strings.EqualFold(declared, "INTEGER") && k.rowid(table, column))
}

// rowid says whether a column is its table's only key, and no index was made for it: an INTEGER that is, is the rowid;
// but not INTEGER PRIMARY KEY DESC, an old mistake of SQLite's, which has an index and may hold NULLs.
func (k *catalog) rowid(table, column string) bool {
	k.own = true
	defer func() { k.own = false }()
	s, _, err := k.conn.raw.Prepare(`SELECT count(*) = 1 AND max(name = ?2 COLLATE NOCASE)
		AND NOT EXISTS (SELECT 1 FROM pragma_index_list(?1) WHERE origin = 'pk') FROM pragma_table_info(?1) WHERE pk > 0`)
	if err != nil {
		return false
	}
	defer s.Close()
	if s.BindText(1, table) != nil || s.BindText(2, column) != nil || !s.Step() {
		return false
	}
	return s.ColumnBool(0)
}

func (s *Stmt) equal(o *Stmt) bool {
	return s.ReadOnly == o.ReadOnly && slices.Equal(s.Params, o.Params) && slices.Equal(s.Columns, o.Columns)
}

// fits says whether a compiled statement gives the columns of s.
func (s *Stmt) fits(raw *sqlite3.Stmt) bool {
	if raw.ColumnCount() != len(s.Columns) {
		return false
	}
	for i, c := range s.Columns {
		if raw.ColumnName(i) != c.Name || raw.ColumnDeclType(i) != c.Type {
			return false
		}
	}
	return true
}
