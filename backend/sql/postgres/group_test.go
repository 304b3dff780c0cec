package postgres

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// quick has statements be known to be quick.
func quick(statements ...*Stmt) {
	for _, s := range statements {
		s.pace.off.Store(false)
		s.pace.known.Store(true)
		s.pace.measured.Store(time.Now().Add(time.Minute).UnixNano()) // whenever a machine that is busy gets to it
		s.pace.took.Store(int64(10 * time.Microsecond))
		s.pace.erred.Store(0)
	}
}

// quick has statements be known to be quick, and those be taken for steady that are prepared.
func (c *Conn) quick(statements ...*Stmt) {
	quick(statements...)
	for _, s := range statements {
		if p := c.kept.known[s]; p != nil {
			p.steady = true
		}
	}
}

// wantGroup runs statements that are known to be quick.
func (c *Conn) wantGroup(t testing.TB, want string, asked ...any) {
	t.Helper()
	for i := 0; i < len(asked); i += 2 {
		c.quick(asked[i].(*Stmt))
	}
	c.wantBatch(t, want, asked...)
	if c.err == nil && c.batch.group != len(asked)/2 {
		t.Errorf("%d of %d are in the group", c.batch.group, len(asked)/2)
	}
}

// TestBatchGroups holds that statements which are known to be quick share one Sync, and that each other has its own; after an error
// the rest of the group is run elsewhere, and the others are run all the same.
func TestBatchGroups(t *testing.T) {
	t.Parallel()
	c := line(t)
	plain, divides, lone := describe(t, c, "SELECT $1::int AS n"), describe(t, c, "SELECT 1 / $1::int AS q"), describe(t, c, "SELECT 6 / $1::int AS six")
	c.wantBatch(t, `{"n":1} {"q":1} {"six":6}`, plain, "1", divides, "1", lone, "1")
	if c.batch.group != 0 {
		t.Error("statements of which nothing is known share a Sync")
	}
	c.wantGroup(t, `{"n":1} {"q":1} {"n":2}`, plain, "1", divides, "1", plain, "2")
	among := func(group int, want string, asked ...any) {
		t.Helper()
		if c.wantBatch(t, want, asked...); c.batch.group != group || !c.Usable() {
			t.Errorf("%d are in the group; want %d", c.batch.group, group)
		}
	}
	quick(plain, divides)
	lone.pace.doubt()
	among(3, `{"six":6} {"n":1} {"q":1} {"six":2} {"n":2}`, lone, "1", plain, "1", divides, "1", lone, "3", plain, "2")
	quick(plain, divides)
	lone.pace.doubt()
	among(4, `{"n":1} 22012 {"six":6} behind 22012 behind {"six":3}`,
		plain, "1", divides, "0", lone, "1", plain, "2", lone, "0", divides, "1", lone, "2")
	quick(plain)
	among(2, `{"n":1} 22012 {"n":2} {"q":1}`, plain, "1", divides, "0", plain, "2", divides, "1") // it failed a moment ago
	quick(plain)
	among(0, `{"n":1} {"six":6}`, plain, "1", lone, "1") // one is no group
}

// TestBatchGroupFails holds what is said of each of a group within which one is too large, or too slow.
func TestBatchGroupFails(t *testing.T) {
	t.Parallel()
	c := line(t, "CREATE TABLE t (id int PRIMARY KEY)")
	plain, nap := describe(t, c, "SELECT $1::int AS n"), describe(t, c, "SELECT $1::int AS s FROM pg_sleep($1::int)")
	many, long := describe(t, c, "SELECT n FROM generate_series(1, $1::int) AS n"), describe(t, c, "SELECT repeat('x', $1::int) AS x")
	c.wantBatch(t, `{"n":1} {"s":0} {"n":1} {"x":"x"}`, plain, "1", nap, "0", many, "1", long, "1")
	for range 2 {
		c.wantGroup(t, `{"n":1} large {"n":2}`, plain, "1", many, "1000", plain, "2")
		for _, size := range []int{maxResult, 3 * sourceSize} {
			c.wantGroup(t, `{"n":1} large {"n":2} large {"n":3}`, plain, "1", long, fmt.Sprint(size), plain, "2", long, fmt.Sprint(size), plain, "3")
		}
		c.wantGroup(t, `{"n":1} slow behind behind`, plain, "1", nap, "60", plain, "2", nap, "60")
	}
	if !c.Usable() {
		t.Error("the line is of no more use")
	}
	c.quick(plain, nap)
	lone := describe(t, c, "SELECT $1::int AS s FROM pg_sleep($1::int) AS lone")
	var err error
	got := strings.Join(c.tryBatch(t, &err, lone, "60", nap, "60", plain, "1", lone, "1"), " ")
	if want := "slow slow behind behind"; err == nil || c.Usable() || got != want { // the group first, and then the line is broken off
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
}

// TestBatchGroupKilled ends the session within a group.
func TestBatchGroupKilled(t *testing.T) {
	t.Parallel()
	c := line(t)
	plain, kill := describe(t, c, "SELECT $1::int AS n"), describe(t, c, "SELECT pg_terminate_backend(pg_backend_pid()) AS killed WHERE $1::int > 0")
	long := describe(t, c, "SELECT repeat('x', $1::int) AS x")
	c.wantBatch(t, `{"n":1} {"x":"x"} `, plain, "1", long, "1", kill, "0")
	c.quick(plain, kill, long)
	var err error
	got := c.tryBatch(t, &err, plain, "1", long, "20000", plain, "2", kill, "1", plain, "3", plain, "4")
	got[1] = strings.ReplaceAll(got[1], "x", "")
	if want := `{"n":1} {"":""} {"n":2} nothing nothing nothing`; !IsGone(err) || strings.Join(got, " ") != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
}

// TestBatchGroupSlow holds that a statement which has become slow does not hide in a large group: it is found out within two batches.
func TestBatchGroupSlow(t *testing.T) {
	t.Parallel()
	c := line(t)
	plain, sleeps := describe(t, c, "SELECT $1::int AS n"), describe(t, c, "SELECT $1::int AS s FROM pg_sleep($1::int / 1000.0)")
	var asked []any
	var want []string
	for i := range MaxBatch - 1 {
		asked = append(asked, plain, fmt.Sprint(i))
		want = append(want, fmt.Sprintf(`{"n":%d}`, i))
	}
	asked = append(asked, sleeps, "50")
	want = append(want, `{"s":50}`)
	c.wantBatch(t, strings.Join(want, " "), asked...) // all is prepared
	c.wantGroup(t, strings.Join(want, " "), asked...)
	if now := time.Now(); plain.pace.inGroup(now) || sleeps.pace.inGroup(now) {
		t.Error("what was in a group that was slow may be in another")
	}
	if took := time.Duration(plain.pace.took.Load()); took != 10*time.Microsecond {
		t.Errorf("the quick one is taken to need %v, of its share in the group", took)
	}
	c.wantBatch(t, strings.Join(want, " "), asked...)
	if took := time.Duration(sleeps.pace.took.Load()); c.batch.group != 0 || sleeps.pace.inGroup(time.Now()) || took <= surelyQuick && !sleeps.pace.off.Load() {
		t.Errorf("%d are in a group; the slow one is taken to need %v", c.batch.group, took)
	}
}
