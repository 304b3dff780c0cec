package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// lineTime is more than what is quick ever takes, on a machine that is busy.
const lineTime = time.Second

// line is a connection that many share.
func line(t testing.TB, statements ...string) *Conn {
	t.Helper()
	c := open(t, statements...)
	must(t, c.AsLine(t.Context(), lineTime))
	return c
}

// tryBatch runs statements on a line, each with a value, and says of each what came of it: its rows, its error's code or its
// detour; or that it was not answered.
func (c *Conn) tryBatch(t testing.TB, err *error, asked ...any) []string {
	t.Helper()
	var errands []*Errand
	for i := 0; i < len(asked); i += 2 {
		e := &Errand{}
		asked[i].(*Stmt).pace.off.Store(false) // a machine that is busy makes what is quick slow
		in := values(t, asked[i+1].(string))
		fits, err := e.Bind(asked[i].(*Stmt), &in)
		must(t, err)
		if !fits {
			t.Fatalf("%s does not fit", asked[i].(*Stmt).SQL)
		}
		errands = append(errands, e)
	}
	got := make([]string, len(errands))
	for i := range got {
		got[i] = "nothing"
	}
	*err = c.Batch(errands, func(i int) {
		if got[i] != "nothing" {
			t.Errorf("errand %d was done twice", i)
		}
		got[i] = said(errands[i])
	})
	return got
}

func said(e *Errand) string {
	if d := e.Detour(); d != Straight {
		return d.String()
	}
	var rows []string
	for e.Step() {
		rows = append(rows, string(e.AppendRow(nil)))
	}
	if e.Err() != nil {
		return codeOf(e.Err())
	}
	return strings.Join(rows, "")
}

func (c *Conn) wantBatch(t testing.TB, want string, asked ...any) {
	t.Helper()
	var err error
	got := strings.Join(c.tryBatch(t, &err, asked...), " ")
	if err != nil || got != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
}

// TestBatch holds that what goes wrong with one errand of a batch is said to that one only, and that the line goes on.
func TestBatch(t *testing.T) {
	t.Parallel()
	c := line(t, "CREATE TABLE t (id int PRIMARY KEY, name text)", "INSERT INTO t SELECT i, 'n' || i FROM generate_series(1, 2000) i")
	row := describe(t, c, "SELECT id, name FROM t WHERE id = $1")
	divide := describe(t, c, "SELECT 1 / $1::int AS n")
	nap := describe(t, c, "SELECT pg_sleep($1::float8)::text AS nap")
	many := describe(t, c, "SELECT id FROM t WHERE id <= $1 ORDER BY id")
	long := describe(t, c, "SELECT repeat('x', $1::int) AS x")
	uses := describe(t, c, "SELECT n FROM (SELECT nextval('pg_catalog.pg_class') AS n WHERE $1::int > 0) AS s")
	uses.Writes = false // as far as its plan shows

	c.wantBatch(t, `{"id":1,"name":"n1"}  22012 slow {"id":2,"name":"n2"} large 42809 {"id":3,"name":"n3"}`,
		row, "1", row, "-1", divide, "0", nap, "5", row, "2", many, "1000", uses, "1", row, "3")
	if !c.Usable() || c.Setting("in_hot_standby") != "off" {
		t.Error("the line is not as it was")
	}
	if fits, _ := nap.onLine(time.Now); fits {
		t.Error("a statement that ran into the limit is still on lines")
	}
	if fits, _ := many.onLine(time.Now); fits {
		t.Error("a statement with a thousand rows is still on lines")
	}
	// Longer than what an errand brings home, than what is read at once, and than what is sent at once.
	for _, size := range []int{maxResult, sourceSize, 3 * sourceSize, 1 << 20} {
		c.wantBatch(t, `{"id":4,"name":"n4"} large {"id":5,"name":"n5"}`, row, "4", long, fmt.Sprint(size), row, "5")
	}
	c.wantBatch(t, `{"x":"`+strings.Repeat("x", 1000)+`"} {"id":6,"name":"n6"}`, long, "1000", row, "6")
	for _, rows := range []int{maxRows, maxRows + 1} {
		var err error
		got := c.tryBatch(t, &err, many, fmt.Sprint(rows))[0]
		if large := rows > maxRows; err != nil || (got == "large") != large {
			t.Errorf("of %d rows came %.100s, %v", rows, got, err)
		}
	}
	// And as it was for whoever has it to itself.
	if got := run(t, c, row, values(t, "7")); got != `{"id":7,"name":"n7"}` {
		t.Errorf("got %s", got)
	}
	c.wantBatch(t, `{"id":8,"name":"n8"}`, row, "8")
}

// TestBatchFull sends as many errands as a batch may have.
func TestBatchFull(t *testing.T) {
	t.Parallel()
	c := line(t)
	s := describe(t, c, "SELECT $1::text AS v")
	long := strings.Repeat("x", 200)
	var asked []any
	var want []string
	for i := range MaxBatch {
		asked = append(asked, s, fmt.Sprintf(`"%d%s"`, i, long))
		want = append(want, fmt.Sprintf(`{"v":"%d%s"}`, i, long))
	}
	for range 3 {
		c.wantBatch(t, strings.Join(want, " "), asked...)
	}
	in := values(t, `"`+strings.Repeat("x", MaxErrand)+`"`)
	if fits, err := new(Errand).Bind(s, &in); fits || err != nil {
		t.Errorf("a long value fits: %v, %v", fits, err)
	}
}

