package postgres

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestTransaction(t *testing.T) {
	t.Parallel()
	config := setup(t, "CREATE TABLE a (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)")
	c, other := dial(t, config), dial(t, config)
	insert := describe(t, c, "INSERT INTO a VALUES ($1) RETURNING id")
	count := func() string { t.Helper(); return ask(t, other, "SELECT count(*) FROM a") }

	must(t, c.Begin(false))
	if got := run(t, c, insert, values(t, "1")); got != `{"id":1}` {
		t.Errorf("got %s", got)
	}
	run(t, c, insert, values(t, "2"))
	if c.Usable() || count() != "0" {
		t.Error("others see a transaction that is open")
	}
	if _, err := c.Describe(t.Context(), "SELECT 1"); codeOf(err) != codeMisuse {
		t.Errorf("describe in a transaction: %v", err)
	}
	if err := c.Begin(false); codeOf(err) != codeMisuse {
		t.Errorf("begin twice: %v", err)
	}
	lsn, err := c.Commit(true)
	if must(t, err); lsn == 0 || !c.Usable() || count() != "2" {
		t.Errorf("lsn %d, %s rows", lsn, count())
	}

	must(t, c.Begin(false))
	run(t, c, insert, values(t, "3"))
	c.Rollback()
	if !c.Usable() || count() != "2" {
		t.Errorf("after a rollback: %s rows", count())
	}
	must(t, c.Begin(false))
	c.Rollback()
	must(t, c.Begin(false))
	if lsn, err := c.Commit(true); lsn != 0 || err != nil || !c.Usable() {
		t.Errorf("of nothing: %d, %v", lsn, err)
	}
	if _, err := c.Commit(false); codeOf(err) != codeMisuse {
		t.Errorf("commit of none: %v", err)
	}

	// A constraint that is checked at the commit.
	must(t, c.Begin(false))
	run(t, c, insert, values(t, "1"))
	if _, err := c.Commit(true); !IsUnique(err) || IsUnknown(err) || !c.Usable() || count() != "2" {
		t.Errorf("commit: %v, %s rows", err, count())
	}
	// And of a statement that commits by itself: its rows come before the error.
	if got, err := try(c, insert, values(t, "1")); !IsUnique(err) || IsUnknown(err) || got != `{"id":1}` || !c.Usable() {
		t.Errorf("got %s, %v", got, err)
	}
}

// TestBeginTrap holds that an error in the first statement, which is sent together with BEGIN, leaves nothing open: not
// where the server finds it as it binds, nor as it runs.
func TestBeginTrap(t *testing.T) {
	t.Parallel()
	c := open(t, "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1)")
	insert := describe(t, c, "INSERT INTO a VALUES ($1)")
	stamp := describe(t, c, "SELECT $1::timestamptz AS v")
	for _, tt := range []struct {
		s     *Stmt
		value string
	}{{insert, "1"}, {insert, `"x"`}, {stamp, `"x"`}} {
		must(t, c.Begin(false))
		if _, err := try(c, tt.s, values(t, tt.value)); err == nil {
			t.Errorf("%s with %s: no error", tt.s.SQL, tt.value)
		}
		if lsn, err := c.Commit(true); err == nil && lsn > 0 || IsUnknown(err) {
			t.Errorf("%s with %s: committed at %d, %v", tt.s.SQL, tt.value, lsn, err)
		}
		if !c.Usable() {
			t.Fatalf("%s with %s: the connection is not usable", tt.s.SQL, tt.value)
		}
		run(t, c, describe(t, c, "SELECT 1 AS n"), Input{})
	}
	must(t, c.Begin(false))
	if _, err := try(c, insert, values(t, "1")); !IsUnique(err) {
		t.Errorf("got %v", err)
	}
	if _, err := try(c, insert, values(t, "2")); codeOf(err) != "25P02" {
		t.Errorf("in a transaction that has failed: %v", err)
	}
	if _, err := c.Commit(true); codeOf(err) != "25P02" || !c.Usable() {
		t.Errorf("commit: %v", err)
	}
	if got := ask(t, c, "SELECT count(*) FROM a"); got != "1" {
		t.Errorf("%s rows, want 1", got)
	}
}

