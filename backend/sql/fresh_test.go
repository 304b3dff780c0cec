package sql

import (
	"context"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/backend/sql/sqlite"
)

// TestTablesChange changes the tables below running endpoints, as a migration by another process does: their answers
// have the new columns.
func TestTablesChange(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) { w.Readers = 2 })
	one := n.must("GET /x", &Use{Query: query(t, "SELECT * FROM users WHERE id = 1"), Returns: "one"})
	all := n.must("GET /x", &Use{Query: query(t, "SELECT * FROM users WHERE id = 1")})
	page := n.must("GET /x", &Use{Query: query(t, "SELECT * FROM users WHERE id = 1"), Page: keyset(t, 1, "id")})
	write := n.must("POST /x", &Use{Query: query(t, "UPDATE users SET id = id WHERE id = 1 RETURNING *"), Returns: "one"})
	tx := n.must("POST /x", &Use{TX: []Step{{Query: query(t, "UPDATE users SET id = id WHERE id = 1 RETURNING *"), As: "u"}}})
	other, err := start(t, n.dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	alter := func(sql string) {
		err := other.file().Write(context.Background(), func(c *sqlite.Conn) error { return c.Script(sql, nil) })
		if err != nil {
			t.Fatal(err)
		}
	}
	wants := func(want string) {
		t.Helper()
		for range 3 {
			n.wants(one, "", want)
			n.wants(all, "", "["+want+"]")
			n.wants(page, "", `{"items":[`+want+`],"next":null}`)
			n.wants(write, "", want)
			n.wants(tx, "", want)
		}
	}
	wants(`{"id":1,"email":"ada@x","age":36,"admin":true}`)
	alter("ALTER TABLE users ADD COLUMN nick TEXT")
	wants(`{"id":1,"email":"ada@x","age":36,"admin":true,"nick":null}`)
	alter("ALTER TABLE users RENAME COLUMN nick TO handle")
	wants(`{"id":1,"email":"ada@x","age":36,"admin":true,"handle":null}`)
	alter("DROP TABLE orders; DROP TABLE users")
	n.fails(one, "", sluice.Internal, "")
}

// TestPointAllocates nothing beyond what the exchange has.
func TestPointAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("allocations are not counted under the race detector")
	}
	n := setup(t, nil)
	in := sluice.Input{Name: "id", In: "path", Type: sluice.Integer}
	h := n.must("GET /users/{id}", &Use{Query: query(t, "SELECT * FROM users WHERE id = $id"), Returns: "one"}, in)
	x := sluice.NewExchange(nil)
	allocs := testing.AllocsPerRun(100, func() {
		x.Reset(nil)
		x.SetInput(0, sluice.IntValue(3))
		if err := h.Serve(x); err != nil {
			t.Error(err)
		}
		x.End(sluice.Outcome{})
	})
	if allocs != 0 {
		t.Errorf("%v allocations per point read; want none", allocs)
	}
}
