package sql

import (
	"testing"

	"github.com/sluiceapi/sluice"
)

// TestPGAllocates nothing beyond what the exchange has, for reads and for writes.
func TestPGAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("allocations are not counted under the race detector")
	}
	n := stores[1].setup(t, people, nil)
	in := sluice.Input{Name: "id", In: "path", Type: sluice.Integer}
	for _, tt := range []struct {
		use  *Use
		want float64
	}{
		{&Use{Query: query(t, "SELECT * FROM users WHERE id = $id"), Returns: "one"}, 0},
		{&Use{Query: query(t, "SELECT * FROM users WHERE id >= $id")}, 0},
		{&Use{Query: query(t, "UPDATE users SET age = age WHERE id = $id"), Returns: "count"}, 0},
		{&Use{Query: query(t, "UPDATE users SET age = age WHERE id = $id RETURNING *"), Returns: "one"}, 0},
	} {
		h := n.must("PUT /users/{id}", tt.use, in)
		x := sluice.NewExchange(nil)
		allocs := testing.AllocsPerRun(100, func() {
			x.Reset(nil)
			x.SetInput(0, sluice.IntValue(103))
			if err := h.Serve(x); err != nil {
				t.Error(err)
			}
			x.End(sluice.Outcome{})
		})
		if allocs != tt.want {
			t.Errorf("%s: %v allocations; want %v", &tt.use.Query.SQL, allocs, tt.want)
		}
	}
}