// TestBatchReadsOnly holds that nothing can be written on a line, and that a role may allow less time than the line does.
func TestBatchReadsOnly(t *testing.T) {
	t.Parallel()
	config := setup(t)
	config.RuntimeParams["statement_timeout"] = "60"
	c := dial(t, config)
	must(t, c.AsLine(t.Context(), lineTime))
	if got := ask(t, c, "SHOW statement_timeout"); got != "60ms" {
		t.Errorf("statement_timeout is %s; want what the role has", got)
	}
	plain := setup(t, "CREATE TABLE t (n int)")
	c = dial(t, plain)
	must(t, c.AsLine(t.Context(), lineTime))
	if got := ask(t, c, "SHOW statement_timeout"); got != "1s" {
		t.Errorf("statement_timeout is %s; want that of lines", got)
	}
	s := describe(t, c, "SELECT 1 AS one FROM t FOR UPDATE")
	s.Writes = false
	in := values(t)
	e := &Errand{}
	if _, err := e.Bind(s, &in); err != nil {
		t.Fatal(err)
	}
	must(t, c.Batch([]*Errand{e}, func(int) {}))
	if !IsReadOnly(e.Err()) {
		t.Errorf("got %v; want that the transaction is read only", e.Err())
	}
}

// TestBatchChanged alters tables under statements that a line has prepared.
func TestBatchChanged(t *testing.T) {
	t.Parallel()
	config := setup(t, "CREATE TABLE t (id int PRIMARY KEY, v int)", "INSERT INTO t VALUES (1, 7)")
	c, other := dial(t, config), dial(t, config)
	must(t, c.AsLine(t.Context(), lineTime))
	s := describe(t, other, "SELECT v FROM t WHERE id = $1")
	fine := describe(t, other, "SELECT $1::int AS n")
	c.wantBatch(t, `{"v":7} {"n":1}`, s, "1", fine, "1")
	must(t, other.Script(t.Context(), "ALTER TABLE t ALTER v TYPE text", nil))
	quick(s, fine)
	// Both are known to be quick, so they share a Sync, and after an error the server passes over the rest. What failed a moment
	// ago is in no group.
	c.wantBatch(t, `{"n":1} stale behind behind`, fine, "1", s, "1", s, "1", fine, "2")
	// It is prepared anew, and found to be another now.
	var err error
	if got := c.tryBatch(t, &err, fine, "3", s, "1", fine, "4"); err != nil || got[0] != `{"n":3}` || got[1] != codeChanged || got[2] != `{"n":4}` {
		t.Errorf("got %v, %v", got, err)
	}
	// The type of a parameter is another, and the values were bound for the one before.
	c.wantBatch(t, `{"v":"7"}`, describe(t, other, "SELECT v FROM t WHERE id = $1"), "1")
	again := describe(t, other, "SELECT v FROM t WHERE id = $1")
	must(t, other.Script(t.Context(), "ALTER TABLE t ALTER id TYPE bigint", nil))
	c.wantBatch(t, `apart {"n":5}`, again, "1", fine, "5")
	must(t, other.Script(t.Context(), "DROP TABLE t", nil))
	c.wantBatch(t, `42P01 {"n":6}`, describe2(s), "1", fine, "6")
}

// describe2 is a statement that a connection has not seen.
func describe2(s *Stmt) *Stmt {
	return &Stmt{SQL: s.SQL, Params: s.Params, Columns: s.Columns, params: s.params, heads: s.heads}
}

// TestBatchKilled ends the session under a batch: those answered have their answers, and the rest none.
func TestBatchKilled(t *testing.T) {
	t.Parallel()
	config := setup(t)
	c, other := dial(t, config), dial(t, config)
	must(t, c.AsLine(t.Context(), lineTime))
	fine, kill := describe(t, c, "SELECT $1::int AS n"), describe(t, c, "SELECT pg_terminate_backend(pg_backend_pid()) AS killed WHERE $1::int > 0")
	var err error
	got := strings.Join(c.tryBatch(t, &err, fine, "1", kill, "1", fine, "2"), " ")
	if !IsGone(err) || got != `{"n":1} nothing nothing` {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := other.Describe(t.Context(), "SELECT 1 AS one"); err != nil {
		t.Error(err)
	}
	if err := c.Batch(nil, nil); !IsNotSent(err) {
		t.Errorf("a line that is gone took a batch: %v", err)
	}
}

// TestEnded tells what ended the wait.
func TestEnded(t *testing.T) {
	t.Parallel()
	if err := new(Errand).Ended("there", context.DeadlineExceeded); !IsTimeout(err) || !strings.Contains(err.Error(), "there") {
		t.Error(err)
	}
	if err := new(Errand).Ended("there", context.Canceled); IsTimeout(err) || !IsInterrupted(err) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// FuzzSplitRow holds that what a server sends for a row is split, or refused.
func FuzzSplitRow(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 0, 1, 'a'})
	f.Add([]byte{0, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		values, ok := splitRow(nil, body)
		size := 2
		for _, v := range values {
			size += 4 + len(v)
		}
		if ok && size != len(body) {
			t.Errorf("of %d bytes %d are values", len(body), size)
		}
	})
}
