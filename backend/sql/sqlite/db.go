// Package sqlite runs statements on a SQLite file: many readers, one writer, group commit.
package sqlite

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// Options says how a file is opened. The zero value is a sound default.
type Options struct {
	// Readers is how many connections read at once. 0 is four times GOMAXPROCS, at least 8.
	Readers int
	// Wait is how long a read waits for a free reader, and a write for room in the queue. 0 is 2 s.
	Wait time.Duration
	// Synchronous is "normal" or "full"; empty is normal. In WAL, normal may lose the last commits when the power
	// fails, never when the process dies, and never corrupts the file; full syncs at each commit.
	Synchronous string
	// BusyTimeout is how long a write waits while another process holds the file's write lock. 0 is 5 s.
	BusyTimeout time.Duration
	// CacheSize bounds the page cache of one connection, in bytes, to at most 64 MiB. 0 is 8 MiB.
	CacheSize int64
	// ReadOnly opens an existing file without a writer: Write and migrations are refused.
	ReadOnly bool
}

// WithDefaults returns o with its empty fields filled in.
func (o Options) WithDefaults() Options {
	o.Readers = cmp.Or(o.Readers, max(8, 4*runtime.GOMAXPROCS(0)))
	o.Wait = cmp.Or(o.Wait, 2*time.Second)
	o.Synchronous = cmp.Or(o.Synchronous, "normal")
	o.BusyTimeout = cmp.Or(o.BusyTimeout, 5*time.Second)
	o.CacheSize = cmp.Or(o.CacheSize, 8<<20)
	return o
}

func (o Options) check() error {
	switch {
	case o.Readers < 1:
		return fmt.Errorf("readers is %d; want at least 1", o.Readers)
	case o.Synchronous != "normal" && o.Synchronous != "full":
		return fmt.Errorf("synchronous is %q; want normal or full", o.Synchronous)
	case o.Wait < 0 || o.BusyTimeout < 0 || o.CacheSize < 0:
		return errors.New("wait, busy timeout and cache size must not be negative")
	case o.CacheSize > 64<<20:
		return fmt.Errorf("cache size is %d; want at most 64 MiB", o.CacheSize)
	}
	return nil
}

// maxLength bounds a value, and a row, in bytes: a connection has 256 MiB of memory, beyond which the library panics.
const maxLength = 64 << 20

// DB is one SQLite file: a pool of readers and one writer. All its methods may be called at once.
// The process may open a file more than once, and so may other processes.
type DB struct {
	path    string
	name    string // what errors call it: its path, or nothing if it is there for the moment only
	temp    string // directory to remove at Close, if any
	options Options
	opened  time.Time
	readers readers
	writer  *writer // nil if read only
	stmts   catalog
	keep    keeper
	here    atomic.Pointer[Here]
	close   func() error
	commits atomic.Int64
	writes  atomic.Int64
	again   atomic.Int64
}

// Open opens the file at path, which it makes if it is missing and the options do not say read only.
// The file is put into WAL mode. Errors name the file. The caller closes the DB.
func Open(path string, o Options) (*DB, error) { return openIn(path, "", o) }

func openIn(path, temp string, o Options) (*DB, error) {
	o = o.WithDefaults()
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db := &DB{path: full, name: full, temp: temp, options: o, opened: time.Now()}
	if temp != "" {
		db.name = ""
	}
	if err := db.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.shut())
	}
	db.close = sync.OnceValue(db.shut)
	return db, nil
}

// OpenTemp opens an empty database in a directory of its own, which Close removes: to check statements without the
// file they are meant for, and for tests. Its errors name no file, for nobody knows it.
func OpenTemp(o Options) (*DB, error) {
	dir, err := os.MkdirTemp("", "sluice-sqlite-")
	if err != nil {
		return nil, err
	}
	db, err := openIn(filepath.Join(dir, "temp.db"), dir, o)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return db, nil
}

