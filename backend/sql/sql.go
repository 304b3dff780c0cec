// Package sql answers from SQL databases: SQLite files, or PostgreSQL with replicas, alone or in shards.
package sql

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluiceapi/sluice"
)

//go:embed sql.go
var source string

// Kind is the backend `sql`.
var Kind = sluice.NewBackend("sql", defaults, Use{Consistency: "session"}, open, sluice.Manual(source), sluice.Manual(whereSource))

// Use runs one statement, or several in one transaction, with values of the request. In SQL a reference stands behind
// `$`: `$id`, `$body.sku`, `$caller.subject`, and in quotes where a name holds a dash: `$"header.x-tenant"`. Its value is
// bound, never pasted; what a request did not bring is NULL.
//
// An endpoint with GET routes only reads: a statement that writes is refused there. Elsewhere a write is answered once
// it is committed. Rows become JSON objects: integers and floats are numbers, blobs are strings in base64, and a column
// declared BOOLEAN gives true and false, one declared TIMESTAMP or DATETIME the form 2026-01-31T12:00:00Z, one declared
// JSON its value.
//
// A row that is there already (UNIQUE, PRIMARY KEY) is a 409. Another broken constraint is a 422, and so is a value that
// the statement can not work with: a LIMIT that is no whole number, text that is no JSON where a function reads JSON.
type Use struct {
	// The database, one of those under backends. It may be left out where there is one only.
	Backend string `yaml:"backend"`
	// The statement.
	Query Query `yaml:"query"`
	// What is answered. many: the rows as an array. one: the row as an object; none is a 404, and more than one a 500,
	// which undoes a write. count: `{"count": n}`, the rows that were changed or, of a read, the number that it gives.
	// none: 204 without a body. Left out, it is many for a statement that gives rows, and count for another.
	Returns string `yaml:"returns" enum:"one,many,count,none"`
	// Gives the rows in pages: `{"items": [...], "next": "..."}`. The client gives `next` back as the query parameter
	// `cursor` and gets the rows behind it; at the end `next` is null. A page is found by its key, not by counting, so it
	// costs the same however far behind it stands, and rows that come or go meanwhile shift nothing. `cursor` is the
	// page's own: no input of the endpoint can be the query parameter of that name.
	Page *Page `yaml:"page"`
	// Statements that run one after the other in one transaction: all of them, or none. The answer is the last result
	// kept with `as`, or 204 where there is none.
	TX []Step `yaml:"tx"`
	// What names the shard: a reference such as `id` or `caller.claims.tenant`. A request without it gets a 400. It has no
	// effect on a backend without shards.
	Shard sluice.Reference `yaml:"shard"`
	// Asks all shards, and makes one answer of theirs. A backend without shards answers alike.
	Scatter *Scatter `yaml:"scatter"`
	// How new the data of a GET must be. eventual: as old as max_lag allows. session: with all that the caller has written
	// before, as its `Consistency-Token` says. strong: with all that was committed, so read on the primary.
	Consistency string `yaml:"consistency" enum:"eventual,session,strong"`
}

// Scatter says how the answers of all shards become one. Each shard answers from a state of its own.
type Scatter struct {
	// What becomes of the columns, where each shard gives one row and the answer is one: sum, count (a sum of counts), min
	// or max. Texts are compared by their bytes; where the database does otherwise, the statement must say so too: in
	// PostgreSQL `min(name COLLATE "C")`.
	Merge sluice.Map[Merge] `yaml:"merge"`
	// The columns that order the rows of all shards, such as `[total desc, id]`; texts are ordered by their bytes. Without it,
	// or `page`, the shards' rows stand one after the other.
	Order []Key `yaml:"order"`
	// The most rows of an answer. LIMIT in the statement would hold for each shard, and is refused.
	Limit int `yaml:"limit" min:"1" max:"100000"`
	// How long a shard may take.
	Timeout time.Duration `yaml:"timeout" default:"2s" min:"1ms"`
	// What happens when a shard fails or is late. fail: the answer is a 503. allow: the answer is made of the others, and
	// the field `Sluice-Partial` names those that are missing.
	Partial string `yaml:"partial" default:"fail" enum:"fail,allow"`
}

