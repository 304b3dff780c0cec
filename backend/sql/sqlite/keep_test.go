package sqlite

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// counters makes two numbers that each write raises together.
func counters(t testing.TB, db *DB) (raise func(*DB), read func(*DB) (int64, int64)) {
	must(t, db.Write(t.Context(), func(c *Conn) error {
		return c.exec("CREATE TABLE k(a INT, b INT, pad TEXT); INSERT INTO k VALUES (0, 0, ''); CREATE TABLE l(b INT); INSERT INTO l VALUES (0)")
	}))
	raise = func(db *DB) {
		must(t, db.Write(t.Context(), func(c *Conn) error {
			return c.exec("UPDATE k SET a = a + 1, pad = hex(randomblob(500)); UPDATE l SET b = b + 1")
		}))
	}
	read = func(db *DB) (a, b int64) {
		s := prepare(t, db, "SELECT a, (SELECT b FROM l) FROM k")
		c, err := db.Acquire(context.Background())
		must(t, err)
		defer db.Release(c)
		r, err := c.Rows(s)
		must(t, err)
		if !r.Step() {
			t.Fatal(r.Err())
		}
		return r.Int(0), r.Int(1)
	}
	return raise, read
}

// TestKeepNew reads after each write, by this DB and by another one, what was just written, and reads between keep.
func TestKeepNew(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 2})
	other := open(t, db.Path(), Options{Readers: 1})
	raise, read := counters(t, db)
	for i := int64(1); i <= 500; i++ {
		raise([]*DB{db, other}[i%2])
		for range 3 {
			if a, b := read(db); a != i || b != i {
				t.Fatalf("read %d and %d after write %d", a, b, i)
			}
		}
		if a, _ := read(other); a != i {
			t.Fatalf("the other read %d after write %d", a, i)
		}
	}
}

// TestKeepUsed wants snapshots used again while nothing is written: else the other tests here show nothing.
func TestKeepUsed(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 1})
	if db.keep.index == nil {
		if os.Getenv("CI") != "" {
			t.Fatal("nothing is kept, so nothing is tested")
		}
		t.Skip("nothing is kept on this system")
	}
	_, read := counters(t, db)
	for range 2 * keepSkip {
		if read(db); db.readers.all[0].kept.used {
			return
		}
	}
	t.Error("no snapshot was used again")
}

// TestKeepTogether reads and writes at once: each read sees one state, no older than what was committed before it began.
func TestKeepTogether(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 2})
	other := open(t, db.Path(), Options{Readers: 1})
	raise, read := counters(t, db)
	var committed atomic.Int64
	var stop atomic.Bool
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			for !stop.Load() {
				least := committed.Load()
				if a, b := read(db); a != b || a < least {
					t.Errorf("read %d and %d when %d were committed", a, b, least)
					return
				}
			}
		})
	}
	for i := range 600 {
		raise([]*DB{db, other}[i%2])
		committed.Add(1)
	}
	stop.Store(true)
	wait.Wait()
}

// TestKeepLog bounds the log while reads go on without a break, which keep snapshots, and writes too.
func TestKeepLog(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 3})
	raise, read := counters(t, db)
	var stop atomic.Bool
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() {
			for !stop.Load() {
				read(db)
			}
		})
	}
	largest := int64(0)
	for i := range 3000 { // 2 pages each: 6 times what a checkpoint is due after
		raise(db)
		if i%100 == 0 {
			info, err := os.Stat(db.Path() + "-wal")
			must(t, err)
			largest = max(largest, info.Size())
		}
	}
	stop.Store(true)
	wait.Wait()
	if largest > 24<<20 {
		t.Errorf("the log grew to %d bytes, for %d written", largest, 3000*2*4096)
	}
	t.Logf("the log grew to %d bytes, for %d written", largest, 3000*2*4096)
}

// TestKeepEnds lets a checkpoint of another DB through that needs all readers gone, though one keeps a snapshot.
func TestKeepEnds(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 1})
	other := open(t, db.Path(), Options{Readers: 1, BusyTimeout: 10 * time.Second})
	raise, read := counters(t, db)
	raise(db)
	for range 2 * keepSkip {
		read(db)
	}
	log, done, err := other.writer.conn.raw.WALCheckpoint("main", 3)
	if err != nil || log != 0 || done != 0 {
		t.Errorf("%d of %d pages: %v", done, log, err)
	}
}
