package sqlite

import (
	"context"
	"os"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// Script runs statements one after the other and tells each, which may be nil, how many bytes of the text are done.
// Their rows are passed over. It does not look at what they are: a script is trusted, as a migration is. Errors are
// *Error, with the offset of the statement, or of the fault in it where SQLite knows that.
func (c *Conn) Script(sql string, each func(done int)) error {
	return c.script(sql, each, func(*sqlite3.Stmt, string) bool { return true })
}

// Check compiles the statements of a script, and runs those only that make, change or drop tables and the like: so
// that what stands below can be compiled too.
func (c *Conn) Check(sql string) error {
	return c.script(sql, nil, func(s *sqlite3.Stmt, text string) bool {
		word := text
		if end := strings.IndexAny(text, " \t\r\n"); end >= 0 {
			word = text[:end]
		}
		switch strings.ToUpper(word) {
		case "CREATE", "ALTER", "DROP":
			return true
		}
		return false
	})
}

func (c *Conn) script(sql string, each func(int), run func(*sqlite3.Stmt, string) bool) error {
	for rest := sql; rest != ""; {
		at := len(sql) - len(rest)
		s, tail, err := c.raw.Prepare(rest)
		if err != nil {
			return inScript(wrap(c.db.name, rest, err, &c.limit), at, rest)
		}
		if s != nil {
			if run(s, rest[leadingSpace(rest):]) {
				err = s.Exec()
			}
			if err = wrap(c.db.name, "", err, &c.limit); err != nil {
				s.Close()
				return inScript(err, at, rest)
			}
			if err := s.Close(); err != nil {
				return inScript(wrap(c.db.name, "", err, &c.limit), at, rest)
			}
		}
		if len(tail) >= len(rest) {
			break
		}
		rest = tail
		if each != nil {
			each(len(sql) - len(rest))
		}
	}
	return nil
}

// inScript moves the offset of an error from a statement to the script in which it stands at some byte.
func inScript(err error, at int, rest string) error {
	e := err.(*Error)
	if e.Offset < 0 {
		e.Offset = leadingSpace(rest)
	}
	e.Offset += at
	return e
}

// leadingSpace is how much of a statement comes before its first word: white space, comments and semicolons.
func leadingSpace(sql string) int {
	i := 0
	for i < len(sql) {
		switch rest := sql[i:]; {
		case strings.IndexByte(" \t\r\n\f;", rest[0]) >= 0:
			i++
		case strings.HasPrefix(rest, "--"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				return len(sql)
			}
			i += end
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return len(sql)
			}
			i += end + 4
		default:
			return i
		}
	}
	return i
}

// Alone runs f while no other process, and no other DB of this one, migrates the file or is in its Alone. f must not
// migrate.
func (db *DB) Alone(ctx context.Context, f func() error) error {
	guard, err := lock(ctx, db.path+"-migrate")
	if err != nil {
		return err
	}
	defer guard.Close()
	return f()
}

// CopySchema makes the tables, indexes, views and triggers of the file at path in db, without their rows and without
// changing anything beside the file. What can not be made, such as the inner tables of a virtual one, is passed over.
// A file that is not there has none.
func (db *DB) CopySchema(ctx context.Context, path string) error {
	if _, err := os.Stat(path); err != nil {
		if os.IsNotExist(err) {
			return nil
		}
		return err
	}
	statements, err := schema(path)
	if err != nil {
		return err
	}
	return db.Write(ctx, func(c *Conn) error {
		for _, sql := range statements {
			_ = c.raw.Exec(sql)
		}
		return nil
	})
}

// schema reads the statements that made a database. With no write-ahead log beside it the file is read as immutable,
// for a reader would make the log's files.
func schema(path string) ([]string, error) {
	uri := "file:" + strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path) + "?mode=ro"
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() == 0 {
		uri += "&immutable=1"
	}
	c, err := sqlite3.OpenFlags(uri, sqlite3.OPEN_READONLY|sqlite3.OPEN_URI)
	if err != nil {
		return nil, wrap(path, "", err, nil)
	}
	defer c.Close()
	s, _, err := c.Prepare(`SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
		ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'view' THEN 1 ELSE 2 END, rowid`)
	if err != nil {
		return nil, wrap(path, "", err, nil)
	}
	defer s.Close()
	var statements []string
	for s.Step() {
		statements = append(statements, s.ColumnText(0))
	}
	return statements, wrap(path, "", s.Err(), nil)
}

// Query runs one read of our own and calls f with its rows at each row. What it compiles is not kept.
func (c *Conn) Query(sql string, f func(*Rows)) error {
	raw, _, err := c.raw.Prepare(sql)
	if err != nil {
		return wrap(c.db.name, sql, err, &c.limit)
	}
	defer raw.Close()
	r := &Rows{raw: raw, conn: c}
	for raw.Step() {
		f(r)
	}
	return wrap(c.db.name, "", raw.Err(), &c.limit)
}
