package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// together runs writes in one group: they are queued in order while the writer is held.
func together(t *testing.T, db *DB, writes ...func(*Conn) error) []error {
	t.Helper()
	free, running := hold(t, db)
	<-running
	errs := make([]error, len(writes))
	var wait sync.WaitGroup
	for i, f := range writes {
		wait.Go(func() { errs[i] = db.Write(t.Context(), f) })
		until(t, "queued", func() bool { return len(db.writer.queue) == i+1 })
	}
	close(free)
	wait.Wait()
	return errs
}

func TestGroupCommit(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{})
	s := prepare(t, db, insertUser)
	before := db.Stats()
	var writes []func(*Conn) error
	for i := range 100 {
		writes = append(writes, insert(db, s, fmt.Sprint("u", i)))
	}
	for _, err := range together(t, db, writes...) {
		must(t, err)
	}
	after := db.Stats()
	// the one that held the writer, then 64, then the other 36
	if n := after.Commits - before.Commits; n != 3 {
		t.Errorf("%d commits; want 3", n)
	}
	if n := after.Writes - before.Writes; n != 101 {
		t.Errorf("%d writes; want 101", n)
	}
	if n := count(t, db, "SELECT count(*) FROM users"); n != 102 {
		t.Errorf("%d users; want 102", n)
	}
}

// TestGroupMembers: whatever one member does, the others are committed.
func TestGroupMembers(t *testing.T) {
	t.Parallel()
	mine := errors.New("mine")
	rollback := `CREATE TRIGGER poison BEFORE INSERT ON users WHEN new.email = 'poison' BEGIN SELECT RAISE(ROLLBACK, 'poisoned'); END`
	for name, tt := range map[string]struct {
		f     func(*DB) func(*Conn) error
		is    func(error) bool
		again int64 // writes run twice
	}{
		"error after a write": {func(db *DB) func(*Conn) error {
			f := insert(db, prepare(t, db, insertUser), "x")
			return func(c *Conn) error { return errors.Join(f(c), mine) }
		}, func(err error) bool { return errors.Is(err, mine) }, 0},
		"constraint": {func(db *DB) func(*Conn) error {
			return insert(db, prepare(t, db, insertUser), "ada@x")
		}, IsUnique, 0},
		"panic": {func(db *DB) func(*Conn) error {
			f := insert(db, prepare(t, db, insertUser), "x")
			return func(c *Conn) error { f(c); panic("ouch") }
		}, func(err error) bool { return strings.Contains(fmt.Sprint(err), "panic in a write: ouch\n") }, 0},
		"transaction rolled back": {func(db *DB) func(*Conn) error {
			return insert(db, prepare(t, db, insertUser), "poison")
		}, func(err error) bool { return IsConstraint(err) && strings.Contains(err.Error(), "poisoned") }, 2},
		"its error passed over": {func(db *DB) func(*Conn) error {
			f := insert(db, prepare(t, db, insertUser), "poison")
			return func(c *Conn) error { f(c); return nil }
		}, func(err error) bool { return strings.Contains(fmt.Sprint(err), "the transaction was rolled back") }, 2},
		"interrupted": {func(db *DB) func(*Conn) error {
			s := prepare(t, db, "INSERT INTO users(id, email) "+strings.Replace(endless, "SELECT i FROM", "SELECT i, i FROM", 1))
			return func(c *Conn) error {
				c.SetDeadline(time.Now().Add(time.Millisecond))
				r, err := c.Rows(s)
				must(t, err)
				_, err = r.Exec()
				return err
			}
		}, IsInterrupted, 2},
		"deferred foreign key": {func(db *DB) func(*Conn) error {
			s := prepare(t, db, "INSERT INTO orders(user, payer) VALUES (1, 99)")
			return func(c *Conn) error {
				r, err := c.Rows(s)
				must(t, err)
				_, err = r.Exec()
				return err
			}
		}, IsForeignKey, 5},
		"rows left open": {func(db *DB) func(*Conn) error {
			s := prepare(t, db, "UPDATE users SET age = 1 RETURNING id")
			return func(c *Conn) error {
				r, err := c.Rows(s)
				must(t, err)
				r.Step()
				return mine
			}
		}, func(err error) bool { return err == mine }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := setup(t, Options{Readers: 1})
			must(t, db.Write(t.Context(), func(c *Conn) error { return c.exec(rollback) }))
			s := prepare(t, db, insertUser)
			bad := tt.f(db)
			errs := together(t, db, insert(db, s, "a"), insert(db, s, "b"), bad, insert(db, s, "c"), insert(db, s, "d"))
			if !tt.is(errs[2]) {
				t.Errorf("got %v", errs[2])
			}
			for _, i := range []int{0, 1, 3, 4} {
				must(t, errs[i])
			}
			if n := count(t, db, "SELECT count(*) FROM users WHERE email IN ('a', 'b', 'c', 'd')"); n != 4 {
				t.Errorf("%d of 4 were kept", n)
			}
			if n := count(t, db, "SELECT count(*) FROM users"); n != 6 {
				t.Errorf("%d users; want 6", n)
			}
			if n := db.Stats().Again; n != tt.again {
				t.Errorf("%d run again; want %d", n, tt.again)
			}
			if err := db.Write(t.Context(), bad); !tt.is(err) { // alone, without a savepoint
				t.Errorf("alone: got %v", err)
			}
			must(t, db.Write(t.Context(), insert(db, s, "e")))
			if n := count(t, db, "SELECT count(*) FROM users"); n != 7 {
				t.Errorf("after: %d users; want 7", n)
			}
		})
	}
}