// Merge is what becomes of a column of several rows.
type Merge string

// UnmarshalText reads the name of a merge.
func (m *Merge) UnmarshalText(text []byte) error {
	switch string(text) {
	case "sum", "count", "min", "max":
		*m = Merge(text)
		return nil
	}
	return fmt.Errorf("%q merges nothing; want sum, count, min or max", text)
}

// MarshalText is the merge's name.
func (m Merge) MarshalText() ([]byte, error) { return []byte(m), nil }

// Query is a statement: one text, or one for each sort of database where their SQL differs.
type Query struct {
	// The statement, where all databases read it alike.
	SQL SQL `yaml:"sql,short"`
	// The statement for PostgreSQL.
	Postgres SQL `yaml:"postgres"`
	// The statement for SQLite.
	SQLite SQL `yaml:"sqlite"`
}

// Check wants one text for all databases, or one for each.
func (q *Query) Check() error {
	if !q.SQL.IsZero() && !(q.Postgres.IsZero() && q.SQLite.IsZero()) {
		return sluice.At("sql", errors.New("it is the statement of all databases, and there is one of its own for some; want one or the other"))
	}
	return nil
}

// IsZero tells whether there is no statement at all.
func (q *Query) IsZero() bool { return q.SQL.IsZero() && q.Postgres.IsZero() && q.SQLite.IsZero() }

// of is the statement for a sort of database, and its field within the query.
func (q *Query) of(d *dialect) (s *SQL, field string) {
	if !q.SQL.IsZero() {
		return &q.SQL, ""
	}
	return d.statement(q), "." + d.key
}

// Page says how the rows of a query are cut into pages.
type Page struct {
	// The columns of the result that order it, such as `[created_at desc, id desc]`. Together they must be unique: end
	// with a column that is. An index in this order keeps pages fast; where none serves, the log says so at start. NULLs
	// come first, with desc last.
	Keyset []Key `yaml:"keyset" required:"true"`
	// How many rows a page has.
	Size int `yaml:"size" default:"50" min:"1" max:"10000"`
}

// Step is one statement of a transaction.
type Step struct {
	// The statement.
	Query Query `yaml:"query" required:"true"`
	// Keeps the statement's first row under this name, for the statements below (`$order.id`) and for `respond`. It is
	// null where there is no row.
	As string `yaml:"as"`
	// What the statement must do, or all is undone.
	Expect *Expect `yaml:"expect"`
}

// Expect says how many rows a statement must change or, of a read, give.
type Expect struct {
	// That number.
	Rows int64 `yaml:"rows,short" required:"true" min:"0"`
	// The status of the answer where it is another: one that tells the client what is wrong with its request, such as
	// 404, 409, 412 or 422.
	Else int `yaml:"else" default:"409"`
}

// Check holds the rules among the keys.
func (u *Use) Check() error {
	if len(u.TX) == 0 {
		return u.checkQuery()
	}
	var errs []error
	if !u.Query.IsZero() {
		errs = append(errs, sluice.At("query", errors.New("a block has query or tx, not both")))
	}
	if u.Returns != "" {
		errs = append(errs, sluice.At("returns", errors.New("a tx answers with its last result kept with as")))
	}
	if u.Page != nil {
		errs = append(errs, sluice.At("page", errors.New("a tx has no pages; want query")))
	}
	if u.Scatter != nil {
		errs = append(errs, sluice.At("scatter", errors.New("a tx stays on one shard; want shard")))
	}
	seen := make(map[string]bool)
	for i := range u.TX {
		if as := u.TX[i].As; as != "" && seen[as] {
			errs = append(errs, sluice.At(fmt.Sprintf("tx[%d].as", i), fmt.Errorf("%s is the name of a result above", as)))
		} else if as != "" && !(sluice.ValidName(as) && !sluice.Reserved(as)) {
			errs = append(errs, sluice.At(fmt.Sprintf("tx[%d].as", i), fmt.Errorf("%q cannot be the name of a result; want letters, digits and _", as)))
		}
		seen[u.TX[i].As] = true
	}
	return errors.Join(errs...)
}