// TestDropped holds what becomes of a connection whose own statements somebody has dropped.
func TestDropped(t *testing.T) {
	t.Parallel()
	config := setup(t, "CREATE TABLE a (id int)")
	for _, name := range []string{"begin", "commit", "rollback", "flushed"} {
		c := dial(t, config)
		insert := describe(t, c, "INSERT INTO a VALUES (1)")
		must(t, c.Script(t.Context(), "DEALLOCATE sluice_"+name, nil))
		must(t, c.Begin(false))
		_, err := try(c, insert, Input{})
		if err == nil {
			_, err = c.Commit(name == "flushed")
		}
		c.Rollback()
		if (err == nil) != (name == "rollback" || name == "flushed") || IsUnknown(err) || c.Usable() != (name == "rollback") {
			t.Errorf("without %s: %v, usable %v", name, err, c.Usable())
		}
	}
	if n := ask(t, dial(t, config), "SELECT count(*) FROM a"); n != "2" {
		t.Errorf("%s rows, want two", n)
	}
}

func TestReadTransaction(t *testing.T) {
	t.Parallel()
	config := setup(t, "CREATE TABLE a (id int)")
	c, other := dial(t, config), dial(t, config)
	count := describe(t, c, "SELECT count(*) AS n FROM a")
	insert := describe(t, c, "INSERT INTO a VALUES (1)")
	must(t, c.Begin(true))
	run(t, c, count, Input{})
	run(t, other, insert, Input{})
	if got := run(t, c, count, Input{}); got != `{"n":0}` {
		t.Errorf("got %s, want one state of the database", got)
	}
	if _, err := try(c, insert, Input{}); !IsReadOnly(err) {
		t.Errorf("got %v", err)
	}
	c.Rollback()
	if got := run(t, c, count, Input{}); got != `{"n":1}` {
		t.Errorf("got %s", got)
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	c := open(t, "CREATE TABLE a (id int); CREATE FUNCTION sneak() RETURNS int LANGUAGE sql AS 'INSERT INTO a VALUES (9) RETURNING id'")
	insert := describe(t, c, "INSERT INTO a VALUES (1)")
	sneak := describe(t, c, "SELECT sneak() AS n")
	if sneak.Writes {
		t.Error("the plan shows what a function does")
	}
	c.SetReadOnly(true)
	for _, s := range []*Stmt{insert, sneak} {
		if _, err := try(c, s, Input{}); !IsReadOnly(err) || !c.Usable() {
			t.Errorf("%s: got %v", s.SQL, err)
		}
		must(t, c.Begin(false))
		if _, err := try(c, s, Input{}); !IsReadOnly(err) {
			t.Errorf("%s in a transaction: got %v", s.SQL, err)
		}
		c.Rollback()
	}
	c.SetReadOnly(false)
	c.SetReadOnly(true)
	c.SetReadOnly(false)
	run(t, c, insert, Input{})
	// In a transaction the mode changes behind it.
	must(t, c.Begin(false))
	run(t, c, insert, Input{})
	c.SetReadOnly(true)
	run(t, c, insert, Input{})
	_, err := c.Commit(false)
	must(t, err)
	if _, err := try(c, insert, Input{}); !IsReadOnly(err) {
		t.Errorf("got %v", err)
	}
}

// TestLSN holds that the place in the log is behind the commit: a replica that has come so far has it.
func TestLSN(t *testing.T) {
	t.Parallel()
	c := open(t, "CREATE TABLE a (id int)")
	insert := describe(t, c, "INSERT INTO a VALUES (1)")
	place := func() (n uint64) {
		r, err := c.Query(describe(t, c, "SELECT pg_current_wal_flush_lsn() - '0/0' AS n"), Input{}, later(), nil)
		must(t, err)
		defer r.Close()
		r.Step()
		whole, ok := r.Int(0)
		if !ok {
			t.Fatal("no number")
		}
		return uint64(whole)
	}
	for range 20 {
		before := place()
		r, err := c.QueryLSN(insert, Input{}, later(), nil)
		must(t, err)
		n, err := r.Exec()
		must(t, err)
		lsn := r.LSN()
		r.Close()
		if n != 1 || lsn <= before || lsn > place() {
			t.Errorf("%d rows at %d, want a place behind %d and not past %d", n, lsn, before, place())
		}
		if !c.Usable() {
			t.Fatal("the connection is not usable")
		}
	}
	for _, sql := range []string{"INSERT INTO a VALUES (1 / $1::int)", "INSERT INTO a SELECT 1 / n FROM generate_series($1::int, 0) n"} {
		r, err := c.QueryLSN(describe(t, c, sql), values(t, "0"), later(), nil)
		if err == nil {
			_, err = r.Exec()
			r.Close()
		}
		if !IsUnfit(err) || IsUnknown(err) {
			t.Errorf("%s: got %v", sql, err)
		}
	}
	if !c.Usable() {
		t.Error("the connection is not usable")
	}
}

// TestDeadline holds that a deadline ends a statement, also on the server.
func TestDeadline(t *testing.T) {
	t.Parallel()
	config := setup(t)
	watch := dial(t, config)
	c := dial(t, config)
	s := describe(t, c, "SELECT pg_sleep(60) AS deadline")
	run(t, c, describe(t, c, "SELECT pg_sleep(0.3) AS n"), Input{}) // reads that take longer than their first deadline go on
	start := time.Now()
	r, err := c.Query(s, Input{}, start.Add(150*time.Millisecond), nil)
	if err == nil {
		_, err = r.Exec()
		r.Close()
	}
	if !IsTimeout(err) || IsUnknown(err) == false || time.Since(start) > 5*time.Second {
		t.Errorf("got %v after %v", err, time.Since(start))
	}
	if c.Usable() || c.Alive() {
		t.Error("the connection is still used")
	}
	until(t, "the server ends the statement", func() bool {
		return ask(t, watch, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%AS deadline'  AND pid <> pg_backend_pid()") == "0"
	})
	if _, err := watch.Query(s, Input{}, time.Now(), nil); !IsTimeout(err) || !IsNotSent(err) || !watch.Usable() {
		t.Errorf("past the deadline: %v", err)
	}
}

// TestLeave holds that a statement ends when its client leaves, who is asked for late.
func TestLeave(t *testing.T) {
	t.Parallel()
	config := setup(t)
	watch := dial(t, config)
	active := func() string {
		return ask(t, watch, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%AS leave'  AND pid <> pg_backend_pid()")
	}
	c := dial(t, config)
	s := describe(t, c, "SELECT pg_sleep($1) AS leave")
	ctx, cancel := context.WithCancel(t.Context())
	who := &leaver{ctx: ctx}
	for _, seconds := range []string{"0", "0.2", "0"} {
		asked, start := who.asked.Load(), time.Now()
		r, err := c.Query(s, values(t, seconds), later(), who)
		must(t, err)
		_, err = r.Exec()
		must(t, err)
		r.Close()
		asked = who.asked.Load() - asked
		if took := time.Since(start); took < slow && asked != 0 || seconds == "0.2" && asked != 1 {
			t.Errorf("asked %d times in %v", asked, took)
		}
	}
	before := who.asked.Load()
	done := make(chan error)
	c.SetReadOnly(true)
	go func() {
		r, err := c.Query(s, values(t, "60"), later(), who)
		if err == nil {
			_, err = r.Exec()
			r.Close()
		}
		done <- err
	}()
	until(t, "it runs, and its client is watched", func() bool { return who.asked.Load() == before+1 && active() == "1" })
	cancel()
	if err := <-done; !IsInterrupted(err) || IsTimeout(err) || IsUnknown(err) || !strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Errorf("got %v", err)
	}
	until(t, "the server ends the statement", func() bool { return active() == "0" })
	// One who has left before is not served when it takes long.
	c = dial(t, config)
	r, err := c.Query(s, values(t, "60"), later(), who)
	if err == nil {
		_, err = r.Exec()
	}
	if !IsInterrupted(err) {
		t.Errorf("got %v", err)
	}
}

// TestCommitLater holds that a transaction does not end by the deadline of a statement before it.
func TestCommitLater(t *testing.T) {
	t.Parallel()
	c := open(t, "CREATE TABLE a (id int)")
	soon := time.Now().Add(200 * time.Millisecond)
	r, err := c.Query(describe(t, c, "SELECT 1 AS n"), Input{}, soon, nil)
	must(t, err)
	_, err = r.Exec()
	must(t, err)
	r.Close()
	until(t, "the deadline is over", func() bool { return time.Now().After(soon) })
	must(t, c.Begin(false))
	must(t, c.Script(t.Context(), "INSERT INTO a VALUES (1)", nil))
	if _, err := c.Commit(false); err != nil {
		t.Error(err)
	}
}