// open opens the connections: the writer's first, for it may make the file and its WAL.
func (db *DB) open() error {
	if !db.options.ReadOnly {
		c, err := db.connect(roleWriter)
		if err != nil {
			return err
		}
		db.writer = startWriter(db, c)
	}
	c, err := db.connect(roleChecker)
	if err != nil {
		return err
	}
	db.stmts.init(c)
	db.readers.init(db.options)
	for range db.options.Readers {
		c, err := db.connect(roleReader)
		if err != nil {
			return err
		}
		db.readers.add(c)
	}
	if !db.options.ReadOnly {
		db.startKeeper()
	}
	return nil
}

// Path is the absolute path of the file.
func (db *DB) Path() string { return db.path }

// Close refuses new reads and writes, waits for the ones under way and for the writes already queued, and closes
// the file. To call it again is harmless. A reader that is never released makes it wait forever.
func (db *DB) Close() error { return db.close() }

func (db *DB) shut() error {
	var errs []error
	errs = append(errs, db.readers.close(), db.stmts.close())
	if db.writer != nil {
		errs = append(errs, db.writer.close()) // last: it leaves the WAL checkpointed
	}
	db.closeKeeper()
	if db.temp != "" {
		errs = append(errs, os.RemoveAll(db.temp))
	}
	return errors.Join(errs...)
}

// Stats counts what a DB did since it was opened.
type Stats struct {
	Readers int   // connections that read
	InUse   int   // of them, those acquired now
	Waits   int64 // reads that had to wait for a free reader
	Writes  int64 // writes that were committed
	Commits int64 // transactions they were committed in
	Again   int64 // writes run again because the transaction they shared was lost or refused
}

// Stats returns the counts so far.
func (db *DB) Stats() Stats {
	total, used, waits := db.readers.stats()
	return Stats{
		Readers: total, InUse: used, Waits: waits,
		Writes: db.writes.Load(), Commits: db.commits.Load(), Again: db.again.Load(),
	}
}

type role int

const (
	roleReader role = iota
	roleWriter
	roleChecker
)

// connect opens a connection for a role. While others make the file, or put it into WAL mode, SQLite does not wait by
// itself, and says that it is locked.
func (db *DB) connect(r role) (*Conn, error) {
	for end := time.Now().Add(db.options.BusyTimeout); ; <-time.After(lockEvery) {
		c, err := db.connectOnce(r)
		if err == nil || !IsBusy(err) || time.Now().After(end) {
			return c, err
		}
	}
}

func (db *DB) connectOnce(r role) (*Conn, error) {
	flags := sqlite3.OPEN_READWRITE | sqlite3.OPEN_CREATE
	if db.options.ReadOnly {
		flags = sqlite3.OPEN_READONLY
	}
	raw, err := sqlite3.OpenFlags(db.path, flags)
	if err != nil {
		return nil, wrap(db.name, "", err, nil)
	}
	c := &Conn{raw: raw, db: db}
	if err := c.set(r); err != nil {
		return nil, errors.Join(err, c.close())
	}
	raw.SetInterrupt(&c.limit)
	return c, nil
}

// set applies the settings of a role.
func (c *Conn) set(r role) error {
	o := c.db.options
	if err := c.raw.BusyTimeout(o.BusyTimeout); err != nil {
		return wrap(c.db.name, "", err, nil)
	}
	// In double quotes stands a name, never a text: a mistyped column is an error, not a constant.
	if _, err := c.raw.Config(sqlite3.DBCONFIG_DQS_DML, false); err != nil {
		return wrap(c.db.name, "", err, nil)
	}
	c.raw.Limit(sqlite3.LIMIT_LENGTH, maxLength)
	if r == roleWriter {
		if err := c.createHere(); err != nil {
			return err
		}
	}
	sql := fmt.Sprintf("PRAGMA cache_size=-%d; PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;", o.CacheSize>>10)
	switch {
	case r == roleWriter:
		// The WAL is cut back to 64 MiB when a checkpoint starts it anew, so a long read does not grow it for good.
		sql += "PRAGMA journal_mode=WAL; PRAGMA journal_size_limit=67108864; PRAGMA synchronous=" + o.Synchronous + ";"
	default:
		sql += "PRAGMA query_only=ON; SELECT 1 FROM sqlite_schema LIMIT 1;" // reads the header: not a database is an error here
	}
	return c.exec(sql)
}