func (u *Use) checkQuery() error {
	switch {
	case u.Query.IsZero():
		return errors.New("there is no statement; want query or tx")
	case u.Page != nil && u.Returns != "" && u.Returns != "many":
		return sluice.At("page", fmt.Errorf("pages are of many rows, and returns is %s", u.Returns))
	case u.Scatter != nil:
		return u.Scatter.checkUse(u)
	}
	return nil
}

func (c *Scatter) checkUse(u *Use) error {
	switch {
	case !u.Shard.IsZero():
		return sluice.At("scatter", errors.New("a request asks one shard or all of them; want shard or scatter"))
	case u.Page != nil && (len(c.Order) > 0 || c.Limit > 0):
		return sluice.At("scatter", errors.New("a page has its own order and size; want page, or order and limit"))
	case c.Limit > 0 && len(c.Order) == 0:
		return sluice.At("scatter.limit", errors.New("it is not told which rows come first; want order"))
	case len(c.Merge) > 0 && (u.Page != nil || len(c.Order) > 0 || c.Limit > 0 || u.Returns != "" && u.Returns != "one"):
		return sluice.At("scatter.merge", errors.New("merged rows are one; want returns: one, and no page, order or limit"))
	case (len(c.Order) > 0 || c.Limit > 0) && u.Returns != "" && u.Returns != "many":
		return sluice.At("scatter", fmt.Errorf("order and limit are of many rows, and returns is %s", u.Returns))
	}
	return nil
}

// Check wants a status that tells the client what is wrong with its request: not that it asks too often, has left, or
// that the server failed.
func (e *Expect) Check() error {
	if _, known := sluice.CodeOf(e.Else); !known || e.Else < 400 || e.Else > 428 {
		return sluice.At("else", fmt.Errorf("%d says nothing of a request that cannot be carried out; want a status such as 404, 409, 412 or 422", e.Else))
	}
	return nil
}

// Check wants each column once.
func (p *Page) Check() error {
	if len(p.Keyset) == 0 {
		return sluice.At("keyset", errors.New("no column orders the page; want one or more, such as created_at desc, id desc"))
	}
	seen := make(map[string]bool)
	for i, k := range p.Keyset {
		if name := strings.ToLower(k.Column); seen[name] {
			return sluice.At(fmt.Sprintf("keyset[%d]", i), fmt.Errorf("%s orders the page already", k.Column))
		} else {
			seen[name] = true
		}
	}
	return nil
}

// ResultNames are the results of the transaction in its order.
func (u *Use) ResultNames() []string {
	var names []string
	for _, s := range u.TX {
		if s.As != "" {
			names = append(names, s.As)
		}
	}
	return names
}

// Key is a column that orders a page, and its direction: "created_at desc".
type Key struct {
	Column     string
	Descending bool
}

// UnmarshalText reads a column, and asc or desc behind it.
func (k *Key) UnmarshalText(text []byte) error {
	words := strings.Fields(string(text))
	*k = Key{}
	switch {
	case len(words) == 1:
	case len(words) == 2 && strings.EqualFold(words[1], "asc"):
	case len(words) == 2 && strings.EqualFold(words[1], "desc"):
		k.Descending = true
	default:
		return fmt.Errorf("%q is no key; want a column, and asc or desc behind it, such as created_at desc", text)
	}
	k.Column = words[0]
	return nil
}

// MarshalText is the key as it is written.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

func (k Key) String() string {
	if k.Descending {
		return k.Column + " desc"
	}
	return k.Column
}
