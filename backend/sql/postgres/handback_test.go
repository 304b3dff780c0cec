package postgres

import (
	"fmt"
	"testing"
)

// bind makes e an errand of s.
func bind(t testing.TB, e *Errand, s *Stmt, value string) {
	t.Helper()
	s.pace.off.Store(false) // a machine that is busy makes what is quick slow
	in := values(t, value)
	if fits, err := e.Bind(s, &in); err != nil || !fits {
		t.Fatalf("%s fits: %t, %v", s.SQL, fits, err)
	}
}

// TestBatchHandsBack holds that an errand is its caller's from the moment that it is done, and may be on another line while the
// batch that it was of goes on: each caller gets its own rows.
func TestBatchHandsBack(t *testing.T) {
	t.Parallel()
	config := setup(t, "CREATE TABLE gone (id int)", "CREATE TABLE changes (id int)")
	one, two := dial(t, config), dial(t, config)
	must(t, one.AsLine(t.Context(), lineTime))
	must(t, two.AsLine(t.Context(), lineTime))
	first, second := describe(t, one, "SELECT $1::int AS first"), describe(t, two, "SELECT $1::int AS second")
	gone, apart := describe(t, one, "SELECT id FROM gone WHERE id = $1"), describe(t, one, "SELECT 1 AS one FROM changes WHERE id = $1")
	other := dial(t, config)
	must(t, other.Script(t.Context(), "DROP TABLE gone; ALTER TABLE changes ALTER id TYPE bigint", nil))
	for _, tt := range []struct {
		name, says string
		stmt       *Stmt
	}{{"that can not be prepared", "42P01", gone}, {"that takes parameters of other types", "apart", apart}} {
		t.Run("a statement "+tt.name, func(t *testing.T) {
			errands := []*Errand{{}, {}, {}}
			bind(t, errands[0], tt.stmt, "0")
			bind(t, errands[1], first, "1")
			bind(t, errands[2], first, "2")
			got, again := make([]string, len(errands)), ""
			err := one.Batch(errands, func(i int) {
				if got[i] != "" {
					t.Fatalf("errand %d was done twice", i)
				}
				if got[i] = said(errands[i]); i > 0 {
					return
				}
				bind(t, errands[0], second, "7")
				must(t, two.Batch(errands[:1], func(int) {}))
			})
			again = said(errands[0])
			if want := []string{tt.says, `{"first":1}`, `{"first":2}`}; err != nil || fmt.Sprint(got) != fmt.Sprint(want) || again != `{"second":7}` {
				t.Errorf("got  %s and then %s, %v\nwant %s", got, again, err, want)
			}
		})
	}
}
