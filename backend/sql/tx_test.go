package sql

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluiceapi/sluice"
)

const shop = `CREATE TABLE IF NOT EXISTS stock (sku TEXT PRIMARY KEY, quantity INTEGER NOT NULL CHECK (quantity >= 0), price INTEGER NOT NULL);
	CREATE TABLE IF NOT EXISTS sales (id INTEGER PRIMARY KEY, sku TEXT NOT NULL, total INTEGER NOT NULL, gift BOOLEAN);
	INSERT OR IGNORE INTO stock VALUES ('a', 10, 7), ('b', 0, 9);`

func sale(t testing.TB) *Use {
	return &Use{TX: []Step{
		{Query: query(t, "UPDATE stock SET quantity = quantity - $body.count WHERE sku = $body.sku AND quantity >= $body.count RETURNING price * $body.count AS total"),
			As: "sold", Expect: &Expect{Rows: 1, Else: 409}},
		{Query: query(t, "INSERT INTO sales (sku, total, gift) VALUES ($body.sku, $sold.total, $body.gift) RETURNING *"), As: "placed"},
	}}
}

func TestTX(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) { w.Schema = shop })
	h := n.must("POST /sales", sale(t))
	n.wants(h, `{"sku": "a", "count": 3, "gift": true}`, `{"id":1,"sku":"a","total":21,"gift":true}`)
	n.fails(h, `{"sku": "a", "count": 8}`, sluice.Conflict, "a condition of the request does not hold, and nothing was changed")
	n.fails(h, `{"sku": "nothing", "count": 1}`, sluice.Conflict, "a condition of the request does not hold, and nothing was changed")
	n.wants(h, `{"sku": "a", "count": 7, "gift": null}`, `{"id":2,"sku":"a","total":49,"gift":null}`)
	left := n.must("GET /stock", &Use{Query: query(t, "SELECT sum(quantity) AS left, (SELECT count(*) FROM sales) AS sales FROM stock"), Returns: "one"})
	n.wants(left, "", `{"left":0,"sales":2}`)
}

func TestTXUndone(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) { w.Schema = shop })
	h := n.must("POST /x", &Use{TX: []Step{
		{Query: query(t, "UPDATE stock SET price = 1")},
		{Query: query(t, "UPDATE stock SET quantity = -1 WHERE sku = 'a'")},
	}})
	n.fails(h, "", sluice.Unprocessable, "a value breaks a rule of the data")
	n.wants(n.must("GET /x", &Use{Query: query(t, "SELECT min(price) AS price FROM stock"), Returns: "one"}), "", `{"price":7}`)
}

// TestTXAnswers tells what a transaction answers: the last result, null when it had no row, or nothing.
func TestTXAnswers(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) { w.Schema = shop })
	h := n.must("POST /x", &Use{TX: []Step{
		{Query: query(t, "SELECT sku FROM stock WHERE sku = $body.sku"), As: "found"},
		{Query: query(t, "UPDATE stock SET price = price + 1 WHERE sku = $found.sku"), Expect: &Expect{Rows: 0, Else: 422}},
	}})
	n.wants(h, `{"sku": "z"}`, "null")
	n.fails(h, `{"sku": "a"}`, sluice.Unprocessable, "a condition of the request does not hold, and nothing was changed")
	x := exchange("")
	if got, err := run(n.must("POST /x", &Use{TX: []Step{{Query: query(t, "UPDATE stock SET price = 8")}}}), x); err != nil || got != "" || x.Response.Status != 204 {
		t.Errorf("answered %q with %d, %v; want 204", got, x.Response.Status, err)
	}
}

// TestTXReads reads twice on GET, in one state, and keeps the first of several rows.
func TestTXReads(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) { w.Schema = shop })
	h := n.must("GET /x", &Use{TX: []Step{
		{Query: query(t, "SELECT sku FROM stock ORDER BY sku"), As: "first", Expect: &Expect{Rows: 2, Else: 404}},
		{Query: query(t, "SELECT price, $first.sku AS sku FROM stock WHERE sku = $first.sku"), As: "price"},
	}})
	n.wants(h, "", `{"price":7,"sku":"a"}`)
}

func TestTXResults(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) { w.Schema = shop })
	h := n.must("POST /sales", sale(t))
	x := exchange(`{"sku": "a", "count": 1}`)
	if err := h.Serve(x); err != nil || string(x.Result(0)) != `{"total":7}` || !strings.Contains(string(x.Result(1)), `"sku":"a"`) {
		t.Errorf("the results are %s and %s, %v", x.Result(0), x.Result(1), err)
	}
	x.End(sluice.Outcome{})
}

