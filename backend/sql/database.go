package sql

import (
	"context"
	"io/fs"

	"github.com/sluiceapi/sluice"
)

// database is where statements run: a SQLite file, or the PostgreSQL servers that hold the same data. A backend has one,
// or one for each shard. All its methods may be called at once.
type database interface {
	// prepare checks a statement. Its errors are the dialect's, to be read by misprint.
	prepare(ctx context.Context, text string, int64Text bool) (*statement, error)
	// nullable tells whether a column of the result may be NULL.
	nullable(s *statement, column int) bool
	// refuses tells what a parameter is, if no value of the type is ever taken for it, and else "".
	refuses(s *statement, param int, t sluice.ValueType) string
	// sorts tells whether the statement sorts what it reads, for want of an index.
	sorts(s *statement) (bool, error)
	// read lends a connection on which nothing can be written, with data as new as the exchange wants it: to another server
	// than the one that has just failed, if there is one. It may take hold of one only when the first statement runs, which
	// then fails where there is none.
	read(x *sluice.Exchange, want consistency, failed string) (conn, error)
	// write has w run in a transaction, perhaps more than once, and answers once it is committed. With single set, w runs
	// one statement whose outcome decides nothing, so that it can be its own transaction.
	write(x *sluice.Exchange, w writer, single bool) error
	// crowded says why so many nodes would open more connections than a server takes, one error for each such server.
	crowded(nodes int) error
	// whyNot is why the database was not reached yet.
	whyNot() error
	// ping asks whether the database answers.
	ping(ctx context.Context) error
	keeper
}

// keeper is what is done to a database beside exchanges.
type keeper interface {
	// tables are those of the user.
	tables(ctx context.Context) ([]string, error)
	// holds tells whether a table is there.
	holds(ctx context.Context, table string) (bool, error)
	// query runs a statement of our own and gives its rows as text.
	query(ctx context.Context, sql string) ([][]string, error)
	// transact runs scripts in one transaction, whole or not at all; each is told of its statements as they are done. With
	// undo set, they are only checked.
	transact(ctx context.Context, scripts []script, undo bool) error
	// withHere puts around scripts what makes the function sluice_here for them: true for keys that belong to h.
	withHere(h *here, scripts []script) []script
	// alone runs f while no other process does so on this database.
	alone(ctx context.Context, f func() error) error
	// migrations are those of a folder, and what the database knows of them.
	migrations(files fs.FS) migrations
	close() error
}

// script is some statements of a file or a config, in their order.
type script struct {
	// name is the file's, "" for the config's own.
	name, text string
	done       func()
}

// migrations are the numbered .sql files of a folder. Their errors name the place in the file.
type migrations interface {
	Up(ctx context.Context) ([]migration, error)
	Down(ctx context.Context) ([]migration, error)
	Status(ctx context.Context) ([]migration, error)
}

// statement is one that a database has checked, and runs on that database only.
type statement struct {
	text    string
	columns []string
	// readOnly is set when the database says that it writes nothing.
	readOnly bool
	// texts tells of each column whether it is ordered as text.
	texts []bool
	// keys tells of each column whether its values can be keys of a page.
	keys []keying
	// native is what the database made of it.
	native any
}

// keying is what a column's values are good for as keys of a page.
type keying uint8

const (
	noKey keying = iota
	// pagesOnly is for values that come back as they were, and whose order only their own database knows.
	pagesOnly
	// merges is for values whose order is known here.
	merges
)

// conn is a connection that one exchange has to itself.
type conn interface {
	// run starts a statement. The rows of the one before are closed, or read to their end.
	run(s *statement, in input) (rows, error)
	// snapshot makes all that is read from here on see one state of the database.
	snapshot() error
	// server is the address of the server, "" of a file, and of what has not reached one.
	server() string
	// release gives the connection back, with what went wrong on it.
	release(err error)
}

// writer is what runs in a transaction. It starts afresh each time.
type writer interface{ write(c conn) error }

// input is what a statement runs with: the values of its references and, behind them, the keys of a cursor.
type input struct {
	refs []sluice.Reference
	x    *sluice.Exchange
	keys []byte
}

// rows is a statement at work: what a handler asks of a row, whichever database gives it. What a row appends is its own
// until the next Step.
type rows interface {
	// Step moves to the next row. At the end, and on an error, it returns false: Err tells them apart.
	Step() bool
	// AppendRow appends the row as a JSON object.
	AppendRow(dst []byte) []byte
	// AppendKey appends the value of a column as a key of a cursor.
	AppendKey(dst []byte, column int) []byte
	// IsNull tells whether the value of a column is NULL.
	IsNull(column int) bool
	// Int is the value of a column, if it is an integer.
	Int(column int) (n int64, ok bool)
	// Exec steps to the end and returns how many rows the statement changed.
	Exec() (int64, error)
	// Err is the error that ended the rows.
	Err() error
	Close()
}

// dialect is how one sort of database has things: its words in statements, its errors, its cursors.
type dialect struct {
	// name is for people, key that in a config, and system that in OpenTelemetry (db.system.name).
	name, key, system string
	// statement is the text for it in a query that has several.
	statement func(*Query) *SQL
	// parameter is the n-th parameter, from one.
	parameter func(n int) string
	// strays is set where "?" and ":name" are parameters; else they are parts of operators, or mistakes.
	strays bool
	// same compares two values of which both may be NULL.
	same string
	// collate, behind a text, has it ordered by its bytes.
	collate string
	// nullsFirst is set where NULL is less than all values.
	nullsFirst bool
	// fault makes of a failure what the client may see of it.
	fault func(error) error
	// changed tells whether an error says that the tables have changed: the statement must be prepared anew.
	changed func(error) bool
	// writes tells whether a statement was refused because it writes, which only showed when it ran.
	writes func(error) bool
	// dead tells whether a read failed because its connection died before it was answered, so that it may run again.
	dead func(error) bool
	// passing tells whether an error is of a server that cannot be reached now, so that to try again may help.
	passing func(error) bool
	// mistake reads what an error says of a statement.
	mistake func(error) (mistake, bool)
	// validKeys tells whether data holds so many keys of a cursor and nothing else.
	validKeys func(data []byte, n int) bool
	// byBytes gives a row if texts are in the order of their bytes; "" where they are.
	byBytes string
	// compareKeys compares the keys of two rows, in the order of a page.
	compareKeys func(a, b []byte, keys []Key) int
}

// mistake is what a database finds wrong with a statement.
type mistake struct {
	message string
	// offset is the byte of the statement, from zero, or -1.
	offset int
	// grammar is set if the statement cannot be read at all.
	grammar bool
	// table is the one that is not there, if that is the mistake.
	table string
}