func TestWriteLeft(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{})
	free, running := hold(t, db)
	<-running
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("gone")
	got := make(chan error, 1)
	go func() {
		got <- db.Write(ctx, func(*Conn) error { t.Error("it was run"); return nil })
	}()
	until(t, "queued", func() bool { return len(db.writer.queue) == 1 })
	cancel(why)
	if err := <-got; !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	close(free)
	must(t, db.Write(t.Context(), func(*Conn) error { return nil }))
}

// TestWriteCancelled interrupts a write under way.
func TestWriteCancelled(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{})
	s := prepare(t, db, "INSERT INTO users(id, email) "+strings.Replace(endless, "SELECT i FROM", "SELECT i, i FROM", 1))
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("gone")
	err := db.Write(ctx, func(c *Conn) error {
		time.AfterFunc(time.Millisecond, func() { cancel(why) })
		r, err := c.Rows(s)
		if err != nil { // it may be interrupted here already
			return err
		}
		_, err = r.Exec()
		return err
	})
	if !IsInterrupted(err) || !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

// TestBusy has two DBs on one file, as two processes would: their locks are those of different open files.
func TestBusy(t *testing.T) {
	t.Parallel()
	one := setup(t, Options{})
	two := open(t, one.Path(), Options{BusyTimeout: 10 * time.Millisecond})
	free, running := hold(t, one)
	<-running
	err := two.Write(t.Context(), func(*Conn) error { return nil })
	if !IsBusy(err) || !strings.Contains(err.Error(), one.Path()) {
		t.Errorf("got %v", err)
	}
	if n := count(t, two, "SELECT count(*) FROM users"); n != 2 {
		t.Errorf("a read beside a write: %d users", n)
	}
	close(free)
	until(t, "free again", func() bool {
		return two.Write(t.Context(), func(c *Conn) error { return c.exec("DELETE FROM users WHERE id = 1") }) == nil
	})
	if n := count(t, one, "SELECT count(*) FROM users"); n != 1 {
		t.Errorf("%d users; want 1", n)
	}
}

// TestConcurrent moves money in both directions while readers add it up.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{Readers: 3, Wait: time.Minute})
	must(t, db.Write(t.Context(), func(c *Conn) error {
		return c.exec("CREATE TABLE a(id INTEGER PRIMARY KEY, sum INT); INSERT INTO a VALUES (1, 500), (2, 500)")
	}))
	move := prepare(t, db, "UPDATE a SET sum = sum + ?2 WHERE id = ?1")
	total := prepare(t, db, "SELECT sum(sum) FROM a")
	back := errors.New("back")
	var wait sync.WaitGroup
	for w := range 4 {
		wait.Go(func() {
			for i := range 100 {
				err := db.Write(t.Context(), func(c *Conn) error {
					for id, by := range []int64{1: 1, 2: -1} {
						r, err := c.Rows(move)
						if err != nil {
							return err
						}
						r.BindInt(1, int64(id))
						r.BindInt(2, by)
						if _, err := r.Exec(); err != nil {
							return err
						}
						r.Close()
						if id == 1 && (w+i)%3 == 0 {
							return back
						}
					}
					return nil
				})
				if err != nil && err != back {
					t.Error(err)
				}
			}
		})
		wait.Go(func() {
			for range 200 {
				c, err := db.Acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				r, err := c.Rows(total)
				if err == nil && r.Step() && r.Int(0) != 1000 {
					t.Errorf("the sum is %d", r.Int(0))
				}
				db.Release(c)
			}
		})
	}
	wait.Wait()
	s := db.Stats()
	if s.InUse != 0 || s.Commits >= s.Writes {
		t.Errorf("nothing was grouped: %+v", s)
	}
}

// TestQueueFull refuses what does not fit in the queue.
func TestQueueFull(t *testing.T) {
	t.Parallel()
	db, err := Open(filepath.Join(t.TempDir(), "a.db"), Options{Readers: 1, Wait: time.Millisecond})
	must(t, err)
	free, running := hold(t, db)
	<-running
	var wait sync.WaitGroup
	for range queueMax {
		wait.Go(func() {
			if err := db.Write(context.Background(), func(*Conn) error { return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	until(t, "full", func() bool { return len(db.writer.queue) == queueMax })
	if err := db.Write(t.Context(), func(*Conn) error { return nil }); !IsExhausted(err) {
		t.Errorf("got %v", err)
	}
	close(free)
	wait.Wait()
	must(t, db.Close())
	if slices.ContainsFunc(db.writer.batch, func(q *write) bool { return q != nil }) {
		t.Error("the batch keeps its writes")
	}
}