func TestTXErrors(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) { w.Schema = shop })
	step := func(text, as string) Step { return Step{Query: query(t, text), As: as} }
	for _, tt := range []struct {
		steps []Step
		want  string
	}{
		{[]Step{step("SELECT $b.sku AS x", "a"), step("SELECT 1 AS sku", "b")}, "tx[0].query: b.sku is not made yet; a statement can use the results of those above it"},
		{[]Step{step("SELECT $a.x AS x", "a")}, "tx[0].query: a.x is not made yet; a statement can use the results of those above it"},
		{[]Step{step("DELETE FROM stock", "a")}, "tx[0].as: this DELETE gives no row to keep; want RETURNING in it"},
		{[]Step{step("SELECT 1", ""), step("SELECT nope", "")}, "tx[1].query: no such column: nope"},
		{[]Step{step("SELECT 1", "a"), step("SELECT 1", "a")}, "tx[1].as: a is the name of a result above"},
		{[]Step{step("SELECT 1", "body")}, `tx[0].as: "body" cannot be the name of a result; want letters, digits and _`},
	} {
		_, err := n.handle("POST /x", &Use{TX: tt.steps})
		if err == nil || err.Error() != tt.want {
			t.Errorf("%v\nwant %s", err, tt.want)
		}
	}
}

// TestTXTogether sells at once to many: commits are shared, each sale is whole, and none is sold twice.
func TestTXTogether(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) { w.Schema = strings.Replace(shop, "('a', 10, 7)", "('a', 300, 7)", 1) })
	h := n.must("POST /sales", sale(t))
	var wait sync.WaitGroup
	var mu sync.Mutex
	sold, refused, ids := 0, 0, make(map[string]bool)
	for i := range 16 {
		wait.Go(func() {
			for j := range 25 {
				got, err := run(h, exchange(fmt.Sprintf(`{"sku": "a", "count": %d, "gift": %v}`, 1, (i+j)%2 == 0)))
				mu.Lock()
				if err == nil {
					sold++
					ids[got] = true
				} else if sluice.ErrorOf(err).Code == sluice.Conflict {
					refused++
				} else {
					t.Error(err)
				}
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	if sold != 300 || refused != 100 || len(ids) != 300 {
		t.Errorf("%d sold, %d refused, %d different; want 300, 100, 300", sold, refused, len(ids))
	}
	n.wants(n.must("GET /x", &Use{Query: query(t, "SELECT quantity, (SELECT sum(total) FROM sales) AS total FROM stock WHERE sku = 'a'"), Returns: "one"}), "", `{"quantity":0,"total":2100}`)
}

// TestTXAgain shares commits with transactions that cannot be committed, so that others run again: each of those answers
// with what it did in the end, and did it once.
func TestTXAgain(t *testing.T) {
	t.Parallel()
	n := setup(t, func(w *Where) {
		w.Schema = shop + `CREATE TABLE IF NOT EXISTS gifts (sale INTEGER REFERENCES sales (id) DEFERRABLE INITIALLY DEFERRED);`
	})
	bad := n.must("POST /bad", &Use{TX: []Step{{Query: query(t, "INSERT INTO gifts VALUES (-1) RETURNING sale"), As: "gift"}}})
	good := n.must("POST /good", &Use{TX: []Step{
		{Query: query(t, "UPDATE stock SET quantity = quantity + 1 WHERE sku = 'a' RETURNING quantity"), As: "now"},
		{Query: query(t, "INSERT INTO sales (sku, total) VALUES ('a', $now.quantity) RETURNING total"), As: "sold"},
	}})
	single := n.must("POST /single", &Use{Query: query(t, "UPDATE stock SET quantity = quantity + 1 WHERE sku = 'b' RETURNING quantity"), Returns: "one"})
	var mu sync.Mutex
	totals := make(map[string]bool)
	rounds := 0
	for n.file().Stats().Again == 0 || rounds < 20 {
		rounds++
		var wait sync.WaitGroup
		for i := range 12 {
			wait.Go(func() {
				if i%4 == 0 {
					n.fails(bad, "", sluice.Unprocessable, "it refers to something that is not there, or something that is there refers to it")
					return
				}
				h := good
				if i%4 == 1 {
					h = single
				}
				got, err := run(h, exchange(""))
				mu.Lock()
				defer mu.Unlock()
				if err != nil || totals[got] {
					t.Errorf("%s, %v: it failed, or came twice", got, err)
				}
				totals[got] = true
			})
		}
		wait.Wait()
	}
	n.wants(n.must("GET /x", &Use{Query: query(t, "SELECT (SELECT count(*) FROM sales) AS sales, (SELECT count(*) FROM gifts) AS gifts, sum(quantity) AS quantity FROM stock"), Returns: "one"}), "",
		fmt.Sprintf(`{"sales":%d,"gifts":0,"quantity":%d}`, 6*rounds, 10+9*rounds))
}

// TestExpectElse takes the statuses that blame the request, and no other.
func TestExpectElse(t *testing.T) {
	t.Parallel()
	var taken []int
	for status := range 600 {
		err := (&Expect{Else: status}).Check()
		if err == nil {
			taken = append(taken, status)
		} else if !strings.HasPrefix(err.Error(), fmt.Sprintf("else: %d ", status)) || !strings.Contains(err.Error(), "want a status such as 404") {
			t.Errorf("%v; want the field, what stands there and what is wanted", err)
		}
	}
	if want := []int{400, 401, 403, 404, 405, 408, 409, 410, 412, 413, 414, 415, 416, 422, 428}; !slices.Equal(taken, want) {
		t.Errorf("taken are %v\nwant      %v", taken, want)
	}
}
