package postgres

import (
	"strings"
	"testing"
)

// TestBatchBlocked breaks a line off on which one statement after the other runs into the limit.
func TestBatchBlocked(t *testing.T) {
	t.Parallel()
	config := setup(t, "CREATE TABLE t (id int PRIMARY KEY)")
	c, other := dial(t, config), dial(t, config)
	must(t, c.AsLine(t.Context(), lineTime))
	s, fine := describe(t, c, "SELECT id FROM t WHERE id = $1"), describe(t, c, "SELECT $1::int AS n")
	c.wantBatch(t, ` {"n":1}`, s, "1", fine, "1")
	must(t, other.Begin(false))
	must(t, other.Script(t.Context(), "BEGIN; LOCK TABLE t", nil))
	s.pace.doubt() // in a group the first takes all behind it along
	fine.pace.doubt()
	var err error
	got := strings.Join(c.tryBatch(t, &err, fine, "1", s, "1", s, "2", s, "3", fine, "2"), " ")
	if err == nil || got != `{"n":1} slow slow behind behind` {
		t.Errorf("got %s, %v", got, err)
	}
	if c.Usable() || IsGone(err) {
		t.Errorf("the line can be used still, or the server is blamed: %v", err)
	}
}

// TestBatchBlockedUnprepared runs into locks while statements are prepared on a line that has just been opened: each is tried
// once, a few in all, and who is prepared does not wait for them.
func TestBatchBlockedUnprepared(t *testing.T) {
	t.Parallel()
	config := setup(t, "CREATE TABLE t (id int PRIMARY KEY)")
	c, other := dial(t, config), dial(t, config)
	must(t, c.AsLine(t.Context(), lineTime))
	known, fine := describe(t, other, "SELECT $1::int AS known"), describe(t, other, "SELECT $1::int AS n")
	locked := []*Stmt{describe(t, other, "SELECT id FROM t WHERE id = $1"), describe(t, other, "SELECT 2 AS id FROM t WHERE id = $1"),
		describe(t, other, "SELECT 3 AS id FROM t WHERE id = $1")}
	missing := describe(t, other, "SELECT id FROM t WHERE id > $1")
	missing.SQL = "SELECT id FROM missing WHERE id > $1"
	c.wantBatch(t, `{"known":1}`, known, "1")
	must(t, other.Begin(false))
	must(t, other.Script(t.Context(), "BEGIN; LOCK TABLE t", nil))

	made := c.kept.made
	c.wantBatch(t, `slow {"known":1} slow {"n":1} slow 42P01 {"known":2} slow 42P01 {"n":2}`,
		locked[0], "1", known, "1", locked[0], "2", fine, "1", locked[0], "3", missing, "1", known, "2", locked[0], "4", missing, "2", fine, "2")
	if n := c.kept.made - made; n != 3 {
		t.Errorf("%d times a statement was prepared; want each once", n)
	}
	// It has gone off lines meanwhile, and so is not even tried.
	e, made := &Errand{}, c.kept.made
	bind(t, e, locked[0], "1")
	locked[0].pace.off.Store(true)
	must(t, c.Batch([]*Errand{e}, func(int) {}))
	if e.Detour() != Slow || c.kept.made != made {
		t.Errorf("of a statement that is off came %v", e.Detour())
	}
	// The known ones are answered first.
	var order []string
	var errands []*Errand
	for _, s := range []*Stmt{locked[0], known, locked[1], locked[2], describe2(fine), known} {
		e := &Errand{}
		bind(t, e, s, "1")
		errands = append(errands, e)
	}
	made = c.kept.made
	must(t, c.Batch(errands, func(i int) { order = append(order, said(errands[i])) }))
	if got, want := strings.Join(order, " "), `{"known":1} {"known":1} slow slow behind behind`; got != want || c.kept.made != made+patience {
		t.Errorf("got  %s, for which %d were prepared\nwant %s", got, c.kept.made-made, want)
	}
	if !c.Usable() {
		t.Error("the line is of no more use")
	}
	c.wantBatch(t, `{"n":1} {"known":1}`, fine, "1", known, "1")
}
